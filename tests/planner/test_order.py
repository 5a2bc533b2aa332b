"""The order of steps, by small cases."""

from __future__ import annotations

from reconciler.model.change import Action, Change, Reason, Side
from reconciler.model.lifecycle import ABSENT, PRESENT, SIMPLE, Verb
from reconciler.model.resource import Reference, Resource
from reconciler.planner.decide import Move
from reconciler.planner.order import arrange

VERBS = {
    Action.CREATE: ("create",),
    Action.UPDATE: ("update",),
    Action.REPLACE: ("delete", "create"),
    Action.DELETE: ("delete",),
}


def move(action: Action, address: str, before: str = "", after: str = "") -> Move:
    """A change of `address`; `before` and `after` are what it depends on, parted by spaces."""
    verbs = VERBS[action]
    old = None if action is Action.CREATE else Side(PRESENT, "old", b"{}", tuple(before.split()))
    new = None if action is Action.DELETE else Side(PRESENT, "new", b"{}", tuple(after.split()))
    change = Change(address, "k", "record", action, Reason.NONE, old, new, verbs, (), "")
    return Move(change, tuple(SIMPLE.verbs[verb] for verb in verbs))


def steps(*moves: Move) -> list[str]:
    """Each step as `number verb address`, and what it requires."""
    return [
        " ".join((f"{step.verb} {step.address}", *map(str, step.requires)))
        for step in arrange(reversed(moves), {}, {})[1]
    ]


def test_dependencies_are_created_first_and_ties_go_by_address() -> None:
    order = steps(move(Action.CREATE, "a", after="c"), move(Action.CREATE, "b"), move(Action.CREATE, "c"))
    assert order == ["create b", "create c", "create a 1"]


def test_dependents_are_deleted_first() -> None:
    order = steps(move(Action.DELETE, "a"), move(Action.DELETE, "b", before="a"), move(Action.DELETE, "c", before="b"))
    assert order == ["delete c", "delete b 0", "delete a 1"]


def test_a_replace_takes_down_and_brings_up_in_both_orders() -> None:
    order = steps(move(Action.REPLACE, "a"), move(Action.REPLACE, "b", before="a", after="a"))
    assert order == ["delete b", "delete a 0", "create a 1", "create b 0 2"]


def test_a_delete_waits_for_the_update_that_leads_away_from_it() -> None:
    order = steps(move(Action.DELETE, "a"), move(Action.UPDATE, "b", before="a", after="c"), move(Action.CREATE, "c"))
    assert order == ["create c", "update b 0", "delete a 1"]


def test_a_delete_that_waits_does_not_hold_up_a_replacement() -> None:
    order = steps(
        move(Action.REPLACE, "base"),
        move(Action.DELETE, "old", before="base"),
        move(Action.UPDATE, "user", before="old", after="base"),
    )
    assert order == ["delete base", "create base 0", "update user 1", "delete old 2"]


def test_a_circle_in_a_damaged_state_is_entered_at_its_smallest_address() -> None:
    order = steps(move(Action.DELETE, "a", before="b"), move(Action.DELETE, "b", before="a"))
    assert order == ["delete a", "delete b 0"]


def test_steps_carry_states_and_timeouts() -> None:
    create = move(Action.CREATE, "a")
    verbs = (Verb("add", (ABSENT,), "off", timeout=5.0), Verb("start", ("off",), "on"), Verb("update", ("on",)))
    (_, found) = arrange([create._replace(verbs=verbs)], {}, {})
    assert [(step.source, step.target, step.requires, step.timeout) for step in found] == [
        (ABSENT, "off", (), 5.0),
        ("off", "on", (0,), 0.0),
        ("on", "on", (1,), 0.0),
    ]


def test_changes_are_listed_in_dependency_order_with_deletes_last() -> None:
    changes, _ = arrange(
        [
            move(Action.DELETE, "a"),
            move(Action.DELETE, "b", before="a"),
            move(Action.UPDATE, "c", after="d"),
            move(Action.REPLACE, "d"),
        ],
        {},
        {},
    )
    assert [change.address for change in changes] == ["d", "c", "b", "a"]


def unchanged(address: str, *needs: str) -> dict[str, Resource]:
    references = tuple(Reference(need, ()) for need in needs)
    return {address: Resource(address, "k", PRESENT, "same", b"{}", references, "a.yaml", 0, 1)}


def test_a_dependency_counts_across_components_that_stay() -> None:
    middle = unchanged("b", "c") | unchanged("c", "d")
    moves = [move(Action.UPDATE, "a", before="b", after="b"), move(Action.UPDATE, "d"), move(Action.UPDATE, "e")]
    changes, found = arrange(moves, middle, {})
    assert [(step.address, step.requires) for step in found] == [("d", ()), ("a", (0,)), ("e", ())]
    assert [change.address for change in changes] == ["d", "a", "e"]


def test_many_that_depend_on_many_across_one_that_stays_cost_little() -> None:
    below, above = ([f"{side}{number:03}" for number in range(500)] for side in "zy")
    moves = [move(Action.UPDATE, address) for address in below]
    moves += [move(Action.UPDATE, address, before="hub", after="hub") for address in above]
    _, found = arrange(moves, unchanged("hub", *below), {})
    assert sum(len(step.requires) for step in found) == 999
    assert {step.address for step in found[:500]} == set(below)
    assert found[499].requires == tuple(range(499))
    assert {step.requires for step in found[500:]} == {(499,)}
