"""References to secrets: where each is read from, what is refused, and in which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.drivers.secrets import FOLDERS_VARIABLE, SecretRef, Secrets, Unresolved, mark, references


def refusal(secrets: Secrets, place: str) -> str:
    with pytest.raises(Unresolved) as caught:
        secrets.read(place)
    return str(caught.value)


def test_a_variable_of_the_environment(root: Path) -> None:
    assert Secrets(root, {"TOKEN": "hunter2\n"}).read("env:TOKEN") == "hunter2\n"


def test_a_missing_variable_is_named_and_no_other(root: Path) -> None:
    words = refusal(Secrets(root, {"TOKEN_A": "hunter2", "OTHER": "x"}), "env:TOKEN")
    assert words == "the environment variable TOKEN is not set"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"a\nb\n\n", "a\nb\n"),
        ("pä$$ ".encode(), "pä$$ "),
    ],
)
def test_a_file_of_the_registry_without_its_final_newline(root: Path, content: bytes, secret: str) -> None:
    (root / "keys").mkdir()
    (root / "keys/token").write_bytes(content)
    assert Secrets(root, {}).read("file:keys/token") == secret


@pytest.mark.parametrize(
    "path", ["../outside", "keys/../../outside", "./token", "", "keys//token", "a\x00b", "keys\\..\\x", "~/token"]
)
def test_no_relative_path_leads_out_of_the_registry(root: Path, path: str) -> None:
    (root.parent / "outside").write_text("hunter2")
    assert "hunter2" not in refusal(Secrets(root, {}), f"file:{path}")


def test_no_link_is_followed(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside/token").write_text("hunter2")
    (root / "link").symlink_to(root.parent / "outside/token")
    (root / "folder").symlink_to(root.parent / "outside")
    for path in ("link", "folder/token"):
        words = refusal(Secrets(root, {}), f"file:{path}")
        assert words.startswith(f"{path}: ")
        assert "link" in words


def test_git_s_own_files_are_no_secrets(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git/config").write_text("url = https://ada:hunter2@example.org")
    assert refusal(Secrets(root, {}), "file:.git/config") == ".git/config is git's own"


def test_an_absolute_path_is_read_only_below_folders_that_the_operator_named(tmp_path: Path, root: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "token").write_text("hunter2")
    (tmp_path / "other").write_text("no")
    (mounted / "link").symlink_to(tmp_path / "other")
    nowhere = refusal(Secrets(root, {}), f"file:{mounted}/token")
    assert "/run/secrets" in nowhere
    assert FOLDERS_VARIABLE in nowhere
    for environment in ({FOLDERS_VARIABLE: f"/elsewhere:{mounted}"}, {"CREDENTIALS_DIRECTORY": str(mounted)}):
        secrets = Secrets(root, environment)
        assert secrets.read(f"file:{mounted}/token") == "hunter2"
        for path in (f"{mounted}/../other", f"{mounted}/link", f"{mounted}x/token", "/etc/hostname"):
            assert "outside of the folders for secrets" in refusal(secrets, f"file:{path}")


def test_links_inside_of_a_mounted_folder_are_followed(tmp_path: Path, root: Path) -> None:
    """As a container's volume of secrets has them: the names lead to the newest version of all of them."""
    mounted = tmp_path / "mounted"
    (mounted / "..2026").mkdir(parents=True)
    (mounted / "..2026/token").write_text("hunter2\n")
    (mounted / "..data").symlink_to("..2026")
    (mounted / "token").symlink_to("..data/token")
    assert Secrets(root, {FOLDERS_VARIABLE: str(mounted)}).read(f"file:{mounted}/token") == "hunter2"


def test_what_is_no_text_of_a_sensible_size_is_refused(root: Path) -> None:
    secrets = Secrets(root, {"EMPTY": "", "BYTES": os.fsdecode(b"hunter2\xff")})
    (root / "large").write_bytes(b"x" * (64 * 1024 + 1))
    (root / "binary").write_bytes(b"hunter2\xff")
    os.mkfifo(root / "pipe")
    (root / "newline").write_text("\n")
    (root / "folder").mkdir()
    assert refusal(secrets, "env:EMPTY") == "env:EMPTY is empty"
    assert refusal(secrets, "file:newline") == "file:newline is empty"
    assert refusal(secrets, "env:BYTES") == "env:BYTES is not text in UTF-8"
    assert refusal(secrets, "file:binary") == "file:binary is not text in UTF-8"
    assert refusal(secrets, "file:large") == "large: larger than 64 KiB"
    assert refusal(secrets, "file:pipe") == "pipe: not a regular file"
    assert refusal(secrets, "file:folder") == "folder: Is a directory"
    assert refusal(secrets, "file:none") == "none is not there"


@pytest.mark.parametrize("place", ["hunter2", "vault:hunter2", "", "ENV:TOKEN"])
def test_a_place_of_another_form_is_not_repeated(root: Path, place: str) -> None:
    assert "hunter2" not in refusal(Secrets(root, {}), place)


def test_references_are_found_and_filled_at_any_depth(root: Path) -> None:
    value = {"a": {"secretRef": "env:A"}, "b": [1, {"c": {"secretRef": "env:B"}}], "d": {"secretRef": 1}, "e": "x"}
    marked = mark(value, ("spec", "values"))
    assert list(references(marked)) == [
        SecretRef("env:A", ("spec", "values", "a")),
        SecretRef("env:B", ("spec", "values", "b", 1, "c")),
    ]
    filled = Secrets(root, {"A": "one", "B": "two"}).fill(marked)
    assert filled == {"a": "one", "b": [1, {"c": "two"}], "d": {"secretRef": 1}, "e": "x"}


def test_everything_that_is_missing_is_told_at_once_with_its_field(root: Path) -> None:
    marked = mark({"a": {"secretRef": "env:A"}, "b": [{"secretRef": "file:b"}], "c": {"secretRef": "env:C"}}, ("spec",))
    with pytest.raises(Unresolved) as caught:
        Secrets(root, {"A": "hunter2"}).fill(marked)
    assert str(caught.value) == "spec.b.0: b is not there; spec.c: the environment variable C is not set"
