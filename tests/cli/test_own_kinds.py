"""A kind that somebody made up, with a command or a service of their own behind it: the example of docs/kinds.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from repository import ROOT, Repository

PAGE = (ROOT / "docs/kinds.md").read_text(encoding="utf-8")


def block(language: str, mark: str) -> str:
    """The one block of code in the page that is in `language` and holds `mark`."""
    found: list[str] = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if mark in text]
    assert len(found) == 1, mark
    return found[0]


@pytest.fixture
def zones(repository: Repository) -> Repository:
    """A registry with the page's example in it; the driver keeps its zones in the folder `zones`."""
    program = repository.write("tools/zone-driver", block("python", "#!/usr/bin/env python3"))
    program.chmod(0o755)
    repository.write("schemas/zone.schema.json", block("json", '"kind": "Zone"'))
    repository.write("registry.d/shop.yaml", block("yaml", "kind: Zone"))
    repository.write("ureg.yaml", block("yaml", "argv: [tools/zone-driver]"))
    return repository


def zone(repository: Repository) -> Path:
    return repository.root / "zones/shop.json"


def test_the_example_of_the_page_works(zones: Repository) -> None:
    zones.ureg("validate")
    zones.ureg("apply", "-auto-approve")
    assert '"ttl": 300' in zone(zones).read_text()
    assert "No changes" in zones.ureg("plan")
    zone(zones).write_text("{}")
    text = zones.ureg("plan", "-detailed-exitcode", code=2)
    assert "zone/shop has changed" in text
    zones.ureg("apply", "-auto-approve")
    assert '"ttl": 300' in zone(zones).read_text()
    assert "All 1 healthy" in zones.ureg("health")
    zones.ureg("destroy", "-auto-approve")
    assert not zone(zones).exists()


def test_what_the_settings_do_not_permit_is_not_run(zones: Repository) -> None:
    (zones.root / "ureg.yaml").unlink()
    text = zones.refused("apply", "-auto-approve")
    assert "Error: The driver 'exec:zones' is not permitted" in text
    assert "ureg.yaml permits exec no command 'zones'" in text
    assert "drivers: {exec: {commands: {zones: {argv: [/path/to/program]}}}}" in re.sub(
        r"\s+", " ", text.replace("│", "")
    )
    assert not zone(zones).exists()


def test_two_zones_that_want_one_name(zones: Repository) -> None:
    twin = (zones.root / "registry.d/shop.yaml").read_text().replace("name: shop", "name: twin")
    zones.write("registry.d/twin.yaml", twin)
    assert "zone/twin wants the domain shop.example.com, which zone/shop has." in zones.refused("plan")


def test_a_failure_is_told_and_a_later_apply_heals_it(zones: Repository) -> None:
    zones.write("zones", "in the way")
    done = zones.run("apply", "-auto-approve")
    assert done.returncode == 1
    assert "ended with exit code 1" in done.stdout + done.stderr
    (zones.root / "zones").unlink()
    zones.ureg("apply", "-auto-approve")
    assert zone(zones).exists()
