"""yaml-rs, where it is installed, in front of the reference reader: for ordinary files, which both read alike.

What the two may treat differently never reaches yaml-rs: tags, anchors, merge keys, directives, several documents,
tabs, other line ends, unusual numbers, escapes, block headers and brackets. A property test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import orjson

from reconciler.compiler.text import FORBIDDEN, MAX_DEPTH
from reconciler.model.resource import Document

MAX_BYTES = 2**16
"""So that a file cannot hold more nodes than the reference reader allows."""

_WORDS = rb"""(?:[A-Za-z0-9_./ -]|: |, |"[^"\\\n]*"|'[^'\n]*')*"""
_UNSURE = re.compile(
    rb"[\x00-\x09\x0b-\x1f\x7f!&*?%@`<|>\\\[{_]"  # bytes with a meaning of their own, unless they are
    rb"""(?<![A-Za-z0-9"'/.)][!&*?%@`])"""  # inside a word,
    rb"(?<![A-Za-z0-9 ]<)(?<![A-Za-z0-9=-][|>])"  # an arrow,
    rb"(?<![A-Za-z][A-Za-z]_)"  # (though never in what could be a number)
    rb"(?!(?<=[:-] [|>])[-+]?\n +[^ #\n])"  # the plain header of a block with content,
    rb"""(?!(?<=\\)["\\nt])"""  # an escape that everyone knows,
    rb"(?!(?<=[\[{])" + _WORDS + rb"(?:[\[{]" + _WORDS + rb"[\]}]" + _WORDS + rb")*[\]}] *[]},\n])"  # or short brackets
)
_NUMBER = re.compile(rb"0[xXoObB]")
_PREAMBLE = re.compile(rb"(?:---\n)?(?: *(?:#[^\n]*)?\n)*")


def read(path: str, data: bytes) -> Document | None:
    """The one document of a file, exactly as the reference reader reads it without a finding, or None: not mine."""
    loads = _loads()
    if loads is None or not _is_ordinary(data):
        return None
    value = loads(data)
    if type(value) is not dict or not _is_plain(value):
        return None
    preamble = _PREAMBLE.match(data)
    return Document(path, 0, 1 + data.count(b"\n", 0, preamble.end() if preamble else 0), value)


@cache
def _loads() -> Callable[[bytes], Any] | None:
    """yaml-rs as a function that gives None for what it refuses; None where it is not installed."""
    try:
        from yaml_rs import YAMLDecodeError, loads
    except ImportError:
        return None

    def load(data: bytes) -> Any:
        try:
            return loads(data.decode(), parse_datetime=False)
        except (YAMLDecodeError, UnicodeDecodeError):
            return None

    return load


def _is_ordinary(data: bytes) -> bool:
    """Whether both readers are known to take `data` for the same, or to refuse it."""
    if len(data) > MAX_BYTES or data[-1:] != b"\n" or _UNSURE.search(data) or _NUMBER.search(data):
        return False
    if b"\n---" in data or b"\n..." in data or (data[:1] in b"-." and not data.startswith(b"---\n")):
        return False
    return data.isascii() or not FORBIDDEN.search(data.decode(errors="replace"))


def _is_plain(value: dict[str, Any]) -> bool:
    """Whether all keys are strings, all integers small and all nesting shallow. orjson writes what is not finite as
    null, so a null may hide a number that has to be refused."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:
        return False
    return b"null" not in text and (text.count(b"{") + text.count(b"[") <= MAX_DEPTH or _depth(value) <= MAX_DEPTH)


def _depth(value: dict[str, Any]) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [child for node in level for child in _children(node) if type(child) in (dict, list)]
    return depth


def _children(node: Any) -> Iterable[Any]:
    return node.values() if type(node) is dict else node
