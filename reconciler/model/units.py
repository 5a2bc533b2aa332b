"""Durations and sizes as manifests and settings write them, as numbers."""

from __future__ import annotations

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def duration(text: str) -> float:
    """The seconds in a duration such as "250ms" or "5m". Raises ValueError where it is none."""
    number = text.rstrip("hms")
    if not number.isdecimal() or text[len(number) :] not in _SECONDS:
        raise ValueError(f"{text!r} is not a duration")
    return int(number) * _SECONDS[text[len(number) :]]


def size(text: str) -> int:
    """The bytes in a size such as "512Mi"."""
    return int(text[:-2]) * _BYTES[text[-2:]]
