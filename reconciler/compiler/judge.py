"""Decides whether a value is what a schema asks for, and tells what was refused.

jsonschema-rs decides, since it is two hundred times as fast; jsonschema, with its position-rich errors, is asked
only about what was refused. Both get the same schemas from memory and can fetch nothing, and patterns run on an
engine whose time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.compiler.schema import METASCHEMA, Schemas, walk
from reconciler.model.diagnostics import Pointer

if TYPE_CHECKING:
    import jsonschema_rs

BASE = "https://schemas.invalid/"


class Unusable(Exception):
    """The schema file `file` cannot be used at all."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file


class Refusal(NamedTuple):
    """One keyword that refused the value at `pointer`.

    `expected` is what the keyword says in the schema, for `required` the one property that is missing. A property
    too many, or with a bad name, is named by the last token of `pointer`. `rule` is the description of the subschema
    with the keyword. `branches` are the refusals of each alternative of an `anyOf` or `oneOf`.
    """

    keyword: str
    expected: Any
    pointer: Pointer
    value: Any
    rule: str = ""
    branches: tuple[tuple[Refusal, ...], ...] = ()


class Judge:
    """Judges values by the schema files of one catalogue. Each schema is compiled at its first use."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._deciders: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def prepare(self, files: Iterable[str]) -> None:
        """Compiles the schemas `files` ahead of their first use."""
        for file in files:
            with suppress(Unusable):
                self._compile(file)

    def accepts(self, file: str, value: Any) -> bool:
        """Whether `value` is what the schema `file` asks for. Raises Unusable for a broken schema."""
        decider = self._deciders.get(file) or self._compile(file)
        try:
            return decider.is_valid(value)
        except ValueError:  # what is no JSON, such as a lone surrogate
            return False

    def refusals(self, file: str, value: Any) -> Iterator[Refusal]:
        """Why `accepts` said no, in no order; at least one. Raises Unusable for a broken schema."""
        from reconciler.compiler import explain

        found = False
        try:
            for refusal in explain.refusals(self._reachable(file), url(file), value):
                found = True
                yield refusal
        except (RecursionError, ArithmeticError, ValueError):
            found = False
        if not found:
            yield from self._own_refusals(file, value)

    def _own_refusals(self, file: str, value: Any) -> Iterator[Refusal]:
        """The decider's own reasons, for the keywords that jsonschema is not asked about."""
        decider = self._deciders.get(file) or self._compile(file)
        try:
            for error in decider.iter_errors(value):
                pointer, unexpected = tuple(error.instance_path), getattr(error.kind, "unexpected", None)
                for place in [(*pointer, one) for one in unexpected] if unexpected else [pointer]:
                    yield Refusal(error.kind.name, None, place, error.instance)
        except ValueError:
            yield Refusal("json", None, (), value)

    def _compile(self, file: str) -> jsonschema_rs.Draft202012Validator:
        import jsonschema_rs

        try:
            resources = [(url(name), schema) for name, schema in self._reachable(file).items()]
            decider = jsonschema_rs.Draft202012Validator(
                {"$ref": url(file)},
                registry=jsonschema_rs.Registry(resources, draft=jsonschema_rs.Draft202012),
                pattern_options=jsonschema_rs.RegexOptions(),
                validate_formats=True,
                offline=True,
            )
        except ValueError as error:
            raise Unusable(file) from error
        self._deciders[file] = decider
        return decider

    def _reachable(self, file: str) -> dict[str, dict[str, Any]]:
        """The schema `file` and those that it refers to, without their ids: a file is known by its name."""
        found: dict[str, dict[str, Any]] = {}
        pending = [file]
        while pending:
            name = pending.pop()
            if name in found or name not in self._schemas:
                continue
            schema = self._schemas[name]
            found[name] = {keyword: value for keyword, value in schema.items() if keyword != "$id"}
            pending += [
                target.partition("#")[0].removeprefix("./")
                for _, node in walk(schema)
                if isinstance(target := node.get("$ref"), str)
            ]
        return found


def is_pattern(text: str) -> bool:
    """Whether `text` is a regular expression of the engine whose time is linear: it has no look-around and no
    back-references."""
    import jsonschema_rs

    try:
        jsonschema_rs.Draft202012Validator({"pattern": text}, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        return False
    return True


def url(file: str) -> str:
    return file if file == METASCHEMA else BASE + file
