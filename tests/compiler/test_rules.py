"""What one document is held against beyond the shape of its values."""

from __future__ import annotations

from typing import Any

import pytest
from compiler.checked_kinds import compiled, document


def told(**spec: Any) -> list[tuple[str, str, str]]:
    """The findings of a thing, each with the text that it points to."""
    resources, found = compiled(document("Thing", "a", spec))
    assert bool(resources) != bool(found)
    texts = []
    for finding in found:
        assert finding.location is not None
        assert finding.location.span is not None
        start, end = finding.location.span
        texts.append((finding.code, finding.location.source_line[start.column - 1 : end.column - 1], finding.hint))
    return texts


VARIANTS = {"on": True, "off": False}


def test_a_text_must_be_a_key_of_the_nearest_mapping() -> None:
    assert told(variants=VARIANTS, default="on", inner={"prod": {"default": "off"}}) == []
    assert told(variants=VARIANTS, default="of") == [("one-of", '"of"', 'Did you mean "off"?')]
    assert told(variants=VARIANTS, inner={"prod": {"default": "live"}}) == [("one-of", '"live"', "There are on, off.")]
    assert told(default="on") == [("one-of", '"on"', "There are .")]


def test_a_mapping_covers_the_items_of_a_list() -> None:
    rooms = [{"name": "hall"}, {"name": "attic"}]
    assert told(rooms=rooms, beds={"rooms": {"attic": 1, "hall": 2}, "for": "all"}) == []
    assert told(beds={"for": "all"}) == told(rooms=rooms, beds={"for": "some"}) == []
    wanted = 'It must have one for each item of "rooms", since "for" is "all".'
    assert told(rooms=rooms, beds={"for": "all"}) == [("covers", '{"for":"all"}', wanted)]
    lacking, extra = told(rooms=rooms, beds={"rooms": {"hal": 1}, "for": "all"})
    assert lacking == ("covers", '{"hal":1}', wanted)
    assert extra == ("covers", '"hal"', 'Did you mean "hall"?')


def test_a_rule_answers_with_keys() -> None:
    assert told(variants=VARIANTS, rule={"if": [{"var": "x"}, "on", "off"]}) == []
    ((code, text, hint),) = told(variants=VARIANTS, rule={"if": [{"vra": "x"}, "on"]})
    assert (code, text, hint) == ("logic-operator", '"vra"', 'Did you mean "var"?')


@pytest.mark.parametrize("spec", [{"version": "1.0-x"}, {"needs": [{"thing": "b", "range": ">=1.x"}]},
                                  {"needs": [{"range": "^1.2"}]}])  # fmt: skip
def test_versions_and_ranges_must_be_some(spec: dict[str, Any]) -> None:
    ((code, *_),) = told(**spec)
    assert code == "version-form"


def test_all_is_told_at_once() -> None:
    assert len(told(version="x", variants={}, default="on", rule={"a": 1}, needs=[{"range": "^1"}])) == 4
