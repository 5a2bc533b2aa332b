from __future__ import annotations

import sys
from pathlib import Path

import pytest
from drivers.component import Component
from drivers.test_drivers_loading import MODULE
from drivers.wheels import environment, plugin, wheel
from repository import Repository
from sites import site_of

from reconciler.bootstrap import driver_versions, open_registry
from reconciler.drivers.loading import load_driver
from reconciler.model.diagnostics import Invalid

DRIVER = {"ureg.drivers": {"notes": "acme_cloud_driver"}}


@pytest.fixture
def root(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with an active plugin that brings the driver `notes`."""
    root = repository.root.resolve()
    house = tmp_path / "house"
    for name, value in environment(house, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    wheel(house, "acme-cloud-driver", "1.2.0", entries=DRIVER, module=MODULE)
    component = plugin("acme", version="1.2.0", package={"name": "acme-cloud-driver"})
    site = site_of(root / "out")._replace(run=root / ".ureg/run")
    assert [told.error for told in load_driver("venv", site).execute([component.apply()])] == [""]
    monkeypatch.setattr(sys, "path", list(sys.path))
    return root


def test_a_trusted_plugin_brings_a_driver(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "acme_cloud_driver", raising=False)
    (root / "ureg.yaml").write_text("drivers: {venv: {driversFrom: [plugin/acme]}}\n")
    driver = open_registry(root, {}, {}).driver_for("notes")
    assert [told.error for told in driver.execute([Component("Note", "a", "present", {}).apply()])] == [""]
    assert (root / ".ureg/out/notes.txt").read_text() == "note/a"
    assert driver_versions(["notes"]) == {"notes": "acme-cloud-driver 1.2.0"}


@pytest.mark.parametrize("settings", ["{}", "drivers: {venv: {driversFrom: [plugin/other]}}"])
def test_any_other_plugin_s_driver_is_not_used_and_told_of(root: Path, settings: str) -> None:
    (root / "ureg.yaml").write_text(settings)
    before = list(sys.path)
    with pytest.raises(Invalid) as caught:
        open_registry(root, {}, {}).driver_for("notes")
    detail = caught.value.diagnostics[0].detail
    assert "plugin/acme brings it, which `drivers.venv.driversFrom` of the settings must name" in detail
    assert sys.path == before


def test_one_for_another_python_is_not_used(root: Path) -> None:
    receipt = next(root.glob(".ureg/run/plugins/plugin~acme/*/.ureg-receipt.json"))
    own = f'"python":"{sys.version_info.major}.{sys.version_info.minor}"'
    assert own in receipt.read_text()
    receipt.write_text(receipt.read_text().replace(own, '"python":"3.7"'))
    (root / "ureg.yaml").write_text("drivers: {venv: {driversFrom: [plugin/acme]}}\n")
    with pytest.raises(Invalid):
        open_registry(root, {}, {}).driver_for("notes")


def test_nothing_is_used_that_came_by_a_commit(root: Path, repository: Repository) -> None:
    (root / "ureg.yaml").write_text("drivers: {venv: {driversFrom: [plugin/acme]}}\n")
    repository.git("add", "-f", ".ureg/run/plugins/entry-points.json")
    with pytest.raises(Invalid, match="in git"):
        open_registry(root, {}, {})


def test_nothing_is_used_that_is_behind_a_link(root: Path) -> None:
    (root / "ureg.yaml").write_text("drivers: {venv: {driversFrom: [plugin/acme]}}\n")
    (root / ".ureg").rename(root / "other")
    (root / ".ureg").symlink_to(root / "other")
    before = list(sys.path)
    with pytest.raises(Invalid, match="cannot be read"):
        open_registry(root, {}, {})
    assert sys.path == before


@pytest.mark.parametrize(
    "text", ["", "[]", '{"plugins": 1}', '{"plugins": {"x": 1}}', '{"plugins": {"plugin/acme": []}}']
)
def test_a_damaged_list_of_plugins_is_no_crash(root: Path, text: str) -> None:
    (root / ".ureg/run/plugins/entry-points.json").write_text(text)
    (root / "ureg.yaml").write_text("drivers: {venv: {driversFrom: [plugin/acme]}}\n")
    assert open_registry(root, {}, {}).driver_for("record").name == "record"
