"""The key of saved plans: made once, kept private, or taken from the environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.diagnostics import Invalid
from reconciler.sources.plan_key import plan_key


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "ureg/plan.key"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path)}


def test_it_is_made_at_its_first_use_and_stays(environment: dict[str, str], place: Path) -> None:
    assert plan_key(environment, make=False) is None
    assert not place.exists()
    key = plan_key(environment)
    assert key == place.read_bytes()
    assert key is not None
    assert len(key) == 32
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert plan_key(environment) == plan_key(environment, make=False) == key
    assert list(place.parent.iterdir()) == [place]


def test_without_xdg_it_is_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert plan_key({"XDG_STATE_HOME": "not/absolute"}) == (tmp_path / ".local/state/ureg/plan.key").read_bytes()


def test_the_environment_wins_and_must_be_long(environment: dict[str, str], place: Path) -> None:
    secret = "s3cret-" * 5
    assert plan_key({**environment, "UREG_PLAN_KEY": secret}) == secret.encode()
    assert not place.exists()
    with pytest.raises(Invalid) as caught:
        plan_key({**environment, "UREG_PLAN_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value.diagnostics)


def _readable_by_others(place: Path) -> None:
    place.chmod(0o640)


def _short(place: Path) -> None:
    place.write_bytes(b"short")


def _long(place: Path) -> None:
    place.write_bytes(b"x" * 33)


def _a_link(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def _a_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place, 0o600)


@pytest.mark.parametrize("spoil", [_readable_by_others, _short, _long, _a_link, _a_pipe])
def test_a_key_that_cannot_be_trusted_is_refused(
    environment: dict[str, str], place: Path, spoil: Callable[[Path], None]
) -> None:
    plan_key(environment)
    spoil(place)
    with pytest.raises(Invalid, match="key of saved plans"):
        plan_key(environment)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Invalid) as caught:
        plan_key({"XDG_STATE_HOME": str(tmp_path / "file")})
    assert "cannot be used" in caught.value.diagnostics[0].summary
