"""A state in memory that keeps the contract of ports.StateStore, and can be told to die at any of its boundaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from reconciler.model.address import Address
from reconciler.model.history import Backup, Damage, Intent, Lock, LockInfo, PastEvent, PastRun, Run
from reconciler.model.record import Record, RecordedState
from reconciler.ports import Locked, Note, NoteMoved, StateError, Write


class Death(BaseException):
    """The process is killed here."""


class MemoryStore:
    """`dies_at` counts the boundaries of writes (before each, after each) down to the death; 0 is no death. A `doomed`
    process dies at the next one."""

    def __init__(self) -> None:
        self.records: dict[Address, Record] = {}
        self.serial = 0
        self.intents: dict[Address, Intent] = {}
        self.events_: list[PastEvent] = []
        self.runs_: list[PastRun] = []
        self.lock: Lock | None = None
        self.dies_at = 0
        self.doomed = False
        self.full = False
        self.notes = MemoryNotes(self)

    def boundary(self) -> None:
        self.dies_at -= 1
        if self.doomed or self.dies_at == 0:
            raise Death

    def revive(self) -> None:
        """A new process: the lock of the one that died is free."""
        self.lock, self.dies_at, self.doomed = None, 0, False

    def load(self) -> RecordedState:
        return RecordedState("line" if self.serial else "", self.serial, dict(self.records))

    def survey(self) -> RecordedState:
        return self.load()

    @contextmanager
    def write(self, lock: LockInfo | None, timeout: float) -> Iterator[MemoryWriter]:
        if lock and self.lock:
            raise Locked(self.lock)
        if lock:
            self.lock = Lock(lock, "", "", 1)
        try:
            yield MemoryWriter(self)
        finally:
            if lock:
                self.lock = None

    def holder(self) -> Lock | None:
        return self.lock

    def unlock(self, lock_id: str) -> bool:
        return False

    def pending(self) -> Sequence[Intent]:
        return tuple(self.intents.values())

    def runs(self) -> Sequence[PastRun]:
        return tuple(reversed(self.runs_))

    def events(
        self, address: Address | None = None, run: str | None = None, newest: int | None = None
    ) -> Iterable[PastEvent]:
        found = [e for e in self.events_ if address in (None, e.address) and run in (None, e.run)]
        return found if newest is None else found[-newest:]

    def serial_at(self, moment: str) -> int | None:
        return None

    def record_at(self, address: Address, serial: int) -> Record | None:
        return None

    def verify(self) -> Sequence[Damage]:
        return ()

    def backups(self) -> Sequence[Backup]:
        return ()

    def read_backup(self, name: str) -> RecordedState:
        raise StateError("There is no backup.")

    def restore(self, name: str, lock: LockInfo) -> int:
        raise StateError("There is no backup.")

    def close(self) -> None:
        pass


class MemoryNotes:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.kept: dict[str, Note] = {}

    def get(self, key: str) -> Note | None:
        return self.kept.get(key)

    def under(self, prefix: str) -> Sequence[Note]:
        return [self.kept[key] for key in sorted(self.kept) if key.startswith(prefix)]

    def put(self, key: str, body: bytes | None, version: int, event: tuple[str, str] | None = None) -> int:
        self._store.boundary()
        found = self.kept.get(key)
        if (found.version if found else 0) != version:
            raise NoteMoved(f"Someone else wrote {key} meanwhile.")
        if body is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = Note(key, body, version + 1)
        self._store.boundary()
        return 0 if body is None else version + 1


class MemoryWriter:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._run = ""

    def begin(self, run: Run) -> None:
        self._store.boundary()
        self._store.runs_ = [p if p.finished else p._replace(finished="now", outcome="died") for p in self._store.runs_]
        self._store.runs_.append(PastRun(run, "now", "", ""))
        self._run = run.id
        self._note(Write("", None, "begin"))
        self._store.boundary()

    def intend(self, intents: Sequence[Intent]) -> None:
        if not intents:
            return
        self._store.boundary()
        if self._store.full:
            raise StateError("The disk is full.")
        self._store.intents.update({intent.address: intent for intent in intents})
        self._store.boundary()

    def settle(self, writes: Sequence[Write]) -> int:
        self._store.boundary()
        self._store.serial += 1
        for write in writes:
            self._store.intents.pop(write.address, None)
            self._store.records.pop(write.address, None)
            if write.record:
                self._store.records[write.address] = write.record._replace(serial=self._store.serial)
            self._note(write)
        self._store.boundary()
        return self._store.serial

    def finish(self, outcome: str) -> None:
        self._store.boundary()
        last = self._store.runs_.pop()
        self._store.runs_.append(last._replace(finished="now", outcome=outcome))
        self._store.boundary()

    def replace(self, recorded: RecordedState, why: str) -> int:
        self._store.serial = max(self._store.serial, recorded.serial) + 1
        self._store.records = dict(recorded.records)
        return self._store.serial

    def _note(self, write: Write) -> None:
        record = write.record
        now = (record.state, str(record.status), record.fingerprint) if record else ("absent", "", "")
        number = len(self._store.events_) + 1
        event = PastEvent(
            number, "now", self._run, write.address, write.verb, *now, write.error, self._store.serial, ""
        )
        self._store.events_.append(event)
