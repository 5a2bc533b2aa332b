"""Reads secrets where manifests only name them, at the moment a driver needs them, and keeps them out of all texts.

A reference is `env:NAME`, `file:PATH` or `sops:FILE#key`. What was read is remembered in memory alone, so that it can
be taken out of whatever a driver says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from reconciler.drivers.atomic import explain, open_folder
from reconciler.model.diagnostics import Pointer

REDACTED = "(sensitive)"
FOLDERS_VARIABLE = "UREG_SECRET_FOLDERS"
"""Names more folders that `file:` may read from by an absolute path. Only the environment can, since those who write
manifests write `ureg.yaml` too."""

_FOLDERS = ("/run/secrets", "/var/run/secrets")
_SYSTEMD_VARIABLE = "CREDENTIALS_DIRECTORY"
_MAX_SECRET = 64 * 1024
_MAX_ENCRYPTED = 1024 * 1024
_SHORTEST = 4
_SHORTEST_LINE = 8
"""Shorter texts are left in messages: they would be found inside of ordinary words."""


class Unresolved(ValueError):
    """A secret that cannot be had. The text says where it was looked for and why that failed, and holds no part of any
    secret."""


class SecretRef(NamedTuple):
    """A reference: the place of the secret, and where in the manifest it is named."""

    place: str
    pointer: Pointer


def mark(value: Any, pointer: Pointer = ()) -> Any:
    """`value`, which stands at `pointer` of a manifest, with each `{secretRef: place}` in it as a SecretRef."""
    if isinstance(value, dict):
        place = value.get("secretRef")
        if isinstance(place, str) and len(value) == 1:
            return SecretRef(place, pointer)
        return {key: mark(item, (*pointer, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [mark(item, (*pointer, index)) for index, item in enumerate(value)]
    return value


def references(value: Any) -> Iterator[SecretRef]:
    """Every SecretRef in a value that was marked."""
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item)


class Secrets:
    """The secrets that the manifests of the registry in the folder `root` may name.

    `root` is absolute and free of symbolic links; `environment` is the process's. Safe to use from several threads.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._readers: Mapping[str, Callable[[str], bytes]] = {
            "env": self._variable,
            "file": self._file,
            "sops": self._encrypted,
        }
        self._given: set[str] = set()

    def fill(self, value: Any) -> Any:
        """A marked value with the secret in each reference's place. Raises Unresolved, which tells of every reference
        that cannot be resolved."""
        found: dict[str, str] = {}
        failures: list[str] = []
        for reference in references(value):
            try:
                found[reference.place] = found.get(reference.place) or self.read(reference.place)
            except Unresolved as error:
                failures.append(f"{'.'.join(map(str, reference.pointer))}: {error}")
        if failures:
            raise Unresolved("; ".join(failures))
        return _put(value, found)

    def read(self, place: str) -> str:
        """The secret at `place`; of a file, without its final newline. Raises Unresolved."""
        scheme, _, rest = place.partition(":")
        reader = self._readers.get(scheme)
        if reader is None:
            raise Unresolved("a secret's place is written env:NAME, file:PATH or sops:FILE#key")
        secret = _text(reader(rest), place)
        self._given.update(_forms(secret))
        return secret

    def redact(self, text: str) -> str:
        """`text` without any secret that was read."""
        if not self._given:
            return text
        for form in sorted(self._given.copy(), key=len, reverse=True):
            text = text.replace(form, REDACTED)
        return text

    def _variable(self, name: str) -> bytes:
        if name not in self._environment:
            raise Unresolved(f"the environment variable {name} is not set")
        return os.fsencode(self._environment[name])

    def _file(self, path: str) -> bytes:
        if not path.startswith("/"):
            return _without_newline(_read(self._root, path, path, _MAX_SECRET))
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(folder)) for folder in self._folders()):
            folders = ", ".join(self._folders())
            raise Unresolved(
                f"{path} lies outside of the folders for secrets ({folders}): put it into one of them, or name its "
                f"folder in the environment variable {FOLDERS_VARIABLE}"
            )
        return _without_newline(_read(real.parent, real.name, path, _MAX_SECRET))

    def _folders(self) -> list[str]:
        named = (self._environment.get(_SYSTEMD_VARIABLE, ""), *self._environment.get(FOLDERS_VARIABLE, "").split(":"))
        return [*_FOLDERS, *(folder for folder in named if folder.startswith("/"))]

    def _encrypted(self, place: str) -> bytes:
        from reconciler.drivers import sops

        path, _, key = place.partition("#")
        data = _read(self._root, path, path, _MAX_ENCRYPTED)
        try:
            return sops.decrypt(path, data, key, self._root, self._environment)
        except sops.Undecryptable as error:
            raise Unresolved(f"{path}: {error}") from None


def _read(folder: Path, name: str, shown: str, limit: int) -> bytes:
    """The file `name` below `folder`, which no link leads to; messages call it `shown`."""
    if ".git" in name.split("/"):
        raise Unresolved(f"{shown} is git's own")
    try:
        with open_folder(folder) as opened:
            found = opened.read(name, limit)
    except OSError as error:
        raise Unresolved(f"{shown}: {explain(error)}") from None
    if found is None:
        raise Unresolved(f"{shown} is not there")
    return found.data


def _without_newline(data: bytes) -> bytes:
    return data.removesuffix(b"\r\n") if data.endswith(b"\r\n") else data.removesuffix(b"\n")


def _text(data: bytes, place: str) -> str:
    if len(data) > _MAX_SECRET:
        raise Unresolved(f"{place} is larger than {_MAX_SECRET // 1024} KiB")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Unresolved(f"{place} is not text in UTF-8") from None
    if not text:
        raise Unresolved(f"{place} is empty")
    return text


def _put(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, SecretRef):
        return secrets[value.place]
    if isinstance(value, dict):
        return {key: _put(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_put(item, secrets) for item in value]
    return value


def _forms(secret: str) -> Iterator[str]:
    """How the secret may look in a text: as it is, escaped, and line by line."""
    if len(secret) >= _SHORTEST:
        yield from (secret, orjson.dumps(secret).decode()[1:-1], repr(secret)[1:-1])
    yield from (line for line in map(str.strip, secret.splitlines()) if len(line) >= _SHORTEST_LINE)
