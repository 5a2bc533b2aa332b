"""One file becomes resources: parsed, its documents given their kinds, validated and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.compiler.finding import Finding, clip, place, place_all
from reconciler.compiler.manifest import API_VERSION, is_name, stem, to_resource
from reconciler.compiler.parse import parse
from reconciler.compiler.rules import check_rules
from reconciler.compiler.sensitive import conceal_unknown
from reconciler.compiler.suggest import did_you_mean
from reconciler.compiler.validate import Validator
from reconciler.compiler.veil import sensitive_names, veil
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Severity, errors
from reconciler.model.kind import Catalogue, Kind
from reconciler.model.resource import Document, Resource

MAX_ERRORS = 100
"""After how many errors the rest of a file is not looked at."""


def compile_file(
    path: str, data: bytes, catalogue: Catalogue, validator: Validator, plain: Kind | None
) -> tuple[tuple[Resource, ...], Diagnostics]:
    """The resources of the valid documents in `data`, the content of the file `path`, and what is wrong with the rest.

    `plain` is the kind of a plain file; None says that the file holds manifests. `validator` is that of `catalogue`.
    """
    resources, diagnostics = _compile(path, data, catalogue, validator, plain)
    return resources, veil(diagnostics, data, sensitive_names(catalogue)) if diagnostics else ()


def _compile(
    path: str, data: bytes, catalogue: Catalogue, validator: Validator, plain: Kind | None
) -> tuple[tuple[Resource, ...], Diagnostics]:
    documents, found = parse(path, data)
    if not documents and not found:
        return (), (_empty(path),)
    if plain is not None:
        return _compile_plain(path, data, documents, found, validator, plain)
    resources: list[Resource] = []
    diagnostics = list(found)
    for document in documents:
        if len(diagnostics) >= MAX_ERRORS:
            diagnostics.append(_too_many(path))
            break
        resource, told = _compile_manifest(document, data, catalogue, validator)
        resources += [resource] if resource else []
        diagnostics += told
    return tuple(resources), tuple(diagnostics)


def _compile_plain(
    path: str, data: bytes, documents: tuple[Document, ...], found: Diagnostics, validator: Validator, kind: Kind
) -> tuple[tuple[Resource, ...], Diagnostics]:
    diagnostics = [*found, *(_plain_findings(path, data, documents, kind) if not errors(found) else ())]
    if errors(tuple(diagnostics)) or not documents:
        return (), tuple(diagnostics)
    resource, told = _resource(documents[0], data, kind, validator)
    return ((resource,) if resource else ()), (*diagnostics, *told)


def _plain_findings(path: str, data: bytes, documents: tuple[Document, ...], kind: Kind) -> Diagnostics:
    findings = []
    if not stem(path).isprintable():
        summary = "The file's name holds characters that cannot be seen, and so cannot be a component's name."
        findings.append(Finding("name-invalid", summary))
    if len(documents) > 1:
        summary = f"A file of the kind {kind.name} holds exactly one document, not {len(documents)}."
        return (*place_all(findings, path, data), place(Finding("plain-several", summary), path, data, 1))
    return place_all(findings, path, data)


def _compile_manifest(
    document: Document, data: bytes, catalogue: Catalogue, validator: Validator
) -> tuple[Resource | None, Diagnostics]:
    value = document.value
    if not isinstance(value, dict):
        odd = Finding("manifest-type", "A manifest is a mapping with apiVersion, kind and metadata.")
        return None, place_all([odd], document.path, data, document.number)
    kind = _kind(value.get("kind"), catalogue)
    if kind is None or kind.files:
        findings = [*_version(value), _not_a_kind(value, catalogue) if kind is None else _plain_kind(kind)]
        told = place_all(findings, document.path, data, document.number)
        return None, tuple(map(conceal_unknown, told))
    return _resource(document, data, kind, validator)


def _kind(word: Any, catalogue: Catalogue) -> Kind | None:
    kind = catalogue.kinds.get(word.lower()) if isinstance(word, str) else None
    return kind if kind and kind.name == word else None


def _resource(document: Document, data: bytes, kind: Kind, validator: Validator) -> tuple[Resource | None, Diagnostics]:
    envelope = [] if kind.files else [*_version(document.value), *_name(document.value)]
    told = validator.check(document, kind, data, envelope)
    if told:
        return None, told
    resource, misfits = to_resource(document, kind)
    misfits += check_rules(document.value, kind)
    if misfits:
        return None, place_all(misfits, document.path, data, document.number, resource.address)
    return resource, ()


def _version(value: Mapping[str, Any]) -> list[Finding]:
    if "apiVersion" not in value:
        return [
            Finding(
                "manifest-version", 'The manifest lacks the key "apiVersion".', (), f"Add apiVersion: {API_VERSION}."
            )
        ]
    if value["apiVersion"] == API_VERSION:
        return []
    return [Finding("manifest-version", f'"apiVersion" must be "{API_VERSION}".', ("apiVersion",))]


def _not_a_kind(value: Mapping[str, Any], catalogue: Catalogue) -> Finding:
    names = [kind.name for kind in catalogue.kinds.values()]
    listed = f"The kinds are {', '.join(sorted(names))}."
    if "kind" not in value:
        return Finding("manifest-kind", 'The manifest lacks the key "kind".', (), listed)
    word = value["kind"]
    if not isinstance(word, str):
        return Finding("manifest-kind", '"kind" must be the name of a kind.', ("kind",), listed)
    meant = catalogue.find(word)
    hint = f'Did you mean "{meant.name}"?' if meant else did_you_mean(word, names) or listed
    return Finding("kind-unknown", f'There is no kind "{clip(word)}".', ("kind",), hint)


def _plain_kind(kind: Kind) -> Finding:
    summary = f"Components of the kind {kind.name} are plain files, {kind.files}, and not manifests."
    return Finding("kind-plain", summary, ("kind",))


def _name(value: Mapping[str, Any]) -> list[Finding]:
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or "name" not in metadata:
        pointer: tuple[str, ...] = ("metadata",) if "metadata" in value else ()
        return [Finding("manifest-name", "The manifest lacks the name of its component, metadata.name.", pointer)]
    name = metadata["name"]
    if isinstance(name, str) and is_name(name):
        return []
    summary = '"metadata.name" must be lower-case letters, digits and hyphens, 63 at most, no hyphen at either end.'
    return [Finding("manifest-name", summary, ("metadata", "name"))]


def _empty(path: str) -> Diagnostic:
    return Diagnostic(
        code="yaml-empty",
        summary="The file is empty.",
        hint="Remove it, or write a manifest.",
        location=Location(path),
        severity=Severity.WARNING,
    )


def _too_many(path: str) -> Diagnostic:
    summary = f"The file has {MAX_ERRORS} errors or more; the rest of it was not looked at."
    return Diagnostic("too-many-errors", summary, location=Location(path))
