from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.cells import cut, pad, width, wrap


@pytest.mark.parametrize(("text", "cells"), [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("é", 1)])
def test_width(text: str, cells: int) -> None:
    assert width(text) == cells
    assert width(pad(text, 9)) == 9


@given(st.text(), st.integers(1, 20))
def test_a_cut_text_fits(text: str, cells: int) -> None:
    shown = cut(text, cells)
    assert width(shown) <= cells
    assert shown == text or shown.endswith("…")


@given(st.text(alphabet="ab日 ", max_size=60), st.integers(1, 20))
def test_wrapping_breaks_at_spaces_only(text: str, cells: int) -> None:
    lines = wrap(text, cells)
    assert " ".join(lines) == text
    assert all(width(line) <= cells or " " not in line.strip(" ") for line in lines)
