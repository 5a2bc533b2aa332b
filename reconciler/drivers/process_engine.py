"""What an engine needs before it starts: its configuration file, rendered from the manifest, and its data folder.

The file is the component's where its first line says so, or where the recorded manifest names it. Any other file is
left alone. Data is never removed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconciler.drivers.atomic import File, explain, open_folder
from reconciler.drivers.formats import Unrenderable, render
from reconciler.model.address import Address

_FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".env": "dotenv"}
_MODE = 0o644


class Refused(Exception):
    """Why a file is not written; for the user."""


def configuration(address: Address, spec: Mapping[str, Any]) -> bytes:
    """The bytes of the configuration file, b"" where there is to be none. Raises Refused."""
    place = spec.get("configurationFile")
    if not place:
        return b""
    kind = _FORMATS.get(Path(place).suffix)
    if kind is None:
        raise Refused(f"the format of {place} is unknown: name it {', '.join(sorted(_FORMATS))}")
    try:
        return render(kind, spec.get("configuration", {}), address)
    except Unrenderable as error:
        raise Refused(f"{place}: {error}") from error


def prepare(root: Path, address: Address, spec: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Writes the configuration file and makes the data folder. `before` is the recorded spec. Raises Refused."""
    data = configuration(address, spec)
    if data:
        path = root / spec["configurationFile"]
        try:
            with open_folder(path.parent, create=True) as folder:
                found = folder.read(path.name)
                if found and found.data != data and not _is_ours(found, data, path, root, before):
                    raise Refused(f"{path} is there and not managed by ureg: move it away, or name another file")
                if found != File(data, _MODE):
                    folder.write(path.name, data, _MODE)
        except OSError as error:
            raise Refused(f"{path}: {explain(error)}") from error
    if "dataDirectory" in spec:
        _make_data_folder(root / spec["dataDirectory"], spec.get("user", ""))


def clear(root: Path, address: Address, before: Mapping[str, Any], keep: str = "") -> None:
    """Removes the configuration file of the spec `before` as it was written, unless it is called `keep`. Raises
    Refused."""
    place = before.get("configurationFile", "")
    if not place or place == keep:
        return
    path = root / place
    try:
        with open_folder(path.parent) as folder:
            found = folder.read(path.name)
            if found and found.data == configuration(address, before):
                folder.remove(path.name)
    except OSError as error:
        raise Refused(f"{path}: {explain(error)}") from error


def drift(root: Path, address: Address, spec: Mapping[str, Any]) -> str:
    """What is wrong with the configuration file and the data folder, "" where nothing is."""
    if "dataDirectory" in spec and not (root / spec["dataDirectory"]).is_dir():
        return f"{spec['dataDirectory']}: missing"
    place = spec.get("configurationFile")
    if not place:
        return ""
    path = root / place
    try:
        with open_folder(path.parent) as folder:
            found = folder.read(path.name)
        wanted = configuration(address, spec)
    except OSError as error:
        return f"{place}: {explain(error)}"
    except Refused as error:
        return str(error)
    if found is None:
        return f"{place}: missing"
    return "" if found.data == wanted else f"{place}: content changed"


def _is_ours(found: File, data: bytes, path: Path, root: Path, before: Mapping[str, Any]) -> bool:
    named = before.get("configurationFile")
    if named and root / named == path:
        return True
    first = data.partition(b"\n")[0]
    return first.startswith(b"#") and found.data.partition(b"\n")[0] == first


def _make_data_folder(path: Path, user: str) -> None:
    if path.is_dir():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
        if user:
            import pwd

            with suppress(KeyError):
                entry = pwd.getpwnam(user)
                os.chown(path, entry.pw_uid, entry.pw_gid)
    except OSError as error:
        raise Refused(f"{path}: {explain(error)}") from error
