from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from drivers.component import Component
from hypothesis import given, settings
from hypothesis import strategies as st
from sites import site_of

from reconciler.drivers.files import INDEX, overlay
from reconciler.drivers.loading import load_driver
from reconciler.model.lifecycle import ABSENT
from reconciler.model.record import Observation, Seen
from reconciler.ports import Driver


def config(name: str = "a", /, **spec: Any) -> Component:
    return Component("Config", name, "present", {"format": "json", "path": f"{name}.json", **spec})


@pytest.fixture
def driver(place: Path) -> Driver:
    return load_driver("files", site_of(place))


def execute(driver: Driver, *transitions: Any) -> list[str]:
    return [outcome.error for outcome in driver.execute(transitions)]


def observe(driver: Driver, *components: Component) -> list[Observation]:
    return list(driver.observe([component.record() for component in components]))


def files(place: Path) -> dict[str, bytes]:
    """Every file below the output folder but the index."""
    found = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    found.pop(INDEX, None)
    return found


def test_values_lie_over_defaults(driver: Driver, place: Path) -> None:
    component = config(
        path="search/api.json",
        defaults={"limit": 20, "ranking": {"title": 1.0, "body": 0.5}, "hosts": ["a", "b"]},
        values={"limit": 50, "ranking": {"title": 2.5}, "hosts": ["c"], "debug": False},
    )
    assert execute(driver, component.apply()) == [""]
    assert orjson.loads(files(place)["search/api.json"]) == {
        "debug": False,
        "hosts": ["c"],
        "limit": 50,
        "ranking": {"body": 0.5, "title": 2.5},
    }


def test_the_schema_s_examples_are_rendered(driver: Driver, place: Path) -> None:
    schema = orjson.loads((Path(__file__).parents[2] / "schemas/config.schema.json").read_bytes())
    examples = [config(example["metadata"]["name"], **example["spec"]) for example in schema["examples"]]
    assert set(execute(driver, *(component.apply() for component in examples))) == {""}
    assert files(place).keys() == {example["spec"]["path"] for example in schema["examples"]}
    assert observe(driver, *examples) == []


def test_a_map_and_a_value_replace_each_other() -> None:
    assert overlay({"a": {"b": 1}, "c": 2}, {"a": 3, "c": {"d": 4}}) == {"a": 3, "c": {"d": 4}}


@pytest.mark.parametrize("name", ["json", "yaml", "toml", "dotenv"])
def test_every_format_is_silent_after_it_was_applied(driver: Driver, place: Path, name: str) -> None:
    component = config(format=name, path="deep/er/file", mode="0640", values={"a": {"b": 1}, "c": "no"})
    assert execute(driver, component.apply()) == [""]
    assert observe(driver, component) == []
    assert driver.health(component.record()).healthy
    assert (place / "deep/er/file").stat().st_mode & 0o777 == 0o640
    readers: dict[str, Any] = {
        "json": orjson.loads,
        "yaml": yaml.safe_load,
        "toml": lambda data: tomllib.loads(data.decode()),
    }
    if name in readers:
        assert readers[name](files(place)["deep/er/file"]) == {"a": {"b": 1}, "c": "no"}


def test_only_what_differs_is_written(driver: Driver, place: Path) -> None:
    component = config(values={"a": 1})
    execute(driver, component.apply())
    before = (place / "a.json").stat()
    assert execute(driver, component.apply(component)) == [""]
    assert (place / "a.json").stat().st_ino == before.st_ino
    execute(driver, config(values={"a": 1}, mode="0600").apply(component))
    assert (place / "a.json").stat().st_mode & 0o777 == 0o600


def test_drift_is_told_in_words(driver: Driver, place: Path) -> None:
    component = config(path="search/api.json", mode="0640", values={"a": 1, "b": 2, "c": 3, "d": 4})
    execute(driver, component.apply())
    path = place / "search/api.json"
    path.write_bytes(path.read_bytes().replace(b'"b": 2,\n  "c": 3', b'"b": 9,\n  "c": 9,\n  "x": 9'))
    path.chmod(0o644)
    drift = "search/api.json: content changed (3 lines); mode 0644, should be 0640"
    pieces = (Seen("content", "as applied", "3 lines changed"), Seen("mode", "0640", "0644"))
    assert observe(driver, component) == [Observation("config/a", "present", drift, pieces)]
    assert driver.health(component.record()) == (False, drift)
    assert execute(driver, component.apply(component)) == [""]
    assert observe(driver, component) == []
    path.unlink()
    assert observe(driver, component) == [Observation("config/a", ABSENT, "search/api.json: missing")]


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"", "3 lines"), (b'{\n  "a": 2\n}\n', "1 line"), (b'{\n  "a": 1\n}', "1 line"), (b"x\n" * 9, "9 lines")],
)
def test_the_lines_that_changed_are_counted(driver: Driver, place: Path, text: bytes, words: str) -> None:
    component = config(values={"a": 1})
    execute(driver, component.apply())
    (place / "a.json").write_bytes(text)
    assert observe(driver, component)[0].drift == f"a.json: content changed ({words})"


def test_a_link_in_the_file_s_place_is_drift_and_is_replaced(driver: Driver, place: Path, tmp_path: Path) -> None:
    component = config(values={"a": 1})
    execute(driver, component.apply())
    target = tmp_path / "target"
    (place / "a.json").rename(target)
    (place / "a.json").symlink_to(target)
    assert observe(driver, component)[0].drift == "a.json: a symbolic link or a socket stands there"
    assert execute(driver, component.apply(component)) == [""]
    assert not (place / "a.json").is_symlink()
    assert observe(driver, component) == []


def test_removing_leaves_nothing(driver: Driver, place: Path) -> None:
    component = config(path="search/deep/api.json")
    execute(driver, component.apply())
    assert execute(driver, component.remove()) == [""]
    assert list(place.iterdir()) == []
    assert execute(driver, component.remove()) == [""]


def test_removing_keeps_what_is_not_ours(driver: Driver, place: Path) -> None:
    component, other = config(path="search/api.json"), config("b", path="search/web.json")
    execute(driver, component.apply(), other.apply())
    (place / "search/notes.txt").write_text("theirs")
    assert execute(driver, component.remove()) == [""]
    assert files(place).keys() == {"search/notes.txt", "search/web.json"}


def test_a_path_that_changes_leaves_nothing_behind(driver: Driver, place: Path) -> None:
    old, new = config(path="old/a.json"), config(path="new/a.json")
    execute(driver, old.apply())
    assert execute(driver, new.apply(old)) == [""]
    assert files(place).keys() == {"new/a.json"}
    assert not (place / "old").exists()


def test_two_components_never_share_a_file(driver: Driver, place: Path) -> None:
    one, two = config("one", path="x.json", values={"a": 1}), config("two", path="x.json", values={"a": 2})
    together = execute(driver, one.apply(), two.apply())
    assert together == ["", "x.json is also the file of config/one: give one of them another path"]
    assert execute(driver, two.apply()) == [
        "x.json is the file of config/one: take another path, or remove the file if that is gone"
    ]
    assert orjson.loads(files(place)["x.json"]) == {"a": 1}
    assert execute(driver, two.remove()) == [""]
    assert files(place).keys() == {"x.json"}


def test_a_path_passes_from_one_component_to_another_in_one_batch(driver: Driver, place: Path) -> None:
    one, two = config("one", path="x.json", values={"a": 1}), config("two", path="x.json", values={"a": 2})
    execute(driver, one.apply())
    assert execute(driver, two.apply(), one.remove()) == ["", ""]
    assert orjson.loads(files(place)["x.json"]) == {"a": 2}
    assert observe(driver, two) == []


def test_a_file_cannot_be_a_folder_too(driver: Driver) -> None:
    one, two = config("one", path="x"), config("two", path="x/y")
    first, second = execute(driver, one.apply(), two.apply())
    assert first == ""
    assert second == "x/y: 'x' on the way is a symbolic link or not a folder"


def test_a_stranger_s_file_is_adopted_only_if_it_is_the_same(driver: Driver, place: Path) -> None:
    component = config(values={"a": 1})
    place.mkdir(parents=True)
    (place / "a.json").write_text("theirs")
    (error,) = execute(driver, component.apply())
    assert error == "a.json is there and not managed by ureg: take another path, or remove the file"
    assert files(place) == {"a.json": b"theirs"}
    (place / "a.json").write_bytes(b'{\n  "a": 1\n}\n')
    assert execute(driver, component.apply()) == [""]
    assert execute(driver, config(values={"a": 2}).apply(component)) == [""]
    assert observe(driver, config(values={"a": 2})) == []


def test_what_a_crash_left_is_known_again(driver: Driver, place: Path) -> None:
    """The file was written and the outcome was not recorded; meanwhile the manifest changed."""
    execute(driver, config(values={"a": 1}).apply())
    changed = config(values={"a": 2})
    assert execute(driver, changed.apply()) == [""]
    assert observe(driver, changed) == []


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"files": [1]}', b'{"files": {"a.json": 1}}', b"\xff"])
def test_without_its_index_it_goes_by_the_record(driver: Driver, place: Path, damage: bytes) -> None:
    old, new = config(values={"a": 1}), config(values={"a": 2})
    execute(driver, old.apply())
    (place / INDEX).write_bytes(damage)
    assert execute(driver, new.apply(old)) == [""]
    (place / INDEX).write_bytes(damage)
    assert execute(driver, new.remove()) == [""]
    assert files(place) == {}


def test_the_last_steps_of_a_delete_render_what_was_there(driver: Driver, place: Path) -> None:
    component = config(values={"a": 1})
    leaving = component.apply(component)._replace(verb="stop", new=b"")
    assert driver.execute([leaving])[0].error == ""
    assert files(place).keys() == {"a.json"}


@pytest.mark.parametrize(
    "path", ["../a.json", "/etc/a.json", "a/../../b", "", "a\0", f"x/{INDEX}", INDEX, "a/./b", "a//b"]
)
def test_a_hostile_path_is_refused(driver: Driver, place: Path, tmp_path: Path, path: str) -> None:
    component = config(path=path)
    assert len(execute(driver, component.apply())[0]) > 10
    assert files(tmp_path) == {}
    assert len(observe(driver, component)[0].drift) > 10
    assert len(execute(driver, component.remove())) == 1


def test_a_name_that_is_too_long_is_an_error_of_its_own(driver: Driver, place: Path) -> None:
    first, second = execute(driver, config(path="x" * 300).apply(), config("b").apply())
    assert first == f"{'x' * 300}: File name too long"
    assert second == ""


def test_a_value_that_the_format_lacks_is_an_error_of_its_own(driver: Driver, place: Path) -> None:
    bad = config(format="toml", values={"a": [None]})
    assert execute(driver, bad.apply(), config("b").apply()) == [
        "a.0 is null, which TOML does not have: leave the key out",
        "",
    ]
    assert files(place).keys() == {"b.json"}


def test_a_linked_output_folder_fails_every_transition(driver: Driver, place: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    place.parent.symlink_to(tmp_path / "outside")
    (error,) = execute(driver, config().apply())
    assert error == f"{place}: '.ureg' on the way is a symbolic link or not a folder"
    with pytest.raises(OSError, match="symbolic link"):
        driver.observe([config().record()])


def test_a_bad_mode_is_refused(driver: Driver) -> None:
    for mode in ("u+x", "07777", "-1", "0999"):
        assert "spec.mode is" in execute(driver, config(mode=mode).apply())[0]


contents = st.dictionaries(
    st.sampled_from("abc"), st.one_of(st.integers(0, 3), st.text("xy'$", max_size=3)), max_size=3
)
specs = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["p", "q", "d/p", "d/e/q"]),
        "format": st.sampled_from(["json", "yaml", "toml", "dotenv"]),
        "mode": st.sampled_from(["0644", "0600"]),
        "values": contents,
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), specs)), min_size=1, max_size=6))
def test_executing_twice_is_executing_once(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, dict[str, Any] | None]]
) -> None:
    """Any history of components that come, change and go; each transition is carried out twice."""
    place = tmp_path_factory.mktemp("twice").resolve()
    driver = load_driver("files", site_of(place))
    there: dict[str, Component] = {}
    for name, spec in script:
        before = there.pop(name, None)
        if spec is not None:
            component = config(name, **spec)
            transition = component.apply(before)
        elif before:
            transition = before.remove()
        else:
            continue
        once = driver.execute([transition])
        left = files(place)
        assert driver.execute([transition]) == once
        assert files(place) == left
        if spec is not None:
            there |= {name: component} if not once[0].error else {name: before} if before else {}
    assert observe(driver, *there.values()) == []
    execute(driver, *(component.remove() for component in there.values()))
    assert [path for path in place.rglob("*") if path.name != INDEX] == []


def test_many_files_are_one_index_written_before_them(
    driver: Driver, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[str] = []
    rename = os.rename

    def note(old: str, new: str, **folders: int) -> None:
        renamed.append(new)
        rename(old, new, **folders)

    monkeypatch.setattr(os, "rename", note)
    assert set(execute(driver, *(config(f"c{number}").apply() for number in range(50)))) == {""}
    assert renamed.count(INDEX) == 1
    assert renamed[0] == INDEX


def test_a_moved_component_takes_its_file_along(driver: Driver, place: Path) -> None:
    old, elsewhere = config("old", path="app.yaml", format="yaml"), config("new", path="other.json")
    for then in (old.moved("new").remove(), elsewhere.apply(old.moved("new"))):
        execute(driver, old.apply())
        assert observe(driver, old.moved("new")) == []
        assert execute(driver, then) == [""]
        assert set(files(place)) == ({"other.json"} if then.new else set())
    assert execute(driver, elsewhere.remove()) == [""]
    assert list(place.iterdir()) == []


def test_a_removal_that_is_tried_again_leaves_the_file_of_who_took_its_place(driver: Driver, place: Path) -> None:
    gone, heir = config("gone", path="app.json"), config("heir", path="app.json")
    execute(driver, gone.apply())
    execute(driver, gone.remove(), heir.apply())
    assert execute(driver, gone.remove()) == [""]
    assert set(files(place)) == {"app.json"}
