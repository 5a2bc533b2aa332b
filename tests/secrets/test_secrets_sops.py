"""Secrets in files that the real sops encrypted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.drivers import sops
from reconciler.drivers.secrets import Secrets, Unresolved

PLAIN = 'database:\n  password: hunter2\n  port: 5432\ntokens: [first, second]\n"12": {"0": third}\n'

Encrypt = Callable[[str, str], Path]


def refusal(secrets: Secrets, place: str) -> str:
    with pytest.raises(Unresolved) as caught:
        secrets.read(place)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_values_of_an_encrypted_file(secrets: Secrets, encrypt: Encrypt) -> None:
    file = encrypt("secrets/shop.yaml", PLAIN)
    assert b"hunter2" not in file.read_bytes()
    assert secrets.read("sops:secrets/shop.yaml#database.password") == "hunter2"
    assert secrets.read("sops:secrets/shop.yaml#tokens.1") == "second"


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", '{"key": "hunter2"}'), ("a.env", "key=hunter2\n"), ("a.yml", "key: hunter2\n")]
)
def test_every_format_of_sops(secrets: Secrets, encrypt: Encrypt, name: str, text: str) -> None:
    encrypt(name, text)
    assert secrets.read(f"sops:{name}#key") == "hunter2"


@pytest.mark.parametrize("key", ["database", "database.port", "nothing", "database.password.more", "tokens.7", "12.0"])
def test_a_key_without_a_text_gives_nothing(secrets: Secrets, encrypt: Encrypt, key: str) -> None:
    encrypt("shop.yaml", PLAIN)
    assert key in refusal(secrets, f"sops:shop.yaml#{key}")


@pytest.mark.parametrize("key", ["", "a b", 'a"]["b', "a..b", ".a", "a\n", "--help", "a=b"])
def test_a_key_is_letters_and_dots(root: Path, secrets: Secrets, key: str) -> None:
    (root / "shop.yaml").write_text("a: 1\n")
    words = refusal(secrets, f"sops:shop.yaml#{key}")
    assert words.startswith("shop.yaml: ")


def test_a_changed_file_is_refused(secrets: Secrets, encrypt: Encrypt) -> None:
    file = encrypt("shop.yaml", "key: hunter2\nother: hunter2\n")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *lines[2:]]))
    assert refusal(secrets, "sops:shop.yaml#key").endswith("it was changed by hand or damaged")


def test_what_is_not_encrypted_gives_nothing(root: Path, secrets: Secrets) -> None:
    (root / "plain.yaml").write_text("key: hunter2\n")
    (root / "broken.yaml").write_text("key: [hunter2\n")
    (root / "large.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    assert "is the file encrypted" in refusal(secrets, "sops:plain.yaml#key")
    assert "is the file encrypted" in refusal(secrets, "sops:broken.yaml#key")
    assert refusal(secrets, "sops:large.yaml#key") == "large.yaml: larger than 1024 KiB"
    assert refusal(secrets, "sops:../plain.yaml#key") == "../plain.yaml: not a path below this folder"


def test_without_a_key_or_the_program(
    root: Path, environment: dict[str, str], encrypt: Encrypt, tmp_path: Path
) -> None:
    encrypt("shop.yaml", PLAIN)
    keyless = Secrets(root, {**environment, "SOPS_AGE_KEY_FILE": str(tmp_path / "none")})
    assert refusal(keyless, "sops:shop.yaml#tokens.0") == "shop.yaml: no key of this machine decrypts it"
    bare = Secrets(root, {**environment, "PATH": str(tmp_path)})
    assert "is not installed" in refusal(bare, "sops:shop.yaml#tokens.0")


def test_a_program_that_hangs_is_ended(
    root: Path, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/sops"
    program.write_text("#!/bin/sh\necho hunter2\nexec sleep 60\n")
    program.chmod(0o755)
    (root / "shop.yaml").write_text("key: x\n")
    monkeypatch.setattr(sops, "TIMEOUT", 0.2)
    hanging = Secrets(root, {**environment, "PATH": f"{tmp_path}/bin:{environment['PATH']}"})
    assert "did not answer" in refusal(hanging, "sops:shop.yaml#key")
