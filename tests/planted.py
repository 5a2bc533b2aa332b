"""A registry whose secrets hold markers, and the search for them in everything that was said or written."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

from repository import Repository
from state.postgres_server import PostgresServer

MARKERS = {
    "TOKEN": "MARKER-of-the-environment-5b1f",
    "FILE": "MARKER-of-a-file-c07d",
    "MOUNTED": "MARKER-of-a-mounted-file-77aa",
    "SOPS": "MARKER-of-sops-e912",
    "DATABASE": "MARKER-of-the-database-41d2",
}
MARK = b"MARKER-"

CONFIG = """\
apiVersion: ureg/v1
kind: Config
metadata: {{name: {name}}}
spec:
  format: {form}
  path: {path}
  values:
    note: {note}
    database: {{host: db.example.com, password: {{secretRef: "{file}"}}}}
  secrets:
    token: {{secretRef: "env:TOKEN"}}
    mounted: {{secretRef: "file:{mounted}"}}
    deep: {{secretRef: "sops:secrets/shop.yaml#database.password"}}
"""

LEAKY = """
import json, os, time
from pathlib import Path

from reconciler.model.outcome import Health, Outcome
from reconciler.model.record import Observation


class Leaky:
    name = "leaky"
    acts = True
    batches = False

    def __init__(self, place, secrets):
        self.secrets = secrets

    def _leak(self, address):
        secret = self.secrets.read("env:TOKEN")
        if address == "note/crash":
            raise RuntimeError(f"cannot send {secret}") from KeyError(secret)
        if address == "note/exit":
            raise SystemExit(f"cannot go on with {secret}")
        if address == "note/garbage":
            return {secret: [secret]}
        if address == "note/hang":
            Path("hanging").touch()
            while not Path("go").exists():
                time.sleep(0.02)
        return f"the server does not take {json.dumps(secret)}"

    def observe(self, records):
        if os.environ.get("BREAK") == "observe":
            raise SystemExit(self.secrets.read("env:TOKEN"))
        state = self.secrets.read("env:TOKEN") if os.environ.get("BREAK") == "state" else ""
        return [Observation(one.address, state or one.state, self._leak(one.address)) for one in records]

    def execute(self, transitions):
        return [Outcome(one.address, self._leak(one.address)) for one in transitions]

    def health(self, record):
        return Health(False, self._leak(record.address))

    def logs(self, record, lines, follow):
        return [self._leak(record.address)]


def open_driver(site):
    if os.environ.get("BREAK") == "open":
        secret = site.secrets.read("env:TOKEN")
        raise ValueError(secret) from KeyError(secret)
    return Leaky(site.output, site.secrets)
"""


class Planted:
    """A registry whose secrets hold markers, and all that was said about it so far."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.said: list[str] = []
        self._folder = folder
        self._mounted = folder / "mounted/secrets/token"
        self._server: PostgresServer | None = None

    def new_database(self, server: PostgresServer) -> str:
        """The URL of a new database, with a password in it. All that its server holds is searched from now on."""
        self._server = server
        return server.new_database().replace("@", f":{MARKERS['DATABASE']}@")

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = self.repository.run(*args, **environment)
        self.said += [done.stdout, done.stderr]
        return done

    def ureg(self, *args: str, code: int = 0, **environment: str) -> str:
        done = self.run(*args, **environment)
        assert done.returncode == code, f"exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def config(self, name: str, form: str = "json", path: str = "", note: str = "x", file: str = "token") -> None:
        path, file = path or f"app/{name}", f"file:secrets/{file}"
        text = CONFIG.format(name=name, form=form, path=path, note=note, file=file, mounted=self._mounted)
        self.repository.write(f"registry.d/{name}.yaml", text)

    def rendered(self, name: str) -> Path:
        return self.repository.root / ".ureg/out/app" / name

    def holding(self, mark: bytes = MARK) -> list[str]:
        """Every file anywhere in the test's folder that holds `mark`, also compressed; but for where the secrets are
        kept, and the files that they were rendered into."""
        found = _holding(self._server, mark) if self._server else []
        root = self.repository.root
        kept = (root / "secrets", self._folder / "mounted", root / ".ureg/out/app")
        return found + [
            str(path.relative_to(self._folder))
            for path in self._folder.rglob("*")
            if path.is_file() and not any(path.is_relative_to(one) for one in kept) and mark in _plain(path)
        ]

    def check(self) -> None:
        assert [text for text in self.said if MARK.decode() in text] == []
        assert self.holding() == []


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        return data + zlib.decompressobj(wbits=47).decompress(data)
    except zlib.error:
        return data


_TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
"""


def _holding(server: PostgresServer, mark: bytes) -> list[str]:
    """The tables of every database of `server`, and the files that it keeps them in, its log included, that hold
    `mark`."""
    server.execute("CHECKPOINT")
    command = ["grep", "-rlaF", mark.decode(), str(server.folder / "data"), str(server.folder / "log")]
    found: list[str] = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    for (database,) in server.execute("SELECT datname FROM pg_database WHERE datallowconn"):
        for schema, table in server.execute(_TABLES, str(database)):
            rows = server.execute(f'SELECT one::text FROM "{schema}"."{table}" AS one', str(database))
            shown = str(rows)  # bytes as hexadecimal digits
            found += [f"{database}: {table}"] if mark.decode() in shown or mark.hex() in shown else []
    return found
