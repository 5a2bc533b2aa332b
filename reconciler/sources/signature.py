"""Judges who signed a commit: only the keys of the settings count, and nothing of the user's or the machine's own.

The signature of a commit vouches for its tree and for everything it builds on, so that only the newest one is judged.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, NamedTuple
from weakref import finalize

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.sources import git

_TIMEOUT = 20.0
_MOST_BYTES = 16 << 20
_NOBODY = {
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "false",
    "gpg.ssh.allowedSignersFile": os.devnull,
    "gpg.ssh.revocationFile": "",
    "gpg.minTrustLevel": "undefined",
}
"""No signature of any kind is good. Each mode lays its own program over this."""

_GPG_SETTINGS = "no-autostart\nno-auto-key-locate\nno-auto-key-retrieve\ntrust-model always\nbatch\n"


class Key(NamedTuple):
    """A public key: a line as in `id_ed25519.pub`, or an armoured block. It counts up to the end of the day `until`
    (YYYY-MM-DD, UTC), or for ever."""

    text: str
    until: str = ""


class Signers:
    """Those who may sign. `mode` is "ssh" or "gpg"; `now` gives the time as RFC 3339 in UTC. Raises Invalid for a key
    that is none."""

    def __init__(self, mode: str, keys: Sequence[Key], now: Callable[[], str]) -> None:
        self._keys = keys
        self._now = now
        self._made: tuple[tuple[Key, ...], Ring] | None = None
        self._make: Callable[[Sequence[Key]], Ring] = _ssh_ring if mode == "ssh" else _gpg_ring
        self._ring()

    def refusal(self, root: Path, commit: str) -> str:
        """Why the commit (a full id) of the repository at `root` does not count, in a sentence; "" where it does."""
        signed = b"\ngpgsig" in git.run_git(root, "cat-file", "commit", commit).partition(b"\n\n")[0]
        if not signed:
            return f"{commit[:12]} is not signed"
        ring = self._ring()
        reach = git.Reach("none", _TIMEOUT, _MOST_BYTES, ring.environment, {**_NOBODY, **ring.settings})
        try:
            git.reach_out(root, "verify-commit", "--raw", commit, reach=reach)
        except git.Late:
            raise
        except git.GitError as error:
            return f"{commit[:12]} is signed, but {_reason(error.words)}"
        return ""

    def _ring(self) -> Ring:
        today = self._now()[:10]
        live = tuple(key for key in self._keys if not key.until or today <= key.until)
        if self._made is None or self._made[0] != live:
            self._made = live, self._make(live)
        return self._made[1]


class Ring:
    """Some keys in a folder that goes with this, and what git is told so that it knows them."""

    def __init__(self, folder: Path, settings: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.environment = environment
        finalize(self, rmtree, folder, ignore_errors=True)


def open_signers(options: Mapping[str, Any], now: Callable[[], str]) -> Signers:
    """The signers of the setting `watch.verify`. Raises Invalid."""
    keys = [Key(key["key"], key.get("until", "")) for key in options["keys"]]
    return Signers(options["mode"], keys, now)


def _ssh_ring(keys: Sequence[Key]) -> Ring:
    lines = [f'* namespaces="git" {_ssh_key(key.text)}\n' for key in keys]
    folder = Path(mkdtemp(prefix="ureg-keys-"))
    path = folder / "allowed_signers"
    path.write_text("".join(lines), encoding="utf-8")
    return Ring(folder, {"gpg.ssh.program": "ssh-keygen", "gpg.ssh.allowedSignersFile": str(path)}, {})


def _ssh_key(text: str) -> str:
    """The key's type and its base64, without any comment or option."""
    kind, _, rest = text.strip().partition(" ")
    body = rest.strip().partition(" ")[0]
    with TemporaryDirectory(prefix="ureg-keys-") as folder:
        path = Path(folder) / "key.pub"
        path.write_text(f"{kind} {body}\n", encoding="utf-8")
        if "\n" in text.strip() or _run("ssh-keygen", "-l", "-f", str(path)):
            raise _no_key(text, "An ssh key is one line as in `id_ed25519.pub`.")
    return f"{kind} {body}"


def _gpg_ring(keys: Sequence[Key]) -> Ring:
    home = Path(mkdtemp(prefix="ureg-keys-"))
    ring = Ring(home, {"gpg.program": "gpg", "gpg.openpgp.program": "gpg"}, {"GNUPGHOME": str(home)})
    (home / "gpg.conf").write_text(_GPG_SETTINGS, encoding="utf-8")
    for number, key in enumerate(keys):
        path = home / f"{number}.asc"
        path.write_text(key.text, encoding="utf-8")
        if "PRIVATE KEY" in key.text or _run("gpg", "--homedir", str(home), "--quiet", "--import", str(path)):
            raise _no_key(key.text, "A gpg key is the block that `gpg --armor --export NAME` writes.")
    return ring


def _run(*command: str) -> int:
    """The exit code of a program that reads a key. Raises Invalid where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        summary = f"{command[0]} cannot be run, and without it no signature can be judged"
        raise Invalid(Diagnostic("verify-program", summary, str(error), f"Install {command[0]}.")) from None


def _no_key(text: str, hint: str) -> Invalid:
    start = text.strip().partition("\n")[0][:60]
    return Invalid(Diagnostic("verify-key", f"{start!r} in watch.verify.keys is no public key of its mode", hint=hint))


_REASONS = {
    "EXPKEYSIG": "its key has expired",
    "EXPSIG": "the signature has expired",
    "REVKEYSIG": "its key was revoked",
    "BADSIG": "the signature does not fit: the commit was changed after it was signed",
    "NO_PUBKEY": "not by one of the keys in watch.verify",
    "incorrect signature": "the signature does not fit: the commit was changed after it was signed",
    "Signature verification failed": "the signature does not fit: the commit was changed after it was signed",
}


def _reason(words: str) -> str:
    return next(
        (reason for sign, reason in _REASONS.items() if sign in words), "not by one of the keys in watch.verify"
    )
