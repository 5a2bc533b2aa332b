"""Plans for small registries: which action, for which reason, by which verbs, and what stops a plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from reconciler.model.address import parse_address
from reconciler.model.change import Action, Change, Reason
from reconciler.model.diagnostics import Diagnostic, Diagnostics, Location
from reconciler.model.kind import Catalogue, Field, Kind
from reconciler.model.lifecycle import ABSENT, PRESENT, SIMPLE, Lifecycle, Verb
from reconciler.model.plan import Base, Mode, Options, Plan
from reconciler.model.record import Observation, Record, RecordedState, Status
from reconciler.model.resource import DesiredState, Reference, Resource, Revision
from reconciler.model.settings import Guards
from reconciler.planner.build import build, explain_dangling

SWITCH = Lifecycle(
    states=("on", "off"),
    default="on",
    verbs={
        verb.name: verb
        for verb in (
            Verb("add", (ABSENT,), "on"),
            Verb("enable", ("off",), "on"),
            Verb("disable", ("on",), "off"),
            Verb("remove", ("on", "off"), ABSENT),
        )
    },
    aliases={},
)
FIELDS = Field({"spec": Field({"fixed": Field({}, immutable=True)})})
RUN = SWITCH._replace(verbs={**SWITCH.verbs, "update": Verb("update", ("on", "off"))})
CATALOGUE = Catalogue(
    {
        slug: Kind(slug.title(), slug, f"{slug}s", (), "record", states, "", lambda: FIELDS, {}, f"{slug}.schema.json")
        for slug, states in (("config", SIMPLE), ("route", SWITCH), ("service", RUN))
    },
    "digest",
    {},
)


def manifest(spec: Any, needs: Iterable[str]) -> bytes:
    return orjson.dumps({"needs": list(needs), "spec": spec}, option=orjson.OPT_SORT_KEYS)


def resource(address: str, spec: Any = None, state: str = "", needs: tuple[str, ...] = ()) -> Resource:
    kind = parse_address(address).kind
    data = manifest(spec, needs)
    references = tuple(Reference(need, ("needs", place)) for place, need in enumerate(needs))
    state = state or CATALOGUE.kinds[kind].lifecycle.default
    return Resource(address, kind, state, data.decode(), data, references, f"{address}.yaml", 0, 7)


def record(
    address: str, spec: Any = None, state: str = PRESENT, needs: tuple[str, ...] = (), status: Status = Status.OK
) -> Record:
    data = manifest(spec, needs)
    kind = parse_address(address).kind
    error = "it broke" if status is Status.FAILED else ""
    references = orjson.dumps(needs)
    return Record(address, kind, state, status, data.decode(), data, references, f"old/{address}.yaml:3", error=error)


def attempt(
    resources: Iterable[Resource],
    records: Iterable[Record],
    *observations: Observation,
    options: Options | None = None,
) -> tuple[Plan | None, Diagnostics]:
    desired = DesiredState({found.address: found for found in resources}, Revision("c", "t", False), "digest")
    recorded = RecordedState("line", 4, {found.address: found for found in records})
    return build(desired, recorded, observations, CATALOGUE, options or Options(), Guards(), "2026-01-01T00:00:00Z")


def planned(
    resources: Iterable[Resource],
    records: Iterable[Record],
    *observations: Observation,
    options: Options | None = None,
) -> Plan:
    plan, diagnostics = attempt(resources, records, *observations, options=options)
    assert plan is not None, diagnostics
    return plan


def refused(resources: Iterable[Resource], records: Iterable[Record], options: Options | None = None) -> Diagnostic:
    plan, diagnostics = attempt(resources, records, options=options)
    assert plan is None
    (finding,) = diagnostics
    return finding


def only(plan: Plan) -> Change:
    (change,) = plan.changes
    return change


def test_a_plan_is_bound_to_what_it_was_made_from() -> None:
    plan = planned([resource("config/a")], [record("config/b")])
    assert (plan.base, plan.schemas, plan.revision.tree) == (Base("line", 4), "digest", "t")
    assert plan.created_at == "2026-01-01T00:00:00Z"
    assert plan.applyable


def test_what_is_not_recorded_is_created() -> None:
    change = only(planned([resource("config/a", needs=("config/b",)), resource("config/b")], [record("config/b")]))
    assert (change.action, change.reason, change.verbs) == (Action.CREATE, Reason.NONE, ("create",))
    assert change.before is None
    assert change.after is not None
    assert (change.after.state, change.after.dependencies) == (PRESENT, ("config/b",))
    assert orjson.loads(change.after.manifest)["needs"] == ["config/b"]
    assert change.source == "config/a.yaml:7"


def test_what_is_not_desired_is_deleted() -> None:
    change = only(planned([], [record("config/a")]))
    assert (change.action, change.reason) == (Action.DELETE, Reason.NOT_IN_CONFIGURATION)
    assert (change.after, change.source) == (None, "old/config/a.yaml:3")


def test_a_changed_manifest_is_updated_with_its_differences() -> None:
    change = only(planned([resource("config/a", {"x": 2})], [record("config/a", {"x": 1})]))
    assert (change.action, change.reason, change.verbs) == (Action.UPDATE, Reason.NONE, ("update",))
    assert [(d.pointer, d.before, d.after) for d in change.differences] == [(("spec", "x"), 1, 2)]


def test_a_changed_state_is_a_transition_without_differences() -> None:
    change = only(planned([resource("route/a", state="off")], [record("route/a", state="on")]))
    assert (change.action, change.verbs, change.differences) == (Action.UPDATE, ("disable",), ())


@pytest.mark.parametrize(
    ("desired", "known", "replace", "reason"),
    [
        (resource("config/a", {"fixed": 2}), record("config/a", {"fixed": 1}), (), Reason.CANNOT_UPDATE),
        (resource("config/a", {"fixed": 2}), record("config/a", {"fixed": 1}), ("config/a",), Reason.CANNOT_UPDATE),
        (resource("config/a"), record("config/a"), ("config/a",), Reason.REQUESTED),
        (resource("route/a", {"x": 2}), record("route/a", {"x": 1}, "on"), (), Reason.CANNOT_UPDATE),
    ],
)
def test_replacements(desired: Resource, known: Record, replace: tuple[str, ...], reason: Reason) -> None:
    change = only(planned([desired], [known], options=Options(replace=replace)))
    assert (change.action, change.reason) == (Action.REPLACE, reason)
    assert change.verbs in {("delete", "create"), ("remove", "add")}


@pytest.mark.parametrize(
    ("desired", "known", "action", "verbs"),
    [
        (resource("config/a"), record("config/a", state=ABSENT, status=Status.FAILED), Action.CREATE, ("create",)),
        (resource("config/a", 2), record("config/a", 1, status=Status.FAILED), Action.UPDATE, ("update",)),
        (resource("config/a"), record("config/a", status=Status.FAILED), Action.UPDATE, ("update",)),
        (resource("route/a"), record("route/a", state="off", status=Status.FAILED), Action.UPDATE, ("enable",)),
        (None, record("config/a", status=Status.FAILED), Action.DELETE, ("delete",)),
        (None, record("config/a", state=ABSENT, status=Status.FAILED), Action.DELETE, ("delete",)),
    ],
)
def test_what_failed_goes_on_from_where_it_is(
    desired: Resource | None, known: Record, action: Action, verbs: tuple[str, ...]
) -> None:
    change = only(planned([desired] if desired else [], [known]))
    assert (change.action, change.verbs, change.detail) == (action, verbs, "it broke")
    assert (change.reason is Reason.FAILED) == (action is Action.UPDATE)


def test_what_failed_is_left_alone_where_only_a_replacement_would_help() -> None:
    known = record("route/a", state="on", status=Status.FAILED)
    plan = planned([resource("route/a")], [known])
    assert (plan.changes, plan.unchanged) == ((), (known,))


def test_drift_of_the_manifest_brings_it_in_again() -> None:
    seen = Observation("config/a", PRESENT, "the file was edited")
    plan = planned([resource("config/a")], [record("config/a")], seen)
    assert plan.drift == ((record("config/a"), seen),)
    assert (only(plan).verbs, only(plan).reason, only(plan).detail) == (
        ("update",),
        Reason.DRIFTED,
        "the file was edited",
    )


def test_drift_that_a_refresh_recorded_brings_it_in_again() -> None:
    change = only(planned([resource("config/a")], [record("config/a", status=Status.DRIFTED)]))
    assert (change.verbs, change.reason) == (("update",), Reason.DRIFTED)


def test_drift_of_the_state_is_led_back() -> None:
    change = only(planned([resource("route/a")], [record("route/a", state="on")], Observation("route/a", "off")))
    assert (change.verbs, change.reason, change.detail) == (
        ("enable",),
        Reason.DRIFTED,
        "it is off, and was left on",
    )
    assert change.before is not None
    assert change.before.state == "off"


def test_what_a_driver_says_of_a_state_that_moved_asks_for_no_update() -> None:
    known, seen = record("service/a", state="on"), Observation("service/a", "off", "it ended with exit code 1")
    change = only(planned([resource("service/a", state="on")], [known], seen))
    assert (change.verbs, change.reason, change.detail) == (
        ("enable",),
        Reason.DRIFTED,
        "it ended with exit code 1",
    )


def test_a_state_that_moved_to_where_git_wants_it_is_brought_in() -> None:
    known, seen = record("service/a", state="on"), Observation("service/a", "off", "it was stopped")
    assert only(planned([resource("service/a", state="off")], [known], seen)).verbs == ("update",)


def test_what_is_gone_is_created_again() -> None:
    seen = Observation("config/a", ABSENT)
    change = only(planned([resource("config/a")], [record("config/a")], seen))
    assert (change.action, change.verbs, change.detail) == (
        Action.CREATE,
        ("create",),
        "it is absent, and was left present",
    )


def test_an_observation_of_what_is_not_recorded_means_nothing() -> None:
    assert planned([], [], Observation("config/a", PRESENT, "here")).drift == ()


def test_a_refresh_only_plan_holds_the_drift_and_no_change() -> None:
    seen = Observation("config/a", ABSENT)
    plan = planned([], [record("config/a")], seen, options=Options(mode=Mode.REFRESH_ONLY))
    assert (plan.changes, plan.unchanged) == ((), (record("config/a"),))
    assert plan.drift == ((record("config/a"), seen),)
    assert plan.applyable


def test_dependents_are_those_desired_and_those_recorded() -> None:
    plan = planned(
        [resource("config/a", 2), resource("config/b", needs=("config/a",))],
        [record("config/a", 1), record("config/c", needs=("config/a",))],
    )
    assert plan.changes[0].dependents == ("config/b", "config/c")


def test_destroy_deletes_all_that_is_recorded_without_a_guard() -> None:
    records = [record(f"config/{number}") for number in range(20)]
    plan = planned([resource("config/0"), resource("config/new")], records, options=Options(mode=Mode.DESTROY))
    assert {(change.action, change.reason) for change in plan.changes} == {(Action.DELETE, Reason.DESTROY)}
    assert (len(plan.changes), plan.guards) == (20, ())


@pytest.mark.parametrize(
    ("deletes", "kept", "stopped"),
    [(4, 0, False), (5, 0, True), (5, 19, True), (5, 20, False), (10, 90, False), (11, 500, True)],
)
def test_more_deletes_than_anyone_means_are_guarded(deletes: int, kept: int, stopped: bool) -> None:
    records = [record(f"config/{number}") for number in range(deletes + kept)]
    plan = planned([resource(f"config/{number}") for number in range(kept)], records)
    assert len(plan.changes) == deletes
    assert [guard.name for guard in plan.guards] == ["deletes"] * stopped
    for guard in plan.guards:
        assert f"{deletes} of {deletes + kept}" in guard.message
        assert "-override-guard deletes" in guard.message


def test_a_replacement_is_no_delete_to_the_guard() -> None:
    records = [record(f"config/{number}", {"fixed": 1}) for number in range(12)]
    assert planned([resource(f"config/{number}", {"fixed": 2}) for number in range(12)], records).guards == ()


CHAIN = [resource("config/a"), resource("config/b", needs=("config/a",)), resource("config/c", needs=("config/b",))]
CHAIN_RECORDS = [record(found.address, needs=found.dependencies) for found in CHAIN]


@pytest.mark.parametrize(
    ("options", "records", "expected"),
    [
        (Options(targets=("config/b",)), [], ["config/a", "config/b"]),
        (Options(excludes=("config/b",)), [], ["config/a"]),
        (Options(targets=("config/c",), excludes=("config/c",)), [], ["config/a", "config/b"]),
        (Options(Mode.DESTROY, targets=("config/b",)), CHAIN_RECORDS, ["config/c", "config/b"]),
        (Options(Mode.DESTROY, excludes=("config/b",)), CHAIN_RECORDS, ["config/c"]),
        (Options(targets=("config/b",), replace=("config/b", "config/c")), CHAIN_RECORDS, ["config/b"]),
    ],
)
def test_targets_and_excludes(options: Options, records: list[Record], expected: list[str]) -> None:
    plan = planned(CHAIN, records, options=options)
    assert [change.address for change in plan.changes] == expected
    assert {found.address for found in plan.unchanged} == {found.address for found in records} - set(expected)


WRONG = ("config/serach",)


@pytest.mark.parametrize("options", [Options(targets=WRONG), Options(excludes=WRONG), Options(replace=WRONG)])
def test_an_unknown_address_is_an_error_with_the_likely_one(options: Options) -> None:
    finding = refused([resource("config/search")], [], options)
    assert (finding.code, finding.address) == ("address-unknown", "config/serach")
    assert finding.hint == "Did you mean config/search?"


def test_a_delete_of_what_a_record_left_as_it_is_depends_on_is_an_error() -> None:
    resources = [resource("config/user")]
    records = [record("config/base"), record("config/user", needs=("config/base",))]
    assert len(planned(resources, records).changes) == 2
    for options in (Options(targets=("config/base",)), Options(excludes=("config/user",))):
        finding = refused(resources, records, options)
        assert (finding.code, finding.address) == ("delete-referenced", "config/base")
        assert "old/config/user.yaml:3" in finding.detail


def test_a_delete_of_what_a_manifest_refers_to_is_an_error_at_the_reference() -> None:
    finding = refused([resource("config/user", needs=("config/base",))], [record("config/base")])
    assert finding.code == "delete-referenced"
    assert finding.location == Location("config/user.yaml", ("needs", 0), 0)


def test_what_never_came_to_be_has_not_drifted() -> None:
    failed = record("config/a", state=ABSENT, status=Status.FAILED)
    assert planned([resource("config/a")], [failed], Observation("config/a", ABSENT, "there is no file")).drift == ()
    assert planned([resource("config/a")], [failed], Observation("config/a", PRESENT, "half a file")).drift != ()


def test_what_is_recorded_of_a_kind_without_a_schema_can_only_stay() -> None:
    odd = record("config/a")._replace(address="gizmo/a", kind="gizmo")
    finding = refused([], [odd])
    assert (finding.code, finding.address) == ("kind-unknown", "gizmo/a")
    assert "ureg state rm gizmo/a" in finding.hint
    assert planned([], [odd], options=Options(excludes=("gizmo/a",))).unchanged == (odd,)


def test_a_state_that_the_lifecycle_does_not_know_is_an_error() -> None:
    finding = refused([resource("route/a")], [record("route/a", state="lost")])
    assert (finding.code, finding.location) == ("no-route", Location("route/a.yaml", ("state",), 0))
    assert refused([], [record("route/a", state="lost")]).location == Location("route.schema.json")


def test_a_dangling_reference_to_something_recorded_is_told_as_a_delete() -> None:
    place = Location("config/user.yaml", ("needs", 0))
    recorded = RecordedState("line", 1, {"config/base": record("config/base")})
    dangling = Diagnostic("reference-unknown", "There is no config/base", location=place, address="config/base")
    other = Diagnostic("reference-unknown", "There is no config/other", location=place, address="config/other")
    told, left = explain_dangling((dangling, other), recorded)
    assert (told.code, told.location, told.address) == ("delete-referenced", place, "config/base")
    assert left is other
