"""The `exec` driver with real programs: good ones, slow ones, loud ones, and ones that leave something behind."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from drivers.component import Component
from sites import site_of

from reconciler.drivers.guard import GuardedDriver
from reconciler.drivers.loading import is_built_in, load_driver
from reconciler.drivers.site import NotPermitted
from reconciler.model.outcome import Health
from reconciler.model.record import Observation, Seen

PRELUDE = "import json, os, sys, time, subprocess\nasked = json.load(sys.stdin)\nplace = sys.argv[1]\n"
Open = Callable[..., GuardedDriver]


@pytest.fixture
def opened(place: Path) -> Open:
    """Opens the driver with the command `dns`, a Python program that finds `asked`, and `place`, a free file name."""

    def open_it(program: str, secrets: Mapping[str, str] | None = None, /, **options: Any) -> GuardedDriver:
        script = place.parent.parent / "program.py"
        script.write_text(PRELUDE + program)
        argv = [sys.executable, "-I", str(script), str(script.with_name("trace"))]
        command = {"argv": argv, **options}
        place.parent.mkdir(parents=True, exist_ok=True)
        driver = load_driver("exec:dns", site_of(place, secrets, commands={"dns": command}))
        assert isinstance(driver, GuardedDriver)
        return driver

    return open_it


@pytest.fixture
def trace(place: Path) -> Path:
    """The file that programs leave their traces in."""
    return place.parent.parent / "trace"


def zone(name: str = "a", **spec: Any) -> Component:
    return Component("Zone", name, "present", spec)


def execute(driver: GuardedDriver, component: Component | None = None) -> str:
    (outcome,) = driver.execute([(component or zone()).apply()])
    return outcome.error


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def test_the_program_is_told_of_the_transition(opened: Open, trace: Path) -> None:
    driver = opened("open(place, 'w').write(json.dumps(asked))")
    assert (driver.name, driver.acts, driver.batches) == ("exec:dns", True, False)
    assert execute(driver, zone(ttl=60)) == ""
    assert orjson.loads(trace.read_bytes()) == {
        "protocol": "ureg.driver/1",
        "operation": "execute",
        "key": "run/1",
        "address": "zone/a",
        "kind": "Zone",
        "verb": "create",
        "source": "absent",
        "target": "present",
        "before": None,
        "after": {"apiVersion": "ureg/v1", "kind": "Zone", "metadata": {"name": "a"}, "spec": {"ttl": 60}},
    }
    (outcome,) = driver.execute([zone(ttl=60).remove()])
    told = orjson.loads(trace.read_bytes())
    assert (outcome.error, told["target"], told["after"]) == ("", "absent", None)
    assert told["before"]["spec"] == {"ttl": 60}


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("print(json.dumps({}))", ""),
        ("print(json.dumps({'error': ''}))", ""),
        ("print(json.dumps({'error': 'the zone is locked'}))", "the zone is locked"),
        ("sys.exit(3)", "ended with exit code 3: (nothing)"),
        ("print('Traceback ...\\nKeyError: x', file=sys.stderr); sys.exit(1)", "ended with exit code 1: KeyError: x"),
        ("print(json.dumps({'error': 'no quota'})); sys.exit(1)", "ended with exit code 1: no quota"),
        ("os.kill(os.getpid(), 11)", "ended with signal 11"),
        ("print('done!')", "its answer is not JSON: done!"),
        ("print('[1]')", "its answer is not a JSON object: [1]"),
        ("print(json.dumps({'error': 5}))", '"error" of its answer is not a text'),
        ("sys.stdout.buffer.write(b'\\xff\\xfe')", "its answer is not JSON"),
    ],
)
def test_what_came_of_it_is_told_in_words(opened: Open, program: str, error: str) -> None:
    told = execute(opened(program))
    assert told == "" if not error else error in told


def test_a_program_that_is_not_there(place: Path) -> None:
    place.parent.mkdir(parents=True)
    for argv in (["/no/such/program"], [str(place.parent)]):
        driver = load_driver("exec:dns", site_of(place, commands={"dns": {"argv": argv, "answers": ["logs"]}}))
        (outcome,) = driver.execute([zone().apply()])
        assert outcome.error.startswith(f"{argv[0]} cannot be started: ")
        assert next(iter(driver.logs(zone().record(), 5, follow=True))).startswith(f"{argv[0]} cannot be started: ")


def test_one_that_hangs_is_ended_with_all_that_it_started(opened: Open, trace: Path) -> None:
    program = (
        "child = subprocess.Popen(['sleep', '600'])\n"
        "open(place, 'w').write(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(600)"
    )
    began = time.monotonic()
    assert "did not end within 0.5 s, and was ended" in execute(opened(program, timeout="500ms"))
    assert time.monotonic() - began < 5
    assert all(wait_for(lambda pid=pid: gone(pid)) for pid in map(int, trace.read_text().split()))  # type: ignore[misc]


def test_a_shorter_limit_of_the_verb_counts(opened: Open) -> None:
    driver = opened("time.sleep(600)", timeout="1h")
    (outcome,) = driver.execute([zone().apply()._replace(timeout=0.3)])
    assert "did not end within 0.3 s" in outcome.error


def test_what_it_leaves_running_is_ended_and_not_waited_for(opened: Open, trace: Path) -> None:
    program = "child = subprocess.Popen(['sleep', '600'])\nopen(place, 'w').write(str(child.pid))\nprint('{}')"
    began = time.monotonic()
    assert execute(opened(program)) == ""
    assert time.monotonic() - began < 5
    assert wait_for(lambda: gone(int(trace.read_text())))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_that_never_stops_talking_is_ended(opened: Open, stream: str) -> None:
    program = f"while True: sys.{stream}.write('x' * 65536)"
    assert "was ended: it said more than 1024 KiB" in execute(opened(program))


def test_one_that_does_not_listen_is_no_matter(opened: Open) -> None:
    driver = opened("", verbs={"create": [sys.executable, "-I", "-c", "import os; os.close(0); print('{}')"]})
    assert execute(driver, zone(text="x" * 1_000_000)) == ""


def test_a_megabyte_goes_in_and_out(opened: Open) -> None:
    program = "print(json.dumps({'error': asked['after']['spec']['text'][:100] + '!', 'rest': 'y' * 900_000}))"
    assert execute(opened(program), zone(text="z" * 900_000)) == "z" * 100 + "!"


def test_single_verbs_have_their_own_command(opened: Open, trace: Path) -> None:
    driver = opened(
        "open(place, 'a').write('general ')", verbs={"delete": ["/bin/sh", "-c", f"echo deleted >> {trace}"]}
    )
    assert execute(driver) == ""
    (outcome,) = driver.execute([zone().remove()])
    assert (outcome.error, trace.read_text()) == ("", "general deleted\n")


def test_nothing_is_expanded_and_the_environment_is_small(
    opened: Open, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2hunter2")
    program = "open(place, 'w').write(json.dumps([dict(os.environ), os.getcwd(), sys.argv[1:]]))"
    driver = opened(program, {"TOKEN": "s3cret-token"}, environment={"A": "$HOME", "T": {"secretRef": "env:TOKEN"}})
    assert execute(driver) == ""
    environment, folder, arguments = orjson.loads(trace.read_bytes())
    assert (environment["A"], environment["T"], environment["PATH"]) == ("$HOME", "s3cret-token", os.environ["PATH"])
    assert "PGPASSWORD" not in environment
    assert (folder, arguments) == (str(trace.parent / ".ureg"), [str(trace)])


def test_secrets_are_told_to_it_and_to_nobody_else(opened: Open, trace: Path) -> None:
    program = (
        "secret = asked['after']['spec']['key']\n"
        "open(place, 'w').write(secret)\n"
        "print(json.dumps({'error': f'bad key {secret} and {os.environ[\"T\"]}'}))"
    )
    driver = opened(
        program, {"KEY": "planted-secret", "TOKEN": "other-secret"}, environment={"T": {"secretRef": "env:TOKEN"}}
    )
    error = execute(driver, zone(key={"secretRef": "env:KEY"}))
    assert trace.read_text() == "planted-secret"
    assert error == "bad key (sensitive) and (sensitive)"


def test_a_secret_that_cannot_be_had_starts_nothing(opened: Open, trace: Path) -> None:
    driver = opened("open(place, 'w')")
    assert execute(driver, zone(key={"secretRef": "env:KEY"})) == ("spec.key: the environment variable KEY is not set")
    driver = opened("open(place, 'w')", environment={"T": {"secretRef": "env:KEY"}})
    assert "drivers.exec.commands.dns.environment: T: the environment variable KEY is not set" in execute(driver)
    assert not trace.exists()


def test_what_it_sees(opened: Open) -> None:
    program = (
        "assert asked['operation'] == 'observe'\n"
        "names = [one['address'] for one in asked['components']]\n"
        "assert all(one['manifest']['kind'] == 'Zone' for one in asked['components'])\n"
        "print(json.dumps({'components': [{'address': names[0], 'state': 'absent'}, {'address': names[1],\n"
        "  'drift': 'ttl is 5', 'seen': [{'field': 'spec.ttl', 'recorded': '60', 'observed': '5'}]}]}))"
    )
    driver = opened(program, answers=["observe"])
    assert list(driver.observe([zone("a").record(), zone("b").record(), zone("c").record()])) == [
        Observation("zone/a", "absent"),
        Observation("zone/b", "present", "ttl is 5", (Seen("spec.ttl", "60", "5"),)),
    ]
    assert list(driver.observe([])) == []


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("sys.exit(2)", "ended with exit code 2"),
        ("print('no')", "its answer is not JSON"),
        ("print(json.dumps({'error': 'no route'}))", "no route"),
        ("print(json.dumps({'components': 5}))", "is not a list"),
        ("print(json.dumps({'components': [{'address': 'zone/other'}]}))", "was not asked about"),
        ("print(json.dumps({'components': [{'address': 'zone/a', 'state': 5}]}))", '"state" of its answer'),
        ("print(json.dumps({'components': [{'address': 'zone/a', 'seen': {}}]}))", '"seen" of its answer'),
    ],
)
def test_one_that_cannot_look_is_an_error_of_the_world(opened: Open, program: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        opened(program, answers=["observe"]).observe([zone().record()])


def test_what_it_is_not_made_for_is_not_asked(opened: Open, trace: Path) -> None:
    driver = opened("open(place, 'w')")
    assert list(driver.observe([zone().record()])) == []
    assert driver.health(zone().record()) == Health(healthy=True, message="exec:dns does not tell")
    assert list(driver.logs(zone().record(), 5, follow=False)) == []
    assert not trace.exists()


def test_health(opened: Open) -> None:
    record = zone().record()
    well = opened(
        "print(json.dumps({'healthy': True, 'message': asked['components'][0]['state']}))", answers=["health"]
    )
    assert well.health(record) == Health(healthy=True, message="present")
    silent = opened("", answers=["health"])
    assert silent.health(record).message == 'its answer does not say whether it is "healthy", true or false'
    slow = opened("time.sleep(60)", answers=["health"], timeout="200ms")
    assert slow.health(record).healthy is False


def test_logs(opened: Open) -> None:
    record = zone().record()
    driver = opened("for n in range(asked['lines'] + 2): print(f'line {n} \\xe9')", answers=["logs"])
    assert list(driver.logs(record, 3, follow=False)) == ["line 2 é", "line 3 é", "line 4 é"]
    assert list(driver.logs(record, 0, follow=False)) == []
    broken = opened("sys.exit('no journal')", answers=["logs"])
    assert next(iter(broken.logs(record, 3, follow=False))).endswith("ended with exit code 1: no journal")


def test_logs_that_go_on_end_with_whoever_reads_them(opened: Open, trace: Path) -> None:
    program = (
        "open(place, 'w').write(str(os.getpid()))\nsys.stderr.write('x' * 1_000_000)\n"
        "n = 0\nwhile asked['follow']: print(n, flush=True); n += 1; time.sleep(0.01)"
    )
    lines = opened(program, answers=["logs"]).logs(zone().record(), 1, follow=True)
    assert list(islice(lines, 3)) == ["0", "1", "2"]
    assert isinstance(lines, Generator)
    lines.close()
    assert wait_for(lambda: gone(int(trace.read_text())))


def test_what_settings_do_not_permit_is_told_with_what_to_add(place: Path) -> None:
    with pytest.raises(NotPermitted) as raised:
        load_driver("exec:dns", site_of(place))
    assert str(raised.value) == "ureg.yaml permits exec no command 'dns'. It permits no command so far."
    assert "drivers: {exec: {commands: {dns: {argv: [/path/to/program]}}}}" in raised.value.hint
    with pytest.raises(NotPermitted, match="It permits dsn, other"):
        load_driver("exec:dns", site_of(place, commands={"dsn": {}, "other": {}}))
    with pytest.raises(NotPermitted):
        load_driver("exec", site_of(place, commands={"dns": {}}))
    assert is_built_in("exec:dns")
    assert not is_built_in("exe:dns")
