"""The driver of feature flags: all of them in one document in flagd's format, which any OpenFeature client reads.

`flags/flags.json` holds every flag. For each environment that some flag names in `spec.environments`, a document of
that name beside it holds every flag too, with that environment's overrides. Flags that others wrote into a document
are kept.

No document is ever removed. When the last flag goes they stay as documents without flags, and when no flag names an
environment any more its document holds what the base does. For a client whose document disappears keeps the flags
that it read last, while one whose document is empty falls back to the defaults in its code at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson

from reconciler.drivers.atomic import Folder, explain, open_folder
from reconciler.drivers.former import former_address
from reconciler.drivers.site import Site
from reconciler.drivers.targeting import BadFlag, check_flag
from reconciler.model.address import Address, parse_address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.ports import Driver

FOLDER = "flags"
BASE = "flags"
"""The name of the document without overrides."""
DISABLED = "disabled"
_SCHEMA = "https://flagd.dev/schema/v0/flags.json"
_ENVIRONMENT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_FIELDS = ("variants", "defaultVariant", "targeting")


class Feature(NamedTuple):
    """A feature, and how it stands in the documents; `key` is what clients call it."""

    key: str
    state: str
    spec: Mapping[str, Any]

    @property
    def environments(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.spec.get("environments", {})
        return found

    def flag(self, document: str) -> dict[str, Any]:
        """The flag as it stands in `document`."""
        overrides = self.environments.get(document, {})
        spec = {**self.spec, **overrides}
        flag: dict[str, Any] = {"state": "DISABLED" if overrides.get("state", self.state) == DISABLED else "ENABLED"}
        flag.update({field: spec[field] for field in _FIELDS if field in spec})
        metadata = dict(spec.get("metadata", {}))
        if "owner" in spec:
            metadata["owner"] = spec["owner"]
        if metadata:
            flag["metadata"] = metadata
        return flag


class _Damaged(Exception):
    """A document that cannot be read; the text says which and why."""


class FlagdDriver:
    name = "flagd"
    acts = True
    batches = True

    def __init__(self, place: Path) -> None:
        self._place = place / FOLDER

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        with open_folder(self._place) as folder:
            try:
                documents = _load(folder)
            except _Damaged as error:
                return [Observation(record.address, record.state, str(error)) for record in records]
        seen = [_look(documents, record) for record in records]
        return [observation for observation in seen if observation]

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        try:
            with open_folder(self._place, create=True) as folder:
                errors = _execute(folder, transitions)
        except (_Damaged, OSError) as error:
            text = f"{self._place}: {explain(error)}" if isinstance(error, OSError) else str(error)
            errors = {transition.address: text for transition in transitions}
        return [Outcome(transition.address, errors.get(transition.address, "")) for transition in transitions]

    def health(self, record: Record) -> Health:
        for observation in self.observe([record]):
            return Health(healthy=False, message=observation.drift)
        return Health(healthy=True)

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return ()


def open_driver(site: Site) -> Driver:
    return FlagdDriver(site.output)


def _execute(folder: Folder, transitions: Sequence[Transition]) -> dict[Address, str]:
    """What went wrong, by address. Raises _Damaged and OSError."""
    documents = _load(folder)
    errors: dict[Address, str] = {}
    changes: dict[str, Feature | None] = {}
    for transition in transitions:
        try:
            wanted = _wanted(transition)
        except BadFlag as error:
            errors[transition.address] = str(error)
            continue
        changes.setdefault(_key(former_address(transition.address, transition.before)), None)
        changes[_key(transition.address)] = wanted
    if changes:
        _write(folder, documents, changes)
    return errors


def _wanted(transition: Transition) -> Feature | None:
    """The feature to render, None where it is to go. Raises BadFlag."""
    if transition.target == ABSENT:
        return None
    manifest = transition.after or transition.before or {}
    feature = read_feature(transition.address, transition.target, manifest)
    for name in feature.environments:
        if name == BASE or not _ENVIRONMENT.match(name):
            raise BadFlag(f"{name!r} cannot name an environment: use lower-case letters, digits and hyphens")
    for document in (BASE, *feature.environments):
        check_flag(feature.key, feature.flag(document))
    return feature


def read_feature(address: Address, state: str, manifest: Mapping[str, Any]) -> Feature:
    return Feature(_key(address), state, manifest.get("spec", {}))


def _key(address: Address) -> str:
    """The flag's key: the component's name, after that of its sub-registry where it has one."""
    parts = parse_address(address)
    return f"{parts.registry}:{parts.name}" if parts.registry else parts.name


def _load(folder: Folder) -> dict[str, dict[str, Any]]:
    """All documents by name. Raises _Damaged for one that is damaged: to write it anew could lose flags."""
    documents: dict[str, dict[str, Any]] = {}
    for file in folder.names():
        name = file.removesuffix(".json")
        found = folder.read(file) if name != file and _ENVIRONMENT.match(name) else None
        if found is None:
            continue
        try:
            documents[name] = _parse(found.data)
        except ValueError as error:
            raise _Damaged(f"{FOLDER}/{file} is not a flagd document ({error}): repair or remove it") from error
    return documents


def _parse(data: bytes) -> dict[str, Any]:
    document = orjson.loads(data)
    parts = (document.get("flags"), document.get("metadata", {})) if isinstance(document, dict) else (None,)
    if all(isinstance(part, dict) for part in parts):
        return cast("dict[str, Any]", document)
    raise ValueError("it needs a map of flags, and its metadata are a map")


def _write(folder: Folder, documents: Mapping[str, dict[str, Any]], changes: Mapping[str, Feature | None]) -> None:
    """Lays `changes` over every document, and writes those that differ by it."""
    features = [feature for feature in changes.values() if feature]
    base = documents.get(BASE, {"$schema": _SCHEMA, "flags": {}})
    for name in sorted(_names(documents, features)):
        document = documents.get(name, base)
        flags = {key: flag for key, flag in document["flags"].items() if key not in changes}
        flags.update({feature.key: feature.flag(name) for feature in features})
        metadata = {**document.get("metadata", {}), "flagSetId": name}
        rendered = _dump({**document, "metadata": metadata, "flags": flags})
        if name not in documents or rendered != _dump(document):
            folder.write(f"{name}.json", rendered, 0o644)


def _names(documents: Mapping[str, Any], features: Iterable[Feature]) -> set[str]:
    """The documents that there are to be, for these features."""
    return {BASE, *documents, *(name for feature in features for name in feature.environments)}


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _look(documents: Mapping[str, dict[str, Any]], record: Record) -> Observation | None:
    manifest = record.body()
    feature = read_feature(former_address(record.address, manifest), record.state, manifest)
    names = sorted(_names(documents, [feature]))
    found = {name: documents.get(name, {"flags": {}})["flags"].get(feature.key) for name in names}
    if not any(found.values()):
        return Observation(record.address, ABSENT, f"{FOLDER}/{BASE}.json: missing")
    words = [_drift(name, flag, feature.flag(name)) for name, flag in found.items()]
    drift = "; ".join(filter(None, words))
    return Observation(record.address, record.state, drift) if drift else None


def _drift(name: str, found: Any, wanted: Mapping[str, Any]) -> str:
    if not isinstance(found, dict):
        return f"{FOLDER}/{name}.json: missing"
    fields = sorted(field for field in found.keys() | wanted.keys() if _differs(found, wanted, field))
    return f"{FOLDER}/{name}.json: {', '.join(fields)} changed" if fields else ""


def _differs(one: Mapping[str, Any], other: Mapping[str, Any], field: str) -> bool:
    """Compares as JSON, where 1 is not true."""
    return (field in one) != (field in other) or _dump(one.get(field)) != _dump(other.get(field))
