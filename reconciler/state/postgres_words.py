"""Puts the errors of PostgreSQL in words: what is wrong with which state, and never a password."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.ports import StateError
from reconciler.state.connection import Damaged, NoSpace

if TYPE_CHECKING:
    import psycopg

_DAMAGE = {
    "XX001": "the server reports corrupted data",
    "XX002": "the server reports a corrupted index",
    "42P01": "a table is missing",
    "42703": "a column is missing",
}
_SENTENCES = {
    "25006": "cannot be written: the server only reads. It is a standby, or set to read only",
    "42501": "is not open to this role",
    "55P03": "is in use by another program, and stayed so",
    "57014": "cannot be used: the server cancelled the statement",
}
_LOST = {"25P03", "25P04", "40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05"}
"""The server ended the transaction or the connection for a reason of its own: the same may succeed on a new one."""

_FULL = "53100"

_BUSY = (
    "the database system is ",
    "too many clients",
    "too many connections",
    "connection slots are reserved",
    "no more connections allowed",
)
"""What servers and poolers say while they start or end, or have no connection left."""


def is_lost(error: psycopg.Error) -> bool:
    """Whether `error` says that the connection is gone, or could not be made, and not that a statement is wrong."""
    from psycopg import InterfaceError, OperationalError

    state = error.sqlstate
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state in _LOST or state.startswith("08")


def is_momentary(error: psycopg.Error) -> bool:
    """Whether a server that is there took no connection, for a reason that may pass within seconds. libpq tells no code
    here, only the text, so of a server that speaks another language than English this is not known."""
    text = str(error)
    return any(words in text for words in _BUSY)


def sentence(error: psycopg.Error, place: str, secrets: Iterable[str]) -> StateError:
    """`error` as a sentence about the state at `place`, without any of `secrets`."""
    state = error.sqlstate or ""
    if state in _DAMAGE:
        return Damaged(place, _DAMAGE[state])
    said = _said(error, secrets)
    if state == _FULL:
        return NoSpace(f"The state {place} cannot be written: the disk of its server is full ({said}).")
    if state in _SENTENCES:
        return StateError(f"The state {place} {_SENTENCES[state]} ({said}).")
    verb = "reached" if is_lost(error) else "used"
    return StateError(f"The state {place} cannot be {verb}: {said}.")


def newer(place: str, layout: int, known: int) -> StateError:
    return StateError(f"The state {place} was written by a newer ureg (layout {layout}, this one knows {known}).")


def _said(error: psycopg.Error, secrets: Iterable[str]) -> str:
    """What server or library said, on one line. Neither repeats a password; that is not left to them."""
    text = " ".join((error.diag.message_primary or str(error)).split()).rstrip(".")
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
