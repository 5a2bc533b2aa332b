from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from drivers.component import Component
from drivers.wheels import environment, plugin, source, wheel
from sites import site_of

from reconciler.drivers.loading import load_driver
from reconciler.drivers.venv import VenvDriver
from reconciler.drivers.venv_tools import _search
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.record import Observation, Seen
from reconciler.ports import Driver

CONFIGURED = """
import sys, pathlib

def main():
    print((pathlib.Path(sys.prefix).parent / "configuration.json").read_text())
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def house(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where uv and pip find packages by name."""
    folder = tmp_path.resolve() / "house"
    folder.mkdir()
    for name, value in environment(folder, cache).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def root(tmp_path: Path, house: Path) -> Path:
    """The registry's folder; its name is one that needs quoting."""
    folder = tmp_path.resolve() / "a shop"
    folder.mkdir()
    return folder


@pytest.fixture
def run(root: Path) -> Path:
    return root / "run"


@pytest.fixture
def driver(root: Path) -> Driver:
    return load_driver("venv", site_of(root / "out"))


def execute(driver: Driver, *transitions: Transition) -> list[str]:
    return [outcome.error for outcome in driver.execute(transitions)]


def apply(driver: Driver, component: Component, before: Component | None = None) -> str:
    return execute(driver, component.apply(before))[0]


def observe(driver: Driver, *components: Component) -> list[Observation]:
    return list(driver.observe([component.record() for component in components]))


def seen(driver: Driver, component: Component) -> list[Seen]:
    return [each for observation in observe(driver, component) for each in observation.seen]


def says(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def registered(run: Path) -> Any:
    return orjson.loads((run / "plugins/entry-points.json").read_bytes())["plugins"]


def environments(run: Path, name: str = "notes") -> list[Path]:
    return [
        path.parent for path in (run / f"plugins/plugin~{name}").glob("*/pyvenv.cfg") if path.parent.name != "current"
    ]


def modules(run: Path, name: str = "notes") -> Path:
    return next((run / f"plugins/plugin~{name}/current/lib").glob("python*/site-packages"))


def eventually(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.01)
    return False


# What applying does


def test_a_package_by_name_becomes_a_program_and_entry_points(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-words", "2.1.0")
    wheel(
        house,
        "shop-notes",
        "1.0.0",
        scripts=["notes"],
        entries={"shop.notes": {"a": "m:f"}},
        requires=["shop-words>=2"],
    )
    wheel(house, "shop-notes", "1.1.0", scripts=["notes"])
    component = plugin(configuration={"size": 3})
    assert apply(driver, component) == ""
    assert says(run / "bin/notes") == "shop-notes 1.0.0"
    entry = registered(run)["plugin/notes"]
    assert entry["entryPoints"] == {"console_scripts": {"notes": "shop_notes:main"}, "shop.notes": {"a": "m:f"}}
    assert (entry["distribution"], entry["version"]) == ("shop-notes", "1.0.0")
    assert (run / "plugins" / entry["modules"] / "shop_words.py").is_file()
    assert orjson.loads((run / "plugins" / entry["configuration"]).read_bytes()) == {"size": 3}
    assert observe(driver, component) == []
    assert driver.health(component.record()).healthy


def test_a_plugin_finds_its_configuration_beside_its_environment(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"], module=CONFIGURED)
    first, second = plugin(configuration={"size": 3}), plugin(configuration={"size": 4})
    assert apply(driver, first) == ""
    made = environments(run)
    assert apply(driver, second, first) == ""
    assert orjson.loads(says(run / "bin/notes")) == {"size": 4}
    assert environments(run) == made


@pytest.mark.parametrize(
    ("version", "got"), [(">=1,<2", "1.4.0"), ("~=1.0.0", "1.0.3"), ("2.0.0-rc.1", "2.0.0rc1"), ("==1.0.3", "1.0.3")]
)
def test_a_version_or_a_range_decides_what_is_installed(
    driver: Driver, house: Path, run: Path, version: str, got: str
) -> None:
    for each in ("1.0.0", "1.0.3", "1.4.0", "2.0.0rc1"):
        wheel(house, "shop-notes", each, scripts=["notes"])
    component = plugin(version=version)
    assert apply(driver, component) == ""
    assert says(run / "bin/notes") == f"shop-notes {got}"
    assert observe(driver, component) == []


def test_states_decide_what_is_there(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    states = [
        plugin(state=state) for state in ("registered", "installed", "active", "inactive", "deprecated", "inactive")
    ]
    linked, there = [], []
    for before, component in zip([None, *states], states, strict=False):
        assert apply(driver, component, before) == ""
        assert observe(driver, component) == []
        linked.append((run / "bin/notes").is_symlink() and "plugin/notes" in registered(run))
        there.append(len(environments(run)))
    assert linked == [False, False, True, False, True, False]
    assert there == [0, 1, 1, 1, 1, 1]
    assert execute(driver, states[-1].remove(), states[-1].remove()) == ["", ""]
    assert list((run / "plugins").iterdir()) == [run / "plugins/entry-points.json"]
    assert list((run / "bin").iterdir()) == []


def test_a_wheel_and_a_source_folder_of_the_repository(driver: Driver, root: Path, run: Path) -> None:
    wheel(root / "wheels", "shop-notes", "1.0.0", scripts=["notes"])
    source(root / "plugins/rules", "shop-rules", "0.2.0", scripts=["rules"])
    before = sorted(root.rglob("*"))
    notes = plugin(package={"wheel": "wheels/shop_notes-1.0.0-py3-none-any.whl"})
    rules = plugin("rules", version="0.2.0", package={"path": "plugins/rules"})
    assert execute(driver, notes.apply(), rules.apply()) == ["", ""]
    assert says(run / "bin/notes") == "shop-notes 1.0.0"
    assert says(run / "bin/rules") == "shop-rules 0.2.0"
    assert [path for path in sorted(root.rglob("*")) if run not in (path, *path.parents)] == before
    assert observe(driver, notes, rules) == []


def test_a_wheel_that_changes_in_the_repository_is_drift_and_is_installed_anew(
    driver: Driver, root: Path, run: Path
) -> None:
    made = wheel(root, "shop-notes", "1.0.0", scripts=["notes"])
    component = plugin(package={"wheel": made.name})
    assert apply(driver, component) == ""
    made.touch()
    assert observe(driver, component) == []
    wheel(root, "shop-notes", "1.0.0", scripts=["notes"], module="def main(): print('better')\n")
    assert seen(driver, component) == [Seen("spec.package.wheel", "as installed", "changed in the repository")]
    assert apply(driver, component, component) == ""
    assert says(run / "bin/notes") == "better"
    made.unlink()
    assert (
        "is not there" in seen(driver, component)[0].observed or "No such file" in seen(driver, component)[0].observed
    )


def test_an_upgrade_swaps_and_keeps_the_one_before_until_the_next(driver: Driver, house: Path, run: Path) -> None:
    versions = [plugin(version=f"1.{minor}.0") for minor in range(3)]
    for minor, names in enumerate((["notes", "old"], ["notes", "new"], ["notes"])):
        wheel(house, "shop-notes", f"1.{minor}.0", scripts=names)
    assert apply(driver, versions[0]) == ""
    assert apply(driver, versions[1], versions[0]) == ""
    assert sorted(path.name for path in (run / "bin").iterdir()) == ["new", "notes"]
    assert len(environments(run)) == 2
    assert apply(driver, versions[2], versions[1]) == ""
    assert len(environments(run)) == 2
    assert says(run / "bin/notes") == "shop-notes 1.2.0"
    assert observe(driver, versions[2]) == []
    assert seen(driver, versions[0]) == [Seen("spec.version", "1.0.0", "1.2.0")]


def test_pip_does_it_where_there_is_no_uv(
    driver: Driver, house: Path, root: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.drivers.venv_tools._find_uv", lambda: None)
    _search.cache_clear()
    try:
        wheel(house, "shop-words", "2.1.0")
        source(root / "rules", "shop-rules", "0.2.0", scripts=["rules"], requires=["shop-words"])
        component = plugin("rules", version="0.2.0", package={"path": "rules"})
        assert apply(driver, component) == ""
        assert says(run / "bin/rules") == "shop-rules 0.2.0"
        assert driver.health(component.record()) == (True, "")
    finally:
        _search.cache_clear()


# Drift and health


def damage_file(run: Path) -> None:
    (modules(run) / "shop_notes.py").write_text("def main(): print('shop-notes 6.6.6')\n")


def damage_quietly(run: Path) -> None:
    """As many bytes, at another time."""
    file = modules(run) / "shop_notes.py"
    file.write_text(file.read_text().replace("1.0.0", "6.6.6"))


def remove_file(run: Path) -> None:
    (modules(run) / "shop_notes.py").unlink()


def unlink_program(run: Path) -> None:
    (run / "bin/notes").unlink()


def empty_entry_points(run: Path) -> None:
    (run / "plugins/entry-points.json").write_text("{")


def remove_dependency(run: Path) -> None:
    shutil.rmtree(modules(run) / "shop_words-2.1.0.dist-info")


def upgrade_in_place(run: Path) -> None:
    python = run / "plugins/plugin~notes/current/bin/python"
    subprocess.run(["uv", "pip", "install", "-q", "--python", python, "shop-notes==1.1.0"], check=True)


def break_interpreter(run: Path) -> None:
    python = run / "plugins/plugin~notes/current/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python")


def change_configuration(run: Path) -> None:
    (run / "plugins/plugin~notes/configuration.json").write_text("{}")


def remove_environment(run: Path) -> None:
    shutil.rmtree(environments(run)[0])


def remove_run(run: Path) -> None:
    shutil.rmtree(run)


def deactivate(run: Path) -> None:
    unlink_program(run)
    empty_entry_points(run)


@pytest.mark.parametrize(
    ("damage", "state", "field", "observed"),
    [
        (damage_file, "active", "shop_notes.py", "changed"),
        (damage_quietly, "active", "shop_notes.py", "changed"),
        (remove_file, "active", "shop_notes.py", "missing"),
        (unlink_program, "active", "bin/notes", "not linked"),
        (empty_entry_points, "active", "entry points", "not registered"),
        (remove_dependency, "active", "package shop-words", "missing"),
        (upgrade_in_place, "active", "spec.version", "1.1.0"),
        (break_interpreter, "active", "interpreter", "gone"),
        (change_configuration, "active", "spec.configuration", "changed or missing"),
        (remove_environment, "registered", "environment", "gone"),
        (remove_run, "registered", "environment", "gone"),
        (deactivate, "inactive", "bin/notes", "not linked"),
    ],
)
def test_drift_is_told_and_healed(
    driver: Driver, house: Path, run: Path, damage: Callable[[Path], None], state: str, field: str, observed: str
) -> None:
    wheel(house, "shop-words", "2.1.0")
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"], requires=["shop-words"])
    wheel(house, "shop-notes", "1.1.0", scripts=["notes"], requires=["shop-words"])
    component = plugin(configuration={"size": 3})
    assert apply(driver, component) == ""
    damage(run)
    (observation,) = observe(driver, component)
    assert observation.state == state
    first = observation.seen[0]
    assert (first.field.rpartition("site-packages/")[2], first.observed) == (field, observed)
    assert observed in observation.drift
    assert "\n" not in observation.drift
    assert not driver.health(component.record()).healthy
    assert apply(driver, component, component) == ""
    assert observe(driver, component) == []
    assert driver.health(component.record()).healthy
    assert says(run / "bin/notes") == "shop-notes 1.0.0"


def test_a_removed_plugin_that_is_there_again_is_seen(driver: Driver, house: Path) -> None:
    wheel(house, "shop-notes", "1.0.0")
    apply(driver, plugin(state="active"))
    assert [each.state for each in observe(driver, plugin(state="registered"))] == ["active"]
    apply(driver, plugin(state="installed"))
    assert [each.state for each in observe(driver, plugin(state="registered"))] == ["installed"]


def test_health_reads_every_file_where_a_look_trusts_times(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0")
    component = plugin()
    apply(driver, component)
    file = modules(run) / "shop_notes.py"
    times = file.stat()
    damage_quietly(run)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert observe(driver, component) == []
    assert "shop_notes.py: changed" in driver.health(component.record()).message


def test_health_tells_what_a_plugin_lacks(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", requires=["shop-words"])
    wheel(house, "shop-words", "1.0.0")
    component = plugin()
    assert apply(driver, component) == ""
    metadata = modules(run) / "shop_words-1.0.0.dist-info/METADATA"
    metadata.write_text(f"{metadata.read_text()}Requires-Dist: shop-letters>=2\n")
    assert observe(driver, component) == []
    healthy, message = driver.health(component.record())
    assert not healthy
    assert "shop-letters" in message
    assert "not installed" in message


def test_many_plugins_are_observed_in_milliseconds(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    apply(driver, plugin(state="installed"))
    plugins = [plugin(f"notes-{number}", state="installed", package={"name": "shop-notes"}) for number in range(25)]
    for number in range(25):
        shutil.copytree(run / "plugins/plugin~notes", run / f"plugins/plugin~notes-{number}", symlinks=True)
    started = time.perf_counter()
    assert observe(driver, *plugins) == []
    assert time.perf_counter() - started < 0.25


def test_the_log_is_what_the_last_installation_said(driver: Driver, house: Path) -> None:
    wheel(house, "shop-notes", "1.0.0")
    wheel(house, "shop-notes", "1.1.0")
    first, second = plugin(), plugin(version="1.1.0")
    apply(driver, first)
    apply(driver, second, first)
    lines = list(driver.logs(second.record(), 100, follow=False))
    assert any("shop-notes==1.1.0" in line for line in lines)
    assert not any("1.0.0" in line for line in lines)
    assert list(driver.logs(second.record(), 1, follow=False)) == lines[-1:]
    assert list(islice(driver.logs(second.record(), 100, follow=True), len(lines))) == lines
    assert list(driver.logs(plugin("other").record(), 9, follow=False)) == []


# What goes wrong


def test_a_failed_upgrade_leaves_what_was_there(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    first = plugin()
    assert apply(driver, first) == ""
    before = environments(run)
    assert "shop-notes" in apply(driver, plugin(version="9.0.0"), first)
    assert says(run / "bin/notes") == "shop-notes 1.0.0"
    assert environments(run) == before
    assert observe(driver, first) == []


@pytest.mark.parametrize(
    ("version", "package", "message"),
    [
        ("1.0.0", {"name": "nope"}, "nope was not found"),
        (">=3,<4", {"name": "shop-notes"}, "only shop-notes==1.0.0 is available"),
        ("1.0.0", {"name": "shop-needy"}, "shop-missing"),
        ("1.0.0", {"wheel": "bad-1.0.0-py3-none-any.whl"}, "bad-1.0.0-py3-none-any.whl"),
        ("1.0.0", {"wheel": "shop_lie-1.0.0-py3-none-any.whl"}, "shop_lie.py is not what its RECORD says"),
        ("1.0.0", {"wheel": "gone-1.0.0-py3-none-any.whl"}, "No such file or directory"),
        ("1.0.0", {"wheel": "wheels/gone-1.0.0-py3-none-any.whl"}, "No such file"),
        ("1.0.0", {"wheel": "notes.whl"}, "not named as a wheel is"),
        ("1.0.1", {"wheel": "shop_lie-1.0.0-py3-none-any.whl"}, "is version 1.0.0, but spec.version asks for 1.0.1"),
        ("1.0.1", {"path": "rules"}, "shop-rules is version 0.2.0, but spec.version asks for 1.0.1"),
        ("1.0.0", {"path": "empty"}, "holds no pyproject.toml"),
        ("1.0.0", {"path": "nowhere"}, "nowhere"),
        ("1.0.0", {"path": "../house"}, "leads out of the registry's folder"),
        ("1.0.0", {"wheel": "../house/shop_notes-1.0.0-py3-none-any.whl"}, "leads out of the registry's folder"),
        ("1.0.0", {"wheel": "/house/shop_notes-1.0.0-py3-none-any.whl"}, "leads out of the registry's folder"),
        ("1.0.0", {"path": "linked"}, "symbolic link"),
        ("1.0.0", {"path": "out"}, "symbolic link"),
        ("1.0.0", {"wheel": "out/shop_notes-1.0.0-py3-none-any.whl"}, "symbolic link"),
        ("1.0.0", {"wheel": "alias-1.0.0-py3-none-any.whl"}, "symbolic link"),
        ("1.0.0-a.b.c", {"name": "shop-notes"}, "which no Python package can have"),
        ("==bad", {"name": "shop-notes"}, "which no Python package can have"),
        ("1.0.0", {"name": "--index-url=http://127.0.0.1/"}, "no distribution's name"),
        ("1.0.0", {"name": "x @ http://127.0.0.1/"}, "write the name alone"),
        ("1.0.0", {"name": "-r requirements.txt"}, "no distribution's name"),
        ("1.0.0", {}, "no package"),
    ],
)
def test_what_cannot_be_installed_is_told(
    driver: Driver, root: Path, house: Path, run: Path, version: str, package: dict[str, str], message: str
) -> None:
    wheel(house, "shop-notes", "1.0.0")
    wheel(house, "shop-needy", "1.0.0", requires=["shop-missing>=2"])
    wheel(root, "shop-lie", "1.0.0", lie=True)
    (root / "bad-1.0.0-py3-none-any.whl").write_bytes(b"junk")
    source(root / "rules", "shop-rules", "0.2.0")
    source(root / "linked", "shop-linked", "1.0.0")
    (root / "linked/secret").symlink_to("/etc/passwd")
    (root / "empty").mkdir()
    (root / "empty/readme").touch()
    (root / "out").symlink_to(house)
    (root / "alias-1.0.0-py3-none-any.whl").symlink_to(house / "shop_notes-1.0.0-py3-none-any.whl")
    error = apply(driver, plugin(version=version, package=package))
    assert message in error
    assert "\n" not in error
    assert "file://" not in error
    assert len(error) < 600
    assert environments(run) == []
    assert not (run / "bin").exists()


def test_an_index_that_is_gone_is_told_without_its_address(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    monkeypatch.delenv("UV_CONFIG_FILE")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    error = apply(driver, plugin())
    assert "Connection refused" in error
    assert "127.0.0.1" not in error
    assert "hunter2" not in (run / "plugins/plugin~notes/install.log").read_text()


def test_no_two_plugins_share_a_program(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    wheel(house, "shop-memos", "1.0.0", scripts=["memos"])
    wheel(house, "shop-memos", "1.1.0", scripts=["memos", "notes"])
    notes, memos, greedy = plugin(), plugin("memos"), plugin("memos", version="1.1.0")
    assert execute(driver, notes.apply(), memos.apply()) == ["", ""]
    assert apply(driver, greedy, memos) == (
        f"{run}/bin/notes is there and a program of plugin/notes: remove it, or have only one of them active"
    )
    assert says(run / "bin/notes") == "shop-notes 1.0.0"
    assert says(run / "bin/memos") == "shop-memos 1.0.0"
    assert observe(driver, notes, memos) == []
    assert execute(driver, notes.remove(), greedy.apply(memos)) == ["", ""]
    assert says(run / "bin/notes") == "shop-memos 1.1.0"


@pytest.mark.parametrize("link", [False, True])
def test_a_stranger_s_program_is_never_replaced(driver: Driver, house: Path, run: Path, link: bool) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    (run / "bin").mkdir(parents=True)
    mine = run / "bin/notes"
    mine.symlink_to("/bin/true") if link else mine.write_text("mine")
    assert "not managed by ureg" in apply(driver, plugin())
    assert mine.is_symlink() == link
    assert apply(driver, plugin(state="installed")) == ""
    assert execute(driver, plugin().remove()) == [""]
    assert mine.is_symlink() == link
    assert mine.exists()


def test_a_sub_registry_names_packages_and_no_files(driver: Driver, house: Path, root: Path, run: Path) -> None:
    made = wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    shutil.copy(made, root)
    own, theirs = plugin(), plugin()
    theirs.address = "payments:plugin/notes"
    assert apply(driver, theirs) == ""
    assert "is there and a program of payments:plugin/notes" in apply(driver, own)
    assert execute(driver, theirs.remove(), own.apply()) == ["", ""]
    theirs = plugin(package={"wheel": made.name})
    theirs.address = "payments:plugin/notes"
    assert "must be a name in a sub-registry" in apply(driver, theirs)


def test_a_state_that_it_does_not_know_is_told(driver: Driver, house: Path) -> None:
    assert "knows no state 'running'" in apply(driver, plugin(state="running"))


def test_a_link_in_the_place_of_the_run_folder_is_refused(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0")
    run.symlink_to(house)
    assert "is a symbolic link" in apply(driver, plugin())
    assert [path.suffix for path in house.iterdir()] == [".whl"]


def test_links_in_the_plugin_s_own_folder_are_not_followed(
    driver: Driver, house: Path, run: Path, tmp_path: Path
) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    assert apply(driver, plugin()) == ""
    elsewhere = tmp_path / "elsewhere"
    folder = run / "plugins/plugin~notes"
    shutil.move(environments(run)[0], elsewhere)
    (folder / (folder / "current").readlink()).symlink_to(elsewhere)
    (tmp_path / "mine").write_text("mine")
    for name in ("install.log", "configuration.json"):
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "mine")
    assert [each.state for each in observe(driver, plugin())] == ["registered"]
    assert apply(driver, plugin()) == ""
    assert observe(driver, plugin()) == []
    assert (tmp_path / "mine").read_text() == "mine"
    assert (elsewhere / "pyvenv.cfg").exists()


STARTER = """
import subprocess
with open({file!r}, "w") as file:
    nothing = subprocess.DEVNULL  # uv waits for whoever holds its output
    file.write(str(subprocess.Popen(["sleep", "60"], stdout=nothing, stderr=nothing).pid))
"""


def test_what_a_build_leaves_running_is_ended(driver: Driver, root: Path, tmp_path: Path) -> None:
    backend = source(root / "rules", "shop-rules", "1.0.0") / "backend.py"
    backend.write_text(f"{STARTER.format(file=str(tmp_path / 'pid'))}{backend.read_text()}")
    component = plugin("rules", package={"path": "rules"})
    assert apply(driver, component) == ""
    left = Path(f"/proc/{(tmp_path / 'pid').read_text()}/cmdline")
    assert eventually(lambda: not left.exists() or not left.read_bytes())  # a dead one that nobody reaped has none


SCRIPT = """
import sys
from pathlib import Path
from drivers.wheels import plugin
from reconciler.drivers.loading import load_driver
from sites import site_of
root, state, version, path = sys.argv[1:]
driver = load_driver("venv", site_of(Path(root) / "out"))
component = plugin("rules", state=state, version=version, package={"path": path})
print(driver.execute([component.apply()])[0].error)
"""


def child(root: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [*prefix, sys.executable, "-c", SCRIPT, str(root), *arguments]
    return subprocess.Popen(command, env=paths, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_kill_in_the_middle_is_healed(driver: Driver, root: Path, tmp_path: Path, run: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    source(root / "one", "shop-rules", "1.0.0", scripts=["rules"])
    source(root / "two", "shop-rules", "2.0.0", scripts=["rules"], gate=gate)
    first = plugin("rules", package={"path": "one"})
    second = plugin("rules", version="2.0.0", package={"path": "two"})
    assert apply(driver, first) == ""
    try:
        with child(root, "active", "2.0.0", "two") as process:
            assert eventually((gate / "begun").exists)
            process.kill()
        assert says(run / "bin/rules") == "shop-rules 1.0.0"
        assert observe(driver, first) == []
        assert len(environments(run, "rules")) == 2
        # What the killed one started is still at work, and is waited for.
        (error,) = execute(driver, second.apply(first)._replace(timeout=0.3))
        assert "another process is still at work" in error
    finally:
        (gate / "go").touch()
    assert apply(driver, second, first) == ""
    assert says(run / "bin/rules") == "shop-rules 2.0.0"
    assert observe(driver, second) == []


def test_a_folder_that_cannot_be_written_is_told(root: Path, run: Path) -> None:
    source(root / "one", "shop-rules", "1.0.0")
    run.mkdir(mode=0o555)
    # The superuser may write everywhere, unless that is taken from it.
    prefix = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    process = child(root, "installed", "1.0.0", "one", prefix=prefix)
    said = process.communicate(timeout=30)[0].strip()
    assert said.endswith("Permission denied")
    assert str(run) in said
    assert "Traceback" not in said
    run.chmod(0o755)
    assert list(run.iterdir()) == []


TOOLS = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from reconciler.drivers.venv_tools import find_tools
barrier = Barrier(8)
def find(_):
    barrier.wait()
    return find_tools()
with ThreadPoolExecutor(8) as pool:
    print(len(set(map(id, pool.map(find, range(8))))))
"""


def test_many_threads_may_look_for_the_tools_at_once() -> None:
    assert subprocess.check_output([sys.executable, "-c", TOOLS], text=True) == "1\n"


# In any order


def test_executing_twice_is_executing_once(driver: Driver, house: Path, run: Path) -> None:
    wheel(house, "shop-notes", "1.0.0", scripts=["notes"])
    wheel(house, "shop-notes", "1.1.0", scripts=["notes"])
    before = None
    for state, version in (
        ("registered", "1.0.0"),
        ("active", "1.0.0"),
        ("deprecated", "1.1.0"),
        ("installed", "1.1.0"),
    ):
        component = plugin(state=state, version=version)
        assert apply(driver, component, before) == ""
        left = {path: path.lstat().st_mtime_ns for path in run.rglob("*") if not path.is_dir()}
        assert apply(driver, component, before) == ""
        assert {path: path.lstat().st_mtime_ns for path in run.rglob("*") if not path.is_dir()} == left
        before = component


def test_it_is_opened_as_every_driver_is(root: Path) -> None:
    assert isinstance(VenvDriver(site_of(root)), VenvDriver)
    assert load_driver("venv", site_of(root)).name == "venv"


def test_an_empty_registry_has_nothing_to_look_at(driver: Driver) -> None:
    assert observe(driver) == []
    assert [each.state for each in observe(driver, plugin())] == ["registered"]
    assert observe(driver, plugin(state="registered")) == []
    assert execute(driver, Transition("k", "plugin/notes", "Plugin", "x", "registered", ABSENT, b"", b"")) == [""]
