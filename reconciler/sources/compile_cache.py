"""What compiling the files of one registry gave, kept in a folder of the user's cache.

`base` holds the entries of a whole compile, `recent` those that came since, so that one changed file writes one entry;
once there are many of them the base is written anew. `findings` holds short texts by digest. Each file is a line of
JSON (checksums, program version, schema digest) and a body. The body of entries is a table of files and resources by
column and then one line a manifest, so that loading need not parse them. `claims` holds what components claim, by
state and manifest. Whatever is damaged, foreign or of another version counts as empty.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from reconciler import __version__
from reconciler.model.resource import Links, Resource, links_text
from reconciler.ports import CompileCache

_MOST_FINDINGS = 20
_RECENT_SHARE = 0.05
"""How many entries, compared with those of the base, may stand beside it."""

_Entries: TypeAlias = Mapping[tuple[str, str], tuple[Resource, ...]]


# Runs for every component there is: a named tuple's own constructor costs four times as much.
_resource: Callable[[tuple[Any, ...]], Resource] = partial(tuple.__new__, Resource)


class FileCompileCache:
    """Satisfies ports.CompileCache. `folder` lies outside the repository, from where forged files could come."""

    def __init__(self, folder: Path) -> None:
        self._base = folder / "base"
        self._recent = folder / "recent"
        self._findings = folder / "findings"
        self._claims = folder / "claims"
        self._loaded: tuple[str, _Entries] = ("", {})

    def load(self, schemas: str) -> _Entries:
        base = _load(self._base, schemas)
        self._loaded = (schemas, base)
        return {**base, **recent} if (recent := _load(self._recent, schemas)) else base

    def store(self, schemas: str, entries: _Entries) -> None:
        of, base = self._loaded
        added = {key: entry for key, entry in entries.items() if of != schemas or key not in base}
        if len(added) <= len(base) * _RECENT_SHARE:
            _store(self._recent, schemas, added)
        else:
            _store(self._base, schemas, entries)
            _store(self._recent, schemas, {})
            self._loaded = (schemas, entries)

    def load_claims(self, schemas: str) -> Mapping[str, Mapping[str, Sequence[Any]]]:
        """What components claim, by their state and their manifest's fingerprint."""
        return _mapping(_read(self._claims, schemas))

    def store_claims(self, schemas: str, claims: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Keeps `claims` and nothing else for the schemas with the digest `schemas`."""
        _write(self._claims, schemas, orjson.dumps(claims))

    def recall(self, digest: str) -> str | None:
        return self._found().get(digest)

    def remember(self, digest: str, finding: str) -> None:
        known = self._found()
        known.pop(digest, None)
        latest = [*known.items(), (digest, finding)][-_MOST_FINDINGS:]
        _write(self._findings, "", orjson.dumps(dict(latest)))

    def _found(self) -> dict[str, str]:
        return _mapping(_read(self._findings, ""))


class ReadOnlyCache:
    """What `cache` holds, for looking at other versions of a registry: they push out nothing of this one."""

    def __init__(self, cache: CompileCache) -> None:
        self._cache = cache

    def load(self, schemas: str) -> _Entries:
        return self._cache.load(schemas)

    def store(self, schemas: str, entries: _Entries) -> None:
        """Keeps nothing."""

    def recall(self, digest: str) -> str | None:
        return self._cache.recall(digest)

    def remember(self, digest: str, finding: str) -> None:
        """Keeps nothing."""


def _mapping(data: bytes) -> dict[str, Any]:
    try:
        known = orjson.loads(data)
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def _load(path: Path, schemas: str) -> _Entries:
    try:
        table, *manifests = _read(path, schemas).split(b"\n")
        return _decode(orjson.loads(table), manifests)
    except (ValueError, TypeError, LookupError):
        return {}


def _store(path: Path, schemas: str, entries: _Entries) -> None:
    with suppress(TypeError, ValueError):  # what JSON cannot hold is not kept
        _write(path, schemas, _encode(entries))


def _read(path: Path, schemas: str) -> bytes:
    """The body of a file that was written whole, by this version, for `schemas`; else b""."""
    try:
        with path.open("rb") as file:
            head, body = file.readline(), file.read()
    except OSError:
        return b""
    return body if head == _head(schemas, body) else b""


def _write(path: Path, schemas: str, body: bytes) -> None:
    """Puts a whole new file in the place of the old one, or leaves the old one where that fails."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.writelines((_head(schemas, body), body))
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _head(schemas: str, body: bytes) -> bytes:
    return orjson.dumps((__version__, schemas, zlib.crc32(body))) + b"\n"


def _encode(entries: _Entries) -> bytes:
    files = [(path, content_id, len(resources)) for (path, content_id), resources in entries.items()]
    every = [resource for resources in entries.values() for resource in resources]
    plain = [(r.address, r.kind, r.state, r.fingerprint, r.document, r.line) for r in every]
    links = [links_text(resource.references) if resource.references else "" for resource in every]
    table = orjson.dumps([list(zip(*files, strict=True)), list(zip(*plain, strict=True)), links])
    return b"\n".join((table, *(r.manifest for r in every)))


def _decode(table: list[Any], manifests: list[bytes]) -> _Entries:
    (paths, content_ids, counts), columns, links = table
    addresses, kinds, states, fingerprints, documents, lines = columns or [()] * 6
    references = [Links(text) if text else () for text in links]
    places = chain.from_iterable(map(repeat, paths, counts))
    columns = (addresses, kinds, states, fingerprints, manifests, references, places, documents, lines)
    resources = map(_resource, zip(*columns, strict=True))
    keys = zip(paths, content_ids, strict=True)
    return {key: tuple(islice(resources, count)) for key, count in zip(keys, counts, strict=True)}
