"""Globs: what matches, what is reached, what is refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostics import Invalid
from reconciler.sources.paths import Globs, printable


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("registry.d/**/*.yaml", "registry.d/a.yaml", True),
        ("registry.d/**/*.yaml", "registry.d/x/y/z/a.yaml", True),
        ("registry.d/**/*.yaml", "registry.d/a.yml", False),
        ("registry.d/**/*.yaml", "registryXd/a.yaml", False),
        ("registry.d/**/*.yaml", "other/registry.d/a.yaml", False),
        ("registry.d/**/*.yaml", "registry.d/.a.yaml", False),
        ("registry.d/**/*.yaml", "registry.d/.hidden/a.yaml", False),
        ("registry.d/**/*.yaml", "registry.d/.yaml", False),
        ("software/*.yml", "software/draw.io.yml", True),
        ("software/*.yml", "software/deeper/a.yml", False),
        ("software/?.yml", "software/a.yml", True),
        ("software/?.yml", "software/ab.yml", False),
        ("*.yaml", "ureg.yaml", True),
        ("*.yaml", "a/ureg.yaml", False),
        ("ureg.yaml", "ureg.yaml", True),
        (".github/*.yaml", ".github/a.yaml", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a[b].yaml", "a[b].yaml", True),
        ("a[b].yaml", "ab.yaml", False),
        ("*a*.yaml", "xaax.yaml", True),
        ("*a?.yaml", "aab.yaml", True),
        ("a/*.yaml", "a/two\nlines.yaml", True),
    ],
)
def test_matching(pattern: str, path: str, expected: bool) -> None:
    assert bool(Globs([pattern]).matches(path)) is expected


@pytest.mark.parametrize(
    ("pattern", "folder", "expected"),
    [
        ("registry.d/**/*.yaml", "", True),
        ("registry.d/**/*.yaml", "registry.d", True),
        ("registry.d/**/*.yaml", "registry.d/a/b", True),
        ("registry.d/**/*.yaml", "registry.d/.git", False),
        ("registry.d/**/*.yaml", "registry", False),
        ("software/*.yml", "software", True),
        ("software/*.yml", "software/deeper", False),
        ("a/**", "a/b", True),
        ("*/x.yaml", "anything", True),
    ],
)
def test_reach(pattern: str, folder: str, expected: bool) -> None:
    assert Globs([pattern]).reach(folder) is expected


def test_roots_are_the_literal_folders() -> None:
    assert Globs(["registry.d/**/*.yaml", "a/b/c*/d.yml", "a/b.yml"]).roots == ("a", "a/b", "registry.d")
    assert Globs(["*.yaml"]).roots == ("",)


def test_no_patterns_match_nothing() -> None:
    assert not Globs([]).matches("")


@pytest.mark.parametrize(
    "pattern",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "a\nb", "a**b", "**/x/**/y", "***.yaml", "*a*b*"],
)
def test_refused_patterns(pattern: str) -> None:
    with pytest.raises(Invalid) as caught:
        Globs([pattern, "fine/*.yaml"])
    assert [found.code for found in caught.value.diagnostics] == ["bad-pattern"]


def test_every_bad_pattern_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        Globs(["/a", "b", "../c"])
    assert ["'/a'" in d.summary or "'../c'" in d.summary for d in caught.value.diagnostics] == [True, True]


def test_hostile_patterns_and_paths_take_no_time() -> None:
    globs = Globs(["/".join(["*a*"] * 40) + "/b.yaml", "x/**/*a*.yaml"])
    started = time.monotonic()
    assert not globs.matches("/".join(["a" * 60] * 40) + "/c.yaml")
    assert not globs.matches("x/" + "y/" * 1000 + "a" * 250)
    assert time.monotonic() - started < 1


_name = st.text(st.sampled_from("ab.*?"), min_size=1, max_size=6).filter(lambda name: "*" not in name[1:])
_plain = st.lists(st.text(st.sampled_from("ab."), min_size=1, max_size=4), min_size=1, max_size=4)


def _matches(names: list[str], parts: list[str]) -> bool:
    """The definition, without regular expressions."""
    if not names:
        return not parts
    if names[0] == "**":
        return _matches(names[1:], parts) or (bool(parts) and parts[0][0] != "." and _matches(names, parts[1:]))
    return bool(parts) and _fits(names[0], parts[0], start=True) and _matches(names[1:], parts[1:])


def _fits(name: str, text: str, *, start: bool = False) -> bool:
    if not name:
        return not text
    if name[0] in "*?" and start and text.startswith("."):
        return False
    if name[0] == "*":
        return _fits(name[1:], text) or (bool(text) and _fits(name, text[1:]))
    return bool(text) and name[0] in {"?", text[0]} and _fits(name[1:], text[1:])


@settings(max_examples=150, deadline=None)
@given(st.lists(_name, min_size=1, max_size=3), st.booleans(), _plain)
def test_matching_is_as_defined(names: list[str], deep: bool, parts: list[str]) -> None:
    names = [*names[:1], "**", *names[1:]] if deep and len(names) > 1 else names
    if any(name in {".", ".."} for name in (*names, *parts)):
        return
    globs = Globs(["/".join(names)])
    assert bool(globs.matches("/".join(parts))) is _matches(names, parts)
    if globs.matches("/".join(parts)):
        assert all(globs.reach("/".join(parts[:depth])) for depth in range(len(parts)))
        assert any(not root or "/".join(parts).startswith(f"{root}/") for root in globs.roots)


def test_printable_leaves_no_raw_character() -> None:
    assert printable("a\x1b[31m\n\u202e\udcff é") == r"a\x1b[31m\n\u202e\udcff é"
