"""yaml-rs, where it is installed, in front of the reference reader: for ordinary files, which both read alike.

What the two treat differently never reaches yaml-rs: tags, anchors, merge keys, directives, several documents, tabs,
other line ends, unusual numbers, escapes, block headers and brackets. A property test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import orjson

from reconciler.compiler.text import FORBIDDEN

MAX_BYTES = 2**16
"""Small enough to hold fewer nodes than the reference reader allows."""

_ORDINARY = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n\"'#$()+,-./:;=^_~"
"""Bytes that mean the same to both wherever they stand, save for what _UNUSUAL names."""

_UNUSUAL = (b"\n---", b"\n...", b"- - -", b"-  ", b"\n" + b" " * 28)
"""Further documents, and nesting that may be too deep."""

_INDICATOR = re.compile(
    rb"""(?<![A-Za-z0-9"'/.)])[!&*?%@`]|<<|\\(?![nt"\\])|[|>](?<!: [|>])|[|>](?![-+]?\n)|[\[{](?!"""
    rb"")
