"""Whatever the network and the processes do: at most one daemon leads at any moment, by its own word."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.daemon.leader import Leader
from reconciler.ports import StateError

LEASE = 2.0
MEMBERS = 3


class World:
    """One clock, and the row that the members contend for. `script` says what goes wrong next."""

    def __init__(self) -> None:
        self.now = 0.0
        self.holder = -1
        self.expires = 0.0
        self.term = 0
        self.busy: set[int] = set()
        self.script: list[tuple[float, float, bool, int]] = []
        self.leaders = [Leader(Member(self, n), lambda leads: None, lambda: self.now) for n in range(MEMBERS)]

    def check(self) -> None:
        assert sum(leader.leads() for leader in self.leaders) <= 1

    def pass_time(self, seconds: float) -> None:
        """In small steps, since what holds must hold at each."""
        for _ in range(8):
            self.now += seconds / 8
            self.check()

    def turn(self, number: int) -> None:
        if number not in self.busy:
            self.busy.add(number)
            self.leaders[number].turn()
            self.busy.remove(number)
            self.check()


class Member:
    """An election whose requests and answers take their time, and get lost. Meanwhile others are served."""

    lease = LEASE

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.term = -1

    def stand(self) -> str:
        world = self.world
        there, back, lost, other = world.script.pop() if world.script else (0.0, 0.0, False, self.number)
        world.pass_time(there)
        world.turn(other)
        if world.now >= world.expires or world.holder == self.number:
            world.term += world.holder != self.number
            world.holder, world.expires, self.term = self.number, world.now + LEASE, world.term
        answer = "" if world.holder == self.number else f"member {world.holder}"
        world.turn((other + 1) % MEMBERS)
        world.pass_time(back)
        if lost:
            raise StateError("The answer was lost.")
        return answer

    def resign(self) -> None:
        if self.world.holder == self.number:
            self.world.expires = self.world.now


SECONDS = st.floats(0, 1.5 * LEASE)
FAULTS = st.tuples(SECONDS, SECONDS, st.booleans(), st.integers(0, MEMBERS - 1))
DEEDS = st.tuples(st.integers(0, MEMBERS - 1), SECONDS, st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(DEEDS, max_size=25), st.lists(FAULTS, max_size=25))
def test_never_two(deeds: list[tuple[int, float, bool]], faults: list[tuple[float, float, bool, int]]) -> None:
    world = World()
    world.script = list(faults)
    for number, seconds, resigns in deeds:
        world.turn(number)
        if resigns:
            world.leaders[number].stop()
        world.check()
        world.pass_time(seconds)


@settings(max_examples=50, deadline=None)
@given(st.lists(DEEDS, max_size=10), st.lists(FAULTS, max_size=10))
def test_one_in_the_end(deeds: list[tuple[int, float, bool]], faults: list[tuple[float, float, bool, int]]) -> None:
    world = World()
    world.script = list(faults)
    for number, seconds, _ in deeds:
        world.turn(number)
        world.pass_time(seconds)
    world.script.clear()
    world.pass_time(LEASE)
    for number in range(MEMBERS):
        world.turn(number)
    assert sum(leader.leads() for leader in world.leaders) == 1
    assert all(leader.leads() or leader.rival for leader in world.leaders)
