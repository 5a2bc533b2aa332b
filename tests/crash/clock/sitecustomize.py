"""Gives a Python process, and the SQLite in it, a clock that jumps: the file LEDGER_CLOCK holds by how many seconds it
is wrong. Python imports this module at its start where its folder is on the path."""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import time
from pathlib import Path

_EPOCH = 210_866_760_000_000
"""The start of Unix time in SQLite's: milliseconds since noon of 24 November 4714 B.C."""

_POINTERS = 15
"""How many pointers stand before `xCurrentTimeInt64` in SQLite's table of what it asks the system for, after three
integers and their padding."""

_CurrentTime = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))


class _Table(ctypes.Structure):
    """`struct sqlite3_vfs`."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("path_size", ctypes.c_int),
        ("others", ctypes.c_void_p * _POINTERS),
        ("current_time", _CurrentTime),
    )


_true_time = time.time


def _time() -> float:
    return _true_time() + float(Path(os.environ["LEDGER_CLOCK"]).read_text())


def _write_time(_: int, result: ctypes._Pointer[ctypes.c_int64]) -> int:
    result[0] = _EPOCH + int(_time() * 1000)
    return 0


_kept = _CurrentTime(_write_time)
"""SQLite calls it for as long as the process lives."""


def _install() -> None:
    find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    find.restype = ctypes.POINTER(_Table)
    find(None).contents.current_time = _kept
    time.time = _time


_install()
