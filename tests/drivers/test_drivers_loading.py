from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from drivers.component import Component
from sites import site_of

from reconciler.drivers.loading import BrokenDriver, UnknownDriver, is_built_in, known_drivers, load_driver

MODULE = """
from reconciler.model.outcome import Health, Outcome

class Notes:
    name = "notes"
    acts = True
    batches = False

    def __init__(self, place):
        self.place = place

    def observe(self, records):
        return ()

    def execute(self, transitions):
        for transition in transitions:
            self.place.mkdir(parents=True, exist_ok=True)
            (self.place / "notes.txt").write_text(transition.address)
        return [Outcome(transition.address) for transition in transitions]

    def health(self, record):
        return Health(True)

    def logs(self, record, lines, follow):
        return ()

def open_driver(site):
    return Notes(site.output)
"""
ENTRIES = """[ureg.drivers]
notes = acme_notes
gone = acme_gone
empty = acme_empty
files = acme_empty
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of someone else's, installed as pip leaves it, with drivers that work and drivers that do not."""
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (site / "acme_notes.py").write_text(MODULE)
    (site / "acme_empty.py").write_text("")
    monkeypatch.syspath_prepend(site)
    return site


@pytest.mark.parametrize("name", ["record", "files", "flagd"])
def test_built_in_drivers_are_found_by_their_module(place: Path, name: str) -> None:
    assert load_driver(name, site_of(place)).name == name
    assert name in known_drivers()
    assert is_built_in(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nope",
        "loading",
        "atomic",
        "formats",
        "targeting",
        "secrets",
        "sops",
        "guard",
        "__init__",
        "../files",
        "Files",
        "files\n",
        "os.path",
    ],
)
def test_anything_else_is_unknown(place: Path, name: str) -> None:
    with pytest.raises(UnknownDriver) as caught:
        load_driver(name, site_of(place))
    assert caught.value.name == name
    assert {"files", "flagd", "record"} <= set(caught.value.known)
    assert not {"atomic", "formats", "loading", "targeting"} & set(caught.value.known)


@pytest.mark.usefixtures("installed")
def test_a_driver_of_another_package_works_like_a_built_in_one(place: Path) -> None:
    driver = load_driver("notes", site_of(place))
    component = Component("Note", "a", "present", {})
    assert [outcome.error for outcome in driver.execute([component.apply()])] == [""]
    assert (place / "notes.txt").read_text() == "note/a"
    assert "notes" in known_drivers()
    assert not is_built_in("notes")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "reason"), [("gone", "No module named 'acme_gone'"), ("empty", "no function open_driver")]
)
def test_a_broken_driver_of_another_package_is_told_of(place: Path, name: str, reason: str) -> None:
    with pytest.raises(BrokenDriver, match=reason):
        load_driver(name, site_of(place))


@pytest.mark.usefixtures("installed")
def test_no_package_takes_the_name_of_a_built_in_driver(place: Path) -> None:
    assert load_driver("files", site_of(place)).name == "files"


def test_a_driver_brings_no_heavy_imports() -> None:
    script = (
        "import sys; from pathlib import Path; from reconciler.drivers.loading import load_driver\n"
        "from reconciler.drivers.site import Site\n"
        "for name in ('record', 'files', 'flagd'): load_driver(name, Site.at(Path('/nowhere')))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "reconciler.drivers.flagd" in loaded
    assert not loaded & {"importlib.metadata", "openfeature", "tomli_w", "yaml", "ruamel.yaml", "logging", "difflib"}
