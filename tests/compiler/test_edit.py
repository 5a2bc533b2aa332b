"""One text of a manifest is changed, and nothing else."""

from __future__ import annotations

import pytest

from reconciler.compiler.edit import set_text
from reconciler.model.diagnostics import Invalid, Location

COMMIT = "1e" * 20
"""Without quotes it would be a number."""


def edited(text: str, document: int = 0) -> str:
    place = Location("a.yaml", ("spec", "commit"), document)
    return set_text(place, text.encode(), COMMIT, before="ref").decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("spec:\n  commit: old # pinned\n  ref: x\n", f'spec:\n  commit: "{COMMIT}" # pinned\n  ref: x\n'),
        ("spec: {commit: 'old', ref: x}\n", f'spec: {{commit: "{COMMIT}", ref: x}}\n'),
        ("spec:\n    # why\n    ref: x # é\n", f'spec:\n    # why\n    commit: "{COMMIT}"\n    ref: x # é\n'),
        ("# é\nspec: {a: 1, ref: x}", f'# é\nspec: {{a: 1, commit: "{COMMIT}", ref: x}}'),
        ("spec:\r\n  ref: x\r\n", f'spec:\r\n  commit: "{COMMIT}"\r\n  ref: x\r\n'),
        ("spec: {\n  ref: x\n}\n", f'spec: {{\n  commit: "{COMMIT}", ref: x\n}}\n'),
    ],
)
def test_the_rest_stays_as_it_is(before: str, after: str) -> None:
    assert edited(before) == after


def test_in_one_of_several_documents() -> None:
    assert edited("spec: {ref: a}\n---\nspec: {ref: b}\n", 1) == (
        f'spec: {{ref: a}}\n---\nspec: {{commit: "{COMMIT}", ref: b}}\n'
    )


@pytest.mark.parametrize("text", ["spec: {other: 1}\n", "spec:\n  ? ref\n  : x\n", "a: &a {ref: x}\nspec: *a\n"])
def test_what_cannot_be_edited_so_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        edited(text)
    assert f'commit: "{COMMIT}"' in caught.value.diagnostics[0].hint
