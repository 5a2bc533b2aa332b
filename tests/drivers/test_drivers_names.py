from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.drivers.names import file_name

TEXTS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=80)
ADDRESSES = st.tuples(st.sampled_from(["", "payments:", "a:b:"]), st.sampled_from(["service", "mesh"]), TEXTS).map(
    lambda parts: f"{parts[0]}{parts[1]}/{parts[2]}"
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("service/search-api", "service~search-api"),
        ("payments:service/search-api", "payments~service~search-api"),
        ("software/draw.io", "software~draw.io"),
        ("software/a~b é", "software~a=7eb=20=c3=a9"),
    ],
)
def test_names_can_be_read(address: str, name: str) -> None:
    assert file_name(address) == name


@settings(max_examples=200)
@given(ADDRESSES, ADDRESSES)
def test_no_two_addresses_share_a_name_and_each_is_fit_for_a_file(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._~=-]*", file_name(one))


def test_long_names_stay_apart() -> None:
    names = {file_name(f"service/{'x' * 300}{end}") for end in ("a", "b", "a~", "")}
    assert len(names) == 4
    assert all(len(name) <= 200 for name in names)
