"""What every store must do with notes."""

from __future__ import annotations

import pytest
from store_contract import Stores
from store_values import lock, put, record

from reconciler.model.history import Damage
from reconciler.ports import Note, NoteMoved, StateError


class NotesContract(Stores):
    def test_a_state_that_is_not_there_has_none(self) -> None:
        notes = self.open().notes
        assert (notes.get("a/b"), list(notes.under("a/"))) == (None, [])

    def test_a_round_trip(self) -> None:
        notes = self.open().notes
        assert notes.put("a/é", b'{"x": "\xc3\xa9"}', 0) == 1
        assert self.open().notes.get("a/é") == Note("a/é", b'{"x": "\xc3\xa9"}', 1)
        assert notes.put("a/é", b"{}", 1) == 2
        assert notes.get("a/é") == Note("a/é", b"{}", 2)
        assert notes.put("a/é", None, 2) == 0
        assert notes.get("a/é") is None

    def test_those_under_a_prefix(self) -> None:
        notes = self.open().notes
        for key in ("b/1", "a/Z", "a/a", "a/é", "aa/1", "a"):
            notes.put(key, b"{}", 0)
        assert [note.key for note in notes.under("a/")] == ["a/Z", "a/a", "a/é"]

    @pytest.mark.parametrize("version", [0, 2, 7])
    def test_who_did_not_read_the_newest_is_refused(self, version: int) -> None:
        notes = self.open().notes
        notes.put("a/b", b"1", 0)
        with pytest.raises(NoteMoved, match="a/b"):
            notes.put("a/b", b"2", version)
        assert notes.get("a/b") == Note("a/b", b"1", 1)

    def test_one_that_is_gone_is_not_written_over(self) -> None:
        notes = self.open().notes
        notes.put("a/b", b"1", 0)
        notes.put("a/b", None, 1)
        with pytest.raises(NoteMoved):
            notes.put("a/b", b"2", 1)

    def test_it_is_written_while_somebody_holds_the_lock_who_goes_on(self) -> None:
        with self.open().write(lock(), 1) as writer:
            writer.settle(put(record("a")))
            self.open().notes.put("a/b", b"1", 0, ("suspend", "all, for a test"))
            writer.settle(put(record("b")))
        assert set(self.open().load().records) == {"service/a", "service/b"}
        assert list(self.open().verify()) == []

    def test_the_log_tells_of_it(self) -> None:
        self.write(put(record("a")))
        self.open().notes.put("a/b", b"1", 0, ("suspend", "all\0"))
        event = [*self.open().events()][-1]
        assert (event.verb, event.address, event.text, event.serial) == ("suspend", "", "all\\0", 1)
        assert list(self.open().verify()) == []

    def test_records_and_serial_stay(self) -> None:
        self.write(put(record("a")))
        before = self.open().load()
        self.open().notes.put("a/b", b"1", 0, ("suspend", "all"))
        assert self.open().load() == before

    @pytest.mark.parametrize("change", ["body = CAST('2' AS {blob})", "version = 3", "key = 'a/c'"])
    def test_one_that_was_changed_from_outside_is_noticed(self, change: str) -> None:
        self.open().notes.put("a/b", b"1", 0)
        kind = "bytea" if hasattr(self, "url") else "blob"
        self.raw(f"UPDATE note SET {change.format(blob=kind)}")
        key = "a/c" if "key" in change else "a/b"
        with pytest.raises(StateError, match=f"the note {key} is not as it was written"):
            self.open().notes.get(key)
        assert list(self.open().verify()) == [Damage(f"note {key}", f"the note {key} is not as it was written")]

    def test_of_many_who_write_at_once_one_succeeds(self) -> None:
        self.open().notes.put("a/b", b"0", 0)
        script = """
            from reconciler.ports import NoteMoved
            try:
                store.notes.put("a/b", str(os.getpid()).encode(), 1)
                print("won")
            except NoteMoved:
                print("lost")
        """
        children = [self.child(script) for _ in range(3)]
        assert sorted(child.communicate(timeout=30)[0].strip() for child in children) == ["lost", "lost", "won"]

    def test_a_state_without_room_for_notes_has_none(self) -> None:
        self.write(put(record("a")))
        self.raw("DROP TABLE note")
        store = self.open()
        assert (store.notes.get("a/b"), list(store.notes.under("")), list(store.verify())) == (None, [], [])
