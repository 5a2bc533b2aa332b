from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest

from reconciler.drivers.atomic import Refused
from reconciler.drivers.endpoints import cluster_name, ensure, file_of, publish, withdraw

WEB = "service/web"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "run"


def found(run: Path, port: str = "", address: str = WEB) -> list[tuple[str, int]]:
    """The endpoints in the file of one cluster, which names that cluster."""
    (assignment,) = orjson.loads((run / "endpoints" / file_of(address, port)).read_bytes())["resources"]
    assert assignment["cluster_name"] == cluster_name(address, port)
    return [_place(each) for group in assignment["endpoints"] for each in group["lb_endpoints"]]


def _place(endpoint: Any) -> tuple[str, int]:
    address = endpoint["endpoint"]["address"]["socket_address"]
    return address["address"], address["port_value"]


def test_each_port_has_a_file_and_the_first_one_also_stands_for_the_service(run: Path) -> None:
    publish(run, WEB, {"http": [("127.0.0.1", 1), ("127.0.0.2", 1)], "admin": [("127.0.0.1", 2)]})
    assert found(run) == found(run, "http") == [("127.0.0.1", 1), ("127.0.0.2", 1)]
    assert found(run, "admin") == [("127.0.0.1", 2)]


def test_ports_that_are_gone_have_no_endpoints(run: Path) -> None:
    publish(run, WEB, {"http": [("127.0.0.1", 1)], "admin": [("127.0.0.1", 2)]})
    publish(run, "service/web-2", {"http": [("127.0.0.1", 3)]})
    publish(run, WEB, {"admin": [("127.0.0.1", 2)]})
    assert (found(run), found(run, "http")) == ([("127.0.0.1", 2)], [])
    withdraw(run, WEB)
    assert found(run) == found(run, "http") == found(run, "admin") == []
    assert found(run, "http", "service/web-2") == [("127.0.0.1", 3)]


def test_what_did_not_change_is_not_written_again(run: Path) -> None:
    publish(run, WEB, {"http": [("127.0.0.1", 1)]})
    before = {path: path.stat().st_ino for path in (run / "endpoints").iterdir()}
    publish(run, WEB, {"http": [("127.0.0.1", 1)]})
    assert {path: path.stat().st_ino for path in (run / "endpoints").iterdir()} == before


def test_a_cluster_that_nobody_published_gets_a_file_and_the_others_stay(run: Path) -> None:
    publish(run, WEB, {"http": [("127.0.0.1", 1)]})
    ensure(run, {cluster_name(WEB, port): (WEB, port) for port in ("", "http", "other")})
    assert (found(run), found(run, "http"), found(run, "other")) == ([("127.0.0.1", 1)], [("127.0.0.1", 1)], [])


def test_many_may_publish_at_once(run: Path) -> None:
    """Those who only make sure of a file never lay theirs over one that was published."""
    services = [f"service/s{number}" for number in range(20)]
    clusters = {address: (address, "") for address in services}
    publishing = [Thread(target=publish, args=(run, address, {"http": [("127.0.0.1", 1)]})) for address in services]
    ensuring = [Thread(target=ensure, args=(run, clusters)) for _ in range(3)]
    threads = [*publishing[:10], *ensuring, *publishing[10:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found(run, "", address) == [("127.0.0.1", 1)] for address in services)
    assert not [path for path in (run / "endpoints").iterdir() if path.name.startswith(".")]


def test_the_folder_is_not_reached_through_a_link(run: Path, tmp_path: Path) -> None:
    run.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (run / "endpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        publish(run, WEB, {"http": [("127.0.0.1", 1)]})
    assert not list((tmp_path / "elsewhere").iterdir())
