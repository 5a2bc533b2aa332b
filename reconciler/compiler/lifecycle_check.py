"""Judges a lifecycle: whether its states can all be reached and left, and whether its words mean something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.compiler.finding import Finding
from reconciler.compiler.suggest import did_you_mean
from reconciler.model.diagnostics import Pointer
from reconciler.model.lifecycle import ABSENT, FAILED, Lifecycle, Verb


def check_lifecycle(lifecycle: Lifecycle, at: Pointer, lists: Mapping[str, bool]) -> Iterator[Finding]:
    """What is wrong with `lifecycle`, which stands at `at`. `lists` tells of each verb whether its `from` is a list.

    States that cannot be reached or left are told only where all verbs name known states.
    """
    named = list(_unknown_states(lifecycle, at, lists))
    yield from named
    yield from _states(lifecycle, at)
    yield from _updates(lifecycle, at)
    yield from _aliases(lifecycle, at)
    if not named:
        yield from _dead_ends(lifecycle, at)


def _states(lifecycle: Lifecycle, at: Pointer) -> Iterator[Finding]:
    for index, state in enumerate(lifecycle.states):
        place = (*at, "states", index)
        if state in (ABSENT, FAILED):
            yield Finding("lifecycle-state", f'The state "{state}" belongs to every kind and is not declared.', place)
        elif state in lifecycle.states[:index]:
            yield Finding("lifecycle-state", f'The state "{state}" is declared twice.', place)
    if lifecycle.default not in lifecycle.states:
        yield Finding(
            "lifecycle-default",
            f'The default "{lifecycle.default}" is not one of the states.',
            (*at, "default"),
            hint=did_you_mean(lifecycle.default, lifecycle.states),
        )


def _unknown_states(lifecycle: Lifecycle, at: Pointer, lists: Mapping[str, bool]) -> Iterator[Finding]:
    known = (ABSENT, *lifecycle.states)
    for name, verb in lifecycle.verbs.items():
        for state, place in _named_states(verb, lists[name]):
            if state not in known:
                yield Finding(
                    "lifecycle-unknown-state",
                    f'The verb "{name}" names the state "{state}", which the lifecycle does not have.',
                    (*at, "verbs", name, *place),
                    hint=did_you_mean(state, known),
                )


def _named_states(verb: Verb, in_list: bool) -> Iterator[tuple[str, Pointer]]:
    for index, state in enumerate(verb.sources):
        yield state, ("from", index) if in_list else ("from",)
    if verb.target is not None:
        yield verb.target, ("to",)


def _updates(lifecycle: Lifecycle, at: Pointer) -> Iterator[Finding]:
    updates = [name for name, verb in lifecycle.verbs.items() if verb.target is None and not verb.on_demand]
    for name in updates[1:]:
        yield Finding(
            "lifecycle-two-updates",
            f'Both "{updates[0]}" and "{name}" keep the state, so that a plan could not tell which one is the update.',
            (*at, "verbs", name),
            hint='Give one of them "to", or "onDemand": true.',
            on_key=True,
        )


def _aliases(lifecycle: Lifecycle, at: Pointer) -> Iterator[Finding]:
    for alias, verb in lifecycle.aliases.items():
        place = (*at, "aliases", alias)
        if verb not in lifecycle.verbs:
            hint = did_you_mean(verb, lifecycle.verbs)
            yield Finding("lifecycle-alias", f'The alias "{alias}" stands for "{verb}", which is no verb.', place, hint)
        if alias in lifecycle.verbs:
            yield Finding("lifecycle-alias", f'The alias "{alias}" is the name of a verb.', place, on_key=True)


def _dead_ends(lifecycle: Lifecycle, at: Pointer) -> Iterator[Finding]:
    moves = [
        (source, verb.target)
        for verb in lifecycle.verbs.values()
        if verb.target is not None and not verb.on_demand
        for source in verb.sources
    ]
    reached = _reach(moves)
    left = _reach([(target, source) for source, target in moves])
    for index, state in enumerate(lifecycle.states):
        place = (*at, "states", index)
        if state not in reached:
            yield Finding("lifecycle-unreachable", f'No path of verbs leads from "absent" to "{state}".', place)
        elif state not in left:
            yield Finding("lifecycle-no-return", f'No path of verbs leads from "{state}" back to "absent".', place)


def _reach(moves: Iterable[tuple[str, str]]) -> set[str]:
    """The states that `moves` lead to from `absent`."""
    reached, pending = {ABSENT}, [ABSENT]
    onward: dict[str, list[str]] = {}
    for source, target in moves:
        onward.setdefault(source, []).append(target)
    while pending:
        for target in onward.get(pending.pop(), ()):
            if target not in reached:
                reached.add(target)
                pending.append(target)
    return reached
