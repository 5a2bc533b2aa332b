"""Writes what is recorded as data: the whole state as `state pull` prints it, or some components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.model.address import parse_address
from reconciler.model.record import Record, RecordedState
from reconciler.render.json_text import dump

FORMAT_VERSION = 1


def render_state(recorded: RecordedState) -> bytes:
    return dump(
        {
            "version": FORMAT_VERSION,
            "serial": recorded.serial,
            "lineage": recorded.lineage,
            "resources": [facts(recorded.records[address]) for address in sorted(recorded.records)],
        },
        indent=True,
    )


def render_records_json(records: Iterable[Record], single: bool) -> str:
    """A list of components, or the only one by itself."""
    return dump(_listed(records, single), indent=True).decode()


def render_records_yaml(records: Iterable[Record], single: bool) -> str:
    """The same as YAML."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    written = io.StringIO()
    yaml.dump(_listed(records, single), written)
    return written.getvalue()


def _listed(records: Iterable[Record], single: bool) -> Any:
    resources = [facts(record) for record in records]
    return resources[0] if single and resources else resources


def facts(record: Record) -> dict[str, Any]:
    """Everything that is known of a component, as JSON values.

    The manifest is `document` (null before the first success) together with `metadata` and `spec`.
    """
    body = record.body()
    shown: dict[str, Any] = {name: body.pop(name) for name in ("metadata", "spec") if name in body}
    if not record.manifest:
        shown = {"metadata": {}, "spec": None}
    return {
        "address": record.address,
        "kind": record.kind,
        "name": parse_address(record.address).name,
        "state": record.state,
        "status": record.status.value,
        "document": body if record.manifest else None,
        **shown,
        "dependencies": list(record.dependencies),
        "fingerprint": record.fingerprint,
        "source": record.source,
        "commit": record.commit,
        "serial": record.serial,
        "error": record.error,
        "failures": record.failures,
    }
