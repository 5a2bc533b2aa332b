"""The key that saved plans are signed with.

It is 32 random bytes of the user's own, in `$XDG_STATE_HOME/ureg/plan.key` (`~/.local/state` where that is not set),
made at its first use and readable by nobody else. Where plan and apply run on different machines, as in CI, both take
it from the secret UREG_PLAN_KEY instead.

So a plan that somebody edited, or put in the place of the one that was reviewed, is refused, wherever the file has been
in between: an artifact store, a shared folder, a chat. It is no help against someone who can read the key or act as the
user, nor does it say who approved a plan. One key serves all registries of a user: which one a plan belongs to is
told by its lineage, serial, commit and tree.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.model.diagnostics import Diagnostic, Invalid

VARIABLE = "UREG_PLAN_KEY"
LENGTH = 32
"""In bytes; a secret in the environment has as many characters at least."""


def plan_key(environment: Mapping[str, str], make: bool = True) -> bytes | None:
    """The key; None where there is none yet and none is to be made. Raises Invalid where it cannot be used."""
    given = environment.get(VARIABLE)
    if given:
        if len(given) < LENGTH:
            raise _unusable(
                f"{VARIABLE} is too short", f"It needs {LENGTH} characters.", "Make it random: 64 hex digits."
            )
        return os.fsencode(given)
    path = _place(environment)
    try:
        if make and not os.path.lexists(path):
            _make(path)
        return _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(f"{path} cannot be used", f"{error.strerror}.") from None


def _place(environment: Mapping[str, str]) -> Path:
    base = Path(environment.get("XDG_STATE_HOME", ""))
    if base.is_absolute():
        return base / "ureg/plan.key"
    try:
        return Path.home() / ".local/state/ureg/plan.key"
    except RuntimeError:
        raise _unusable("there is no home folder to keep it in", "", f"Set HOME or {VARIABLE}.") from None


def _make(path: Path) -> None:
    """Puts a new key at `path`, whole and on the disk, unless another process was faster."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(LENGTH))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        others = stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid()
        key = file.read(LENGTH + 1) if stat.S_ISREG(status.st_mode) else b""
    if others or len(key) != LENGTH:
        why = "Others may read or write it." if others else f"It is not a file of {LENGTH} bytes."
        raise _unusable(f"{path} cannot be used", why, "Remove it: the next saved plan makes a new one.")
    return key


def _unusable(summary: str, detail: str, hint: str = "") -> Invalid:
    return Invalid(Diagnostic("plan-key", f"The key of saved plans: {summary}", detail, hint))
