"""What every StateStore must do. A test class derives from StoreContract and gives it a way to open stores."""

from __future__ import annotations

import os
import threading
import time
from abc import abstractmethod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.outcome import Transition
from reconciler.model.record import Record, RecordedState, Status
from reconciler.ports import Locked, LockInfo, Run, StateError, StateStore, StateWriter, Write

RUN = Run("run-1", "apply", "ada@laptop", "c" * 40, "t" * 40)


def record(name: str, **changes: object) -> Record:
    plain = Record(
        f"service/{name}",
        "Service",
        "running",
        Status.OK,
        "f" * 32,
        b'{"kind":"Service"}',
        b'["engine/duckdb"]',
        f"registry.d/{name}.yaml:1",
        "c" * 40,
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def put(*records: Record) -> list[Write]:
    return [Write(each.address, each, "start", each.error) for each in records]


def lock(name: str = "one") -> LockInfo:
    return LockInfo(name, "apply", f"ada@{os.uname().nodename}", os.getpid(), "")


def transition(name: str) -> Transition:
    return Transition(f"key-{name}", f"service/{name}", "Service", "start", "absent", "running", b"", b"{}")


class StoreContract:
    """`open` gives a store; every store of one test shows the same state."""

    @abstractmethod
    def open(self) -> StateStore: ...

    def write(self, writes: list[Write]) -> int:
        with self.open().write(lock(), 1) as writer:
            return writer.settle(writes)

    def test_a_state_that_is_not_there(self) -> None:
        assert self.open().load() == RecordedState("", 0, {})
        assert self.open().load() == RecordedState("", 0, {})

    def test_a_round_trip(self) -> None:
        failed = record("é", status=Status.FAILED, error="exit code 1\nmore", manifest=b"", references=b"[]")
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
            writer.intend([transition("a")])
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
            writer.intend([transition("a")])
            writer.settle(put(record("a")))
            started = time.monotonic()
            assert self.open().load().serial == 1
            assert time.monotonic() - started < 1

    def test_a_second_writer_is_told_who_holds_the_lock(self) -> None:
        with self.open().write(lock("one"), 0), pytest.raises(Locked) as caught, self.open().write(lock("two"), 0):
            pass
        holder = caught.value.holder
        assert holder._replace(created="") == lock("one")
        assert holder.created.startswith("20")
        assert holder.created.endswith("Z")

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
                slow.intend([transition("a")])
            with pytest.raises(StateError, match="changed by someone else"):
                slow.begin(RUN)
        assert self.open().load().records == {"service/a": record("a", serial=1)}

    def test_text_that_is_no_text_does_not_lose_an_outcome(self) -> None:
        self.write(put(record("a", error="no such file: \udcff\0", status=Status.FAILED)))
        assert self.open().load().records["service/a"].error.startswith("no such file: \\udcff")

    def test_a_settle_that_fails_changes_nothing(self) -> None:
        self.write(put(record("a")))
        with self.open().write(lock(), 0) as writer:
            with pytest.raises(StateError):
                writer.settle(put(record("b"), record("c", source="\udcff")))
            assert set(self.open().load().records) == {"service/a"}
            assert writer.settle(put(record("b"))) == 2

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=4), max_size=5))
    def test_it_is_a_mapping(self, batches: list[list[tuple[str, bool]]]) -> None:
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
