"""A kind says by its schema that its components bring sub-registries."""

from __future__ import annotations

import orjson

from reconciler.bootstrap import built_in_schemas
from reconciler.compiler.kinds import bringing, check_catalogue, load_catalogue
from reconciler.model.diagnostics import Diagnostics


def checked(brings: object) -> tuple[dict[str, str], Diagnostics]:
    """What a kind that brings in the state `brings` is read as, and what is wrong with it."""
    block = {"kind": "Team", "plural": "teams", "driver": "git", "brings": brings}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "x-ureg": block}
    files = {**built_in_schemas(), "team.schema.json": orjson.dumps(schema)}
    del files["registry.schema.json"]
    catalogue, _ = load_catalogue(files)
    return bringing(catalogue), tuple(
        d for d in check_catalogue(files, catalogue) if d.location and d.location.path == "team.schema.json"
    )


def test_the_built_in_one_is_the_registry() -> None:
    assert bringing(load_catalogue(built_in_schemas())[0]) == {"Registry": "enabled"}


def test_any_other_kind_may() -> None:
    assert checked("present") == ({"Team": "present"}, ())


def test_the_state_must_be_one_of_the_lifecycle() -> None:
    _, (found,) = checked("presnt")
    assert (found.code, found.hint) == ("kind-brings", 'Did you mean "present"?')
    _, (found, *_) = checked(7)
    assert found.location
    assert found.location.pointer == ("x-ureg", "brings")
