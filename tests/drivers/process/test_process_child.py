"""Whatever a manifest says reaches the process as it was written, and the limits hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.drivers import process_child
from reconciler.drivers.process_home import OPTIONS
from reconciler.drivers.process_program import Launch

# Python adds to its own environment when it starts, so what it was given is read from the kernel.
TELL = """
import json, sys
with open("/proc/self/environ", "rb") as file:
    given = file.read().decode().split(chr(0))[:-1]
print(json.dumps([sys.argv[1:], dict(each.split("=", 1) for each in given)]))
"""
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True)
HOSTILE = [
    "%(ENV_HOME)s",
    "100%",
    "; rm",
    "a ; b",
    " # c",
    'quo"te',
    "'",
    "\n[program:x]\ncommand=y",
    "\\",
    "$HOME",
    "`id`",
]


def run(folder: Path, command: Sequence[str], **launch: Any) -> subprocess.CompletedProcess[bytes]:
    """What the child becomes, in the place of a program `x` of a supervisord that is this process."""
    (folder / "programs").mkdir(exist_ok=True)
    (folder / "supervisord.pid").write_text(f"{launch.pop('parent', os.getpid())}\n")
    values = {"directory": str(folder), "environment": {}, "inherited": {}, **launch}
    (folder / "programs/x.launch").write_bytes(Launch(command, **values).dump())
    words = [sys.executable, *OPTIONS, process_child.__file__, "x", "0"]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=30)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=st.lists(TEXT | st.sampled_from(HOSTILE), max_size=6),
    environment=st.dictionaries(NAMES, TEXT | st.sampled_from(HOSTILE), max_size=6),
)
def test_arguments_and_environment_arrive_unchanged(
    tmp_path: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    wanted = {"PYTHONUTF8": "1", **environment}
    done = run(tmp_path, [sys.executable, "-S", "-c", TELL, *arguments], environment=wanted, inherited={"HOME": "/x"})
    assert done.returncode == 0, done.stderr
    argv, environ = orjson.loads(done.stdout)
    assert argv == arguments
    assert environ == {"HOME": "/x", "UREG_REPLICA": "0", **wanted}


def test_limits_are_those_of_the_process(tmp_path: Path) -> None:
    script = (
        "import os, resource as r; print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_NPROC),"
        " r.getrlimit(r.RLIMIT_DATA), len(os.sched_getaffinity(0)))"
    )
    limits = {"openFiles": 64, "processes": 50, "memory": 2**28, "cores": 1}
    done = run(tmp_path, [sys.executable, "-S", "-c", script], limits=limits)
    assert done.stdout.decode().strip() == f"(64, 64) (50, 50) ({2**28}, {2**28}) 1"


def test_a_process_cannot_take_more_memory_than_it_may(tmp_path: Path) -> None:
    done = run(tmp_path, [sys.executable, "-S", "-c", "b'x' * 2**29"], limits={"memory": 2**28})
    assert b"MemoryError" in done.stderr


def test_signals_that_python_ignores_act_again(tmp_path: Path) -> None:
    done = run(tmp_path, ["/bin/sh", "-c", "grep SigIgn /proc/self/status"])
    ignored = int(done.stdout.split()[1], 16)
    assert not ignored & (1 << 12)  # SIGPIPE


def test_a_child_whose_supervisord_died_before_it_was_asked_for_ends(tmp_path: Path) -> None:
    done = run(tmp_path, ["/bin/sh", "-c", "echo alive"], parent=1)
    assert (done.returncode, done.stdout) == (127, b"")


def test_what_cannot_be_started_says_why_in_the_log(tmp_path: Path) -> None:
    done = run(tmp_path, ["/no/such"])
    assert done.returncode == 127
    assert b"ureg: x cannot be started: [Errno 2] No such file or directory" in done.stderr


def test_only_another_start_waits(tmp_path: Path) -> None:
    from time import monotonic

    for least in (0.0, 0.4):
        began = monotonic()
        assert run(tmp_path, ["/bin/true"], delay=0.4).returncode == 0
        assert monotonic() - began >= least
