"""What a plugin's manifest asks to have installed: a distribution by name and version, a wheel, or a folder of source.

Files are read from the registry's folder whole, never through a link and never outside of it, and come with a digest
that tells whether they are still what was installed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from reconciler.drivers.atomic import Refused, explain, open_folder

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_MIB = 1024 * 1024
_LARGEST_WHEEL = 512 * _MIB
_LARGEST_SOURCE = 64 * _MIB
_MOST_FILES = 5_000
_NOT_SOURCE = frozenset({".git", ".ureg", ".venv", "__pycache__", "node_modules"})
_BUILDS = frozenset({"pyproject.toml", "setup.py"})
_OPERATORS = "~=!<>"


class Unusable(Exception):
    """What a manifest asks for cannot be had; the text tells why, for the user."""


class Package(NamedTuple):
    """What to install.

    `asked` is the part of the spec that says so. `requirement` is the distribution by name, "" for a wheel or a source
    folder, which lies in `files`: contents by path. `stamp` changes with the sizes and times of these files, `digest`
    with what is asked and what is in them.
    """

    asked: Mapping[str, Any]
    versions: SpecifierSet
    requirement: str
    files: Mapping[str, bytes]
    stamp: str
    digest: str

    @property
    def wheel(self) -> str:
        """The wheel's file name; "" where none is given."""
        return PurePosixPath(self.asked["package"].get("wheel", "")).name


def asked_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a plugin's spec that decides what is installed."""
    return {"version": spec.get("version", ""), "package": spec.get("package", {})}


def read_package(spec: Mapping[str, Any], root: Path) -> Package:
    """What `spec` asks for, with the files that it names below `root`. Raises Unusable."""
    asked = asked_of(spec)
    versions = _versions(asked["version"])
    name = asked["package"].get("name", "")
    if name:
        return Package(asked, versions, _requirement(name, versions), {}, "", digest_of(asked, {}))
    path = asked["package"].get("wheel", "")
    if path:
        _check_wheel(path, versions)
    if not path and "path" not in asked["package"]:
        raise Unusable("spec.package names no package: give it a name, a wheel or a path")
    stamp = stamp_of(asked, root)
    files = _read(root, path or asked["package"]["path"], is_wheel=bool(path))
    return Package(asked, versions, "", files, stamp, digest_of(asked, files))


def stamp_of(asked: Mapping[str, Any], root: Path) -> str:
    """A text that is the same while no file that `asked` names was written; "" where it names none. Reads no
    content. Raises Unusable where a file is not there or leads out of `root`."""
    package = asked["package"]
    path = package.get("wheel") or package.get("path")
    if not path:
        return ""
    found = _stamps(root, path, is_wheel="wheel" in package)
    return blake2b(orjson.dumps(found), digest_size=16).hexdigest()


def digest_of(asked: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    sums = {path: blake2b(data, digest_size=16).hexdigest() for path, data in files.items()}
    return blake2b(orjson.dumps([asked, sums], option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def _versions(text: str) -> SpecifierSet:
    """The versions that will do: `text` is one of them, or a range."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(text if text[:1] in _OPERATORS and text else f"=={Version(text)}", prereleases=True)
    except (InvalidSpecifier, InvalidVersion) as error:
        raise Unusable(
            f"spec.version is {text!r}, which no Python package can have: write one as 1.4.0 or 2.0.0-rc.1"
        ) from error


def _requirement(name: str, versions: SpecifierSet) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        named = Requirement(name)
    except InvalidRequirement as error:
        raise Unusable(f"spec.package.name is {name!r}, which is no distribution's name") from error
    if named.url or named.marker or named.specifier:
        raise Unusable(f"spec.package.name is {name!r}: write the name alone, the version belongs to spec.version")
    extras = f"[{','.join(sorted(named.extras))}]" if named.extras else ""
    return f"{named.name}{extras}{versions}"


def _check_wheel(path: str, versions: SpecifierSet) -> None:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        _, version, _, _ = parse_wheel_filename(PurePosixPath(path).name)
    except InvalidWheelFilename as error:
        raise Unusable(f"{path} is not named as a wheel is (NAME-VERSION-py3-none-any.whl)") from error
    if version not in versions:
        raise Unusable(f"{path} is version {version}, but spec.version asks for {str(versions).removeprefix('==')}")


def _read(root: Path, path: str, *, is_wheel: bool) -> dict[str, bytes]:
    limit = _LARGEST_WHEEL if is_wheel else _LARGEST_SOURCE
    names = (
        {PurePosixPath(path).name: path}
        if is_wheel
        else {n: f"{path}/{n}" for n in _stamps(root, path, is_wheel=False)}
    )
    if not is_wheel and not _BUILDS & names.keys():
        raise Unusable(f"{path} holds no pyproject.toml, so nothing can be built of it")
    files: dict[str, bytes] = {}
    with open_folder(root) as folder:
        for name, place in names.items():
            try:
                found = folder.read(place, limit)
            except OSError as error:
                raise Unusable(f"{place}: {explain(error)}") from error
            if found is None:
                raise Unusable(f"{place} is not there")
            files[name] = found.data
            limit -= len(found.data)
    return files


def _stamps(root: Path, path: str, *, is_wheel: bool) -> dict[str, tuple[int, int]]:
    """Size and time of each file, by its path from `path`."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise Unusable(f"{path} leads out of the registry's folder")
    try:
        with open_folder(root / (pure.parent if is_wheel else pure)):
            entries = [("", root / pure)] if is_wheel else _walk(root / pure)
            found = {name: _regular(place) for name, place in entries}
    except OSError as error:
        raise Unusable(f"{path}: {explain(error)}") from error
    if not found:
        raise Unusable(f"{path} is empty, or not there")
    return dict(sorted(found.items()))


def _regular(place: Path) -> tuple[int, int]:
    status = place.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{place.name!r} is a symbolic link or not a file, and links are not followed")
    return status.st_size, status.st_mtime_ns


def _walk(top: Path) -> Iterator[tuple[str, Path]]:
    """The files below `top` that belong to its source. Not recursive: a stranger chooses the depth."""
    count = 0
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(top / folder) as entries:
            for entry in entries:
                name = f"{folder}{entry.name}"
                count += 1
                if count > _MOST_FILES:
                    raise Refused(f"more than {_MOST_FILES:,} files: name the package's own folder")
                if not entry.is_dir(follow_symlinks=False):
                    yield name, top / name
                elif entry.name not in _NOT_SOURCE:
                    folders.append(f"{name}/")
