"""Puts the components of sub-registries, and of theirs, beside those of the registry that names them.

A sub-registry brings manifests and nothing else: its kinds, its settings and its plain files are ours or none. All at
one level are asked at once. Each is compiled as if it stood alone, then put under its name, from the inside out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from reconciler.compiler.prefix import pin, under_prefix
from reconciler.engine.desired import Family, compile_source, locate_in, manifests
from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Invalid, Location
from reconciler.model.kind import Catalogue
from reconciler.model.plan import Plan
from reconciler.model.resource import Resource
from reconciler.ports import CompileCache, Source

MOST = 200
"""How many sub-registries there may be in all: a few that name each other in many ways would be endless otherwise."""

_DIRECTORY = "registry.d"
_THREADS = 8
_AT_ONCE_FROM = 2


class Opened(Protocol):
    """A sub-registry at one commit. `identity` is the same for whatever leads to the same repository and folder."""

    @property
    def source(self) -> Source: ...
    @property
    def cache(self) -> CompileCache: ...
    @property
    def commit(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def notes(self) -> Diagnostics: ...


class Children(Protocol):
    """Opens sub-registries; from several threads at once."""

    @property
    def max_depth(self) -> int: ...

    def identity(self, directory: str) -> str:
        """The identity of the registry itself, with its manifests in `directory`."""

    def open(self, address: Address, spec: Mapping[str, Any], nested: bool, look: bool) -> Opened:
        """The sub-registry that the component at `address` brings; `nested` says that a sub-registry names it. Asks
        for no ref where not `look` and it is known. Raises Invalid."""


@runtime_checkable
class Parent(Protocol):
    """A source that can open the sub-registries which its files name."""

    @property
    def children(self) -> Children: ...


class _Line(NamedTuple):
    """The registries from the outermost to the one that is looked at: the prefix and the identity of each."""

    prefixes: tuple[str, ...]
    identities: tuple[str, ...]

    def below(self, name: str) -> str:
        """The prefix of the sub-registry `name`."""
        return f"{self.prefixes[-1]}:{name}" if self.prefixes[-1] else name


class _Texts(NamedTuple):
    """Reads the files of all registries, those of sub-registries by paths that begin with a label and a colon."""

    own: Source
    labelled: dict[str, Source]

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        contents: dict[str, bytes] = {}
        names: dict[str, list[str]] = {}
        for path in paths:
            label = next((label for label in self.labelled if path.startswith(f"{label}:")), "")
            names.setdefault(label, []).append(path.removeprefix(f"{label}:"))
        for label, wanted in names.items():
            source = self.labelled.get(label, self.own)
            contents |= {_labelled(label, path): data for path, data in source.read(wanted).items()}
        return contents


def compose(
    resources: list[Resource],
    source: Source,
    catalogue: Catalogue,
    states: Mapping[str, str],
    registry: str,
    look: bool,
) -> Family:
    """The resources of `source`, whose manifests are in the folder `registry`, and of all its sub-registries.

    A component of a kind in `states` brings one in the state named there. With `look` those that follow a branch or a
    tag are asked where it is now. Raises Invalid where `source` cannot open any.
    """
    if not isinstance(source, Parent):
        raise Invalid(Diagnostic("registry-refused", "Sub-registries cannot be opened from here"))
    composer = _Composer(source, source.children, catalogue, states, look)
    return composer.family(composer.compose(resources, _Line(("",), (source.children.identity(registry),))))


def have_pinned(plan: Plan, children: Children, states: Mapping[str, str]) -> None:
    """Makes sure that the commits to which `plan` pins sub-registries anew can be had: never those that they would be
    at by now. Raises Invalid with every one that cannot."""
    gone: list[Diagnostic] = []
    for change in plan.changes:
        after = change.after
        if after is None or after.state != states.get(change.kind):
            continue
        nested = bool(parse_address(change.address).registry)
        try:
            children.open(change.address, after.body()["spec"], nested, look=False)
        except Invalid as error:
            gone += [found._replace(address=change.address) for found in error.diagnostics]
    if gone:
        raise Invalid(*gone)


class _Composer:
    """Gathers what is found on the way."""

    def __init__(
        self, source: Source, children: Children, catalogue: Catalogue, states: Mapping[str, str], look: bool
    ) -> None:
        self._children = children
        self._catalogue = catalogue
        self._states = states
        self._look = look
        self._texts = _Texts(source, {})
        self._taken: set[str] = set()
        self._findings: list[Diagnostic] = []
        self._broken: list[bytes] = []
        self._lost: list[str] = []
        self._pins: list[str] = []
        self._count = 0

    def family(self, resources: list[Resource]) -> Family:
        findings = locate_in(tuple(self._findings), self._texts)
        lost, pins = tuple(self._lost), "".join(self._pins)
        return Family(resources, self._texts, findings, tuple(self._broken), lost, pins)

    def compose(self, resources: list[Resource], line: _Line) -> list[Resource]:
        """`resources` and what they bring, as they are named in the registry at the end of `line`."""
        bringing = [(place, r) for place, r in enumerate(resources) if r.state == self._states.get(r.kind)]
        together, more = list(resources), []
        for (place, resource), opened in zip(bringing, self._open_all(bringing, line), strict=True):
            if opened is None or (brought := self._bring(resource, opened, line)) is None:
                self._lost.append(f"{line.below(resource.name)}:")
            else:
                together[place] = pin(resource, opened.commit)
                more += brought
        return together + more

    def _open_all(self, bringing: Sequence[tuple[int, Resource]], line: _Line) -> list[Opened | None]:
        resources = [resource for _, resource in bringing]
        self._count += len(resources)
        if len(line.prefixes) > self._children.max_depth or self._count > MOST:
            for resource in resources:
                self._refuse(resource, self._too_many(line))
            return [None] * len(resources)
        if len(resources) < _AT_ONCE_FROM:
            return [self._open(resource, line) for resource in resources]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(lambda resource: self._open(resource, line), resources))

    def _open(self, resource: Resource, line: _Line) -> Opened | None:
        nested = len(line.prefixes) > 1
        address = _below(line.prefixes[-1], resource.address)
        try:
            opened = self._children.open(address, _spec(resource), nested, self._look)
        except Invalid as error:
            self._refuse(resource, *error.diagnostics)
            return None
        self._refuse(resource, *opened.notes)
        return opened

    def _bring(self, resource: Resource, opened: Opened, line: _Line) -> list[Resource] | None:
        """What `resource` brings, as its own registry names it; None where that cannot be told."""
        prefix = line.below(resource.name)
        if opened.identity in line.identities:
            way = (*line.prefixes[line.identities.index(opened.identity) :], prefix)
            self._refuse(resource, _cycle(way))
            return None
        if prefix in self._taken:
            self._refuse(
                resource, Diagnostic("registry-taken", f"Another sub-registry has the prefix {prefix} already")
            )
            return None
        self._taken.add(prefix)
        return self._compile(resource, opened, prefix, line)

    def _compile(self, resource: Resource, opened: Opened, prefix: str, line: _Line) -> list[Resource] | None:
        spec = _spec(resource)
        directory = spec.get("directory", _DIRECTORY)
        try:
            own = compile_source(opened.source, opened.cache, self._catalogue, manifests(directory))
        except Invalid as error:
            self._refuse(resource, *error.diagnostics)
            return None
        if not own.snapshot.files:
            self._refuse(resource, _empty(prefix, opened.commit, directory))
            return None
        label = f"{prefix}@{opened.commit[:12]}"
        self._texts.labelled[label] = opened.source
        self._findings += [_relabelled(finding, label) for finding in own.findings]
        self._broken += own.broken
        self._pins.append(f" {prefix}={opened.commit}")
        resources = [r._replace(path=_labelled(label, r.path)) for r in own.resources]
        inner = self.compose(resources, _Line((*line.prefixes, prefix), (*line.identities, opened.identity)))
        return under_prefix(inner, resource.name, spec.get("exports", ()), resource.address)

    def _refuse(self, resource: Resource, *found: Diagnostic) -> None:
        place = resource.at(("spec", "source"))
        self._findings += [finding._replace(location=place, address=resource.address) for finding in found]

    def _too_many(self, line: _Line) -> Diagnostic:
        if self._count > MOST:
            return Diagnostic("registry-count", f"There are more than {MOST} sub-registries, counting those of others")
        return Diagnostic(
            "registry-depth",
            f"More than {self._children.max_depth} sub-registries stand inside each other",
            detail=f"{' -> '.join(line.prefixes[1:])} names another one.",
            hint="Disable one of them, or raise the setting drivers.git.maxDepth.",
        )


def _spec(resource: Resource) -> Mapping[str, Any]:
    spec = resource.body().get("spec")
    return spec if isinstance(spec, dict) else {}


def _below(prefix: str, address: Address) -> Address:
    return f"{prefix}:{address}" if prefix else address


def _labelled(label: str, path: str) -> str:
    return f"{label}:{path}" if label else path


def _relabelled(finding: Diagnostic, label: str) -> Diagnostic:
    def move(place: Location) -> Location:
        return place._replace(path=_labelled(label, place.path))

    return finding._replace(
        location=move(finding.location) if finding.location else None,
        related=tuple(related._replace(location=move(related.location)) for related in finding.related),
    )


def _cycle(way: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "registry-cycle",
        f"These sub-registries contain each other: {' -> '.join(prefix or 'this registry' for prefix in way)}",
        hint="Take one of them out, or name another folder or repository.",
    )


def _empty(prefix: str, commit: str, directory: str) -> Diagnostic:
    return Diagnostic(
        "registry-empty",
        f"The sub-registry {prefix} holds no manifests",
        detail=f"The commit {commit[:12]} has none in the folder {directory}.",
        hint="Name their folder in spec.directory. To have its components removed, disable it.",
    )
