"""Becomes the program that a launch file describes. supervisord starts it, in its own folder, as
`python process_child.py NAME NUMBER`; it imports little, and nothing of this package.

The limits and the user are set here, and the kernel is told to kill the process when supervisord dies, however that
happens. After the last step there is no trace of this module left: it is replaced.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing `typing` takes longer than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def main(name: str, number: str) -> None:
    """Never returns: the process is replaced, or ends with the code 127 and a word in the log."""
    try:
        _become(_launch(name), f"programs/{name}_{number}.started", number)
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"ureg: {name} cannot be started: {error}\n")
        sys.stderr.flush()
        os._exit(127)


def _launch(name: str) -> Mapping[str, list[str]]:
    """The values of the launch file, by their kinds."""
    with open(f"programs/{name}.launch", encoding="utf-8", errors="surrogateescape", newline="") as file:  # noqa: PTH123
        parts = file.read().split("\0")
    values: dict[str, list[str]] = {kind: [] for kind in ("environment", "inherited", "limit")}
    for kind, value in zip(parts[::2], parts[1::2], strict=False):
        values.setdefault(kind, []).append(value)
    return values


def _become(launch: Mapping[str, list[str]], marker: str, number: str) -> None:
    supervisor = _supervisor()
    _wait(marker, float(launch["delay"][0]))
    given = [*launch["inherited"], f"UREG_REPLICA={number}", *launch["environment"]]
    environment = dict(each.split("=", 1) for each in given)
    _restore_signals()
    _limit({key: int(value) for key, value in (each.split("=") for each in launch["limit"])})
    die_with = _death_with_parent()
    _change_user(launch["user"][0])
    die_with()
    if os.getppid() != supervisor:  # it died before it was asked for
        os._exit(127)
    os.chdir(launch["directory"][0])
    _execute(launch["argument"], environment)


def _supervisor() -> int:
    with open("supervisord.pid", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read())


def _wait(marker: str, delay: float) -> None:
    """Waits before every start but the first one that was asked for."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        from time import sleep

        sleep(delay)


def _limit(limits: Mapping[str, int]) -> None:
    if not limits:
        return
    import resource

    kinds = {"memory": resource.RLIMIT_DATA, "openFiles": resource.RLIMIT_NOFILE, "processes": resource.RLIMIT_NPROC}
    for key, kind in kinds.items():
        if key in limits:
            resource.setrlimit(kind, (limits[key], limits[key]))
    if "cores" in limits and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(cores)  # so that not all crowd on the first ones
        os.sched_setaffinity(0, [*cores[first:], *cores[:first]][: limits["cores"]])


def _change_user(user: str) -> None:
    if not user:
        return
    import pwd

    entry = pwd.getpwnam(user)
    if entry.pw_uid != os.geteuid():
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def _death_with_parent() -> Callable[[], object]:
    """What asks the kernel to kill this process when its parent dies. It must be called after the change of user, which
    forgets it, and made before, since another user may not be able to read Python's library."""
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    set_parent_death_signal, kill = 1, 9
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(set_parent_death_signal, kill, 0, 0, 0)


def _execute(command: list[str], environment: Mapping[str, str]) -> None:
    """As os.execvpe, which imports more of Python's library at this late moment."""
    program = command[0]
    folders = [""] if "/" in program else [f"{each}/" for each in environment.get("PATH", os.defpath).split(":")]
    reason: OSError = FileNotFoundError(2, "not found in PATH", program)
    for folder in folders:
        try:
            os.execve(f"{folder}{program}", command, environment)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError) as error:
            reason = error if "/" in program else reason
        except PermissionError as error:
            reason = error
    raise reason


def _restore_signals() -> None:
    """Python ignores these two, and what is ignored stays ignored. `signal` makes enumerations of what `_signal` has,
    and takes as long as all the rest."""
    import _signal  # type: ignore[import-not-found]

    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)


if __name__ == "__main__":
    main(*sys.argv[1:])
