"""The driver of kinds whose components are one rendered file each (Config).

A component's file stands at `spec.path` below the output folder. Which file belongs to which component is noted in
an index beside them, so that two components never write one file, a stranger's file is never overwritten, and a
file that a crash left is known again. Secrets are read where a file is rendered, and are nowhere but in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from reconciler.drivers.atomic import OWN_PREFIX, File, Folder, explain, open_folder
from reconciler.drivers.formats import Unrenderable, render
from reconciler.drivers.former import former_address
from reconciler.drivers.secrets import Secrets, Unresolved, mark, references
from reconciler.drivers.site import Site
from reconciler.model.address import Address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record, Seen
from reconciler.ports import Driver

INDEX = f"{OWN_PREFIX}files.json"
_PERMISSIONS = 0o777
_OF_OTHERS = 0o007


class _Taken(Exception):
    """A component's file is someone else's."""


class _Wanted(NamedTuple):
    path: str
    file: File


class FilesDriver:
    """Batches, because the index is written before the files that it names."""

    name = "files"
    acts = True
    batches = True

    def __init__(self, place: Path, secrets: Secrets) -> None:
        self._place = place
        self._secrets = secrets

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        with open_folder(self._place) as folder:
            seen = [_look(folder, record, self._secrets) for record in records]
        return [observation for observation in seen if observation]

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        try:
            with open_folder(self._place, create=True) as folder:
                errors = _execute(folder, transitions, self._secrets)
        except OSError as error:
            errors = {transition.address: _words(error, self._place) for transition in transitions}
        return [Outcome(transition.address, errors.get(transition.address, "")) for transition in transitions]

    def health(self, record: Record) -> Health:
        for observation in self.observe([record]):
            return Health(healthy=False, message=observation.drift)
        return Health(healthy=True)

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return ()


def open_driver(site: Site) -> Driver:
    return FilesDriver(site.output, site.secrets)


def overlay(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`defaults` with `values` laid over them; maps are merged key by key, anything else is replaced whole."""
    merged = dict(defaults)
    for key, value in values.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = overlay(below, value) if both else value  # type: ignore[arg-type]
    return merged


class _Claims:
    """Which component each file belongs to, as the index says. A damaged index counts as empty: then the records
    and the files' own contents still tell whose they are."""

    def __init__(self, owners: dict[str, Address]) -> None:
        self._owners = owners
        self._paths: dict[Address, set[str]] = {}
        for path, address in owners.items():
            self._paths.setdefault(address, set()).add(path)
        self._new: set[str] = set()
        self._changed = False

    def owner(self, path: str) -> Address | None:
        return self._owners.get(path)

    def is_new(self, path: str) -> bool:
        """Whether the file was claimed just now, and so may not be there yet."""
        return path in self._new

    def paths(self, address: Address) -> frozenset[str]:
        return frozenset(self._paths.get(address, ()))

    def take(self, path: str, address: Address) -> None:
        self._new.add(path)
        if self._owners.get(path) != address:
            self.release(path)
            self._owners[path] = address
            self._paths.setdefault(address, set()).add(path)
            self._changed = True

    def release(self, path: str) -> None:
        owner = self._owners.pop(path, None)
        if owner is not None:
            self._paths[owner].discard(path)
            self._changed = True

    def save(self, folder: Folder) -> None:
        if not self._changed:
            return
        if self._owners:
            folder.write(INDEX, orjson.dumps({"files": self._owners}, option=orjson.OPT_SORT_KEYS), 0o644)
        else:
            folder.remove(INDEX)
        self._changed = False


def _load_claims(folder: Folder) -> _Claims:
    found = folder.read(INDEX)
    try:
        owners = orjson.loads(found.data)["files"] if found else {}
        return _Claims({path: address for path, address in owners.items() if isinstance(address, str)})
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Claims({})


def _execute(folder: Folder, transitions: Sequence[Transition], secrets: Secrets) -> dict[Address, str]:
    """What went wrong, by address. Removals come first, since what they free may be wanted by another component."""
    claims = _load_claims(folder)
    errors: dict[Address, str] = {}
    wanted: list[tuple[Transition, _Wanted]] = []
    for transition in sorted(transitions, key=lambda transition: transition.target != ABSENT):
        try:
            if transition.target == ABSENT:
                _remove(folder, claims, transition)
            else:
                wanted.append((transition, _claim(folder, claims, transition, secrets)))
        except (OSError, Unrenderable, Unresolved, _Taken) as error:
            errors[transition.address] = _words(error, _path(transition.after or transition.before))
    claims.save(folder)
    for transition, want in wanted:
        try:
            _write(folder, want)
            _remove(folder, claims, transition, keep=want.path)
        except OSError as error:
            errors[transition.address] = _words(error, want.path)
    claims.save(folder)
    return errors


def _claim(folder: Folder, claims: _Claims, transition: Transition, secrets: Secrets) -> _Wanted:
    """What the component's file shall be, once it is sure that the place is the component's to write."""
    want = _wanted(transition.address, transition.after or transition.before or {}, secrets)
    owner = claims.owner(want.path)
    taken = owner not in (None, transition.address)
    if taken and claims.is_new(want.path):
        raise _Taken(f"{want.path} is also the file of {owner}: give one of them another path")
    if owner != transition.address and _path(transition.before) != want.path:
        found = folder.read(want.path)
        if found and taken:
            raise _Taken(f"{want.path} is the file of {owner}: take another path, or remove the file if that is gone")
        if found and found.data != want.file.data:
            raise _Taken(f"{want.path} is there and not managed by ureg: take another path, or remove the file")
    claims.take(want.path, transition.address)
    return want


def _write(folder: Folder, want: _Wanted) -> None:
    try:
        same = folder.read(want.path) == want.file
    except OSError:  # a link or an unreadable file: replaced, if that can be
        same = False
    if not same:
        folder.write(want.path, want.file.data, want.file.mode)


def _remove(folder: Folder, claims: _Claims, transition: Transition, keep: str = "") -> None:
    """Removes the component's files, but for `keep`."""
    paths = set(claims.paths(transition.address))
    recorded = _path(transition.before)
    if recorded and claims.owner(recorded) in (None, former_address(transition.address, transition.before)):
        paths.add(recorded)
    for path in paths - {keep}:
        folder.remove(path)
        claims.release(path)


def _look(folder: Folder, record: Record, secrets: Secrets) -> Observation | None:
    manifest = record.body()
    path = _path(manifest)
    try:
        found = folder.read(path)
        if found is None:
            return Observation(record.address, ABSENT, f"{path}: missing")
        wanted = _wanted(former_address(record.address, manifest), manifest, secrets).file
        differences = _differences(found, wanted)
    except (OSError, Unrenderable, Unresolved) as error:
        return Observation(record.address, record.state, _words(error, path))
    if not differences:
        return None
    drift = f"{path}: {'; '.join(differences)}"
    return Observation(record.address, record.state, drift, tuple(differences.values()))


def _differences(found: File, wanted: File) -> dict[str, Seen]:
    """What is otherwise than it should be, by its words. Contents may hold secrets, and so are never told."""
    differences: dict[str, Seen] = {}
    if found.data != wanted.data:
        count = _changed_lines(found.data.splitlines(), wanted.data.splitlines())
        lines = f"{count} line{'' if count == 1 else 's'}"
        differences[f"content changed ({lines})"] = Seen("content", "as applied", f"{lines} changed")
    if found.mode != wanted.mode:
        there, mode = f"{found.mode:04o}", f"{wanted.mode:04o}"
        differences[f"mode {there}, should be {mode}"] = Seen("mode", mode, there)
    return differences


def _changed_lines(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """How many lines there are from the first that differs to the last, in the longer of the two; at least 1."""
    shorter = min(len(one), len(other))
    head = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    tail = next((i for i in range(shorter - head) if one[-1 - i] != other[-1 - i]), shorter - head)
    return max(len(one) - head - tail, len(other) - head - tail, 1)


def _wanted(address: Address, manifest: Mapping[str, Any], secrets: Secrets) -> _Wanted:
    """The file that `manifest` asks for, with its secrets in it. Raises Unrenderable and Unresolved."""
    spec = manifest.get("spec", {})
    path = _path(manifest)
    if not path or any(name.startswith(OWN_PREFIX) for name in path.split("/")):
        raise Unrenderable(f"spec.path is {path!r}, which cannot be a component's file")
    values = _values(spec)
    mode = _mode(spec.get("mode"), secret=any(references(values)))
    return _Wanted(path, File(render(spec.get("format", "json"), secrets.fill(values), address), mode))


def _values(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all parts of `spec`, its secrets still as references."""
    merged: dict[str, Any] = {}
    for part in ("defaults", "values", "secrets"):
        merged = overlay(merged, mark(spec.get(part, {}), ("spec", part)))
    return merged


def _path(manifest: Mapping[str, Any] | None) -> str:
    path: str = manifest.get("spec", {}).get("path", "") if manifest else ""
    return path


def _mode(text: str | None, *, secret: bool) -> int:
    """The permission bits that `spec.mode` asks for. Nobody but the owner and the group may read a `secret` file."""
    if text is None:
        return 0o600 if secret else 0o644
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= _PERMISSIONS:
        raise Unrenderable(f"spec.mode is {text!r}: write permission bits in octal, such as '0640'")
    if secret and mode & _OF_OTHERS:
        raise Unrenderable(f"spec.mode is {text!r}, which opens a file with secrets to everyone: use '0600' or '0640'")
    return mode


def _words(error: Exception, path: str | Path) -> str:
    return f"{path}: {explain(error)}" if isinstance(error, OSError) else str(error)
