"""A marker in every secret, and then everything that was said or written is searched for it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from manifests import component
from repository import Repository

MARKERS = {
    "TOKEN": "MARKER-of-the-environment-5b1f",
    "FILE": "MARKER-of-a-file-c07d",
    "MOUNTED": "MARKER-of-a-mounted-file-77aa",
    "SOPS": "MARKER-of-sops-e912",
}
LITERAL = "MARKER-written-by-hand-30c4"
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
import json

from reconciler.model.outcome import Health, Outcome


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
        return f"the server does not take {json.dumps(secret)}"

    def observe(self, records):
        from reconciler.model.record import Observation
        return [Observation(record.address, record.state, self._leak(record.address)) for record in records]

    def execute(self, transitions):
        return [Outcome(one.address, self._leak(one.address)) for one in transitions]

    def health(self, record):
        return Health(False, self._leak(record.address))

    def logs(self, record, lines, follow):
        return [self._leak(record.address)]


def open_driver(site):
    return Leaky(site.output, site.secrets)
"""


class Planted:
    """A registry whose secrets hold markers, and all that was said about it so far."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.said: list[str] = []
        self._folder = folder
        self._mounted = folder / "mounted/secrets/token"

    def run(self, *args: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        done = self.repository.run(*args, answer=answer)
        self.said += [done.stdout, done.stderr]
        return done

    def ureg(self, *args: str, code: int = 0) -> str:
        done = self.run(*args)
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
        root = self.repository.root
        kept = (root / "secrets", self._folder / "mounted", root / ".ureg/out/app")
        return [
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


@pytest.fixture
def planted(repository: Repository, tmp_path: Path) -> Planted:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age.txt").write_text(f"{identity}\n")
    for folder in ("temporary", "home", "mounted/secrets"):
        (tmp_path / folder).mkdir(parents=True)
    repository.environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temporary"),
        "SOPS_AGE_KEY_FILE": str(tmp_path / "age.txt"),
        "SOPS_DISABLE_VERSION_CHECK": "1",
        "UREG_SECRET_FOLDERS": str(tmp_path / "mounted"),
        "TOKEN": MARKERS["TOKEN"],
    }
    (tmp_path / "mounted/secrets/token").write_text(MARKERS["MOUNTED"])
    repository.write(".gitignore", "/.ureg/\n/secrets/token\n")
    repository.write("secrets/token", f"{MARKERS['FILE']}\n")
    file = repository.write("secrets/shop.yaml", f"database:\n  password: {MARKERS['SOPS']}\n")
    command = ["sops", "encrypt", "--in-place", "--age", str(identity.to_public()), str(file)]
    subprocess.run(command, check=True, env=repository.environment)
    made = Planted(repository, tmp_path)
    made.config("app")
    repository.commit()
    return made


def test_the_rendered_file_has_every_secret_and_only_its_owner_can_read_it(planted: Planted) -> None:
    planted.ureg("apply", "-auto-approve")
    written = json.loads(planted.rendered("app").read_bytes())
    assert written == {
        "note": "x",
        "database": {"host": "db.example.com", "password": MARKERS["FILE"]},
        "token": MARKERS["TOKEN"],
        "mounted": MARKERS["MOUNTED"],
        "deep": MARKERS["SOPS"],
    }
    assert stat.S_IMODE(planted.rendered("app").stat().st_mode) == 0o600
    assert planted.holding(b"secretRef") != [], "the search finds what is there: the references"
    planted.check()


def test_nothing_that_plan_and_apply_say_or_write_holds_a_secret(planted: Planted) -> None:
    repository = planted.repository
    planted.config("env", form="dotenv")
    planted.ureg("validate")
    planted.ureg("plan")
    planted.ureg("plan", "-json", "-out=plan.bin")
    planted.ureg("show", "plan.bin")
    planted.ureg("show", "-json", "plan.bin")
    planted.ureg("apply", "plan.bin")
    planted.config("env", form="yaml", note="changed")
    planted.ureg("apply", "-json", "-auto-approve")
    planted.rendered("app").write_text(planted.rendered("app").read_text().replace("x", "y"))
    assert "content changed" in planted.ureg("plan")
    repository.environment["TOKEN"] = "MARKER-rotated"
    assert "config/env" in planted.ureg("plan")
    planted.ureg("apply", "-auto-approve")
    assert "MARKER-rotated" in planted.rendered("env").read_text()
    for args in (
        ("get", "-o", "yaml"),
        ("get", "config/app", "-o", "json"),
        ("show",),
        ("show", "-json"),
        ("state", "pull"),
        ("state", "show", "config/app"),
        ("graph",),
        ("fmt", "-check", "-diff"),
    ):
        planted.run(*args)
    (repository.root / "registry.d/env.yaml").unlink()
    planted.ureg("apply", "-auto-approve")
    planted.ureg("destroy", "-auto-approve")
    planted.check()


def test_nothing_that_is_remembered_holds_a_secret(planted: Planted) -> None:
    """Runs, history, events and backups, after successes and failures."""
    planted.ureg("apply", "-auto-approve")
    del planted.repository.environment["TOKEN"]
    planted.config("app", note="changed")
    planted.ureg("apply", "-auto-approve", code=1)
    for args in (
        ("history", "config/app"),
        ("history", "config/app", "-json"),
        ("runs", "list"),
        ("events", "list", "-json"),
        ("events", "verify"),
        ("state", "verify"),
        ("state", "backups"),
        ("diff", "-from=HEAD"),
    ):
        planted.ureg(*args)
    assert "TOKEN is not set" in planted.ureg("history", "config/app")
    planted.check()


def test_failures_are_told_without_the_secrets(planted: Planted) -> None:
    planted.ureg("apply", "-auto-approve")
    planted.config("taken", path="stranger")
    planted.repository.write(".ureg/out/stranger", "{}")
    planted.config("blocked", path="stranger/deep")
    planted.config("missing", file="none")
    said = planted.ureg("apply", "-auto-approve", code=1)
    assert "not managed by ureg" in said
    assert "spec.values.database.password: secrets/none is not there" in said
    assert "config/blocked" in said
    (planted.repository.root / "secrets/shop.yaml").write_text("database: {password: MARKER-in-plain}\n")
    assert "is the file encrypted" in planted.ureg("plan", "-json")
    planted.check()


def test_an_unresolved_secret_fails_no_plan(planted: Planted) -> None:
    planted.ureg("apply", "-auto-approve")
    del planted.repository.environment["TOKEN"]
    assert "the environment variable TOKEN is not set" in planted.ureg("plan", "-detailed-exitcode", code=2)
    assert "TOKEN is not set" in planted.ureg("apply", "-auto-approve", code=1)
    assert MARKERS["TOKEN"] in planted.rendered("app").read_text(), "the file stays as it was"


@pytest.fixture
def leaky(planted: Planted, tmp_path: Path) -> Planted:
    """With a kind whose driver, someone else's, tells its secret at every turn."""
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ureg.drivers]\nleaky = acme_leaky\n")
    (site / "acme_leaky.py").write_text(LEAKY)
    planted.repository.environment["PYTHONPATH"] = str(site)
    schema = json.loads((Path(__file__).parents[2] / "schemas/component.schema.json").read_text())
    schema |= {"$id": "note.schema.json", "title": "Note"}
    schema["x-ureg"] = {"kind": "Note", "plural": "notes", "driver": "leaky"}
    schema["properties"]["kind"] = {"const": "Note", "description": "The kind."}
    schema["properties"]["state"] = {"enum": ["present"], "description": "It is there."}
    schema["properties"]["spec"] = {"type": "object", "description": "What it is."}
    schema["examples"] = []
    planted.repository.write("schemas/note.schema.json", json.dumps(schema))
    return planted


NOTE = "apiVersion: ureg/v1\nkind: Note\nmetadata: {{name: {}}}\nspec: {{}}\n"


def test_a_driver_that_tells_its_secret_is_not_believed(leaky: Planted) -> None:
    leaky.repository.write("registry.d/n.yaml", NOTE.format("leak"))
    said = leaky.ureg("apply", "-auto-approve", code=1)
    assert 'the server does not take "(sensitive)"' in said
    assert "(sensitive)" in leaky.ureg("plan", "-json")
    assert "(sensitive)" in leaky.ureg("state", "pull")
    leaky.check()


def test_a_crash_of_a_driver_is_told_without_it(leaky: Planted) -> None:
    leaky.repository.write("registry.d/n.yaml", NOTE.format("crash"))
    said = leaky.ureg("apply", "-auto-approve", code=1)
    assert "the leaky driver has a bug" in said
    assert "cannot send (sensitive)" in leaky.ureg("plan", code=1)
    leaky.check()


HEAD = "apiVersion: ureg/v1\nkind: Service\nmetadata:   {{name: s{}}}\nspec:\n  command: [x]\n"
WRONG = {
    "a literal": f"  secrets: {{k: {LITERAL}}}",
    "a literal in the place of a reference": f"  environment: {{k: {{secretRef: {LITERAL}}}}}",
    "a literal for the whole": f"  secrets:   {LITERAL}",
    "a syntax error next to it": f"  secrets:\n    k: {LITERAL}: x",
    "a bracket that is never closed": f"  secrets: {{k: {LITERAL}",
    "a literal that reads as a tag": f"  secrets:\n    k: !{LITERAL}",
}


def test_a_literal_is_refused_without_being_shown(planted: Planted) -> None:
    manifests = [
        planted.repository.write(f"registry.d/s{number}.yaml", f"{HEAD.format(number)}{wrong}\n")
        for number, wrong in enumerate(WRONG.values())
    ]
    for args in (("validate",), ("validate", "-json"), ("plan",), ("plan", "-json"), ("fmt", "-check", "-diff")):
        said = planted.ureg(*args, code=1)
        assert [one.name for one in manifests if one.name not in said] == []
    for manifest in manifests:
        manifest.unlink()
    planted.check()


@pytest.fixture
def watching(planted: Planted) -> Iterator[subprocess.Popen[str]]:
    with planted.repository.start("watch", "-auto-approve", "-debounce=20ms") as process:
        yield process
        process.kill()


def test_watch_says_nothing_of_it(planted: Planted, watching: subprocess.Popen[str]) -> None:
    for note in ("first", "second"):
        deadline = time.monotonic() + 20
        while not planted.rendered("app").exists() or note not in planted.rendered("app").read_text():
            planted.config("app", note=note)
            assert time.monotonic() < deadline
            time.sleep(0.3)
    planted.repository.write("registry.d/s.yaml", f"{HEAD.format('')}{WRONG['a syntax error next to it']}\n")
    time.sleep(0.5)
    (planted.repository.root / "registry.d/s.yaml").unlink()
    watching.send_signal(signal.SIGINT)
    planted.said += watching.communicate(timeout=20)
    assert any("config/app" in text for text in planted.said)
    planted.check()


def test_plans_and_states_are_for_their_owner_only(planted: Planted) -> None:
    planted.repository.write("registry.d/c.yaml", component("c"))
    planted.ureg("plan", "-out=plan.bin")
    planted.ureg("apply", "-auto-approve")
    root = planted.repository.root
    files = [root / "plan.bin", *(path for path in (root / ".ureg").rglob("*") if path.is_file())]
    files = [path for path in files if not path.is_relative_to(root / ".ureg/out")]
    open_to_others = [str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []
    assert len(files) > 1
