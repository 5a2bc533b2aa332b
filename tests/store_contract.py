"""What every StateStore must do. A test class derives from StoreContract and gives it a way to open stores.

Its parts are this file (records, the journal, whole states), store_contract_lock.py (the lease and its fence) and
store_contract_history.py (the log and its chain).
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from abc import abstractmethod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_values import RUN, intent, lock, put, record

from reconciler.model.record import Record, RecordedState, Status, mark
from reconciler.ports import Locked, Moved, StateError, StateStore, StateWriter, Write

ROOT = Path(__file__).parents[1]
LEASE = 15.0


class Stores:
    """How the contract's parts reach a store; every store of one test shows the same state."""

    @abstractmethod
    def open(self, lease: float = LEASE) -> StateStore: ...

    @abstractmethod
    def raw(self, statement: str) -> list[tuple[object, ...]]:
        """Runs one statement behind the store's back, with whatever guards the log switched off."""

    @abstractmethod
    def opening(self) -> str:
        """Python that opens the same state as `store`, for another process; `lease` is set before."""

    def write(self, writes: list[Write]) -> int:
        with self.open().write(lock(), 1) as writer:
            return writer.settle(writes)

    def child(self, script: str, *, wait_for: str = "", lease: float = LEASE) -> subprocess.Popen[str]:
        """Starts a process that runs `script` with `store`; returns when it has printed `wait_for`."""
        head = f"""
            import os, resource, sys, time
            from pathlib import Path
            from reconciler.model.history import LockInfo
            from reconciler.ports import Locked, StateError
            from store_values import RUN, intent, lock, put, record
            lease = {lease}
        """
        source = textwrap.dedent(head) + self.opening() + "\n" + textwrap.dedent(script)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout
        while wait_for and process.stdout.readline().strip() != wait_for:
            assert process.poll() is None
        return process


class StoreContract(Stores):
    def test_a_state_that_is_not_there(self) -> None:
        assert self.open().load() == RecordedState("", 0, {})
        store = self.open()
        assert (list(store.events()), list(store.runs()), list(store.pending())) == ([], [], [])
        assert (store.holder(), store.unlock("x"), list(store.backups()), list(store.verify())) == (None, False, [], [])
        assert (store.serial_at("2030-01-01"), store.record_at("service/a", 1)) == (None, None)
        assert self.open().load() == RecordedState("", 0, {})

    def test_a_round_trip(self) -> None:
        failed = record(
            "é", status=Status.FAILED, error="exit code 1\nmore", manifest=b"", references=b"[]", failures=2
        )
        assert self.write(put(record("a"), failed)) == 1
        state = self.open().load()
        assert state.serial == 1
        assert state.lineage
        assert state.records == {
            "service/a": record("a", serial=1),
            "service/é": failed._replace(serial=1),
        }
        assert isinstance(state.records["service/é"].status, Status)
        assert isinstance(state.records["service/a"].manifest, bytes)

    @pytest.mark.parametrize("count", [3, 30])
    def test_a_survey_is_the_state_read_when_it_is_asked_for(self, count: int) -> None:
        assert self.open().survey() == RecordedState("", 0, {})
        self.write(put(*(record(f"s{number}") for number in range(count)), record("odd", status=Status.FAILED)))
        whole, survey = self.open().load(), self.open().survey()
        assert survey[:2] == whole[:2]
        assert survey.marks == {a: mark(r.fingerprint, r.state, r.status) for a, r in whole.records.items()}
        assert (set(survey.records), len(survey.records)) == (set(whole.records), count + 1)
        assert dict(survey.records) == whole.records
        with pytest.raises(KeyError):
            survey.records["service/other"]

    def test_a_survey_does_not_mix_two_states(self) -> None:
        self.write(put(record("a"), record("b")))
        survey = self.open().survey()
        assert survey.records["service/a"] == record("a", serial=1)
        self.write(put(record("b", state="stopped")))
        assert survey.records["service/a"] == record("a", serial=1)
        with pytest.raises(Moved):
            survey.records["service/b"]

    def test_a_survey_tells_of_damage_where_it_is_read(self) -> None:
        self.write(put(record("a"), record("b")))
        self.raw("UPDATE record SET source = 'elsewhere:1' WHERE address = 'service/b'")
        survey = self.open().survey()
        assert survey.records["service/a"] == record("a", serial=1)
        with pytest.raises(StateError, match="service/b is not as it was written"):
            survey.records["service/b"]
        self.raw("DELETE FROM record WHERE address = 'service/a'")
        with pytest.raises(StateError, match="records are missing"):
            self.open().survey()

    def test_the_serial_grows_by_one_and_the_lineage_stays(self) -> None:
        self.write(put(record("a"), record("b")))
        lineage = self.open().load().lineage
        with self.open().write(lock(), 1) as writer:
            assert writer.settle(put(record("a", state="stopped"))) == 2
            assert writer.settle([]) == 2
            assert writer.settle([Write("service/b", None, "remove")]) == 3
        state = self.open().load()
        assert (state.lineage, state.serial) == (lineage, 3)
        assert state.records == {"service/a": record("a", state="stopped", serial=2)}

    def test_a_state_has_no_lineage_before_its_first_record(self) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN)
            writer.intend([intent("a")])
            writer.finish("failed")
        assert self.open().load() == RecordedState("", 0, {})

    def test_the_last_write_of_an_address_holds(self) -> None:
        again = record("a", state="stopped")
        self.write([*put(record("a")), Write("service/a", None, "remove"), *put(again)])
        assert self.open().load().records == {"service/a": again._replace(serial=1)}
        self.write([*put(record("a")), Write("service/a", None, "remove")])
        assert self.open().load().records == {}

    def test_what_is_written_is_seen_while_the_lock_is_held(self) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN)
            writer.intend([intent("a")])
            writer.settle(put(record("a")))
            started = time.monotonic()
            assert self.open().load().serial == 1
            assert time.monotonic() - started < 1

    def test_a_second_writer_is_told_who_holds_the_lock(self) -> None:
        with self.open().write(lock("one"), 0), pytest.raises(Locked) as caught, self.open().write(lock("two"), 0):
            pass
        holder = caught.value.holder
        assert holder.info == lock("one")
        assert holder.created.startswith("20")
        assert holder.created < holder.expires
        assert holder.expires.endswith("Z")

    def test_a_second_writer_waits(self) -> None:
        free = threading.Event()

        def hold() -> None:
            with self.open().write(lock("one"), 0):
                free.set()
                time.sleep(0.2)

        thread = threading.Thread(target=hold)
        thread.start()
        free.wait(5)
        started = time.monotonic()
        with pytest.raises(Locked), self.open().write(lock("two"), 0.05):
            pass
        with self.open().write(lock("two"), 10) as writer:
            writer.settle(put(record("a")))
        assert 0.05 < time.monotonic() - started < 5
        thread.join()

    def test_the_lock_is_given_back_after_an_error(self) -> None:
        with pytest.raises(ZeroDivisionError), self.open().write(lock("one"), 0):
            raise ZeroDivisionError
        assert self.write(put(record("a"))) == 1

    def test_without_a_lock(self) -> None:
        with self.open().write(lock("one"), 0), self.open().write(None, 0) as writer:
            assert writer.settle(put(record("a"))) == 1

    def test_a_writer_that_was_overtaken_changes_nothing(self) -> None:
        with self.open().write(None, 0) as slow:
            self.write(put(record("a")))
            with pytest.raises(StateError, match="changed by someone else"):
                slow.settle(put(record("a", state="stopped")))
            with pytest.raises(StateError, match="changed by someone else"):
                slow.intend([intent("a")])
            with pytest.raises(StateError, match="changed by someone else"):
                slow.begin(RUN)
        assert self.open().load().records == {"service/a": record("a", serial=1)}

    def test_text_that_is_no_text_does_not_lose_an_outcome(self) -> None:
        self.write(put(record("a", error="no such file: \udcff\0", status=Status.FAILED)))
        assert self.open().load().records["service/a"].error == "no such file: \\udcff\\0"

    def test_a_settle_that_fails_changes_nothing(self) -> None:
        self.write(put(record("a")))
        with self.open().write(lock(), 0) as writer:
            with pytest.raises(StateError):
                writer.settle(put(record("b"), record("c", source="\udcff")))
            assert set(self.open().load().records) == {"service/a"}
            assert writer.settle(put(record("b"))) == 2
        assert self.open().verify() == []

    def test_it_is_a_mapping(self) -> None:
        # Made anew in each class: hypothesis refuses one test that runs in several.
        check = given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=4), max_size=5))
        settings(max_examples=25, deadline=None)(check(self._check_mapping))()

    def _check_mapping(self, batches: list[list[tuple[str, bool]]]) -> None:
        with self.open().write(lock(), 1) as writer:
            before = self.open().load()
            expected = {address: each._replace(serial=0) for address, each in before.records.items()}
            for batch in batches:
                self._settle(writer, batch, expected)
        state = self.open().load()
        assert {address: each._replace(serial=0) for address, each in state.records.items()} == expected
        assert state.serial == before.serial + sum(map(bool, batches))

    def _settle(self, writer: StateWriter, batch: list[tuple[str, bool]], expected: dict[str, Record]) -> None:
        writes = []
        for name, there in batch:
            each = record(name)
            writes.append(Write(each.address, each if there else None, "any"))
            expected.pop(each.address, None)
            if there:
                expected[each.address] = each
        writer.settle(writes)

    def test_an_intent_is_pending_until_it_is_settled(self) -> None:
        before = record("a", state="stopped", error="é", failures=1, status=Status.FAILED, serial=4)
        intents = [intent("a", before=before, attempt=2), intent("b", after=None, before=record("b"))]
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN)
            writer.intend([])
            writer.intend([intent("a"), intents[1]])
            writer.intend(intents[:1])
            assert list(self.open().pending()) == intents
            writer.settle(put(record("a")))
            assert list(self.open().pending()) == intents[1:]
            writer.settle([Write("service/b", None, "remove")])
        assert list(self.open().pending()) == []

    def test_runs_are_told_newest_first(self) -> None:
        for name, outcome in (("run-1", "ok"), ("run-2", "failed")):
            with self.open().write(lock(), 1) as writer:
                writer.begin(RUN._replace(id=name))
                assert self.open().runs()[0][2:] == ("", "")
                writer.settle(put(record("a")))
                writer.finish(outcome)
        second, first = self.open().runs()
        assert (first.run, first.outcome) == (RUN, "ok")
        assert (second.run.id, second.outcome) == ("run-2", "failed")
        assert first.started <= first.finished <= second.started <= second.finished
        assert first.started.endswith("Z")

    def test_a_run_that_never_ended_is_noted_by_the_next_one(self) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN)
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN._replace(id="run-2"))
            writer.finish("ok")
        assert [past.outcome for past in self.open().runs()] == ["ok", "died"]
        assert self.open().runs()[1].finished
        assert self.open().verify() == []

    def test_a_state_is_replaced_as_a_whole(self) -> None:
        self.write(put(record("a"), record("b"), record("c")))
        old = self.open().load()
        changed = {
            **old.records,
            "service/b": record("b", state="stopped", serial=7),
            "service/d": record("d", serial=8),
        }
        del changed["service/c"]
        with self.open().write(lock(), 1) as writer:
            assert writer.replace(RecordedState(old.lineage, 8, changed), "pushed") == 9
            assert writer.replace(RecordedState(old.lineage, 3, changed), "pushed") == 10
        assert self.open().load() == RecordedState(old.lineage, 10, changed)
        told = [(event.address, event.state, event.text) for event in self.open().events() if event.verb == "replace"]
        assert told[0] == ("", "", "pushed")
        assert set(told[1:-1]) == {
            ("service/c", "absent", "pushed"),
            ("service/b", "stopped", "pushed"),
            ("service/d", "running", "pushed"),
        }
        assert self.open().verify() == []

    def test_only_an_empty_state_takes_another_lineage(self) -> None:
        other = RecordedState("other", 5, {"service/a": record("a", serial=4)})
        with self.open().write(lock(), 1) as writer:
            assert writer.replace(other, "pushed") == 6
            with pytest.raises(StateError, match="another lineage"):
                writer.replace(RecordedState("third", 9, {}), "pushed")
        assert self.open().load() == RecordedState("other", 6, other.records)

    def test_a_run_leaves_a_backup_of_what_was_before(self) -> None:
        self._run("r0", record("a"))
        assert self.open().backups() == ()
        before = self.open().load()
        self._run("r1", record("a", state="stopped"), record("b"))
        (backup,) = self.open().backups()
        assert (backup.serial, backup.time[-1]) == (1, "Z")
        assert self.open().restore(backup.name, lock()) == 3
        assert self.open().load() == RecordedState(before.lineage, 3, before.records)
        assert next(iter(self.open().events("service/b"))).state == "running"
        assert [event.text for event in self.open().events("")][-1] == f"restored the backup {backup.name}"
        assert self.open().verify() == []

    def test_a_backup_is_made_once_for_each_serial_and_the_last_ten_are_kept(self) -> None:
        for number in range(13):
            self._run(f"r{number}", record("a", failures=number))
        self._run("again")
        self._run("and again")
        assert [backup.serial for backup in self.open().backups()] == list(range(13, 3, -1))

    def test_what_changes_little_makes_small_backups_that_hold_the_whole(self) -> None:
        self._run("r0", *(record(f"s{number}") for number in range(100)))
        seen = {}
        for number in range(12):
            with self.open().write(lock(), 1) as writer:
                before = self.open().load()
                writer.begin(RUN._replace(id=f"run-{number}"))
                writer.settle([Write(f"service/s{number}", None, "remove"), *put(record("new", failures=number))])
                seen[before.serial] = before.records
        backups = self.open().backups()
        assert [backup.serial for backup in backups] == [*range(12, 2, -1), 1], "also the one that the third builds on"
        lineage = self.open().load().lineage
        for backup in backups:
            then = self.open().read_backup(backup.name)
            assert then == RecordedState(lineage, backup.serial, seen[backup.serial])
            self.open().restore(backup.name, lock())
            assert self.open().load().records == seen[backup.serial]
        assert self.open().verify() == []

    def test_a_backup_that_is_not_there_or_not_whole(self) -> None:
        self._run("r0", record("a"))
        for name in ("nothing", "../1-x.json", ""):
            with pytest.raises(StateError, match="no backup"):
                self.open().restore(name, lock())
            with pytest.raises(StateError, match="no backup"):
                self.open().read_backup(name)

    def test_a_restore_needs_the_lock(self) -> None:
        self._run("r0", record("a"))
        self._run("r1", record("b"))
        (backup,) = self.open().backups()
        with self.open().write(lock("busy"), 0), pytest.raises(Locked):
            self.open().restore(backup.name, lock("other"))
        assert self.open().load().serial == 2

    def _run(self, name: str, *records: Record) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN._replace(id=name))
            writer.settle(put(*records))
            writer.finish("ok")
