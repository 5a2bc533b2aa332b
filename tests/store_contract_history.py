"""What every StateStore's log must do: tell what happened, rebuild what stood then, and show that nobody touched it."""

from __future__ import annotations

import random

import pytest
from store_contract import Stores
from store_values import RUN, lock, put, record

from reconciler.model.history import Damage
from reconciler.model.record import Record, Status
from reconciler.ports import StateError, Write


def _flipped(text: str, source: random.Random) -> str:
    """`text` with one of the lower bits of one letter turned round."""
    place = source.randrange(len(text))
    return text[:place] + chr(ord(text[place]) ^ 1 << source.randrange(3)) + text[place + 1 :]


class HistoryContract(Stores):
    @pytest.fixture
    def history(self) -> dict[int, dict[str, Record]]:
        """Three runs of two commits; the records after each serial."""
        seen = {}
        steps = [
            ("r1", "1" * 40, put(record("a"), record("b", manifest=b"{}"))),
            ("r2", "2" * 40, put(record("a", state="stopped", status=Status.FAILED, error="no", failures=1))),
            ("r3", "1" * 40, [Write("service/b", None, "remove"), *put(record("c", references=b"[]"))]),
        ]
        for name, commit, writes in steps:
            with self.open().write(lock(), 1) as writer:
                writer.begin(RUN._replace(id=name, commit=commit))
                serial = writer.settle(writes)
                seen[serial] = dict(self.open().load().records)
                writer.finish("ok")
        return seen

    def test_events_tell_everything_in_its_order(self, history: object) -> None:
        events = list(self.open().events())
        assert [event.number for event in events] == list(range(1, 12))
        assert [(event.verb, event.address) for event in events[:4]] == [
            ("begin", ""),
            ("start", "service/a"),
            ("start", "service/b"),
            ("finish", ""),
        ]
        failed = events[5]
        assert (failed.state, failed.status, failed.text, failed.serial) == ("stopped", "failed", "no", 2)
        gone = events[8]
        assert (gone.verb, gone.state, gone.status, gone.fingerprint) == ("remove", "absent", "", "")
        assert events[0].text == f"apply by ada@laptop, commit {'1' * 40}"
        assert len({event.digest for event in events}) == 11
        assert all(event.time.endswith("Z") for event in events)

    def test_a_failed_create_is_recorded_and_told(self) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN)
            writer.settle(put(record("a", state="absent", status=Status.FAILED, error="no", manifest=b"", failures=1)))
            writer.finish("failed")
        assert self.open().verify() == []
        then = self.open().record_at("service/a", 1)
        assert then is not None
        assert (then.state, then.status) == ("absent", Status.FAILED)

    def test_events_of_a_component_and_of_a_run(self, history: object) -> None:
        store = self.open()
        assert [event.number for event in store.events("service/a")] == [2, 6]
        assert [event.number for event in store.events(run="r2")] == [5, 6, 7]
        assert [event.number for event in store.events("service/a", run="r2")] == [6]
        assert [event.number for event in store.events("", run="r2")] == [5, 7]
        assert list(store.events("service/none")) == list(store.events(run="none")) == []

    @pytest.mark.parametrize(
        ("address", "run", "newest", "numbers"),
        [
            (None, None, 2, [10, 11]),
            (None, None, 99, list(range(1, 12))),
            (None, "r2", 2, [6, 7]),
            (None, "r2", 99, [5, 6, 7]),
            (None, "none", 1, []),
            ("service/a", None, 1, [6]),
            ("service/a", None, 99, [2, 6]),
            ("service/a", "r1", 1, [2]),
            ("", "r2", 1, [7]),
            ("", None, 2, [8, 11]),
        ],
    )
    def test_the_newest_events_are_told_in_their_order(
        self, history: object, address: str | None, run: str | None, newest: int, numbers: list[int]
    ) -> None:
        assert [event.number for event in self.open().events(address, run, newest)] == numbers

    def test_a_record_as_it_was(self, history: dict[int, dict[str, Record]]) -> None:
        for serial, records in history.items():
            for name in "abcd":
                assert self.open().record_at(f"service/{name}", serial) == records.get(f"service/{name}")
        assert self.open().record_at("service/a", 0) is None
        assert self.open().record_at("service/a", 99) == history[3]["service/a"]

    def test_a_manifest_that_was_written_over_is_still_known(self) -> None:
        bodies = [b"{}", b'{"a":1}', b"", b'{"a":1}']
        self.write([write for body in bodies for write in put(record("a", manifest=body))])
        for body in bodies[:2]:
            self.write([*put(record("a", manifest=body)), *put(record("b", manifest=body))])
        self.write([Write("service/a", None, "remove")])
        known = [self.open().record_at(f"service/{name}", serial) for serial in (1, 2, 3) for name in "ab"]
        assert [each and each.manifest for each in known] == [bodies[1], None, b"{}", b"{}", bodies[1], bodies[1]]
        assert self.open().verify() == []

    def test_a_record_that_was_put_in_from_outside_as_it_was(self, history: object) -> None:
        state = self.open().load()
        with self.open().write(lock(), 1) as writer:
            records = {"service/a": record("a", serial=2)}
            serial = writer.replace(type(state)(state.lineage, state.serial, records), "pushed")
        assert self.open().record_at("service/a", serial) == records["service/a"]
        assert self.open().record_at("service/c", serial) is None

    def test_the_serial_at_a_moment(self, history: object) -> None:
        store = self.open()
        events = {event.number: event for event in store.events()}
        assert store.serial_at("1" * 40) == 3, "the last time that it was applied"
        assert store.serial_at("2" * 40) == 2
        assert store.serial_at("3" * 40) is None
        assert store.serial_at("1" * 39) is None
        assert store.serial_at(events[11].time) == 3
        assert store.serial_at("2020-01-01T00:00:00Z") is None
        assert store.serial_at("2099-01-01") == 3
        assert store.serial_at("tomorrow") is None
        before = [event.serial for event in events.values() if event.time <= events[4].time][-1]
        assert store.serial_at(events[4].time.replace("Z", "+00:00")) == before

    def test_an_untouched_state_is_sound(self, history: object) -> None:
        assert self.open().verify() == []

    @pytest.mark.parametrize(
        ("change", "where", "what"),
        [
            ("UPDATE event SET text = 'yes' WHERE number = 6", "event 6", "is not the one that was written"),
            ("UPDATE event SET state = 'running' WHERE number = 6", "event 6", "is not the one that was written"),
            ("UPDATE event SET time = '2020-01-01T00:00:00.000Z' WHERE number = 1", "event 1", "is not the one"),
            ("UPDATE event SET rest = '[]' WHERE number = 6", "event 6", "is not the one that was written"),
            ("UPDATE event SET digest = '0' WHERE number = 6", "event 6", "is not the one that was written"),
            ("UPDATE event SET digest = '0' WHERE number = 11", "event 11", "is not the one that was written"),
            ("DELETE FROM event WHERE number = 6", "event 6", "missing"),
            ("DELETE FROM event WHERE number BETWEEN 3 AND 6", "events 3 to 6", "missing"),
            ("DELETE FROM event WHERE number = 1", "event 1", "missing"),
            ("DELETE FROM event WHERE number > 8", "event 9", "is missing, and all after it up to event 11"),
            ("DELETE FROM event", "event 1", "is missing, and all after it up to event 11"),
            ("UPDATE event SET number = 12 WHERE number = 6", "event 6", "missing"),
            ("UPDATE event SET number = -6 WHERE number = 6", "event -6", "is not the one that was written"),
            ("UPDATE meta SET event_number = 10", "database", "the row of its serial is not as it was written"),
            ("UPDATE meta SET serial = 2", "database", "the row of its serial is not as it was written"),
            ("DELETE FROM meta", "database", "the row of its serial is missing"),
            ("UPDATE record SET state = 'gone' WHERE address = 'service/a'", "service/a", "not as it was written"),
            ("UPDATE record SET checksum = 1 WHERE address = 'service/a'", "service/a", "not as it was written"),
            ("UPDATE record SET status = 'odd' WHERE address = 'service/a'", "service/a", "not as it was written"),
            ("DELETE FROM record WHERE address = 'service/a'", "service/a", "its record is missing"),
            ("DELETE FROM record", "service/c", "its record is missing"),
            ("DELETE FROM manifest", "event 3", "its manifest is missing"),
            ("UPDATE run SET outcome = 'failed' WHERE id = 'r2'", "run r2", "is not as it was written"),
            ("DELETE FROM run WHERE id = 'r2'", "run r2", "is missing"),
        ],
    )
    def test_whatever_is_changed_from_outside_is_named(
        self, history: object, change: str, where: str, what: str
    ) -> None:
        self.raw(change)
        found = self.open().verify()
        assert any(damage.where == where and what in damage.what for damage in found), found

    def test_events_in_another_order_are_named(self, history: object) -> None:
        for change in (
            "UPDATE event SET number = 99 WHERE number = 6",
            "UPDATE event SET number = 6 WHERE number = 7",
            "UPDATE event SET number = 7 WHERE number = 99",
        ):
            self.raw(change)
        named = {damage.where for damage in self.open().verify()}
        assert {"event 6", "event 7"} <= named

    def test_rows_from_outside_are_named(self, history: object) -> None:
        columns = "number, time, run, address, verb, state, status, fingerprint, text, serial, manifest, rest, digest"
        event = columns.replace("number", "12").replace("digest", "'0'")
        self.raw(f"INSERT INTO event ({columns}) SELECT {event} FROM event WHERE number = 6")
        self.raw(
            "INSERT INTO record SELECT 'service/x', kind, state, status, fingerprint, manifest, reference_list, "
            "source, commit_id, serial, error, failures, checksum FROM record WHERE address = 'service/a'"
        )
        self.raw("INSERT INTO manifest SELECT 'x', body FROM manifest LIMIT 1")
        self.raw(
            "INSERT INTO run SELECT 'x', operation, who, commit_id, tree, started, finished, outcome, "
            "first_event, last_event, checksum FROM run WHERE id = 'r1'"
        )
        named = {damage.where for damage in self.open().verify()}
        assert {"event 12", "service/x", "manifest x", "run x"} <= named

    def test_an_old_record_with_its_own_checksum_is_named(self, history: object) -> None:
        self.raw("CREATE TABLE aside AS SELECT * FROM record WHERE address = 'service/a'")
        self.write(put(record("a", state="running")))
        self.raw("DELETE FROM record WHERE address = 'service/a'")
        self.raw("INSERT INTO record SELECT * FROM aside")
        with pytest.raises(StateError, match="is damaged"):
            self.open().load()
        found = self.open().verify()
        assert Damage("service/a", "is not what event 12 left") in found

    def test_a_log_that_was_cut_and_tidied_no_longer_fits_the_backups(self, history: object) -> None:
        from reconciler.state.rows import Meta, checksum

        (row,) = self.raw("SELECT lineage, serial, term, event_number, event_digest, total FROM meta")
        (last,) = self.raw("SELECT number, digest FROM event WHERE number = 4")
        meta = Meta._make(row)._replace(number=int(str(last[0])), digest=str(last[1]))
        self.raw("DELETE FROM event WHERE number > 4")
        self.raw(f"UPDATE meta SET event_number = 4, event_digest = '{meta.digest}', checksum = {checksum(meta)}")
        assert any(damage.where == "event 5" and "the backup" in damage.what for damage in self.open().verify())

    def test_whatever_is_flipped_in_a_record_is_noticed_when_it_is_loaded(self, history: object) -> None:
        source = random.Random(3)
        good = self.open().load()
        for name in ("address", "kind", "state", "status", "fingerprint", "source", "commit_id"):
            ((text,),) = self.raw(f"SELECT {name} FROM record WHERE address = 'service/c'")
            for _ in range(4):
                flipped = _flipped(str(text), source).replace("'", "''")
                key = flipped if name == "address" else "service/c"
                self.raw(f"UPDATE record SET {name} = '{flipped}' WHERE address = 'service/c'")
                with pytest.raises(StateError, match="is damaged"):
                    self.open().load()
                self.raw(f"UPDATE record SET {name} = '{text}' WHERE address = '{key}'")
        assert self.open().load() == good

    def test_a_long_log_is_told_whole(self) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.begin(RUN)
            writer.settle(put(*(record(str(number)) for number in range(1500))))
            writer.settle(put(*(record(str(number)) for number in range(1500))))
            writer.finish("ok")
        numbers = list(range(1, 3003))
        assert [event.number for event in self.open().events()] == numbers
        assert [event.number for event in self.open().events(run=RUN.id)] == numbers
        assert self.open().verify() == []
