"""Holds documents against the schemas of their kinds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.compiler.annotations import field_at
from reconciler.compiler.finding import Finding, place_all
from reconciler.compiler.judge import Judge, Refusal, Unusable
from reconciler.compiler.manifest import address_of
from reconciler.compiler.schema import Schemas, base_name, describe
from reconciler.compiler.sensitive import (
    conceal,
    is_secret_reference,
    leaks,
    root_of_secret,
    secret_finding,
    sensitive_places,
)
from reconciler.compiler.veil import REFERENCE
from reconciler.compiler.wording import UNEXPECTED_CODES, flatten, word
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, Pointer
from reconciler.model.kind import NO_FIELDS, Catalogue, Field, Kind, has_sensitive, only_sensitive
from reconciler.model.resource import Document

MAX_FINDINGS = 100
"""How many errors of one document are told."""


class Validator:
    """Validates documents by the schemas of one catalogue. Each schema is compiled at its first use."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._schemas: Schemas = catalogue.schemas
        self._judge = Judge(catalogue.schemas)
        self._sensitive = {slug: only_sensitive(kind.fields) for slug, kind in catalogue.kinds.items()}
        self._paths = {base_name(kind.schema_path): kind.schema_path for kind in catalogue.kinds.values()}

    def prepare(self) -> None:
        """Does now what the first document of each kind would wait for."""
        self._judge.prepare(self._paths)

    def check(self, document: Document, kind: Kind, data: bytes, also: Sequence[Finding] = ()) -> Diagnostics:
        """What is wrong with `document` of the kind `kind`; `data` is its file's content. Costs a few microseconds
        for a valid document. Of the findings `also` those are told at whose places the schema finds nothing."""
        found = self.check_against(base_name(kind.schema_path), document, data, self._sensitive[kind.slug], also)
        address = address_of(document, kind) if found else ""
        return tuple(one._replace(address=address) for one in found)

    def check_against(
        self, file: str, document: Document, data: bytes, fields: Field = NO_FIELDS, also: Sequence[Finding] = ()
    ) -> Diagnostics:
        """What the schema `file` and the sensitive places of `fields` have against `document`, and `also`."""
        try:
            accepted = self._judge.accepts(file, document.value)
            if accepted and not also and (fields is NO_FIELDS or not leaks(fields, document.value)):
                return ()
            findings = _limited(self._findings(file, document.value, fields))
        except Unusable as error:
            return (_unusable(self._paths.get(error.file, error.file)),)
        places = {finding.pointer for finding in findings}
        findings += [finding for finding in also if finding.pointer not in places]
        diagnostics = place_all(findings, document.path, data, document.number)
        if fields is NO_FIELDS:
            return diagnostics
        hidden = _hidden(findings, document.value, fields)
        return conceal(diagnostics, hidden, document.path, document.number, data)

    def _findings(self, file: str, value: Any, fields: Field) -> Iterator[Finding]:
        secrets = {pointer for pointer, held in sensitive_places(fields, value) if not is_secret_reference(held)}
        yield from (self._secret(file, pointer) for pointer in sorted(secrets, key=str))
        if self._judge.accepts(file, value):
            return
        for refusal in flatten(self._judge.refusals(file, value)):
            secret = root_of_secret(fields, refusal.pointer)
            if secret is None:
                yield word(_discreet(refusal, fields), file, self._schemas)
            elif secret not in secrets:
                secrets.add(secret)
                yield self._secret(file, secret)

    def _secret(self, file: str, pointer: Pointer) -> Finding:
        return secret_finding(pointer, describe(file, self._schemas, pointer))


def _limited(findings: Iterator[Finding]) -> list[Finding]:
    told: dict[Finding, None] = {}
    for finding in findings:
        if len(told) == MAX_FINDINGS:
            more = f"The document has more than {MAX_FINDINGS} errors; the others are not told."
            return [*told, Finding("too-many-errors", more)]
        told[finding] = None
    return list(told)


def _discreet(refusal: Refusal, fields: Field) -> Refusal:
    """The refusal without its value where that may be a secret, written in a reference's place or in the place of a
    mapping that holds references."""
    near = REFERENCE in refusal.pointer or has_sensitive(field_at(fields, refusal.pointer))
    return refusal._replace(value="…") if near and isinstance(refusal.value, str | float | int) else refusal


def _hidden(findings: list[Finding], value: Any, fields: Field) -> set[Pointer]:
    """Places whose text may hold a secret: the sensitive ones, and what stands under a key that was not expected,
    since it may be a sensitive key misspelt."""
    unexpected = {finding.pointer for finding in findings if finding.code in UNEXPECTED_CODES}
    return unexpected | {pointer for pointer, _ in sensitive_places(fields, value)}


def _unusable(path: str) -> Diagnostic:
    return Diagnostic(
        code="schema-unusable",
        summary=f"The schema {path} is broken, so that nothing can be validated by it.",
        location=Location(path),
    )
