"""The receipt of an environment: written into it when it is complete, so that one without is what a crash left, and
full of what tells later whether it is still as it was installed."""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from reconciler.drivers.atomic import OWN_PREFIX
from reconciler.drivers.venv_package import Package, Unusable
from reconciler.model.record import Seen

if TYPE_CHECKING:
    from importlib.metadata import Distribution

RECEIPT = f"{OWN_PREFIX}receipt.json"
_INFO = ".dist-info"
_SHOWN = 5
_HASHES = frozenset({"sha256", "sha384", "sha512"})


class Fingerprint(NamedTuple):
    """A file as it was installed: bytes, nanoseconds, and `ALGORITHM=HASH` as wheels write it."""

    size: int
    time: int
    hash: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """`asked`, `digest` and `stamp` are the package's. `python` is the interpreter's MAJOR.MINOR, `site` the folder of
    the modules, from the environment. `packages` are the versions of all that is installed, by name. `files` are the
    plugin's own, by path from the environment. `entry_points` are group, name and value."""

    asked: Mapping[str, Any]
    digest: str
    stamp: str
    distribution: str
    version: str
    python: str
    site: str
    packages: Mapping[str, str]
    entry_points: tuple[tuple[str, str, str], ...]
    files: Mapping[str, Fingerprint]

    @property
    def scripts(self) -> list[str]:
        """The names of the programs that the plugin brings, sorted."""
        return sorted(path.removeprefix("bin/") for path in self.files if path.startswith("bin/"))


def read_receipt(environment: Path) -> Receipt | None:
    """None where there is no environment, or none that is complete. Raises OSError."""
    try:
        value = orjson.loads((environment / RECEIPT).read_bytes())
        value["entry_points"] = tuple((group, name, text) for group, name, text in value["entry_points"])
        value["files"] = {path: Fingerprint(*each) for path, each in value["files"].items()}
        return Receipt(**value)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_receipt(environment: Path, receipt: Receipt) -> None:
    temporary = environment / f"{RECEIPT}.tmp"
    with temporary.open("wb") as file:
        file.write(orjson.dumps(receipt, default=tuple))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(environment / RECEIPT)


def take_receipt(environment: Path, package: Package, name: str) -> Receipt:
    """The receipt of an environment in which `package` was installed, as the distribution `name`. Raises Unusable
    where that is not what it says it is."""
    import sys

    site = next((environment / "lib").glob("python*/site-packages"))
    found = _distribution(site, name)
    if found.version not in package.versions:
        wanted = str(package.versions).removeprefix("==")
        raise Unusable(f"{name} is version {found.version}, but spec.version asks for {wanted}")
    receipt = Receipt(
        asked=package.asked,
        digest=package.digest,
        stamp=package.stamp,
        distribution=found.name,
        version=found.version,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        site=site.relative_to(environment).as_posix(),
        packages=_packages(site),
        entry_points=tuple(sorted((entry.group, entry.name, entry.value) for entry in found.entry_points)),
        files=dict(_files(environment, site, found)),
    )
    for seen in changed_files(environment, receipt, thorough=True):
        raise Unusable(f"the wheel of {name} is broken: {seen.field} is not what its RECORD says")
    return receipt


def differences(environment: Path, receipt: Receipt, *, thorough: bool) -> Iterator[Seen]:
    """What is otherwise in an environment than its receipt says: cheaply, or `thorough` by reading every file."""
    if not (environment / "bin/python").exists():
        yield Seen("interpreter", f"Python {receipt.python}", "gone")
    now = _packages(environment / receipt.site)
    version = now.get(_canonical(receipt.distribution))
    if version not in (None, receipt.version):
        yield Seen("spec.version", receipt.version, str(version))
        return
    yield from _other_packages(receipt.packages, now)
    changed = list(changed_files(environment, receipt, thorough=thorough))
    yield from changed[:_SHOWN]
    if len(changed) > _SHOWN:
        yield Seen("other files", "as installed", f"{len(changed) - _SHOWN} changed or missing")


def changed_files(environment: Path, receipt: Receipt, *, thorough: bool) -> Iterator[Seen]:
    for path, then in receipt.files.items():
        place = f"{environment}/{path}"
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            yield Seen(path, "as installed", "missing")
            continue
        if not thorough and (status.st_size, status.st_mtime_ns) == (then.size, then.time):
            continue
        if status.st_size != then.size or _hash(place, then.hash.partition("=")[0]) != then.hash:
            yield Seen(path, "as installed", "changed")


def _distribution(site: Path, name: str) -> Distribution:
    from importlib.metadata import distributions

    for found in distributions(path=[str(site)]):
        if _canonical(found.name or "") == _canonical(name):
            return found
    raise Unusable(f"nothing of the name {name} was installed")


def _other_packages(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Seen]:
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield Seen(f"package {name}", then.get(name, "absent"), now.get(name, "missing"))


def _packages(site: Path) -> dict[str, str]:
    """The versions of the distributions in a folder of modules, by name, as the names of their own folders tell."""
    try:
        names = os.listdir(site)  # noqa: PTH208 - names are enough
    except (FileNotFoundError, NotADirectoryError):
        return {}
    parts = [name.removesuffix(_INFO).rpartition("-") for name in names if name.endswith(_INFO)]
    return {_canonical(name): version for name, _, version in sorted(parts)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files(environment: Path, site: Path, found: Distribution) -> Iterator[tuple[str, Fingerprint]]:
    """The files that the distribution's RECORD lists with a hash."""
    for each in found.files or ():
        if each.hash is None or each.hash.mode not in _HASHES or each.suffix == ".pyc":
            continue
        path = os.path.relpath(os.path.normpath(site / each), environment)
        if path.startswith(".."):
            raise Unusable(
                f"the wheel of {found.name} is broken: its RECORD lists {str(each)!r}, which is outside of it"
            )
        try:
            status = (environment / path).lstat()
        except OSError as error:
            raise Unusable(
                f"the wheel of {found.name} is broken: its RECORD lists {path}, which is not in it"
            ) from error
        yield path, Fingerprint(status.st_size, status.st_mtime_ns, f"{each.hash.mode}={each.hash.value}")


def _hash(path: str, algorithm: str) -> str:
    """What a RECORD says of the file at `path`; "" where it cannot be read."""
    import hashlib

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            digest = hashlib.file_digest(file, algorithm).digest()
    except OSError:
        return ""
    return f"{algorithm}={urlsafe_b64encode(digest).decode().rstrip('=')}"
