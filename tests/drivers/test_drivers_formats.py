from __future__ import annotations

import math
import subprocess
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import dotenv
import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.drivers.formats import Unrenderable, render

TRICKY = [
    *(
        "no",
        "No",
        "y",
        "on",
        "null",
        "~",
        "true",
        "1:30",
        "012",
        "0x1f",
        "0o7",
        "1_000",
        "1e3",
        ".5",
        "-",
        "- a",
        "? a",
    ),
    *(
        "",
        " ",
        " a",
        "a ",
        "a: b",
        "a #b",
        "#a",
        "{a}",
        "[a",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "---",
        "...",
    ),
    *("<<", "=", "2024-01-01", ".nan", ".inf", "a\nb", "a\r\nb", "\ta", "\x00", "\x1b[2J", "\x7f", "\x85", "\xa0"),
    *("\u2028", "\ufeff", "\u202e", "\U0001f600", "caf\xe9", '"', "'", "\\", "\\n", "a\\", "it's", "k" * 1100),
]
text = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(TRICKY))
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e22, 1e16, 5e-324]),
)
scalars = st.one_of(text, numbers, st.booleans())


def maps(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
        max_leaves=8,
    )
    return st.dictionaries(text, values, max_size=4)


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from 1.0 and from true, as the formats do."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return math.copysign(1, one) == math.copysign(1, other) and one == other
    return bool(one == other)


def shuffled(value: Any) -> Any:
    """The same value with its keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=60, deadline=None)
@given(maps(st.one_of(scalars, st.none())))
def test_json_comes_back(values: dict[str, Any]) -> None:
    assert same(orjson.loads(render("json", values, "config/a")), values)


@settings(max_examples=150, deadline=None)
@given(maps(st.one_of(scalars, st.none())))
def test_yaml_comes_back_from_readers_of_both_versions(values: dict[str, Any]) -> None:
    rendered = render("yaml", values, "config/a")
    assert same(yaml.safe_load(rendered), values)
    for pure in (True, False):
        reader = YAML(typ="safe", pure=pure)
        assert same(reader.load(rendered), values)


@pytest.mark.parametrize("word", TRICKY)
def test_yaml_quotes_what_a_reader_could_misread(word: str) -> None:
    rendered = render("yaml", {word: word, "list": [word]}, "config/a")
    expected = {word: word, "list": [word]}
    assert yaml.safe_load(rendered) == expected
    assert YAML(typ="safe", pure=True).load(rendered) == expected


def test_yaml_is_written_for_people() -> None:
    values = {
        "host": "db.example.com",
        "port": 5432,
        "tags": ["a", {"b": 1, "c": []}],
        "none": {},
        "deep": {"no": "no"},
    }
    assert render("yaml", values, "config/a").decode() == (
        "# Managed by ureg (config/a): changes made here are overwritten.\n"
        'deep:\n  "no": "no"\nhost: db.example.com\nnone: {}\nport: 5432\ntags:\n  - a\n  - b: 1\n    c: []\n'
    )


@pytest.mark.parametrize("number", [1e22, -1e22, 1.5e300, 5e-324, 1e-7, 0.1, 2.0])
def test_yaml_numbers_with_an_exponent_are_numbers_to_every_reader(number: float) -> None:
    rendered = render("yaml", {"a": number}, "config/a")
    assert yaml.safe_load(rendered) == {"a": number}
    assert YAML(typ="safe", pure=True).load(rendered) == {"a": number}


def test_an_empty_map_is_still_a_map() -> None:
    assert yaml.safe_load(render("yaml", {}, "config/a")) == {}
    assert orjson.loads(render("json", {}, "config/a")) == {}


@settings(max_examples=80, deadline=None)
@given(maps(scalars))
def test_toml_comes_back(values: dict[str, Any]) -> None:
    assert same(tomllib.loads(render("toml", values, "config/a").decode()), values)


@settings(max_examples=30, deadline=None)
@given(maps(scalars), st.sampled_from(["json", "yaml", "toml"]))
def test_the_order_of_keys_does_not_matter(values: dict[str, Any], name: str) -> None:
    assert render(name, values, "config/a") == render(name, shuffled(values), "config/a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": {"b": [1, None]}}, r"a\.b\.1 is null, which TOML does not have: leave the key out"),
        ({"a": 2**63}, "a is greater than TOML's integers"),
    ],
)
def test_toml_refuses_in_words(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Unrenderable, match=message):
        render("toml", values, "config/a")


def read_by_shell(path: Path, names: list[str]) -> list[str]:
    script = '. "$0"; for name; do eval "printf \'%s\\0\' \\"\\$$name\\""; done'
    done = subprocess.run(
        ["sh", "-c", script, path, *names], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


variables = st.text(st.sampled_from("abcXYZ_"), min_size=1, max_size=3).map(lambda name: f"v_{name}")
shell_text = st.one_of(text, st.text(st.sampled_from("ab'\"\\$`{}()!#=\n ~*&;|"), max_size=10))


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(variables, shell_text, min_size=1, max_size=8))
def test_a_shell_and_a_dotenv_reader_see_the_same_values(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    expressible: dict[str, str] = {}
    for name, value in values.items():
        try:
            render("dotenv", {name: value}, "config/a")
        except Unrenderable as error:
            assert str(error).startswith(name)
        else:
            expressible[name] = value
    path = tmp_path_factory.mktemp("dotenv") / "file.env"
    path.write_bytes(render("dotenv", expressible, "config/a"))
    assert dotenv.dotenv_values(path) == expressible
    assert read_by_shell(path, list(expressible)) == list(expressible.values())


@pytest.mark.parametrize(
    "value",
    ["$(touch x)", "`touch x`", "$HOME", "a; touch x", "a && b", 'say "hi"', "it's", "a\\b", "a\\\\b", "a\\", "$5"],
)
def test_common_values_are_expressible_and_run_nothing(tmp_path: Path, value: str) -> None:
    path = tmp_path / "file.env"
    path.write_bytes(render("dotenv", {"A": value}, "config/a"))
    assert read_by_shell(path, ["A"]) == [value]
    assert dotenv.dotenv_values(path) == {"A": value}
    assert [each.name for each in tmp_path.iterdir()] == ["file.env"]


def test_dotenv_flattens_maps_and_writes_lists_as_json() -> None:
    values = {"search": {"limit": 5, "tags": ["a", "b"], "none": {}}, "DEBUG": False, "ratio": 0.5, "name": "x y"}
    assert dotenv.dotenv_values(stream=StringIO(render("dotenv", values, "config/a").decode())) == {
        "DEBUG": "false",
        "name": "x y",
        "ratio": "0.5",
        "search__limit": "5",
        "search__none": "{}",
        "search__tags": '["a","b"]',
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"log-level": 1}, "'log-level' cannot name a variable"),
        ({"1a": 1}, "'1a' cannot name a variable"),
        ({"a\n": 1}, "cannot name a variable"),
        ({"": 1}, "'' cannot name a variable"),
        ({"a": {"b": 1}, "a__b": 2}, "two values are called a__b"),
        ({"A": None}, "A is null"),
        ({"A": "a\0"}, "A holds a control character"),
        ({"A": "a\r\n"}, "A holds a control character"),
        ({"A": "${HOME}"}, r"A holds \$\{, which readers of dotenv files expand"),
        ({"A": "it's $5"}, "A holds .* differently: use the format json"),
    ],
)
def test_dotenv_refuses_in_words(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Unrenderable, match=message):
        render("dotenv", values, "config/a")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(Unrenderable, match="no format 'ini': use one of json, yaml, dotenv, toml"):
        render("ini", {}, "config/a")


@pytest.mark.parametrize("name", ["yaml", "dotenv", "toml"])
def test_an_address_cannot_break_out_of_the_comment(name: str) -> None:
    first, second, *_ = render(name, {"a": 1}, "config/x\nEVIL=1\u2028\r").decode().split("\n")
    assert first == "# Managed by ureg (config/x?EVIL=1??): changes made here are overwritten."
    assert second.startswith("a")
