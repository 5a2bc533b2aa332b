"""The folder of the registry's supervisord: how it is started and shut down, and the files of its programs.

    supervisord.conf .log .pid .sock    its own
    launch                              what every program is started with
    programs/NAME.conf .launch          the program file and the launch file (0600: it may hold secrets)
    logs/NAME_0.log                     what the program's first process writes
    credentials/NAME/                   its secrets as files

A program's files are there for as long as it is to run, because supervisord starts it again without asking. When
supervisord is started anew, nothing runs, and whatever lies in `programs` is swept away.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from reconciler.drivers import process_child
from reconciler.drivers.atomic import open_folder
from reconciler.drivers.process_program import Launch, Program, launch_differences
from reconciler.drivers.process_rpc import SOCKET_FROM_INSIDE, Call, Down, call

FOLDER = "services"
OPTIONS = ("-I", "-S", "-X", "utf8")
"""What Python starts the child with: fast, minding nobody's environment, and with text as UTF-8 in any locale."""
_MOST_DESCRIPTORS = 4096
"""supervisord needs three for a process. It closes as many at each start, so more would make starting slow."""
_START_SECONDS = 30
_SHUTDOWN_SECONDS = 30.0
_PAUSE = 0.02
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
"""What supervisord itself gets of the environment. It lives long, and is to hold nobody's secrets."""
_OTHERS_CREDENTIALS = Path("/run/ureg")
"""Where credentials for another user lie: that user may not enter the registry's own folders."""
_CONF = """\
[supervisord]
pidfile=supervisord.pid
logfile=supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
childlogdir=logs
nocleanup=true
identifier=ureg
umask=022
minfds={descriptors}
[unix_http_server]
file={socket}
chmod=0600
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files=programs/*.conf
"""


class Unstartable(Exception):
    """Why supervisord, or a program under it, cannot be had; for the user."""


class Home:
    """The folder `run`/services. Methods raise OSError."""

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        self._programs = self.folder / "programs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one thread of one process at a time. Makes the folder; no link leads to it."""
        with open_folder(self.folder, create=True):
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def names(self) -> frozenset[str]:
        """The programs that have files."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return frozenset(path.stem for path in self._programs.iterdir() if path.suffix == ".conf")
        return frozenset()

    def conf(self, name: str) -> str:
        """The program file as it is, "" where there is none."""
        return _read(self._programs / f"{name}.conf").decode(errors="replace")

    def changed(self, program: Program) -> list[str]:
        """What of the program's files is not as it should be: `conf`, `credentials`, fields of the launch file."""
        words = ["conf"] if self.conf(program.name) != program.conf() else []
        found = _read(self._programs / f"{program.name}.launch")
        words += launch_differences(found, program.launch)
        credentials = self.credentials(program.name, program.launch.user)
        there = {name: _read(credentials / name).decode(errors="replace") for name in program.launch.credentials}
        return words if there == program.launch.credentials else [*words, "credentials"]

    def write(self, program: Program) -> None:
        """Writes the program's files, each whole or not at all. Nothing of the program may run."""
        self._programs.mkdir(mode=0o700, exist_ok=True)
        for marker in self._programs.glob(f"{program.name}_*.started"):
            marker.unlink()
        self._write_credentials(program)
        _replace(self._programs / f"{program.name}.launch", program.launch.dump())
        _replace(self._programs / f"{program.name}.conf", program.conf().encode())

    def erase(self, name: str) -> None:
        """Removes the program's files, but for its logs; last the one that tells that there are any."""
        for folder in (self.folder / "credentials" / name, self._of_others(name)):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()
        for marker in self._programs.glob(f"{name}_*.started"):
            marker.unlink(missing_ok=True)
        for suffix in ("launch", "conf"):
            (self._programs / f"{name}.{suffix}").unlink(missing_ok=True)

    def logs(self, name: str, number: int) -> Path:
        return self.folder / "logs" / f"{name}_{number}.log"

    def erase_logs(self, name: str) -> None:
        for path in (self.folder / "logs").glob(f"{name}_*.log*"):
            path.unlink(missing_ok=True)

    def credentials(self, name: str, user: str) -> Path:
        """The folder of the program's credentials, which only its user can read."""
        if _uid(user) == os.geteuid():
            return self.folder / "credentials" / name
        return self._of_others(name)

    def start(self, programs: Mapping[str, Program]) -> None:
        """Starts a supervisord that knows `programs` and no others. Raises Unstartable."""
        import subprocess
        from importlib.util import find_spec

        if find_spec("supervisor") is None:
            raise Unstartable("supervisord is not installed: install ureg with the extra `services`")
        for name in self.names() - programs.keys():
            self.erase(name)
        for name in ("logs", "credentials", "programs"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        for program in programs.values():
            self.write(program)
        self._write_own()
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", "supervisord.conf"],
            cwd=self.folder,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            raise Unstartable(f"supervisord cannot be started: {words[-1] if words else done.returncode}")

    def shut_down(self) -> None:
        """Ends supervisord, and with it all that it runs. Raises Unstartable where it does not end."""
        try:
            call(self.folder, [Call("shutdown")])
        except Down:
            return
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        while (self.folder / "supervisord.pid").exists():  # removing it is the last that it does
            if time.monotonic() > deadline:
                raise Unstartable(f"supervisord in {self.folder} does not end")
            time.sleep(_PAUSE)

    def _write_own(self) -> None:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
        _replace(self.folder / "supervisord.conf", _CONF.format(descriptors=most, socket=SOCKET_FROM_INSIDE).encode())
        words = (sys.executable, *OPTIONS, process_child.__file__)
        _replace(self.folder / "launch", f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'.encode(), 0o700)

    def _write_credentials(self, program: Program) -> None:
        launch = program.launch
        folder = self.credentials(program.name, launch.user)
        shutil.rmtree(folder, ignore_errors=True)
        if not launch.credentials:
            return
        folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        owner = _uid(launch.user)
        for name, value in launch.credentials.items():
            _replace(folder / name, value.encode(), 0o400)
            os.chown(folder / name, owner, -1)
        os.chown(folder, owner, -1)

    def _of_others(self, name: str) -> Path:
        digest = blake2b(os.fsencode(self.folder), digest_size=8).hexdigest()
        return _OTHERS_CREDENTIALS / digest / name


def inherited(user: str) -> dict[str, str]:
    """What a process of `user` takes over from the environment of whoever starts it: where programs are found, and
    whose it is; none of the rest, which may hold secrets."""
    kept = ("PATH", "LANG", "TZ", "HOME", "USER", "LOGNAME", "SHELL")
    found = {name: value for name, value in os.environ.items() if name in kept or name.startswith("LC_")}
    with suppress(KeyError):  # in a container, even whoever runs this may have no entry
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
        found |= {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "SHELL": entry.pw_shell}
    return found


def launch_here(command: list[str], directory: Path) -> Launch:
    """A launch of `command` in `directory` by whoever runs ureg, for drivers that run a program of their own."""
    return Launch(command, str(directory), {}, inherited(""))


def _uid(user: str) -> int:
    """-1 where there is no such user."""
    try:
        return pwd.getpwnam(user).pw_uid if user else os.geteuid()
    except KeyError:
        return -1


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return b""


def _replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """What lies here is worth nothing after a crash of the machine, so nothing waits for the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(data)
        os.fchmod(descriptor, mode)
    temporary.rename(path)
