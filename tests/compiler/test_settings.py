"""The settings file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.compiler.kinds import load_catalogue
from reconciler.compiler.settings import dump_settings, load_settings, parse_settings
from reconciler.model.settings import Guards, Settings

SCHEMAS = Path(__file__).parents[2] / "schemas"
CATALOGUE = load_catalogue({f"schemas/{path.name}": path.read_bytes() for path in SCHEMAS.glob("*.json")})[0]


@pytest.mark.parametrize("data", [b"", b" \n", b"# nothing\n", b"{}\n"])
def test_without_settings_the_defaults_hold(data: bytes) -> None:
    assert parse_settings("ureg.yaml", data, CATALOGUE) == (Settings(), ())


def test_all_settings() -> None:
    text = (
        "registry: components\nschemas: kinds\nstate: var/state.db\noutput: build\nruntime: var/run\n"
        "parallelism: 3\nguards: {maxDeletes: 1, maxDeletePercent: 50}\ndrivers: {acme: {level: 3}}\n"
    )
    drivers = {"acme": {"level": 3}}
    expected = Settings("components", "kinds", "var/state.db", "build", "var/run", 3, Guards(1, 50), drivers)
    assert parse_settings("ureg.yaml", text.encode(), CATALOGUE) == (expected, ())


def test_what_the_daemon_is_told_is_kept_as_it_stands() -> None:
    text = "watch:\n  mode: self-heal\n  windows: [{schedule: 0 8 * * 1-5, duration: 8h, kind: deny}]\n"
    window = {"schedule": "0 8 * * 1-5", "duration": "8h", "kind": "deny"}
    expected = Settings(watch={"mode": "self-heal", "windows": [window]})
    assert parse_settings("ureg.yaml", text.encode(), CATALOGUE) == (expected, ())
    assert load_settings(dump_settings(expected)) == expected


def test_what_is_not_said_keeps_its_default() -> None:
    assert parse_settings("ureg.yaml", b"guards: {maxDeletes: 3}\n", CATALOGUE) == (
        Settings(guards=Guards(max_deletes=3)),
        (),
    )


@pytest.mark.parametrize(
    ("text", "code", "place", "hint"),
    [
        ("paralelism: 3\n", "schema-additional-properties", "1:1", "parallelism"),
        ("registry: a\nparallelism: many\n", "schema-type", "2:14", ""),
        ("parallelism: 0\n", "schema-minimum", "1:14", ""),
        ("guards:\n  maxDelets: 3\n", "schema-additional-properties", "2:3", "maxDeletes"),
        ("registry: ../other\n", "schema-pattern", "1:11", ""),
        ("output: /etc\n", "schema-pattern", "1:9", ""),
        ("schemas: a/../../b\n", "schema-pattern", "1:10", ""),
        ("- registry\n", "schema-type", "1:1", ""),
        ("watch: {mode: always}\n", "schema-enum", "1:15", ""),
        ("watch: {intervall: 5m}\n", "schema-additional-properties", "1:9", "interval"),
        ("watch: {interval: 5}\n", "schema-type", "1:19", ""),
    ],
)
def test_each_error_is_told_at_its_place(text: str, code: str, place: str, hint: str) -> None:
    settings, found = parse_settings("ureg.yaml", text.encode(), CATALOGUE)
    assert settings == Settings()
    assert [(one.code, str(one.location)) for one in found] == [(code, f"ureg.yaml:{place}")]
    assert hint in found[0].hint


PASSWORD = "settings-password"
DATABASES = {
    "state: postgresql://ureg:hunter2@db/shop\n": ("1:8", PASSWORD),
    "parallelism: 2\nstate: 'postgres://:hunter2@db'\n": ("2:8", PASSWORD),
    "state: postgresql://db/shop?user=ureg&password=hunter2\n": ("1:8", PASSWORD),
    "state: postgresql://db/shop?%70assword=hunter2\n": ("1:8", PASSWORD),
    "state: postgresql://db/shop?sslpassword=hunter2\n": ("1:8", PASSWORD),
    "state: postgresql://ureg:hunt/er2@db/shop\n": ("1:8", PASSWORD),
    "state: postgresql://ureg:h?unter2@db/shop\n": ("1:8", PASSWORD),
    "state: postgresql://ureg:hunter2@x:hunter2@db/shop\n": ("1:8", PASSWORD),
    "state: 'postgresql://ureg:hunter2 x@db/shop'\n": ("1:8", "schema-pattern"),
    "state: [postgresql://ureg:hunter2@db/shop]\n": ("1:8", "schema-type"),
    "sate: postgresql://ureg:hunter2@db/shop\n": ("1:1", "schema-additional-properties"),
    "state: postgresql://ureg:hunter2@db: x\n": ("1:36", "yaml-syntax"),
    "postgresql://ureg:hunter2@db/shop: 1\n": ("1:1", "schema-additional-properties"),
}


@pytest.mark.parametrize("text", DATABASES)
def test_a_password_is_refused_at_its_place_and_never_shown(text: str) -> None:
    settings, found = parse_settings("ureg.yaml", text.encode(), CATALOGUE)
    place, code = DATABASES[text]
    assert settings == Settings()
    assert [str(one.location) for one in found] == [f"ureg.yaml:{place}"]
    assert code == "yaml-syntax" or found[0].code == code
    assert "hunt" not in repr(found)
    assert code != PASSWORD or all(word in found[0].hint for word in ("UREG_STATE", "PGPASSWORD", "pgpass"))


def test_a_password_beside_a_key_that_stands_twice_is_not_shown() -> None:
    text = "state: postgresql://ureg:hunter2@db/shop\nstate: postgresql://ureg:hunter3@db/shop\n"
    _, found = parse_settings("ureg.yaml", text.encode(), CATALOGUE)
    assert found
    assert "hunter" not in repr(found)


@pytest.mark.parametrize(
    "state",
    ["postgresql://ureg@db:5432/shop?schema=a", "postgresql://[::1]:5432/shop", "postgresql:///shop?passfile=/x/y"],
)
def test_a_database_without_a_password_is_in_order(state: str) -> None:
    assert parse_settings("ureg.yaml", f"state: {state}\n".encode(), CATALOGUE) == (Settings(state=state), ())


def test_text_that_is_no_yaml_is_an_error() -> None:
    settings, found = parse_settings("ureg.yaml", b"registry: [\n", CATALOGUE)
    assert settings == Settings()
    assert found


def test_settings_are_one_document() -> None:
    _, found = parse_settings("ureg.yaml", b"parallelism: 1\n---\nparallelism: 2\n", CATALOGUE)
    assert [one.code for one in found] == ["settings-several"]


def test_without_a_file_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from reconciler.compiler.kinds import load_catalogue\n"
        "from reconciler.compiler.settings import dump_settings, load_settings, parse_settings\n"
        "parse_settings('ureg.yaml', b'', load_catalogue({'x.schema.json': b'{}'})[0])\n"
        "heavy = {'jsonschema_rs', 'jsonschema', 'referencing', 'yaml_rs', '_ruamel_yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = SCHEMAS.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
