from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.drivers.atomic import File, Refused, open_folder

HOSTILE = [
    "../out.txt",
    "a/../../out.txt",
    "a/..",
    "/etc/passwd",
    "//etc/passwd",
    "a//b",
    "a/",
    ".",
    "./a",
    "",
    "a\0b",
    "a\nb",
    "\x1b[2Ja",
    "a/\u202etxt.exe",
]


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_it_writes_reads_and_removes(place: Path) -> None:
    with open_folder(place, create=True) as folder:
        folder.write("a/b/c.txt", b"one", 0o640)
        assert folder.read("a/b/c.txt") == File(b"one", 0o640)
        folder.write("a/b/c.txt", b"two", 0o600)
        assert folder.read("a/b/c.txt") == File(b"two", 0o600)
        assert tree(place) == {"a", "a/b", "a/b/c.txt"}
        folder.remove("a/b/c.txt")
        folder.remove("a/b/c.txt")
        assert folder.read("a/b/c.txt") is None
    assert place.is_dir()
    assert tree(place) == set()


def test_the_mode_does_not_depend_on_the_umask(place: Path) -> None:
    before = os.umask(0o077)
    try:
        with open_folder(place, create=True) as folder:
            folder.write("a.txt", b"", 0o664)
    finally:
        os.umask(before)
    assert (place / "a.txt").stat().st_mode & 0o777 == 0o664


def test_a_folder_that_is_not_there_is_empty(place: Path) -> None:
    with open_folder(place) as folder:
        assert folder.read("a.txt") is None
        assert folder.names() == []
        folder.remove("a.txt")
    assert not place.exists()


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_leads_out(place: Path, path: str) -> None:
    with open_folder(place, create=True) as folder:
        for act in (folder.read, folder.remove, lambda path: folder.write(path, b"x", 0o644)):
            with pytest.raises(Refused, match="not a path below this folder"):
                act(path)
    assert tree(place.parent) == {"out"}


def test_a_linked_folder_is_not_entered(place: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.txt").write_text("theirs")
    place.mkdir(parents=True)
    (place / "a").symlink_to(outside)
    with open_folder(place) as folder:
        for act in (folder.read, folder.remove, lambda path: folder.write(path, b"x", 0o644)):
            with pytest.raises(Refused, match="'a' on the way is a symbolic link"):
                act("a/c.txt")
    assert (outside / "c.txt").read_text() == "theirs"


@pytest.mark.parametrize("name", [".ureg", "out"])
def test_a_linked_output_folder_is_refused(place: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = place if name == "out" else place.parent
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(Refused, match=f"'{name}' on the way"), open_folder(place, create=True):
        pass
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_the_file_is_replaced_and_its_target_kept(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    place.mkdir(parents=True)
    (place / "a.txt").symlink_to(target)
    with open_folder(place) as folder:
        with pytest.raises(Refused, match="a symbolic link or a socket stands there"):
            folder.read("a.txt")
        folder.write("a.txt", b"ours", 0o644)
    assert target.read_text() == "theirs"
    assert not (place / "a.txt").is_symlink()


def test_removing_a_link_keeps_its_target(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    place.mkdir(parents=True)
    (place / "a.txt").symlink_to(target)
    with open_folder(place) as folder:
        folder.remove("a.txt")
    assert target.read_text() == "theirs"
    assert tree(place) == set()


def test_a_pipe_is_not_waited_for(place: Path) -> None:
    place.mkdir(parents=True)
    os.mkfifo(place / "a.txt")
    with open_folder(place) as folder, pytest.raises(Refused, match="not a regular file"):
        folder.read("a.txt")


def test_a_folder_is_not_replaced(place: Path) -> None:
    (place / "a.txt").mkdir(parents=True)
    with open_folder(place) as folder, pytest.raises(IsADirectoryError):
        folder.write("a.txt", b"x", 0o644)
    assert tree(place) == {"a.txt"}


def test_folders_with_something_else_in_them_stay(place: Path) -> None:
    with open_folder(place, create=True) as folder:
        folder.write("a/b/c.txt", b"", 0o644)
        (place / "a" / "theirs").write_text("")
        folder.remove("a/b/c.txt")
    assert tree(place) == {"a", "a/theirs"}


CRASH = """
import os, sys
from pathlib import Path
from reconciler.drivers.atomic import open_folder
os.rename = lambda *_, **__: os._exit(9)
with open_folder(Path(sys.argv[1]), create=True) as folder:
    folder.write("a.txt", b"half", 0o644)
"""


def test_what_a_crash_left_is_replaced(place: Path) -> None:
    assert subprocess.run([sys.executable, "-c", CRASH, place], check=False).returncode == 9
    (left,) = place.iterdir()
    assert left.name.startswith(".ureg-")
    with open_folder(place) as folder:
        folder.write("a.txt", b"whole", 0o644)
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_removing_takes_what_a_crash_left_along(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_folder(place, create=True) as folder:
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", lambda *_, **__: None)
            folder.write("d/a.txt", b"", 0o644)
        (left,) = (place / "d").iterdir()
        assert left.name.startswith(".ureg-")
        folder.remove("d/a.txt")
    assert tree(place) == set()


def test_a_failed_write_leaves_the_old_file_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with open_folder(place, create=True) as folder:
        folder.write("a.txt", b"old", 0o644)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                folder.write("a.txt", b"new", 0o644)
        assert folder.read("a.txt") == File(b"old", 0o644)
    assert tree(place) == {"a.txt"}


def test_a_reader_never_sees_a_torn_file(place: Path) -> None:
    versions = [bytes([65 + number]) * 200_000 for number in range(4)]
    seen: list[bytes] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append((place / "a.txt").read_bytes())

    with open_folder(place, create=True) as folder:
        folder.write("a.txt", versions[0], 0o644)
        reader = threading.Thread(target=read)
        reader.start()
        for number in range(60):
            folder.write("a.txt", versions[number % 4], 0o644)
        stop.set()
        reader.join()
    assert len(seen) > 5
    assert set(seen) <= set(versions)


def test_no_descriptor_is_left_open(place: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with open_folder(place, create=True) as folder:
        folder.write("a/b.txt", b"", 0o644)
        folder.read("a/b.txt")
        folder.read("a/none.txt")
        with pytest.raises(Refused):
            folder.read("a/b.txt/c")
        folder.remove("a/b.txt")
    with open_folder(place / "none") as folder:
        folder.names()
    assert len(list(descriptors.iterdir())) == before
