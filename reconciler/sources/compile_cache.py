"""What compiling the files of one registry gave, kept in a file of the user's cache folder.

The file is lines of JSON: a head (checksums, program version, schema digest, findings by digest), a table of files and resources by column, and then one line a manifest, so that loading need not parse
them. Whatever is damaged, foreign or of another version counts as empty.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from reconciler import __version__
from reconciler.model.resource import Reference, Resource

_MOST_FINDINGS = 20


class _Head(NamedTuple):
    schemas: str = ""
    body_checksum: int = zlib.crc32(b"[]")
    findings: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        head = orjson.dumps((__version__, *self))
        return b"[%d,%b]" % (zlib.crc32(head), head)


class FileCompileCache:
    """Satisfies ports.CompileCache. `path` lies outside the repository, from where a forged file could come."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, schemas: str) -> Mapping[tuple[str, str], tuple[Resource, ...]]:
        head, body = self._read()
        if head.schemas != schemas:
            return {}
        try:
            table, *manifests = body.split(b"\n")
            return _decode(orjson.loads(table), manifests)
        except (ValueError, TypeError, LookupError):
            return {}

    def store(self, schemas: str, entries: Mapping[tuple[str, str], tuple[Resource, ...]]) -> None:
        try:
            body = _encode(entries)
        except (TypeError, ValueError):
            return  # JSON cannot hold it, so it is not kept
        self._write(schemas, body, self._head().findings)

    def recall(self, digest: str) -> str | None:
        return dict(self._head().findings).get(digest)

    def remember(self, digest: str, finding: str) -> None:
        head, body = self._read()
        others = tuple(known for known in head.findings if known[0] != digest)
        self._write(head.schemas, body, (*others, (digest, finding))[-_MOST_FINDINGS:])

    def _head(self) -> _Head:
        try:
            with self._path.open("rb") as file:
                return _decode_head(file.readline())
        except OSError:
            return _Head()

    def _read(self) -> tuple[_Head, bytes]:
        try:
            with self._path.open("rb") as file:
                head, body = _decode_head(file.readline()), file.read()
        except OSError:
            return _Head(), b"[]"
        if zlib.crc32(body) != head.body_checksum:
            return _Head(findings=head.findings), b"[]"
        return head, body

    def _write(self, schemas: str, body: bytes, findings: tuple[tuple[str, str], ...]) -> None:
        """Puts a whole new file in the place of the old one, or leaves the old one where that fails."""
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            head = _Head(schemas, zlib.crc32(body), findings).encode()
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.writelines((head, b"\n", body))
            temporary.replace(self._path)
        except (OSError, TypeError, ValueError):
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _decode_head(line: bytes) -> _Head:
    try:
        _, (version, schemas, body_checksum, findings) = orjson.loads(line)
        head = _Head(schemas, body_checksum, tuple((digest, finding) for digest, finding in findings))
    except (ValueError, TypeError):
        return _Head()
    return head if version == __version__ and head.encode() == line.rstrip(b"\n") else _Head()


def _encode(entries: Mapping[tuple[str, str], tuple[Resource, ...]]) -> bytes:
    files = [(path, content_id, len(resources)) for (path, content_id), resources in entries.items()]
    every = [resource for resources in entries.values() for resource in resources]
    plain = [(r.address, r.kind, r.state, r.fingerprint, r.document, r.line) for r in every]
    references = [(number, list(map(tuple, r.references))) for number, r in enumerate(every) if r.references]
    table = orjson.dumps([list(zip(*files, strict=True)), list(zip(*plain, strict=True)), references])
    return b"\n".join((table, *(r.manifest for r in every)))


def _decode(table: list[Any], manifests: list[bytes]) -> dict[tuple[str, str], tuple[Resource, ...]]:
    (paths, content_ids, counts), columns, links = table
    addresses, kinds, states, fingerprints, documents, lines = columns or [()] * 6
    references: list[tuple[Reference, ...]] = [()] * len(addresses)
    for number, targets in links:
        references[number] = tuple([Reference(target, tuple(pointer)) for target, pointer in targets])
    places = chain.from_iterable(map(repeat, paths, counts))
    columns = (addresses, kinds, states, fingerprints, manifests, references, places, documents, lines)
    resources = map(Resource._make, zip(*columns, strict=True))
    keys = zip(paths, content_ids, strict=True)
    return {key: tuple(islice(resources, count)) for key, count in zip(keys, counts, strict=True)}
