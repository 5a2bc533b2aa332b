"""Signed commits, with real keys of ssh and gpg."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from estate import Estate

from reconciler.model.diagnostics import Invalid
from reconciler.sources.signature import Key, Signers, open_signers

NOW = "2026-11-24T12:00:00.000Z"
Sign = Callable[..., str]


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)


def signers(mode: str, *keys: Key, now: str = NOW) -> Signers:
    return Signers(mode, keys, lambda: now)


def ssh_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", path], check=True, capture_output=True)
    return path


def by_ssh(estate: Estate, path: Path, text: str = "a: 1\n") -> str:
    (estate.work / "a.yaml").write_text(text)
    estate.git("add", "-A")
    options = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={path}")
    estate.git(*options, "commit", "-q", "--allow-empty", "-S", "-m", "signed")
    return estate.git("rev-parse", "HEAD")


def public(path: Path) -> str:
    return path.with_suffix(".pub").read_text()


class Gpg:
    """A home of keys without passphrases. Its agent ends with `close`."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home

    def run(self, *args: str) -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", "", *args]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def make(self, name: str, *, at: str = "", expires: str = "never") -> str:
        then = ("--faked-system-time", at) if at else ()
        self.run(*then, "--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", expires)
        return self.run("--armor", "--export", name)

    def sign(self, estate: Estate, name: str, at: str = "") -> str:
        program = self.home / f"sign{at[:8]}"
        then = f"--faked-system-time {at}" if at else ""
        program.write_text(f'#!/bin/sh\nexec gpg --homedir {self.home} --batch {then} "$@"\n')
        program.chmod(0o755)
        options = ("-c", "gpg.format=openpgp", "-c", f"gpg.program={program}", "-c", f"user.signingKey={name}")
        estate.git(*options, "commit", "-q", "--allow-empty", "-S", "-m", "signed")
        return estate.git("rev-parse", "HEAD")

    def close(self) -> None:
        environment: Mapping[str, str] = {**os.environ, "GNUPGHOME": str(self.home)}
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True, env=environment)


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # its socket needs a short path
        made = Gpg(Path(folder) / "g")
        yield made
        made.close()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_ssh_the_right_key(tmp_path: Path, estate: Estate, kind: str) -> None:
    path = ssh_key(tmp_path, "ada", kind)
    commit = by_ssh(estate, path)
    assert signers("ssh", Key(public(path))).refusal(estate.work, commit) == ""


def test_ssh_everybody_else(tmp_path: Path, estate: Estate) -> None:
    ada, eve = ssh_key(tmp_path, "ada"), ssh_key(tmp_path, "eve")
    judge = partial(signers("ssh", Key(public(ada))).refusal, estate.work)
    plain = estate.commit()
    assert judge(plain) == f"{plain[:12]} is not signed"
    other = by_ssh(estate, eve)
    assert judge(other) == f"{other[:12]} is signed, but not by one of the keys in watch.verify"


def test_ssh_a_changed_commit(tmp_path: Path, estate: Estate) -> None:
    ada = ssh_key(tmp_path, "ada")
    raw = estate.git("cat-file", "commit", by_ssh(estate, ada)) + "\n"
    changed = estate.git("hash-object", "-t", "commit", "-w", "--stdin", data=raw.replace("signed", "tamper"))
    told = signers("ssh", Key(public(ada))).refusal(estate.work, changed)
    assert "was changed after it was signed" in told


def test_a_key_counts_up_to_its_last_day(tmp_path: Path, estate: Estate) -> None:
    ada = ssh_key(tmp_path, "ada")
    commit = by_ssh(estate, ada)
    times = iter(["2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00.000Z"])
    judge = Signers("ssh", [Key(public(ada), "2026-11-24")], lambda: next(times))
    assert judge.refusal(estate.work, commit) == ""
    assert "not by one of the keys" in judge.refusal(estate.work, commit)


def test_the_users_own_keys_do_not_count(
    tmp_path: Path, estate: Estate, gpg: Gpg, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, eve = ssh_key(tmp_path, "ada"), ssh_key(tmp_path, "eve")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"* {public(eve)}")
    yes = tmp_path / "yes"
    yes.write_text("#!/bin/sh\necho '[GNUPG:] GOODSIG 1 x' ; exit 0\n")
    yes.chmod(0o755)
    for place in ("--global", "--local"):
        for program in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program", "gpg.x509.program"):
            estate.git("config", place, program, str(yes))
        estate.git("config", place, "gpg.ssh.allowedSignersFile", str(allowed))
    judge = signers("ssh", Key(public(ada)))
    estate.git("config", "--local", "--unset", "gpg.ssh.program")
    estate.git("config", "--global", "--unset", "gpg.ssh.program")
    assert judge.refusal(estate.work, by_ssh(estate, eve)) != ""
    monkeypatch.setenv("GNUPGHOME", str(gpg.home))
    gpg.make("mallory")
    assert judge.refusal(estate.work, gpg.sign(estate, "mallory")) != ""
    bob = gpg.make("bob")
    assert signers("gpg", Key(bob)).refusal(estate.work, gpg.sign(estate, "mallory")) != ""
    assert signers("gpg", Key(bob)).refusal(estate.work, by_ssh(estate, eve)) != ""


def test_gpg_the_right_key_and_everybody_else(estate: Estate, gpg: Gpg) -> None:
    ada = gpg.make("ada")
    gpg.make("eve")
    judge = partial(signers("gpg", Key(ada)).refusal, estate.work)
    good = gpg.sign(estate, "ada")
    assert judge(good) == ""
    assert "not signed" in judge(estate.commit())
    assert "not by one of the keys" in judge(gpg.sign(estate, "eve"))
    raw = estate.git("cat-file", "commit", good) + "\n"
    changed = estate.git("hash-object", "-t", "commit", "-w", "--stdin", data=raw.replace("\n\nsigned", "\n\ntamper"))
    assert "was changed after it was signed" in judge(changed)


def test_gpg_a_key_that_has_expired(estate: Estate, gpg: Gpg) -> None:
    old = gpg.make("old", at="20200101T000000", expires="1y")
    commit = gpg.sign(estate, "old", at="20200601T000000")
    assert "its key has expired" in signers("gpg", Key(old)).refusal(estate.work, commit)


@pytest.mark.parametrize("mode", ["ssh", "gpg"])
@pytest.mark.parametrize(
    "text", ["", "nonsense", "ssh-ed25519 AAAA", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "a\nb\n"]
)
def test_what_is_no_key_is_refused_at_once(mode: str, text: str) -> None:
    with pytest.raises(Invalid, match="is no public key"):
        open_signers({"mode": mode, "keys": [{"key": text}]}, lambda: NOW)


def test_options_in_a_key_line_do_not_widen_it(tmp_path: Path) -> None:
    line = public(ssh_key(tmp_path, "ada"))
    with pytest.raises(Invalid, match="is no public key"):
        signers("ssh", Key(f"cert-authority {line}"))
    with pytest.raises(Invalid, match="is no public key"):
        signers("ssh", Key(f"{line}* {line}"))


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    made = signers("ssh", Key(public(ssh_key(tmp_path, "ada"))))
    assert len([*(tmp_path / "tmp").iterdir()]) == 1
    del made
    assert not [*(tmp_path / "tmp").iterdir()]
