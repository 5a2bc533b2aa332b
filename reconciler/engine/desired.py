"""From the files of a source to the desired state. What did not change since the last run is not read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from reconciler.compiler.assemble import assemble, assemble_again
from reconciler.model.address import parse_address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location, errors
from reconciler.model.glob import matches
from reconciler.model.kind import Catalogue, Kind
from reconciler.model.resource import DesiredState, Resource, Snapshot, SourceFile, links_text
from reconciler.ports import CompileCache, Source

if TYPE_CHECKING:
    from reconciler.compiler.validate import Validator

SOUND = "sound"
"""What the cache remembers of an input in which nothing was wrong."""


class Compiled(NamedTuple):
    """`desired` is None where `diagnostics` hold an error. `snapshot` is what was looked at."""

    desired: DesiredState | None
    diagnostics: Diagnostics
    snapshot: Snapshot


class _Fresh(NamedTuple):
    """What compiling some files gave: the resources of each, the findings of each, and the bytes of those refused."""

    resources: Mapping[SourceFile, tuple[Resource, ...]]
    findings: Mapping[SourceFile, Diagnostics]
    broken: tuple[bytes, ...]


def patterns(registry: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The globs of all files that hold desired state: manifests, then the files of plain-file kinds."""
    plain = (kind.files for kind in catalogue.kinds.values() if kind.files)
    return (f"{registry}/**/*.yaml", f"{registry}/**/*.yml", *plain)


def compile_desired(source: Source, cache: CompileCache, catalogue: Catalogue, registry: str) -> Compiled:
    """The desired state of `source`, with every error of every file. Raises Invalid where there is no snapshot."""
    finish = source.begin(patterns(registry, catalogue))
    known = cache.load(catalogue.digest)
    validator = None if known else _prepared(catalogue)  # the source lists its files meanwhile
    snapshot = finish()
    fresh = _compile_files(source, [file for file in snapshot.files if file not in known], catalogue, validator)
    current = [known[file] if file in known else fresh.resources[file] for file in snapshot.files]
    if fresh.resources:
        entries = zip(snapshot.files, current, strict=True)
        cache.store(catalogue.digest, {file: entry for file, entry in entries if file not in fresh.findings})
    return _assemble(source, cache, snapshot, current, fresh, catalogue.digest)


def _assemble(
    source: Source,
    cache: CompileCache,
    snapshot: Snapshot,
    current: Iterable[tuple[Resource, ...]],
    fresh: _Fresh,
    schemas: str,
) -> Compiled:
    resources = [resource for entry in current for resource in entry]
    whole = f"{snapshot.revision.tree} {schemas}"
    if cache.recall(whole) == SOUND:
        return Compiled(assemble_again(resources, snapshot.revision, schemas), (), snapshot)
    structure = _structure(resources, schemas)
    if not fresh.findings and cache.recall(structure) == SOUND:
        return Compiled(assemble_again(resources, snapshot.revision, schemas), (), snapshot)
    desired, across = assemble(resources, snapshot.revision, schemas)
    within = tuple(finding for findings in fresh.findings.values() for finding in findings)
    across = tuple(finding for finding in across if not _hidden(finding, fresh.broken))
    diagnostics = (*within, *locate_in(across, source))
    if not diagnostics:
        cache.remember(whole, SOUND)
        cache.remember(structure, SOUND)
    return Compiled(None if errors(diagnostics) else desired, diagnostics, snapshot)


def _structure(resources: Iterable[Resource], schemas: str) -> str:
    """A digest of all that can be wrong across files: which addresses there are, and what each refers to."""
    text = "\n".join([f"{resource.address} {links_text(resource.references)}" for resource in resources])
    return f"structure {blake2b(text.encode(), digest_size=20).hexdigest()} {schemas}"


def _hidden(finding: Diagnostic, broken: Iterable[bytes]) -> bool:
    """Whether what a reference misses may stand in a file that could not be compiled."""
    if finding.code != "reference-unknown":
        return False
    name = parse_address(finding.address).name.encode()
    return any(name in data for data in broken)


def _prepared(catalogue: Catalogue) -> Validator:
    from reconciler.compiler.validate import Validator

    validator = Validator(catalogue)
    validator.prepare()
    return validator


def _compile_files(
    source: Source, files: Sequence[SourceFile], catalogue: Catalogue, validator: Validator | None
) -> _Fresh:
    if not files:
        return _Fresh({}, {}, ())
    from reconciler.compiler.compile import compile_file
    from reconciler.compiler.validate import Validator

    validator = validator or Validator(catalogue)
    plain_kinds = [kind for kind in catalogue.kinds.values() if kind.files]
    contents = source.read([file.path for file in files])
    resources: dict[SourceFile, tuple[Resource, ...]] = {}
    findings: dict[SourceFile, Diagnostics] = {}
    for file in files:
        data = contents.get(file.path)
        if data is None:
            resources[file] = ()
            found: Diagnostics = (_refused(file.path, source.refusal(file.path)),)
        else:
            resources[file], found = compile_file(file.path, data, catalogue, validator, _plain(file.path, plain_kinds))
        if found:
            findings[file] = found
    broken = tuple(contents[file.path] for file in findings if file.path in contents)
    return _Fresh(resources, findings, broken)


def _plain(path: str, kinds: Iterable[Kind]) -> Kind | None:
    return next((kind for kind in kinds if matches(kind.files, path)), None)


def _refused(path: str, why: str) -> Diagnostic:
    return Diagnostic(
        "file-refused",
        "A file cannot be read",
        detail=f"{path} {why or 'cannot be read'}.",
        hint="Put a regular file there, or take it out of the registry.",
        location=Location(path),
    )


def locate_in(diagnostics: Diagnostics, source: Source) -> Diagnostics:
    """`diagnostics` with lines and columns filled in for the places that have only a pointer."""
    paths = {place.path for finding in diagnostics for place in _places(finding) if place.span is None}
    if not paths:
        return diagnostics
    contents = source.read(sorted(paths))
    return tuple(_located(finding, contents) for finding in diagnostics)


def _places(finding: Diagnostic) -> list[Location]:
    own = [finding.location] if finding.location else []
    return [*own, *(related.location for related in finding.related)]


def _located(finding: Diagnostic, contents: Mapping[str, bytes]) -> Diagnostic:
    from reconciler.compiler.locate import locate

    def fill(place: Location) -> Location:
        return locate(place, contents[place.path]) if place.span is None and place.path in contents else place

    return finding._replace(
        location=fill(finding.location) if finding.location else None,
        related=tuple(related._replace(location=fill(related.location)) for related in finding.related),
    )
