"""Reads a whole state back from the JSON that `state pull` prints. Nothing in it is believed before it was checked."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from reconciler.compiler.manifest import fingerprint
from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.record import Record, RecordedState, Status

VERSION = 1
"""The format that can be read."""

MOST_BYTES = 256 * 1024 * 1024

_MOST_SHOWN = 20


def read_state(data: bytes) -> RecordedState:
    """The state that `data` holds. Raises Invalid with everything that is wrong with it."""
    if len(data) > MOST_BYTES:
        raise _refused("is too large", f"A state file has at most {MOST_BYTES >> 20} MiB.")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _refused("is not JSON", f"{error}.") from None
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is not int or version != VERSION:
        shown = f"the format version {version}" if type(version) is int else "no format version"
        raise _refused("is not a state that this ureg reads", f"It has {shown}; this ureg reads {VERSION}.")
    try:
        return _recorded(_StateFile.model_validate(value))
    except ValidationError as error:
        raise _invalid(error) from None


def _address(text: str) -> str:
    parse_address(text)
    return text


_Address = Annotated[str, AfterValidator(_address)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Serial = Annotated[int, Field(ge=0, lt=2**63)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class _Resource(_Strict):
    address: _Address
    kind: _Word
    name: _Word
    state: _Word
    status: Annotated[Status, Field(strict=False)]
    document: dict[str, Any] | None
    metadata: dict[str, Any] = Field(default_factory=dict)
    spec: Any = None
    dependencies: list[_Address]
    fingerprint: str
    source: str
    commit: str
    serial: _Serial
    error: str
    failures: _Serial

    @model_validator(mode="after")
    def _fits_its_address(self) -> _Resource:
        parts = parse_address(self.address)
        if (parts.kind, parts.name) != (self.kind.lower(), self.name):
            raise ValueError(f"{self.address} is not the address of the {self.kind} {self.name}")
        return self

    def manifest(self) -> bytes:
        """The canonical bytes of what was applied; empty where nothing was yet."""
        if self.document is None:
            return b""
        given = {name: getattr(self, name) for name in ("metadata", "spec") if name in self.model_fields_set}
        return orjson.dumps({**self.document, **given}, option=orjson.OPT_SORT_KEYS)

    def record(self) -> Record:
        manifest = self.manifest()
        return Record(
            address=self.address,
            kind=self.kind,
            state=self.state,
            status=self.status,
            fingerprint=fingerprint(manifest) if manifest else self.fingerprint,
            manifest=manifest,
            references=orjson.dumps(self.dependencies),
            source=self.source,
            commit=self.commit,
            serial=self.serial,
            error=self.error,
            failures=self.failures,
        )


class _StateFile(_Strict):
    version: int
    serial: _Serial
    lineage: Annotated[str, StringConstraints(max_length=256)]
    resources: list[_Resource]


def _recorded(file: _StateFile) -> RecordedState:
    records: dict[Address, Record] = {}
    for resource in file.resources:
        if resource.address in records:
            raise _refused("is not a state", f"{resource.address} stands in it twice.")
        try:
            records[resource.address] = resource.record()
        except TypeError as error:  # deeper than JSON is written
            raise _refused("is not a state", f"{resource.address}: {error}.") from None
    return RecordedState(file.lineage, file.serial, records)


def _invalid(error: ValidationError) -> Invalid:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}." for each in found]
    more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    return _refused("is not a state", "\n".join(lines[:_MOST_SHOWN] + more))


def _refused(what: str, why: str) -> Invalid:
    hint = "Give what `ureg state pull` printed."
    return Invalid(Diagnostic("state-file", f"The state file {what}", detail=why, hint=hint))
