"""Versions and ranges of versions, as Python's packaging has them (PEP 440), and whether one version can be in all of
several ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

MOST_RANGES = 100
"""From how many different ranges on no version is searched for that is in all of them."""


def problem(text: str) -> str:
    """What is wrong with `text`, a version or a range of versions, in words; "" for nothing."""
    from packaging.specifiers import InvalidSpecifier
    from packaging.version import InvalidVersion

    try:
        _specifiers(text)
    except (InvalidSpecifier, InvalidVersion):
        if is_range(text):
            return "is no range of versions as Python's packages have them, like >=1.2,<2 or ~=1.4"
        return "is no version as Python's packages have them, like 1.4.0, 2.0.0rc1 or 1.4.0.post1"
    return ""


def is_range(text: str) -> bool:
    """Whether `text` is a range rather than one version."""
    return not text[:1].isalnum()


def contains(span: str, version: str) -> bool:
    """Whether `version` is in the range `span`; a pre-release may be."""
    return _specifiers(span).contains(version, prereleases=True)


def meet(texts: Iterable[str]) -> bool:
    """Whether some version could be in all of `texts`, which are versions and ranges.

    It need not exist. Two ranges of which one ends where the other begins are looked at exactly: every version that
    could make a difference is tried.
    """
    different = sorted(set(texts))
    if len(different) > MOST_RANGES:
        return True
    spans = [_specifiers(text) for text in different]
    return any(all(span.contains(one, prereleases=True) for span in spans) for one in _candidates(spans))


def _specifiers(text: str) -> SpecifierSet:
    """Raises InvalidSpecifier and InvalidVersion."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    if not is_range(text):
        return SpecifierSet(f"=={Version(text)}")
    span = SpecifierSet(text)
    for specifier in span:
        Version(specifier.version.removesuffix(".*"))  # `===` takes any text at all
    return span


def _candidates(spans: Sequence[SpecifierSet]) -> Iterator[Version]:
    """Versions of which one is in all of `spans` if any is: those that are named, and those right beside them."""
    from packaging.version import Version

    named = {Version(specifier.version.removesuffix(".*")) for span in spans for specifier in span}
    longest = max((len(version.release) for version in named), default=1)
    highest = max((number for version in named for number in version.release), default=0) + 1
    yield Version("1")
    for version in sorted(named):
        yield from (version, *_beside(version))
        for release in _around(version.release):
            yield _version(version.epoch, release)
            yield _version(version.epoch, release, ".dev0")
            yield _version(version.epoch, (*release, *[0] * (longest - len(release)), 1))
            yield from _below(version.epoch, release, highest)


def _around(release: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The release, and what follows on each of its prefixes: for 1.2.3 also 2, 1.3 and 1.2.4."""
    yield release
    for place, number in enumerate(release):
        yield (*release[:place], number + 1)


def _below(epoch: int, release: tuple[int, ...], highest: int) -> Iterator[Version]:
    """A release below all that begin with `release` and above all others that are, where there is one."""
    last = max((place for place, number in enumerate(release) if number), default=None)
    if last is not None:
        yield _version(epoch, (*release[:last], release[last] - 1, highest))


def _beside(version: Version) -> Iterator[Version]:
    """The pre-, post- and development releases next to `version`."""
    letter, number = version.pre or ("a", 0)
    for pre in ("", *(f"{letter}{near}" for near in (number - 1, number, number + 1) if near >= 0)):
        for post in ("", *(f".post{near}" for near in _near(version.post))):
            for dev in ("", *(f".dev{near}" for near in _near(version.dev))):
                yield _version(version.epoch, version.release, f"{pre}{post}{dev}")


def _near(number: int | None) -> tuple[int, ...]:
    return (0, 1) if number is None else (max(number - 1, 0), number, number + 1)


def _version(epoch: int, release: tuple[int, ...], suffix: str = "") -> Version:
    from packaging.version import Version

    return Version(f"{epoch}!{'.'.join(map(str, release))}{suffix}")
