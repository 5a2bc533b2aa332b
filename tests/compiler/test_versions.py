"""Ranges of versions against packaging itself: what a brute search finds, the exact search finds too."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from reconciler.compiler.versions import MOST_RANGES, contains, is_range, meet, problem

_RELEASE = st.lists(st.integers(0, 2), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
_VERSION = st.builds(
    str.__add__, _RELEASE, st.sampled_from(["", "", "", "a1", "b1", "rc1", ".post1", ".dev1", "a1.dev1"])
)
_RANGE = st.one_of(
    st.builds(str.__add__, st.sampled_from([">=", "<=", "<", ">", "==", "!="]), _VERSION),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), _RELEASE),
    st.lists(st.integers(0, 2), min_size=2, max_size=3).map(lambda parts: "~=" + ".".join(map(str, parts))),
)
_SUFFIXES = ("", "a0", "a1", "a2", "b1", "rc2", ".post0", ".post1", ".dev0", ".dev1", "a1.dev1")
_GRID = [Version(f"{a}.{b}.{c}{s}") for a in range(4) for b in range(4) for c in range(4) for s in _SUFFIXES]


@settings(max_examples=150, deadline=None)
@given(st.lists(_RANGE, min_size=1, max_size=4))
def test_what_some_version_is_in_is_found(ranges: list[str]) -> None:
    spans = [SpecifierSet(text) for text in ranges]
    brute = next((v for v in _GRID if all(span.contains(v, prereleases=True) for span in spans)), None)
    assert meet(ranges) or brute is None


@settings(max_examples=100, deadline=None)
@given(_VERSION, st.lists(_RANGE, max_size=3))
def test_a_version_meets_the_ranges_that_it_is_in(version: str, ranges: list[str]) -> None:
    assert meet([version, *ranges]) == all(contains(span, version) for span in ranges)


@settings(max_examples=50, deadline=None)
@given(st.lists(_RANGE, min_size=2, max_size=3))
def test_more_ranges_never_meet_where_fewer_do_not(ranges: list[str]) -> None:
    assert not meet(ranges) or meet(ranges[1:])
    assert meet(ranges) == meet(ranges[::-1])


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([">=1.2", "<2"], True),
        ([">=2", "<2"], False),
        ([">1.2", "<1.2.1"], True),
        (["~=1.4", ">=2"], False),
        (["~=1.4.2", "!=1.4.2", "<1.4.4"], True),
        (["==1.4.*", "!=1.4.*"], False),
        (["==1.4.*", ">=1.4.7"], True),
        ([">1!1.0", "<1!1.1"], True),
        ([">=1!1.0", "<2"], False),
        (["<1"], True),
        (["1.2.0", "==1.2"], True),
        (["1.2.0", "1.2.1"], False),
        (["2.0.0-rc.1", ">=2.0.0rc1"], True),
        (["2.0.0-rc.1", "<2"], False),
        (["1.0.0+local.1", "~=1.0"], True),
    ],
)
def test_some_that_matter(ranges: list[str], expected: bool) -> None:
    assert meet(ranges) is expected


def test_no_version_is_searched_for_in_very_many_ranges() -> None:
    assert meet([f"!=1.{number}" for number in range(MOST_RANGES)] + ["<1", ">2"])
    assert not meet(["<1", ">2"])


@pytest.mark.parametrize("text", ["1.4.0", "2.0.0-rc.1", "1.0+x", ">=1,<2", "~= 1.4", "===1.0", "==1.*"])
def test_what_is_right(text: str) -> None:
    assert problem(text) == ""


@pytest.mark.parametrize(("text", "words"), [("1.2.0-foo", "is no version"), (">=1.x", "is no range"),
                                             ("==1.*.2", "is no range"), ("^1.2", "is no range"),
                                             ("~=1", "is no range"), ("===no", "is no range")])  # fmt: skip
def test_what_is_wrong(text: str, words: str) -> None:
    assert words in problem(text)


def test_a_range_begins_with_its_comparison() -> None:
    assert [is_range(text) for text in ("1.2", ">=1", "~=1.2", "!=1", "===1")] == [False, True, True, True, True]
