"""From the files of a source to the desired state. What did not change since the last run is not read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.compiler.assemble import assemble, assemble_again
from reconciler.compiler.kinds import bringing
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


class Reads(Protocol):
    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """As ports.Source has it."""


class Compiled(NamedTuple):
    """`desired` is None where `diagnostics` hold an error. `snapshot` is what was looked at, and `texts` reads it.
    `pins` is as in Family."""

    desired: DesiredState | None
    diagnostics: Diagnostics
    snapshot: Snapshot
    texts: Reads
    pins: str | None = None


class Compilation(NamedTuple):
    """What the files of one source hold: the snapshot, its resources, what is wrong within single files, and the bytes
    of those files."""

    snapshot: Snapshot
    resources: list[Resource]
    findings: Diagnostics
    broken: tuple[bytes, ...]


class Family(NamedTuple):
    """The resources of a registry and of its sub-registries, and what is wrong with getting at these.

    `broken` is as in Compilation. `lost` are the prefixes of those that could not be had, `pins` a text that tells the
    commits of the others, None where there is no sub-registry. `texts` reads the files of all.
    """

    resources: list[Resource]
    texts: Reads
    findings: Diagnostics = ()
    broken: tuple[bytes, ...] = ()
    lost: tuple[str, ...] = ()
    pins: str | None = None


class _Fresh(NamedTuple):
    """What compiling some files gave: the resources of each, the findings of each, and the bytes of those refused."""

    resources: Mapping[SourceFile, tuple[Resource, ...]]
    findings: Mapping[SourceFile, Diagnostics]
    broken: tuple[bytes, ...]


def manifests(registry: str) -> tuple[str, ...]:
    """The globs of the manifests in the folder `registry`."""
    return (f"{registry}/**/*.yaml", f"{registry}/**/*.yml")


def patterns(registry: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The globs of all files that hold desired state: manifests, then the files of plain-file kinds."""
    plain = (kind.files for kind in catalogue.kinds.values() if kind.files)
    return (*manifests(registry), *plain)


def compile_desired(
    source: Source, cache: CompileCache, catalogue: Catalogue, registry: str, look: bool = True
) -> Compiled:
    """The desired state of `source` and of its sub-registries, with every error of every file. Raises Invalid where
    there is no snapshot.

    With `look` the sub-registries that follow a branch or a tag are asked where it is now.
    """
    own = compile_source(source, cache, catalogue, patterns(registry, catalogue))
    states = bringing(catalogue)
    candidates = [resource for resource in own.resources if resource.kind in states]
    if not any(resource.state == states[resource.kind] for resource in candidates):
        return _assemble(own, Family(own.resources, source), cache, catalogue)
    from reconciler.engine.subregistries import compose

    family = compose(own.resources, source, catalogue, states, registry, look)
    return _assemble(own, family, cache, catalogue)


def compile_source(source: Source, cache: CompileCache, catalogue: Catalogue, wanted: Sequence[str]) -> Compilation:
    """What the files of `source` that match the globs `wanted` hold. Raises Invalid where there is no snapshot."""
    finish = source.begin(wanted)
    known = cache.load(catalogue.digest)
    validator = None if known else _prepared(catalogue)  # the source lists its files meanwhile
    snapshot = finish()
    fresh = _compile_files(source, [file for file in snapshot.files if file not in known], catalogue, validator)
    current = [known[file] if file in known else fresh.resources[file] for file in snapshot.files]
    if fresh.resources:
        entries = zip(snapshot.files, current, strict=True)
        cache.store(catalogue.digest, {file: entry for file, entry in entries if file not in fresh.findings})
    resources = [resource for entry in current for resource in entry]
    findings = tuple(finding for findings in fresh.findings.values() for finding in findings)
    return Compilation(snapshot, resources, findings, fresh.broken)


def _assemble(own: Compilation, family: Family, cache: CompileCache, catalogue: Catalogue) -> Compiled:
    revision, schemas = own.snapshot.revision, catalogue.digest
    whole = f"{revision.tree} {schemas}{family.pins or ''}"
    sound = cache.recall(whole) == SOUND
    structure = "" if sound else _structure(family.resources, catalogue)
    # Nothing was wrong before in the same files, or in others that are the same to all that is asked across files.
    sound = sound or (not own.findings and cache.recall(structure) == SOUND)
    if sound and not errors(family.findings):
        known = assemble_again(family.resources, revision, schemas)
        return Compiled(known, family.findings, own.snapshot, family.texts, family.pins)
    from reconciler.engine.claims import check_across

    desired, across = assemble(family.resources, revision, schemas)
    across += check_across(family.resources, cache, catalogue)
    across = tuple(finding for finding in across if not _hidden(finding, (*own.broken, *family.broken), family.lost))
    within = (*own.findings, *locate_in(across, family.texts))
    if not (*within, *errors(family.findings)):
        cache.remember(whole, SOUND)
        cache.remember(structure, SOUND)
    diagnostics = (*family.findings, *within)
    desired_or_none = None if errors(diagnostics) else desired
    return Compiled(desired_or_none, diagnostics, own.snapshot, family.texts, family.pins)


def _structure(resources: Iterable[Resource], catalogue: Catalogue) -> str:
    """A digest of all that can be wrong across files: which addresses there are, what each refers to, and what those
    say that claim something."""
    from reconciler.engine.claims import claiming_kinds

    claiming = claiming_kinds(catalogue)
    text = "\n".join(
        [
            f"{r.address} {r.state if r.kind in claiming else ''} {r.fingerprint if r.kind in claiming else ''} "
            f"{links_text(r.references)}"
            for r in resources
        ]
    )
    return f"structure {blake2b(text.encode(), digest_size=20).hexdigest()} {catalogue.digest}"


def _hidden(finding: Diagnostic, broken: Iterable[bytes], lost: tuple[str, ...]) -> bool:
    """Whether what a reference misses may stand in a file that could not be compiled, or in a sub-registry that could
    not be had."""
    if finding.code != "reference-unknown":
        return False
    name = parse_address(finding.address).name.encode()
    return finding.address.startswith(lost) or any(name in data for data in broken)


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


def locate_in(diagnostics: Diagnostics, source: Reads) -> Diagnostics:
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
