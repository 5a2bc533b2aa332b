"""The layout of a SQLite state: migrations are whole or not there, and an older program keeps away from a newer one."""

from __future__ import annotations

import signal

import pytest
from sqlite_state import OnSqlite, query
from store_values import put, record

from reconciler.ports import StateError
from reconciler.state import sqlite_file
from reconciler.state.queries import migrations

NEXT = """
    from reconciler.state import sqlite_file
    script = "CREATE TABLE more (x);\\nINSERT INTO more VALUES (1);\\nINSERT INTO more VALUES (2);\\n"
    present, statements = sqlite_file.migrations, sqlite_file._statements
    def watched(script):
        for number, statement in enumerate(statements(script)):
            if number == {stop}:
                os.kill(os.getpid(), 9)
            yield statement
        if {stop} == 3:
            os.kill(os.getpid(), 9)
    sqlite_file.VERSION = {next}
    sqlite_file.migrations = lambda dialect: [*present(dialect), ({next}, script)]
    sqlite_file._statements = watched
    with store.write(lock()._replace(pid=os.getpid()), 30) as writer:
        writer.settle(put(record(str(os.getpid()))))
"""
"""A program that brings one more migration, and dies before its statement with the number `stop`."""


def _next(stop: int) -> str:
    return NEXT.format(stop=stop, next=sqlite_file.VERSION + 1)


class TestMigrations(OnSqlite):
    def test_the_version_is_that_of_the_newest(self) -> None:
        assert [number for number, _ in migrations("sqlite")] == list(range(1, sqlite_file.VERSION + 1))

    @pytest.mark.parametrize("stop", [0, 1, 2, 3])
    def test_one_that_was_killed_has_changed_nothing(self, stop: int) -> None:
        self.write(put(record("a")))
        before = self.open().load()
        with self.child(_next(stop=stop)) as process:
            assert process.wait(30) == -signal.SIGKILL
        assert self.open().load() == before
        assert query(self.path, "PRAGMA user_version") == [(sqlite_file.VERSION,)]
        with self.child(_next(stop=-1)) as process:
            assert process.wait(30) == 0
        assert query(self.path, "SELECT x FROM more") == [(1,), (2,)]

    def test_two_at_once_make_one(self) -> None:
        self.write(put(record("a")))
        first, second = (self.child(_next(stop=-1)) for _ in range(2))
        with first, second:
            assert (first.wait(30), second.wait(30)) == (0, 0)
        assert query(self.path, "SELECT x FROM more") == [(1,), (2,)]
        assert query(self.path, "SELECT max(serial) FROM record") == [(3,)]

    def test_an_older_program_keeps_away(self) -> None:
        with self.child(_next(stop=-1)) as process:
            assert process.wait(30) == 0
        known = sqlite_file.VERSION
        before = self.path.read_bytes()
        uses = (
            self.open().load,
            self.open().runs,
            self.open().verify,
            lambda: self.open().unlock("x"),
            lambda: self.write(put(record("a"))),
        )
        for use in uses:
            with pytest.raises(StateError, match=rf"newer ureg \(layout {known + 1}, this one knows {known}\)"):
                use()
        assert self.path.read_bytes() == before
