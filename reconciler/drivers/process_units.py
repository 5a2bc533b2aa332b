"""Durations and sizes as manifests write them, as numbers."""

from __future__ import annotations

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def seconds(duration: str) -> float:
    """`250ms`, `30s`, `5m` or `12h` in seconds."""
    digits = duration.rstrip("msh")
    return int(digits) * _SECONDS[duration[len(digits) :]]


def size(text: str) -> int:
    """`512Mi` in bytes."""
    return int(text[:-2]) * _BYTES[text[-2:]]
