from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from drivers.component import Component
from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from sites import site_of

from reconciler.drivers.loading import load_driver
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Transition
from reconciler.model.record import Observation
from reconciler.ports import Driver

ON_OFF = {"on": True, "off": False}
CORP = {"ends_with": [{"var": "email"}, "@corp.example"]}


def feature(name: str = "a", /, state: str = "enabled", **spec: Any) -> Component:
    return Component("Feature", name, state, {"variants": ON_OFF, "defaultVariant": "off", **spec})


@pytest.fixture
def driver(place: Path) -> Driver:
    return load_driver("flagd", site_of(place))


@pytest.fixture
def client(place: Path, driver: Driver) -> Iterator[OpenFeatureClient]:
    """A real OpenFeature client that watches the document; there is one flag in it."""
    execute(driver, feature("first").apply())
    path = str(place / "flags/flags.json")
    api.set_provider_and_wait(
        FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=path, deadline_ms=30)
    )
    yield api.get_client()
    api.shutdown()


def execute(driver: Driver, *transitions: Transition) -> list[str]:
    return [outcome.error for outcome in driver.execute(transitions)]


def observe(driver: Driver, *components: Component) -> list[Observation]:
    return list(driver.observe([component.record() for component in components]))


def document(place: Path, name: str = "flags") -> Any:
    return orjson.loads((place / "flags" / f"{name}.json").read_bytes())


def eventually(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.01)
    return False


def test_nothing_is_written_for_flags_that_are_all_bad(driver: Driver, place: Path) -> None:
    assert len(execute(driver, feature(defaultVariant="x").apply())[0]) > 0
    assert list((place / "flags").iterdir()) == []


def test_a_real_client_evaluates_what_was_applied(client: OpenFeatureClient, driver: Driver) -> None:
    targeted = feature("targeted", targeting={"if": [CORP, "on", None]}, owner="discovery", metadata={"ticket": "S-1"})
    rollout = feature("rollout", targeting={"fractional": [{"var": "targetingKey"}, ["on", 30], ["off", 70]]})
    switched_off = feature("switched-off", state="disabled", defaultVariant="on")
    limit = feature("limit", variants={"small": 10, "large": 100}, defaultVariant="small")
    flags = [targeted, rollout, switched_off, limit]
    assert set(execute(driver, *(flag.apply() for flag in flags))) == {""}
    assert eventually(lambda: client.get_integer_value("limit", 0) == 10)

    inside = client.get_boolean_details("targeted", False, EvaluationContext("u", {"email": "a@corp.example"}))
    assert (inside.value, inside.variant, inside.reason) == (True, "on", "TARGETING_MATCH")
    assert inside.flag_metadata == {"flagSetId": "flags", "owner": "discovery", "ticket": "S-1"}
    assert client.get_boolean_value("targeted", True, EvaluationContext("u", {"email": "a@b.example"})) is False
    counts = Counter(client.get_boolean_value("rollout", False, EvaluationContext(f"user-{n}")) for n in range(1000))
    assert 240 < counts[True] < 360
    off = client.get_boolean_details("switched-off", False)
    assert (off.value, off.reason) == (False, "DISABLED")

    larger = feature("limit", variants={"small": 10, "large": 100}, defaultVariant="large")
    assert execute(driver, larger.apply(limit), switched_off.remove()) == ["", ""]
    assert eventually(lambda: client.get_integer_value("limit", 0) == 100)
    assert client.get_boolean_details("switched-off", False).error_code == "FLAG_NOT_FOUND"
    assert client.get_boolean_value("first", True) is False


def test_the_schema_s_examples_are_rendered(driver: Driver, place: Path) -> None:
    schema = orjson.loads((Path(__file__).parents[2] / "schemas/feature.schema.json").read_bytes())
    examples = [feature(example["metadata"]["name"], **example["spec"]) for example in schema["examples"]]
    assert set(execute(driver, *(component.apply() for component in examples))) == {""}
    assert document(place)["flags"].keys() == {example["metadata"]["name"] for example in schema["examples"]}
    assert observe(driver, *examples) == []


def test_the_state_decides_and_not_the_verb(driver: Driver, place: Path) -> None:
    there, gone = feature("there"), feature("gone")
    execute(driver, there.apply(), gone.apply())
    disable = Transition("k", "feature/there", "Feature", "whatever", "enabled", "disabled", there.json(), b"")
    remove = Transition("k", "feature/gone", "Feature", "whatever", "enabled", ABSENT, gone.json(), gone.json())
    assert execute(driver, disable, remove) == ["", ""]
    assert document(place)["flags"] == {
        "there": {"state": "DISABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    }


def test_an_environment_has_a_whole_document_with_its_overrides(driver: Driver, place: Path) -> None:
    plain = feature("plain")
    execute(driver, plain.apply())
    special = feature(
        "special",
        targeting={"if": [CORP, "on", None]},
        environments={"staging": {"defaultVariant": "on", "targeting": {}}, "load-test": {"defaultVariant": "on"}},
    )
    assert execute(driver, special.apply()) == [""]
    flags = {name: document(place, name)["flags"] for name in ("flags", "staging", "load-test")}
    assert {name: set(each) for name, each in flags.items()} == {name: {"plain", "special"} for name in flags}
    defaults = {name: each["special"]["defaultVariant"] for name, each in flags.items()}
    assert defaults == {"flags": "off", "staging": "on", "load-test": "on"}
    assert flags["staging"]["special"]["targeting"] == {}
    assert flags["load-test"]["special"]["targeting"] == {"if": [CORP, "on", None]}
    assert document(place, "staging")["metadata"] == {"flagSetId": "staging"}
    assert observe(driver, plain, special) == []
    assert execute(driver, plain.remove()) == [""]
    assert set(document(place, "staging")["flags"]) == {"special"}


def test_a_flag_may_be_on_in_one_environment_alone(driver: Driver, place: Path) -> None:
    dark = feature("dark", "disabled", environments={"staging": {"state": "enabled"}})
    lit = feature("lit", environments={"staging": {"state": "disabled"}})
    assert execute(driver, dark.apply(), lit.apply()) == ["", ""]
    states = {
        name: {key: flag["state"] for key, flag in document(place, name)["flags"].items()}
        for name in ("flags", "staging")
    }
    assert states == {
        "flags": {"dark": "DISABLED", "lit": "ENABLED"},
        "staging": {"dark": "ENABLED", "lit": "DISABLED"},
    }
    assert observe(driver, dark, lit) == []


@pytest.mark.parametrize("name", ["flags", "../x", "", "A", "a/b", "a\n"])
def test_a_hostile_environment_is_an_error(driver: Driver, place: Path, name: str) -> None:
    (error,) = execute(driver, feature(environments={name: {"defaultVariant": "on"}}).apply())
    assert "cannot name an environment" in error
    assert list(place.rglob("*.json")) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"defaultVariant": "of"}, "Resolved variant of not in variants"),
        ({"targeting": {"if": [{"!": [{"var": "x"}]}, "els", "on"]}}, "Resolved variant els not in variants"),
        ({"targeting": {"==": [1, 1]}}, "Resolved variant true not in variants"),
        ({"targeting": {"cat": ["o", "ff", "!"]}}, "Resolved variant off! not in variants"),
        ({"targeting": {"endswith": [{"var": "e"}, "x"]}}, "Invalid targeting"),
        ({"environments": {"staging": {"defaultVariant": "x"}}}, "Resolved variant x not in variants"),
    ],
)
def test_a_bad_flag_fails_alone(driver: Driver, place: Path, spec: dict[str, Any], message: str) -> None:
    bad, good = execute(driver, feature("bad", **spec).apply(), feature("good").apply())
    assert message in bad
    assert good == ""
    assert set(document(place)["flags"]) == {"good"}


@pytest.mark.parametrize(
    "rule",
    [
        {"if": [{"sem_ver": [{"var": "version"}, ">=", "2.0.0"]}, "on", None]},
        {"if": [{"<": [{"/": [1, {"var": "missing"}]}, 2]}, "on", "off"]},
        {"if": [{"in": [{"var": "country"}, ["de", "at"]]}, "on", {"fractional": [["on", 1], ["off", 9]]}]},
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}, ["on"], ["off"]]},
        {"if": [{"some": [{"var": "groups"}, {"==": [{"var": ""}, "beta"]}]}, "on", "off"]},
        {"var": "variant"},
        {},
    ],
)
def test_good_rules_pass_without_a_word(
    driver: Driver, rule: dict[str, Any], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert execute(driver, feature(targeting=rule).apply()) == [""]
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_a_rule_that_writes_is_not_run(driver: Driver, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(driver, feature(targeting={"log": "on"}).apply()) == [""]
    assert capfd.readouterr() == ("", "")


def test_a_rule_that_would_run_for_ages_is_not_run(driver: Driver) -> None:
    double = {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}
    bomb = {"if": [{"reduce": [[1] * 60, double, "x"]}, "on", "off"]}
    began = time.monotonic()
    assert execute(driver, feature(targeting=bomb).apply()) == [""]
    assert time.monotonic() - began < 5


def test_drift_is_told_in_words(driver: Driver, place: Path) -> None:
    one, two = feature("one"), feature("two", environments={"staging": {"defaultVariant": "on"}})
    assert observe(driver, one) == [Observation("feature/one", ABSENT, "flags/flags.json: missing")]
    execute(driver, one.apply(), two.apply())
    assert observe(driver, one, two) == []
    assert driver.health(one.record()).healthy
    path = place / "flags/flags.json"
    changed = document(place)
    changed["flags"]["one"] |= {"state": "DISABLED", "variants": {"on": 1, "off": 0}}
    changed["flags"]["theirs"] = changed["flags"]["two"]
    path.write_bytes(orjson.dumps(changed))
    (place / "flags/staging.json").unlink()
    assert observe(driver, one, two) == [
        Observation("feature/one", "enabled", "flags/flags.json: state, variants changed"),
        Observation("feature/two", "enabled", "flags/staging.json: missing"),
    ]
    assert driver.health(one.record()) == (False, "flags/flags.json: state, variants changed")
    assert execute(driver, one.apply(one), two.apply(two)) == ["", ""]
    assert observe(driver, one, two) == []
    assert "theirs" in document(place)["flags"]


def test_what_others_wrote_into_the_document_is_kept(driver: Driver, place: Path) -> None:
    execute(driver, feature("one").apply())
    theirs = document(place) | {"$evaluators": {"corp": CORP}}
    theirs["metadata"]["version"] = "7"
    (place / "flags/flags.json").write_bytes(orjson.dumps(theirs))
    assert execute(driver, feature("two").apply(), feature("one").remove()) == ["", ""]
    after = document(place)
    assert after["$evaluators"] == {"corp": CORP}
    assert after["metadata"] == {"flagSetId": "flags", "version": "7"}
    assert set(after["flags"]) == {"two"}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"flags": []}', b'{"flags": {}, "metadata": 1}', b"\xff"])
def test_a_damaged_document_is_never_written_over(driver: Driver, place: Path, damage: bytes) -> None:
    component = feature("one")
    execute(driver, component.apply())
    path = place / "flags/flags.json"
    path.write_bytes(damage)
    (error,) = execute(driver, component.apply(component))
    assert error.startswith("flags/flags.json is not a flagd document (")
    assert error.endswith("): repair or remove it")
    assert path.read_bytes() == damage
    assert observe(driver, component) == [Observation("feature/one", "enabled", error)]
    path.unlink()
    assert execute(driver, component.apply(component)) == [""]


def test_other_files_beside_the_documents_are_left_alone(driver: Driver, place: Path) -> None:
    (place / "flags").mkdir(parents=True)
    others = {"flags.json.bak": "{", "README": "", "staging.jsonl": "x", "Notes.json": "[]"}
    for name, text in others.items():
        (place / "flags" / name).write_text(text)
    assert execute(driver, feature().apply()) == [""]
    assert observe(driver, feature()) == []
    assert {name: (place / "flags" / name).read_text() for name in others} == others


def test_every_document_stays_without_flags_when_the_last_flag_goes(driver: Driver, place: Path) -> None:
    special = feature(environments={"staging": {"defaultVariant": "on"}})
    execute(driver, special.apply(), feature("b").apply())
    assert execute(driver, special.remove()) == [""]
    assert document(place, "staging")["flags"] == document(place)["flags"] != {}
    assert execute(driver, feature("b").remove()) == [""]
    for name in ("flags", "staging"):
        assert document(place, name) == {
            "$schema": "https://flagd.dev/schema/v0/flags.json",
            "flags": {},
            "metadata": {"flagSetId": name},
        }


def test_a_document_follows_the_base_when_no_flag_names_its_environment_any_more(driver: Driver, place: Path) -> None:
    special = feature(environments={"staging": {"defaultVariant": "on"}})
    execute(driver, special.apply())
    assert execute(driver, feature().apply(special)) == [""]
    assert document(place, "staging")["flags"] == document(place)["flags"]
    assert observe(driver, feature()) == []


def test_a_real_client_falls_back_when_the_last_flag_goes(client: OpenFeatureClient, driver: Driver) -> None:
    assert client.get_boolean_value("first", True) is False
    assert execute(driver, feature("first").remove()) == [""]
    assert eventually(lambda: client.get_boolean_value("first", True) is True)
    assert client.get_boolean_details("first", True).error_code == "FLAG_NOT_FOUND"


def test_flags_of_a_sub_registry_have_its_name_in_front(driver: Driver, place: Path) -> None:
    component = feature("one")
    component.address = "payments:feature/one"
    execute(driver, component.apply(), feature("one").apply())
    assert set(document(place)["flags"]) == {"one", "payments:one"}
    assert observe(driver, component, feature("one")) == []


def test_a_linked_folder_fails_every_transition(driver: Driver, place: Path, tmp_path: Path) -> None:
    place.mkdir(parents=True)
    (place / "flags").symlink_to(tmp_path)
    errors = execute(driver, feature("one").apply(), feature("two").apply())
    assert errors == [f"{place}/flags: 'flags' on the way is a symbolic link or not a folder"] * 2


def test_nothing_is_written_where_nothing_changes(driver: Driver, place: Path) -> None:
    component = feature(environments={"staging": {"defaultVariant": "on"}})
    execute(driver, component.apply())
    before = {path: path.stat().st_ino for path in place.rglob("*.json")}
    assert execute(driver, component.apply(component)) == [""]
    assert {path: path.stat().st_ino for path in place.rglob("*.json")} == before


specs = st.fixed_dictionaries(
    {"defaultVariant": st.sampled_from(["on", "off", "gone"])},
    optional={
        "owner": st.sampled_from(["x", "y"]),
        "targeting": st.sampled_from([{}, {"if": [CORP, "on", None]}]),
        "environments": st.dictionaries(
            st.sampled_from(["staging", "live"]),
            st.fixed_dictionaries({"defaultVariant": st.sampled_from(["on", "off"])}),
        ),
    },
)
steps = st.tuples(st.sampled_from("abc"), st.sampled_from(["enabled", "disabled", ABSENT]), specs)


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, min_size=1, max_size=6))
def test_executing_twice_is_executing_once(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """Any history of features that come, change and go; each transition is carried out twice."""
    place = tmp_path_factory.mktemp("twice").resolve()
    driver = load_driver("flagd", site_of(place))
    there = {"a": feature("a")}
    execute(driver, there["a"].apply())
    for name, state, spec in script:
        component, before = feature(name, state=state, **spec), there.get(name)
        transition = component.remove() if state == ABSENT else component.apply(before)
        once = driver.execute([transition])
        left = {path: path.read_bytes() for path in place.rglob("*.json")}
        assert driver.execute([transition]) == once
        assert {path: path.read_bytes() for path in place.rglob("*.json")} == left
        if state == ABSENT:
            there.pop(name, None)
        elif not once[0].error:
            there[name] = component
    assert observe(driver, *there.values()) == []
    assert set(document(place)["flags"]) == set(there)


def test_a_moved_feature_takes_its_flag_along(driver: Driver, place: Path) -> None:
    old, new, other = feature("old"), feature("new", defaultVariant="on"), feature("other")
    for then, left in ((old.moved("new").remove(), set()), (new.apply(old.moved("new")), {"new"})):
        execute(driver, old.apply(), other.apply())
        assert observe(driver, old.moved("new"), other) == []
        assert execute(driver, then) == [""]
        assert set(document(place)["flags"]) == {"other", *left}
    assert observe(driver, new) == []


def test_a_new_feature_may_take_the_name_of_one_that_moves_away(driver: Driver, place: Path) -> None:
    old, new = feature("old"), feature("new")
    execute(driver, old.apply())
    assert execute(driver, old.apply(), new.apply(old.moved("new"))) == ["", ""]
    assert set(document(place)["flags"]) == {"old", "new"}
