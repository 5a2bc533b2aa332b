"""The registry that is applied while things go wrong: its first version, and the second, which changes it in every
way that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from manifests import component

HERE = Path(__file__).parent
TOKEN = "LEDGER_TOKEN"
"""The environment variable with the secret that every Thing refers to."""

_CYCLE = 6
"""What becomes of a thing in the second version follows from its number: it stays, its text changes, it stops, it
goes, text and state change, or it is new."""
_STAYS, _TEXT, _STOPS, _GOES, _BOTH, _NEW = range(_CYCLE)


def schemas() -> dict[str, str]:
    """The kinds: Thing, whose driver refuses to do anything twice, and Echo, whose driver does it again."""
    thing = (HERE / "thing.schema.json").read_text(encoding="utf-8")
    echo = thing.replace("Thing", "Echo").replace("things", "echoes").replace("thing.", "echo.")
    return {
        "schemas/thing.schema.json": thing,
        "schemas/echo.schema.json": echo.replace('"driver": "ledger"', '"driver": "ledger_again"'),
    }


def manifests(count: int, version: int) -> dict[str, str]:
    """`count` Things and Echoes, a few Components and Configs, by path. Version 1 or 2."""
    texts = {f"registry.d/{address}.yaml": text for address, text in _things(count, version)}
    for number, name in enumerate(("stays", "changes", "goes", "comes")):
        if name != ("comes", "goes")[version - 1]:
            owner = f"owner-{version if name == 'changes' else 0}"
            texts[f"registry.d/components/{name}.yaml"] = component(name, owner, depends_on=["thing/t00"][:number])
            texts[f"registry.d/configs/{name}.yaml"] = _config(name, version if name == "changes" else 0)
    return texts


def _things(count: int, version: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        fate = _fate(number)
        if fate != (_NEW, _GOES)[version - 1]:
            changed = version == 2 and fate in (_TEXT, _BOTH)
            stopped = version == 2 and fate in (_STOPS, _BOTH)
            yield _address(number), _thing(number, 2 if changed else 1, "stopped" if stopped else "running")


def _fate(number: int) -> int:
    """Only every second one goes that could, as an apply that removes much is stopped by its guard."""
    fate = number % _CYCLE
    return _STAYS if fate == _GOES and number // _CYCLE % 2 else fate


def _address(number: int) -> str:
    return f"{'echo' if number % 4 == 3 else 'thing'}/t{number:02}"


def _thing(number: int, text: int, state: str) -> str:
    kind, name = _address(number).split("/")
    base = number - number % _CYCLE
    needs = [] if number == base else [_address(base), "config/stays"][: 1 + number % 2]
    document = {
        "apiVersion": "ureg/v1",
        "kind": kind.capitalize(),
        "metadata": {"name": name, "dependsOn": needs},
        "state": state,
        "spec": {"text": f"text {text} of {name}", "token": {"secretRef": f"env:{TOKEN}"}},
    }
    return json.dumps(document)


def _config(name: str, value: int) -> str:
    document: Mapping[str, object] = {
        "apiVersion": "ureg/v1",
        "kind": "Config",
        "metadata": {"name": name},
        "spec": {"format": "json", "path": f"{name}.json", "values": {"value": value}},
    }
    return json.dumps(document)
