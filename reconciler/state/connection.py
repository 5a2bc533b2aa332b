"""What a database must offer so that a state can be kept in it: a connector, its connections, and errors in words."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Protocol

from reconciler.ports import StateError

Row = tuple[Any, ...]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Damaged(StateError):
    """What is stored is not what was written. `why` is a clause: "it has no serial"."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"The state {place} is damaged: {why}. A backup can take its place: ureg state restore.")
        self.why = why


class NoSpace(StateError):
    """The disk takes no more. The transaction was undone."""


class Flaw(Exception):
    """A stored value is not what was written; the text says which, as part of a sentence."""


class Connection(Protocol):
    """An open connection, used by one thread. Statements are named as in queries.sql.

    Its methods raise what the database's module raises; Connector.words puts that in words.
    """

    def execute(self, name: str, parameters: Sequence[Any] = ()) -> int:
        """Runs a statement and tells how many rows it changed."""

    def executemany(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a statement once for each of `rows`, in their order, as fast as the database can."""

    def one(self, name: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row of a query."""

    def all(self, name: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Every row of a query, at once."""

    def reading(self) -> AbstractContextManager[None]:
        """A transaction that only reads: all its queries see the same moment. It waits for no writer."""

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that is durable when the block ends, and undone where it raises. Where it reads before it
        writes, its first statement is `hold_meta`: from then on nobody else writes."""

    def flaws(self) -> Iterable[str]:
        """What the database's own check finds wrong with its files; empty where there is no such check."""

    def close(self) -> None: ...


class Connector(Protocol):
    """Opens connections to one state, wherever that is. Every method raises StateError with a sentence."""

    @property
    def place(self) -> str:
        """Where the state is, for messages. Never holds a password."""

    def read(self) -> Connection | None:
        """A connection that cannot write; None where there is no state. Refuses a damaged state, one of another
        program, and one with a layout that a newer program made."""

    def prepare(self) -> None:
        """Makes the state where there is none, and brings its layout up to date. Refuses what `read` refuses, and has
        then written nothing."""

    def write(self) -> Connection:
        """A connection that can write to a state that was prepared. Refuses what `read` refuses, and a state that is
        not there."""

    def words(self) -> AbstractContextManager[None]:
        """Turns what the database raises within the block into Damaged, NoSpace or StateError."""

    def reserve(self, size: int) -> None:
        """Sets at least `size` bytes of the disk aside, to be freed for the last outcomes. Raises NoSpace where there
        is no room. Does nothing for a database that keeps its own disk."""

    def free(self) -> bool:
        """Gives the reserve back; tells whether there was one."""

    def set_aside(self) -> str:
        """Moves a damaged state to another place and returns that. `prepare` then makes a new one."""


@contextmanager
def reading(connector: Connector) -> Iterator[Connection | None]:
    """A connection that only reads, None where there is no state. Errors are told as by `in_words`."""
    with in_words(connector):
        connection = connector.read()
        if connection is None:
            yield None
            return
        with closing(connection):
            yield connection


@contextmanager
def in_words(connector: Connector) -> Iterator[None]:
    """Turns everything that can go wrong with a state into a StateError that a user can act on."""
    with connector.words():
        try:
            yield
        except Flaw as flaw:
            raise Damaged(connector.place, str(flaw)) from flaw
        except UnicodeError as error:
            raise StateError(f"The state {connector.place} cannot hold this text: {error.args[-1]}.") from error
        except OSError as error:
            kind = NoSpace if error.errno in _FULL else StateError
            raise kind(f"The state {connector.place} cannot be used: {error.strerror}.") from error
