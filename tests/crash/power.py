"""What a power cut could leave of the files of an apply.

SIGKILL shows nothing about syncs: the system still holds what was written. So an apply is recorded by strace, every
write with its bytes, and its files are built anew as they could stand after a cut at any moment: everything that was
synced, and of what was not, any part. A write of several sectors may be torn. The names in a folder reach the disk
in their order (as with every file system that has a journal), but not before the folder is synced; that a file is
synced says nothing about its name.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SECTOR = 512

SYSCALLS = (
    *("openat", "creat", "open", "close", "dup", "dup2", "dup3", "write", "pwrite64", "writev", "pwritev", "pwritev2"),
    *("fsync", "fdatasync", "sync_file_range", "ftruncate", "truncate", "fallocate", "copy_file_range", "sendfile"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat", "rmdir", "lseek"),
    *("symlink", "symlinkat", "mmap"),
)
_IGNORED = frozenset({"close", "dup", "dup2", "dup3", "sync_file_range", "lseek", "mmap"})

_CALL = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<args>.*)\) += (?P<result>-?\d+|\?)(?P<rest>.*)", re.DOTALL)
_UNFINISHED = re.compile(r"(?P<pid>\d+) +(?P<head>\w+\(.*) <unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<tail>.*)", re.DOTALL)
_ARGUMENT = re.compile(r'"(?P<text>[^"]*)"|(?P<fd>[-\w]+)<(?P<path>[^>]*)>|(?P<word>[^,<>"]+)')


class Op(NamedTuple):
    """One thing that was done to a file: write, truncate (offset is the size), create, rename, link, unlink, mkdir,
    sync; or said, a line on standard output. A sync reaches what was done before the operation number `since`."""

    what: str
    path: str
    offset: int = 0
    data: bytes = b""
    other: str = ""
    since: int = 0


class _Call(NamedTuple):
    pid: str
    name: str
    args: list[tuple[str, str]]
    """Each as its kind (text, fd, path or word) and its value; a descriptor gives two."""

    result: int
    path: str
    """Where the descriptor that it returned leads."""

    since: int


def command(output: Path) -> list[str]:
    """What to run an apply under, to have it recorded in the file `output`."""
    calls = ",".join(f"?{name}" for name in SYSCALLS if name not in ("mmap", "lseek"))
    return ["strace", "-f", "-qq", "-y", "-xx", "-s", "10000000", "-o", str(output), "-e", f"trace={calls}"]


class Recorder:
    """Reads a recording of what happened to the files below `folder`. Made before that, as it looks what is there."""

    def __init__(self, folder: Path) -> None:
        self.ops: list[Op] = []
        self._folder = str(folder)
        self._sizes = {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        self._places: dict[tuple[str, str], int] = {}
        """How far a descriptor has written, by path and number."""

        self._appending: set[tuple[str, str]] = set()

    def read(self, text: str) -> list[Op]:
        """The operations, and what was said, in the order in which they ended."""
        started: dict[str, tuple[str, int]] = {}
        for line in text.splitlines():
            if unfinished := _UNFINISHED.match(line):
                started[unfinished["pid"]] = (unfinished["head"], len(self.ops))
                continue
            whole, since = line, len(self.ops)
            if resumed := _RESUMED.match(line):
                head, since = started.pop(resumed["pid"])
                whole = f"{resumed['pid']} {head}{resumed['tail']}"
            if call := _CALL.match(whole):
                self._take(_read(call, since))
        return self.ops

    def _take(self, call: _Call) -> None:
        if call.result < 0 or call.name in _IGNORED:
            return
        method = getattr(self, f"_{call.name}", None)
        paths = [value for kind, value in call.args if kind in ("path", "text")] + [call.path]
        ours = any(path.startswith(self._folder) for path in paths)
        if method is not None:
            method(call)
        elif ours:
            raise NotImplementedError(f"{call.name} on {paths}")

    def _openat(self, call: _Call) -> None:
        flags = next((value for kind, value in call.args if kind == "word" and "O_" in value), "")
        path = call.path
        if not self._ours(path) or "O_DIRECTORY" in flags or "O_PATH" in flags:
            return
        if path not in self._sizes:
            if "O_CREAT" not in flags:
                return
            self._add("create", path)
            self._sizes[path] = 0
        if "O_TRUNC" in flags and self._sizes[path]:
            self._resize(path, 0)
        key = (path, str(call.result))
        self._places[key] = 0
        (self._appending.add if "O_APPEND" in flags else self._appending.discard)(key)

    def _write(self, call: _Call) -> None:
        number, path, data = call.args[0][1], call.args[1][1], _bytes(call.args[2][1])[: call.result]
        if number == "1":
            self.ops.append(Op("said", "", data=data))
        elif self._ours(path):
            key = (path, number)
            offset = self._sizes[path] if key in self._appending else self._places[key]
            self._put(path, offset, data)
            self._places[key] = offset + len(data)

    def _pwrite64(self, call: _Call) -> None:
        path = call.args[1][1]
        if self._ours(path):
            self._put(path, int(call.args[-1][1]), _bytes(call.args[2][1])[: call.result])

    def _fsync(self, call: _Call) -> None:
        path = call.args[1][1]
        if self._ours(path) or path == self._folder:
            self.ops.append(Op("sync", path, since=call.since))

    _fdatasync = _fsync

    def _ftruncate(self, call: _Call) -> None:
        path = call.args[1][1]
        if self._ours(path):
            self._resize(path, int(call.args[-1][1]))

    def _fallocate(self, call: _Call) -> None:
        path = call.args[1][1]
        if self._ours(path):
            words = [value for kind, value in call.args if kind == "word"]
            assert words[0] == "0", f"fallocate with the mode {words[0]}"
            self._resize(path, max(self._sizes[path], int(words[1]) + int(words[2])))

    def _rename(self, call: _Call) -> None:
        before, after = _paths(call)
        if self._ours(after):
            self._add("rename", before, other=after)
            if before in self._sizes:
                self._sizes[after] = self._sizes.pop(before)

    _renameat = _renameat2 = _rename

    def _link(self, call: _Call) -> None:
        before, after = _paths(call)
        if self._ours(after):
            self._add("link", before, other=after)
            self._sizes[after] = self._sizes[before]

    _linkat = _link

    def _unlink(self, call: _Call) -> None:
        (path,) = _paths(call)
        if self._ours(path):
            self._add("unlink", path)
            self._sizes.pop(path, None)

    _unlinkat = _rmdir = _unlink

    def _mkdir(self, call: _Call) -> None:
        (path,) = _paths(call)
        if self._ours(path) or path == self._folder:
            self._add("mkdir", path)

    _mkdirat = _mkdir

    def _put(self, path: str, offset: int, data: bytes) -> None:
        self._sizes[path] = max(self._sizes[path], offset + len(data))
        self._add("write", path, offset, data)

    def _resize(self, path: str, size: int) -> None:
        self._sizes[path] = size
        self._add("truncate", path, size)

    def _add(self, what: str, path: str, offset: int = 0, data: bytes = b"", other: str = "") -> None:
        self.ops.append(Op(what, path, offset, data, other))

    def _ours(self, path: str) -> bool:
        return path.startswith(f"{self._folder}/") and not path.endswith(" (deleted)")


@dataclass
class _File:
    """A file's bytes as they are on the disk, and what was done since its last sync."""

    durable: bytearray
    pending: list[tuple[int, Op]] = field(default_factory=list)


class Disk:
    """The files below a folder: what is on the disk, and what only the system knows yet."""

    def __init__(self, folder: Path) -> None:
        """Starts from what stands there, as if all of it were on the disk."""
        self._names = {
            str(path): _File(bytearray(path.read_bytes())) for path in sorted(folder.rglob("*")) if path.is_file()
        }
        self._durable_names = dict(self._names)
        self._pending_names: list[tuple[int, Op, _File | None]] = []
        self._count = 0

    def take(self, op: Op) -> None:
        number, self._count = self._count, self._count + 1
        if op.what in ("write", "truncate"):
            self._names[op.path].pending.append((number, op))
        elif op.what == "sync":
            self._sync(op)
        elif op.what != "said":
            if op.what == "create":
                self._names[op.path] = _File(bytearray())
            self._pending_names.append((number, op, self._names.get(op.path)))
            _apply_name(self._names, op, self._names.get(op.path))

    def image(self, choice: random.Random, mode: str) -> dict[str, bytes]:
        """The files after a cut now. Of what is not synced, `mode` leaves none, all, or some that `choice` picks."""
        names = dict(self._durable_names)
        kept: dict[str, bool] = {}
        missing: list[str] = []
        for _, op, file in self._pending_names:
            folder = str(Path(op.path).parent)
            kept[folder] = kept.get(folder, True) and (mode == "all" or (mode == "some" and choice.random() < 0.7))
            if kept[folder]:
                _apply_name(names, op, file)
            elif op.what == "mkdir":
                missing.append(f"{op.path}/")
        return {
            path: _content(file, choice, mode) for path, file in names.items() if not path.startswith(tuple(missing))
        }

    def _sync(self, op: Op) -> None:
        file = self._names.get(op.path)
        if file is not None:
            for number, each in file.pending:
                if number < op.since:
                    _change(file.durable, each)
            file.pending = [(number, each) for number, each in file.pending if number >= op.since]
            return
        rest = []
        for number, each, changed in self._pending_names:
            if str(Path(each.path).parent) == op.path and number < op.since:
                _apply_name(self._durable_names, each, changed)
            else:
                rest.append((number, each, changed))
        self._pending_names = rest


def images(ops: Sequence[Op], folder: Path, count: int, seed: int) -> Iterator[tuple[int, dict[str, bytes]]]:
    """`count` images, each with the number of operations before the cut; `folder` is as it was before the first.
    The cuts are spread evenly; after each operation that is not a line said there may be one."""
    choice = random.Random(seed)
    cuts = sorted(choice.choices(range(1, len(ops) + 1), k=count))
    disk, done = Disk(folder), 0
    for cut in cuts:
        for op in ops[done:cut]:
            disk.take(op)
        done = cut
        yield cut, disk.image(choice, choice.choice(("none", "all", "some", "some", "some")))


def write_image(image: dict[str, bytes], before: Path, after: Path) -> None:
    """Writes the files of `image`, whose names are below the folder `before`, to the folder `after`."""
    shutil.rmtree(after, ignore_errors=True)
    after.mkdir(mode=0o700, parents=True)
    for path, data in image.items():
        target = after / Path(path).relative_to(before)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o644 if "out" in target.parts else 0o600)


def said(ops: Iterable[Op]) -> str:
    return b"".join(op.data for op in ops if op.what == "said").decode()


def _apply_name(names: dict[str, _File], op: Op, file: _File | None) -> None:
    if op.what in ("unlink", "rename"):
        names.pop(op.path, None)
    if op.what == "create" and file is not None:
        names[op.path] = file
    if op.what in ("rename", "link") and file is not None:
        names[op.other] = file


def _content(file: _File, choice: random.Random, mode: str) -> bytes:
    content = bytearray(file.durable)
    for _, op in file.pending:
        if mode == "all":
            _change(content, op)
        elif mode == "some" and choice.random() < 0.6:
            for part in _sectors(op, torn=choice.random() < 0.3):
                if part is op or choice.random() < 0.5:
                    _change(content, part)
    return bytes(content)


def _sectors(op: Op, torn: bool) -> Iterator[Op]:
    """The parts of a write that reach the disk each on its own."""
    if op.what != "write" or not torn:
        yield op
        return
    for start in range(0, len(op.data), SECTOR):
        yield op._replace(offset=op.offset + start, data=op.data[start : start + SECTOR])


def _change(content: bytearray, op: Op) -> None:
    if op.what == "truncate":
        del content[op.offset :]
        content.extend(bytes(op.offset - len(content)))
        return
    content.extend(bytes(max(0, op.offset - len(content))))
    content[op.offset : op.offset + len(op.data)] = op.data


def _read(call: re.Match[str], since: int) -> _Call:
    args: list[tuple[str, str]] = []
    for found in _ARGUMENT.finditer(call["args"]):
        if found["path"] is not None:
            args += [("fd", found["fd"].strip()), ("path", _text(found["path"]))]
        elif found["text"] is not None:
            is_data = call["name"] in ("write", "pwrite64")
            args.append(("data" if is_data else "text", found["text"] if is_data else _text(found["text"])))
        elif found["word"].strip():
            args.append(("word", found["word"].strip()))
    result = int(call["result"]) if call["result"] != "?" else -1
    returned = re.match(r"<([^>]*)>", call["rest"])
    return _Call(call["pid"], call["name"], args, result, _text(returned[1]) if returned else "", since)


def _paths(call: _Call) -> list[str]:
    """The paths that a call names, each joined to the folder whose descriptor stands before it."""
    found: list[str] = []
    folder = ""
    for kind, value in call.args:
        if kind == "path":
            folder = value
        elif kind == "text":
            path = os.path.normpath(Path(folder) / value)
            if not path.startswith("/"):
                raise NotImplementedError(f"{call.name} on {value}, which starts from nowhere")
            found.append(path)
    return found


def _text(escaped: str) -> str:
    return os.fsdecode(_bytes(escaped)) if escaped.startswith("\\x") else escaped


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))
