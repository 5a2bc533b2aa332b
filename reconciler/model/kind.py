"""A kind (component type), as its schema file describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.model.lifecycle import Lifecycle

ANYTHING = "*"
"""Goes with every text, where texts keep things apart."""


class Apart(NamedTuple):
    """What keeps two holders of one value apart: the text of the property `field`, which the nearest mapping around
    the value has, as `values` renames it; `otherwise` where there is none. The text `*` goes with every other."""

    name: str
    field: str = ""
    values: Mapping[str, str] = MappingProxyType({})
    otherwise: str = ANYTHING


class Unique(NamedTuple):
    """The value here may be held once within `scope`, but for what `apart` keeps apart (`x-unique`)."""

    scope: str
    apart: tuple[Apart, ...] = ()


class Covers(NamedTuple):
    """The property `by` of the mapping here has a key for each item of the nearest `list` around, by its `x-key`, and
    no other; asked for only where the mapping has the texts in `when`."""

    list: str
    by: str
    when: Mapping[str, str] = MappingProxyType({})


class Check(NamedTuple):
    """What is checked at one place beyond its shape.

    `one_of` names the mapping, the nearest around it, whose keys the text here is one of (`x-one-of`), `logic` the one
    whose keys the flagd rule here answers with (`x-logic`). `covers` says what of the mapping here goes with the items
    of a list (`x-covers`). `version` says that the text here is the component's
    version or a range of versions (`x-version`); `requires` are the properties of the mapping here that name a
    component and the range of versions that will do (`x-requires`).
    """

    unique: Unique | None = None
    one_of: str = ""
    covers: Covers | None = None
    logic: str = ""
    version: bool = False
    requires: tuple[str, str] | None = None


class Field(NamedTuple):
    """What the `x-` keywords of a schema say about one place in a document, and about the places below it.

    Only annotated places and the way to them are kept. `properties` holds named children, `items` the child that
    every list item shares, `additional` the child that every other property shares.
    """

    properties: Mapping[str, Field]
    items: Field | None = None
    additional: Field | None = None
    references: tuple[str, ...] = ()
    """Kinds that the string here may name (`x-references`); ("*",) is any kind, by full address."""
    immutable: bool = False
    sensitive: bool = False
    key: str = ""
    """The property by which the items of the list here are told apart (`x-key`)."""
    check: Check | None = None
    checked: bool = False
    """Whether there is a check here or below."""


NO_FIELDS = Field(properties={})


def has_sensitive(field: Field) -> bool:
    """Whether anything at or below `field` is sensitive."""
    return only_sensitive(field) is not NO_FIELDS


def only_sensitive(field: Field) -> Field:
    """The part of `field` that leads to sensitive places; NO_FIELDS where there are none."""
    return Field({}, sensitive=True) if field.sensitive else _below(field, only_sensitive)


def only_references(field: Field) -> Field:
    """The part of `field` that leads to references; NO_FIELDS where there are none."""
    below = _below(field, only_references)
    return below._replace(references=field.references) if field.references else below


def _below(field: Field, part: Callable[[Field], Field]) -> Field:
    """`field` with nothing but the `part` of each field below it."""
    below = {name: part(one) for name, one in field.properties.items()}
    items = part(field.items) if field.items else NO_FIELDS
    return branch(below, items, part(field.additional) if field.additional else NO_FIELDS)


def branch(properties: Mapping[str, Field], items: Field, additional: Field) -> Field:
    """The field with these children. One that says nothing is left out, unless it keeps a property from `additional`;
    NO_FIELDS where nothing is left."""
    if additional is NO_FIELDS:
        properties = {name: field for name, field in properties.items() if field is not NO_FIELDS}
    if not properties and items is NO_FIELDS and additional is NO_FIELDS:
        return NO_FIELDS
    checked = items.checked or additional.checked or any(field.checked for field in properties.values())
    return Field(properties, _or_none(items), _or_none(additional), checked=checked)


def _or_none(field: Field) -> Field | None:
    return None if field is NO_FIELDS else field


class Kind(NamedTuple):
    """`name` as in manifests ("GridNode"), `slug` as in addresses ("gridnode").

    `files` is the glob of a plain-file kind, else "". `schema` is the whole schema document, `schema_path` the file
    it came from. `driver` names the driver that carries out its verbs.
    """

    name: str
    slug: str
    plural: str
    aliases: tuple[str, ...]
    driver: str
    lifecycle: Lifecycle
    files: str
    read_fields: Callable[[], Field]
    schema: Mapping[str, Any]
    schema_path: str

    @property
    def fields(self) -> Field:
        """What the annotations say of its documents. They are read when they are first asked for."""
        return self.read_fields()

    @property
    def manifest_fields(self) -> Field:
        """`fields` as they lie in a resource's manifest: there the document of a plain file is the spec."""
        return Field(properties={"spec": self.fields}) if self.files else self.fields


class Catalogue(NamedTuple):
    """All kinds of a registry, by slug, with the digest of the schema files they came from."""

    kinds: Mapping[str, Kind]
    digest: str
    schemas: Mapping[str, Mapping[str, Any]]
    """Every schema document by file name: kinds, shared definitions and the settings."""

    def find(self, word: str) -> Kind | None:
        """The kind that `word` (name, slug, plural or alias, in any case) means."""
        lower = word.lower()
        if lower in self.kinds:
            return self.kinds[lower]
        return next((k for k in self.kinds.values() if lower in (k.plural.lower(), *k.aliases)), None)
