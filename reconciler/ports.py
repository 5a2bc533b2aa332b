"""The protocols of what stands outside the core. Adapters satisfy them; the engine speaks to nothing else.

Every method says what it costs and whether it may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:  # every command loads this module, and hardly one needs all of these
    from reconciler.model.address import Address
    from reconciler.model.daemon import CycleReport, Notice, Trigger
    from reconciler.model.event import Event
    from reconciler.model.history import Backup, Damage, Intent, Lock, LockInfo, PastEvent, PastRun, Run
    from reconciler.model.outcome import Health, Outcome, Transition
    from reconciler.model.record import Observation, Record, RecordedState
    from reconciler.model.resource import Resource, Snapshot

Emit: TypeAlias = "Callable[[Event], None]"
"""Takes an event and returns at once; never raises and never decides anything."""


class Clock(Protocol):
    def now(self) -> str:
        """The time of day, RFC 3339 in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment, for durations."""


class Source(Protocol):
    """The files of one version of a repository."""

    def begin(self, patterns: Sequence[str]) -> Callable[[], Snapshot]:
        """Starts a snapshot and returns at once; what it gives is called for the rest, when other work is done."""

    def snapshot(self, patterns: Sequence[str]) -> Snapshot:
        """Which files match `patterns` (globs from the root), with their content ids. Reads no file's content that
        did not change. Raises Invalid where the repository cannot be read."""

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """The contents of `paths`. A file that cannot be read as a regular file below the root, or is too large, is
        left out; `refusal` tells why."""

    def refusal(self, path: str) -> str:
        """Why `read` left out `path`, in words; "" where it would not."""


class CompileCache(Protocol):
    """Resources of files that were valid, kept between runs. It may forget at any time and never raises."""

    def load(self, schemas: str) -> Mapping[tuple[str, str], tuple[Resource, ...]]:
        """What is kept for the schemas with the digest `schemas`, by path and content id."""

    def store(self, schemas: str, entries: Mapping[tuple[str, str], tuple[Resource, ...]]) -> None:
        """Keeps `entries` and nothing else for that digest."""

    def recall(self, digest: str) -> str | None:
        """What was found out before about the input with this digest; None where nothing is known."""

    def remember(self, digest: str, finding: str) -> None:
        """Keeps `finding`, a short text, beside the latest others."""


class Locking(NamedTuple):
    """`info` says for whom the lock is taken, None takes none (`-lock=false`); `timeout` is in seconds."""

    info: LockInfo | None
    timeout: float


class Locked(Exception):
    """The state is locked by someone else, and stayed so for as long as was waited."""

    def __init__(self, holder: Lock) -> None:
        super().__init__(f"locked by {holder.info.who}")
        self.holder = holder


class StateError(Exception):
    """The state cannot be read or written: damaged, newer than this program, read-only, out of space. The text is a
    sentence for the user."""


class Moved(StateError):
    """The state was written while it was being read."""


class Write(NamedTuple):
    """One component's new record, or None where it is gone, with what happened to it in a few words."""

    address: Address
    record: Record | None
    verb: str
    error: str = ""


class Note(NamedTuple):
    """A small JSON document in the state. `version` counts its writes from 1."""

    key: str
    body: bytes
    version: int


class NoteMoved(StateError):
    """Somebody else wrote the note meanwhile: read it again."""


class Notes(Protocol):
    """What the daemon and the commands share beside the records: suspensions, status, heals, notices told.

    Needs no lock, also while somebody holds it, and never waits longer than for one transaction. Every method raises
    StateError. Keys are `part/name` ("suspension/all", "status/sync"), by which part they belong to.
    """

    def get(self, key: str) -> Note | None:
        """The note `key`. One row."""

    def under(self, prefix: str) -> Sequence[Note]:
        """All notes whose keys begin with `prefix`, by key. Cost follows what is returned."""

    def put(self, key: str, body: bytes | None, version: int, event: tuple[str, str] | None = None) -> int:
        """Writes `body`, or takes the note away where it is None, in one durable transaction. `version` is the one that
        was read, 0 where there was none: raises NoteMoved where the note has another one by now. With `event` (verb,
        text) the log tells of it. Creates the state where there is none. Returns the new version."""


class StateWriter(Protocol):
    """The one writer of a state, while its lock is held.

    Every write is one durable transaction that first checks the fencing term, the lineage and the serial, so that a
    writer that slept while another took over changes nothing. Every method raises StateError, and then has changed
    nothing.
    """

    def begin(self, run: Run) -> None:
        """Notes that a run starts, leaves a backup of the state, and reserves the space that the last outcome needs on
        a full disk. Runs that never ended are noted as died."""

    def intend(self, intents: Sequence[Intent]) -> None:
        """Notes, before drivers act, what they are about to do. One transaction for all; none for nothing."""

    def settle(self, writes: Sequence[Write]) -> int:
        """Takes what happened: records, events and the end of the intents of these addresses, in one transaction.
        Returns the new serial. On a full disk it uses the reserve; the next `intend` then raises StateError."""

    def finish(self, outcome: str) -> None:
        """Notes that the run ended ("ok", "failed", "interrupted")."""

    def replace(self, recorded: RecordedState, why: str) -> int:
        """Puts `recorded` (of this lineage, or of any where the state is empty) in the place of all records. Returns
        the new serial, which is above both."""


class StateStore(Protocol):
    """The recorded state. Reading never waits for a writer. Every method raises StateError."""

    @property
    def notes(self) -> Notes:
        """The notes that are kept beside the records."""

    def load(self) -> RecordedState:
        """The whole state; a state that does not exist yet has an empty lineage and the serial 0. A row that is not as
        it was written raises StateError."""

    def survey(self) -> RecordedState:
        """The whole state with its marks, whose records are read, and judged, when they are asked for: a few cost next
        to nothing, many at most what `load` does. Asking raises Moved where the state was written meanwhile."""

    def write(self, lock: LockInfo | None, timeout: float) -> AbstractContextManager[StateWriter]:
        """Takes the lock, waiting at most `timeout` seconds, and keeps its lease alive meanwhile; None (`-lock=false`)
        takes none. Creates the state where there is none. Raises Locked."""

    def holder(self) -> Lock | None:
        """Who holds the lock now; None where nobody does or the lease has run out."""

    def unlock(self, lock_id: str) -> bool:
        """Takes the lock with this id from its holder, and says so in the log. False where no such lock is held."""

    def pending(self) -> Sequence[Intent]:
        """The intents that have no outcome: what a run that died was doing."""

    def runs(self) -> Sequence[PastRun]:
        """Every run, newest first."""

    def events(
        self, address: Address | None = None, run: str | None = None, newest: int | None = None
    ) -> Iterable[PastEvent]:
        """The log, oldest first; of one component, or of one run; only the `newest` so many of them. Cost follows what
        is returned."""

    def serial_at(self, moment: str) -> int | None:
        """The last serial that was reached by `moment`: a time (RFC 3339), or the full id of a commit that was applied;
        None where there is none."""

    def record_at(self, address: Address, serial: int) -> Record | None:
        """What was recorded of a component when the state had this serial."""

    def verify(self) -> Sequence[Damage]:
        """Reads everything: the database itself, each row's checksum, the chain of events and its head."""

    def backups(self) -> Sequence[Backup]:
        """The snapshots that are kept, newest first."""

    def read_backup(self, name: str) -> RecordedState:
        """What a backup holds, also while the state itself is damaged."""

    def restore(self, name: str, lock: LockInfo) -> int:
        """Puts a backup in the state's place and returns the new serial. A damaged database is moved aside, never
        overwritten."""

    def close(self) -> None: ...


class Driver(Protocol):
    """Carries out verbs on components of some kinds. All methods are idempotent: what a crash left half done is
    found again under a name made from the address, and finished.

    `acts` says that verbs change something outside of the state, so that each is journalled before it starts.
    `batches` says that `execute` wants all transitions that are ready at once, because it renders one file for many
    components or because each costs next to nothing; otherwise it gets one at a time, from several threads.
    """

    name: str
    acts: bool
    batches: bool

    def observe(self, records: Sequence[Record]) -> Iterable[Observation]:
        """What is there, for each record that differs from its record; records without drift may be left out.
        Reads only. Raises OSError where the world cannot be looked at."""

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        """Carries out `transitions` and tells what came of each, in their order. Never raises for a failure of the
        world; an exception is a bug in the driver and fails every transition of the call."""

    def health(self, record: Record) -> Health:
        """How a component is right now."""

    def logs(self, record: Record, lines: int, follow: bool) -> Iterable[str]:
        """Its latest `lines` log lines, oldest first; empty for components that have none. With `follow` it goes on
        with what is written from then on, and never ends by itself."""


DriverFor = Callable[[str], Driver]
"""Opens the driver of a name, once. Raises Invalid for a name that no driver has."""


class Feed(Protocol):
    """Says when there is reason to look again: files changed, a branch moved, a hook was called.

    It works in a thread of its own, raises nothing there, and tells of what is wrong by a trigger's `trouble`.
    """

    def start(self, tell: Callable[[Trigger], None]) -> None:
        """Begins to watch and returns. What changes from then on is told: `tell` may be called from any thread and
        returns at once. A feed of a branch first tells the commit that it finds."""

    def stop(self) -> None:
        """Ends what `start` began, within a second. May be called twice."""


class Notifier(Protocol):
    """Sends notices to people or machines."""

    def tell(self, notice: Notice) -> None:
        """Takes the notice and returns at once; it is sent, and sent again where that fails, later. Never raises."""

    def close(self, timeout: float) -> None:
        """Sends what still waits, for at most so many seconds."""


Listen: TypeAlias = "Callable[[CycleReport], None]"
"""Takes the report of each cycle, after its status is in the notes, and returns soon. Never raises."""
