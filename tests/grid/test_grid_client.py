"""What is asked through the database: once only, in words where nobody answers, and never lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from threading import Thread

import orjson
import pytest
from grid.world import LEASE, SILENT, Agent, World, until

from reconciler.drivers.grid_client import Client
from reconciler.drivers.grid_database import Database, Timing
from reconciler.drivers.grid_questions import EXECUTE, LEFT, Question, Work, answered, pack_work
from reconciler.drivers.grid_remote import PlacedDriver, news
from reconciler.drivers.record import RecordDriver
from reconciler.model.outcome import Outcome, Transition
from reconciler.model.record import Record, Status


def transition(key: str, address: str = "job/one", node: str = "node-a", timeout: float = 20.0) -> Transition:
    """Makes the component where the key ends in 0, else changes it."""
    new = orjson.dumps({"spec": {"text": key, "node": node}})
    verb, source = ("make", "absent") if key.endswith("0") else ("update", "there")
    return Transition(key, address, "Job", verb, source, "there", b"", new, timeout)


def question(key: str, address: str = "job/one", timeout: float = 20.0) -> Question:
    body = pack_work([Work(transition(key, address, timeout=timeout), leaves=False)])
    return Question(key, "node-a", "ledger_again", EXECUTE, body, lock=f"node-a {address}", timeout=timeout)


@pytest.fixture
def client(world: World) -> Client:
    database = Database(world.url, "ureg_grid")
    database.prepare()
    world.query("INSERT INTO node VALUES ('node-a', true, '')")
    return Client(database, Timing(LEASE, SILENT))


@pytest.fixture
def agent(world: World, client: Client) -> Agent:
    made = world.agent("node-a")
    until(lambda: "ready" in made.log)
    return made


def test_what_is_asked_twice_is_queued_and_done_once(world: World, client: Client, agent: Agent) -> None:
    agent.order(hang=["job/one make"])
    answers: list[bytes] = []
    threads = [Thread(target=lambda: answers.extend(client.ask([question("k0")]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(agent.calls)
    assert world.query("SELECT count(*), min(queueing_lock) FROM procrastinate_jobs") == [(1, "k0")]
    agent.order()
    for thread in threads:
        thread.join(20)
    assert [answered(answer) for answer in answers] == [[""]] * 3
    assert answered(client.ask([question("k0")])[0]) == [""]
    assert [call["what"] for call in agent.calls()] == ["call"]


def test_the_operations_of_a_component_are_carried_out_in_their_order(client: Client, agent: Agent) -> None:
    agent.order(delay=0.05)
    others = [question(f"{number}0", f"job/o{number}") for number in range(5)]
    asked = [question(f"k{number}") for number in range(5)] + others
    assert [answered(answer) for answer in client.ask(asked)] == [[""]] * 10
    keys = [call["key"] for call in agent.calls() if call["address"] == "job/one" and call["what"] == "call"]
    assert keys == ["k0", "k1", "k2", "k3", "k4"]


def test_nobody_there_is_told_at_once_and_leaves_nothing_behind(world: World, client: Client) -> None:
    with pytest.raises(OSError, match="no agent reports on node-a: start one there with `ureg agent -node node-a`"):
        answered(client.ask([question("k0")])[0])
    assert world.query("SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_what_may_be_left_is_done_when_somebody_comes(world: World, client: Client) -> None:
    assert client.ask([question("k0")._replace(may_be_left=True)]) == [LEFT]
    agent = world.agent("node-a")
    until(lambda: agent.is_there("job/one"))


def test_what_passes_its_time_is_given_up_and_a_late_answer_refused(client: Client, agent: Agent) -> None:
    agent.order(hang=["job/one make"])
    with pytest.raises(OSError, match=r"within 3(\.\d+)? s"):
        answered(client.ask([question("k0", timeout=3)])[0])
    assert agent.calls()  # the driver had begun
    agent.order()
    assert answered(client.ask([question("k1")])[0]) == [""]


def test_what_kills_each_agent_is_given_up_in_words(world: World, client: Client, agent: Agent) -> None:
    client.ask([question("k0")])
    world.query("UPDATE question SET attempt = 5, answer = NULL, wanted_until = 'infinity'")
    job = "ROW('ureg-node-node-a', 'carry_out', 0, NULL, 'k0', '{\"name\": \"k0\"}', NULL)"
    world.query(f"SELECT procrastinate_defer_jobs_v1(ARRAY[{job}::procrastinate_job_to_defer_v1])")
    with pytest.raises(OSError, match="given up after 5 attempts"):
        answered(client.ask([question("k0")])[0])


def test_a_database_that_cannot_be_reached_is_told(world: World) -> None:
    client = Client(Database("postgresql://127.0.0.1:9/nowhere", "ureg_grid"), Timing(LEASE, SILENT))
    with pytest.raises(OSError, match="the database that leads to other nodes cannot be used: connection failed"):
        answered(client.ask([question("k0")])[0])


def test_without_the_queue_it_says_what_to_install(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "procrastinate"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    client = Client(Database(world.url, "ureg_grid"), Timing(LEASE, SILENT))
    with pytest.raises(OSError, match=r"pip install ureg\[grid\]"):
        answered(client.ask([question("k0")])[0])


def test_many_at_once_become_one_question_for_a_driver_that_batches(world: World, client: Client, agent: Agent) -> None:
    driver = PlacedDriver(RecordDriver(), lambda kind, manifest: _node(manifest), lambda: client)
    transitions = [transition(f"k{number}", f"job/j{number}", node) for number in range(50) for node in ("node-a",)]
    here = transition("here", "job/here", "local")
    outcomes = driver.execute([*transitions[:25], here, *transitions[25:]])
    assert [outcome.address for outcome in outcomes] == [
        *(each.address for each in transitions[:25]), "job/here", *(each.address for each in transitions[25:])
    ]  # fmt: skip
    assert not any(outcome.error for outcome in outcomes)
    assert world.query("SELECT count(*) FROM question") == [(1,)]


def test_a_driver_that_the_node_does_not_have_is_told(client: Client, agent: Agent) -> None:
    with pytest.raises(OSError, match="There is no driver 'nowhere'"):
        answered(client.ask([question("k0")._replace(driver="nowhere")])[0])


def test_log_lines_are_followed(client: Client, agent: Agent) -> None:
    driver = PlacedDriver(_OneByOne(), lambda kind, manifest: _node(manifest), lambda: client)
    record = Record("job/one", "Job", "there", Status.OK, "", transition("k0").new)
    for key in ("k0", "k1"):
        assert driver.execute([transition(key)]) == [Outcome("job/one")]
    lines = iter(driver.logs(record, 1, follow=True))
    assert next(lines).startswith("k1 update")
    assert driver.execute([transition("k2")]) == [Outcome("job/one")]
    assert next(lines).startswith("k2 update")


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("abc", "xyz", "xyz"),
        ("aa", "aaa", "a"),
    ],
)
def test_new_lines_are_those_after_the_known_ones(
    before: Sequence[str], now: Sequence[str], new: Sequence[str]
) -> None:
    assert list(news(list(before), list(now))) == list(new)


class _OneByOne(RecordDriver):
    """Stands for the agent's driver on this side, which is only asked for its name."""

    name = "ledger_again"
    acts = True
    batches = False


def _node(manifest: bytes) -> str:
    node: str = orjson.loads(manifest)["spec"]["node"]
    return node
