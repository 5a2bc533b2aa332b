"""Runs the program `sops` to decrypt one value of an encrypted file: the one place that does.

It gets the file on its standard input and the key's name in an argument of fixed form, and no other argument comes
from outside. What it writes to its standard error is not shown, since nobody can say what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

TIMEOUT = 20.0
"""Seconds for one value: a key may be kept by a service on the network."""

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")
_FORMATS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
_REASONS = {
    4: "what stands at {key} is no text; only a text can be a secret, so quote a number",
    25: "its content is not what was encrypted: it was changed by hand or damaged",
    51: "its content is not what was encrypted: it was changed by hand or damaged",
    128: "no key of this machine decrypts it",
}
"""What sops's exit codes mean."""
_OTHER = "sops gives nothing for {key} (its exit code is {code}): is the file encrypted, and is that key in it?"


class Undecryptable(ValueError):
    """Why there is no value, in words; without the file's path and without any value."""


def decrypt(path: str, data: bytes, key: str, folder: Path, environment: Mapping[str, str]) -> bytes:
    """The text at `key` ("database.password", "tokens.0") of the encrypted file `path` with the bytes `data`. `folder`
    is where sops runs, `environment` where it finds its keys. Raises Undecryptable."""
    import subprocess
    from shutil import which

    if not _KEY.match(key):
        raise Undecryptable("write the key behind #, with dots between the names of nested keys")
    program = which("sops", path=environment.get("PATH"))
    if program is None:
        raise Undecryptable("the program sops, which decrypts it, is not installed")
    form = _FORMATS.get(PurePosixPath(path).suffix, "binary")
    command = [program, "decrypt", f"--input-type={form}", "--output-type=binary", f"--extract={_steps(key)}"]
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            cwd=folder,
            env={**environment, "SOPS_DISABLE_VERSION_CHECK": "1"},
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Undecryptable(f"sops did not answer within {TIMEOUT:.0f} seconds") from None
    except OSError as error:
        raise Undecryptable(f"sops cannot be run: {error.strerror}") from None
    if done.returncode:
        raise Undecryptable(_REASONS.get(done.returncode, _OTHER).format(key=key, code=done.returncode))
    return done.stdout


def _steps(key: str) -> str:
    """`key` as sops writes the way to a value."""
    return "".join(f"[{part}]" if part.isdecimal() else f'["{part}"]' for part in key.split("."))
