"""Agents as real processes: what becomes of work when one of them, or the database, dies, sleeps or is to end."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from grid.world import LEASE, SILENT, Agent, World, until

from reconciler.drivers.process_supervisor import Supervisor

SECRET = "m4rker-0f-a-secret"


@pytest.fixture
def agent(world: World) -> Agent:
    """An agent of the enabled node `node-a`."""
    made = world.agent("node-a", LEDGER_TOKEN=SECRET)
    world.node("node-a")
    world.apply()
    return made


def test_work_is_done_on_the_node_that_a_manifest_names(world: World) -> None:
    a, b = world.agent("node-a"), world.agent("node-b")
    for name in ("node-a", "node-b"):
        world.node(name)
    world.job("one", "node-a")
    world.job("two", "node-b")
    world.job("three")
    world.apply()
    assert a.is_there("job/one") and b.is_there("job/two")
    assert [len(agent.calls()) for agent in (a, b)] == [1, 1]
    assert "No changes" in world.apply()
    world.job("one", "node-b")
    world.remove("Job", "two")
    assert "forces replacement" in world.repository.ureg("plan")
    world.apply()
    assert b.is_there("job/one") and not a.is_there("job/one") and not b.is_there("job/two")
    assert [effect[1] for effect in a.effects("job/one")] == ["make", "unmake"]


def test_the_world_of_a_node_is_seen_through_its_agent(world: World, agent: Agent) -> None:
    world.job("one", "node-a", text="first")
    world.apply()
    assert world.repository.ureg("logs", "job/one").endswith(f"make there {agent.calls()[0]['pid']}\n")
    assert "job/one" in world.repository.ureg("health")
    (agent.root / ".ureg/out/ledger/world/job.one.json").unlink()
    assert "job/one" in world.repository.ureg("drift", code=2)
    world.repository.ureg("health", code=1)
    world.apply()
    assert agent.is_there("job/one")


def test_a_secret_is_found_on_the_node_and_never_comes_back(world: World, agent: Agent) -> None:
    agent.order(fail=["job/one make"])
    world.job("one", "node-a", token={"secretRef": "env:LEDGER_TOKEN"})
    told = world.apply(code=1)
    assert "it was ordered to fail, and tells its secret (sensitive)" in told
    assert SECRET not in agent.log + str(world.query("SELECT body, answer FROM question"))
    agent.order()
    world.apply()
    assert agent.is_there("job/one")


def test_what_an_agent_left_in_mid_operation_is_done_again_by_the_next_one_there(world: World, agent: Agent) -> None:
    agent.order(die=["prepared", 1])
    world.job("one", "node-a")
    world.job("local")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        agent.process.wait(20)
        agent.order()
        second = world.agent("node-a")
        out, err = apply.communicate(timeout=40)
    assert apply.returncode == 0, out + err
    assert second.is_there("job/one") and len(second.effects("job/one")) == 1
    assert len({call["key"] for call in second.calls()}) == 1 and len(second.calls()) == 2
    assert world.record("job/one")["status"] == "ok"


def test_an_agent_that_slept_past_its_lease_is_fenced_off(world: World, agent: Agent) -> None:
    agent.order(hang=["job/one make"])
    world.job("one", "node-a")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        until(agent.calls)
        agent.signal(signal.SIGSTOP)
        second = world.agent("node-a", machine="standby")
        out, err = apply.communicate(timeout=40)
        assert apply.returncode == 0, out + err
    assert second.is_there("job/one") and not agent.is_there("job/one")
    agent.order()
    agent.signal(signal.SIGCONT)
    until(lambda: "refused" in agent.log)
    assert world.query(f"SELECT attempt, agent LIKE '%%/{second.process.pid}/%%' FROM question WHERE what = 'execute'")[
        0
    ] == (2, True)
    world.job("two", "node-a")
    world.apply()
    assert agent.is_there("job/two") or second.is_there("job/two")


def test_a_component_on_a_silent_node_waits_and_is_told_so(world: World, agent: Agent) -> None:
    world.job("here", "node-a", text="1")
    world.apply()
    agent.kill()
    world.wait_for_silence("node-a")
    world.job("here", "node-a", text="2")
    world.job("local")
    told = world.apply(code=1)
    assert "no agent has reported on node-a for" in told
    assert world.record("job/local")["status"] == "ok"
    assert world.record("job/here")["state"] == "there"
    again = world.agent("node-a")
    until(lambda: "ready" in again.log)
    world.apply()
    assert again.effects("job/here")[-1][1] == "update"
    assert "No changes" in world.apply()


def test_what_labels_placed_moves_away_from_a_silent_node_and_is_taken_down_there_later(world: World) -> None:
    agents = {name: world.agent(name) for name in ("node-a", "node-b")}
    for name in agents:
        world.node(name, labels={"zone": "eu"})
    world.job("one", {"labels": {"zone": "eu"}})
    world.apply()
    home = world.record("job/one")["spec"]["node"]
    other = next(name for name in agents if name != home)
    agents[home].kill()
    world.wait_for_silence(home)
    told = world.apply(code=1)
    assert f"no agent has reported on {home} for" in told
    assert agents[other].is_there("job/one")
    assert world.record("job/one")["spec"]["node"] == other
    back = world.agent(home)
    until(lambda: not back.is_there("job/one"))
    world.apply()
    assert "No changes" in world.apply()


def test_an_agent_that_is_asked_to_end_finishes_what_it_has(world: World, agent: Agent) -> None:
    agent.order(delay=1.0)
    world.job("one", "node-a")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        until(agent.calls)
        agent.signal(signal.SIGTERM)
        out, err = apply.communicate(timeout=40)
    assert apply.returncode == 0, out + err
    assert agent.process.wait(10) == 0
    assert agent.is_there("job/one")
    assert world.query("SELECT count(*) FROM agent") == [(0,)]


def test_a_node_drains_before_it_is_disabled(world: World, agent: Agent) -> None:
    agent.order(hang=["job/one make"])
    world.job("one", "node-a")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        until(agent.calls)
        apply.kill()
    world.remove("Job", "one")
    world.node("node-a", state="disabled")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve", "-lock=false") as drain:
        until(lambda: world.query("SELECT enabled FROM node") == [(False,)])
        with pytest.raises(AssertionError):
            until(lambda: drain.poll() is not None, 0.5)
        agent.order()
        out, err = drain.communicate(timeout=40)
    assert drain.returncode == 0, out + err


def test_a_disabled_node_takes_nothing_new(world: World, agent: Agent) -> None:
    world.job("pinned", "node-a")
    world.apply()
    world.node("node-a", state="disabled")
    assert "It stays there as it is" in world.apply()
    world.job("pinned", "node-a", text="new")
    assert "registry.d/job-pinned.yaml:1:" in world.apply(code=1)
    world.job("pinned", "node-a")
    assert "poke" in world.repository.ureg("lifecycle", "job")
    world.remove("Job", "pinned")
    world.apply()
    assert not agent.is_there("job/pinned")


def test_the_database_may_go_away_in_mid_operation(world: World, agent: Agent) -> None:
    agent.order(hang=["job/one make"])
    world.job("one", "node-a")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        until(agent.calls)
        world.server.restart()
        agent.order()
        out, err = apply.communicate(timeout=60)
    assert apply.returncode == 0, out + err
    assert len(agent.effects("job/one")) == 1
    assert world.query("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == [(0,)] or until(
        lambda: world.query("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == [(0,)]
    )
    world.job("two", "node-a")
    world.apply()


def test_an_apply_that_dies_leaves_no_work_behind_that_surprises(world: World, agent: Agent) -> None:
    agent.order(delay=0.5)
    for number in range(3):
        world.job(f"j{number}", "node-a")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        until(agent.calls)
        os.kill(apply.pid, signal.SIGKILL)
    time.sleep(0)
    world.apply()
    assert all(len(agent.effects(f"job/j{number}")) == 1 for number in range(3))
    assert "No changes" in world.apply()


def test_what_a_dead_run_asked_of_a_silent_node_stays_open(world: World, agent: Agent) -> None:
    agent.order(hang=["job/one make"])
    world.job("one", "node-a")
    world.repository.commit()
    with world.repository.start("apply", "-auto-approve") as apply:
        until(agent.calls)
        apply.kill()
    agent.kill()
    world.wait_for_silence("node-a")
    world.job("one", "node-a", text="new")
    told = world.apply(code=1)
    assert "died, and what it left is not settled" in told and "no agent has reported on node-a" in told
    agent.order()
    again = world.agent("node-a")
    until(lambda: "ready" in again.log)
    world.apply()
    assert again.is_there("job/one")


def test_a_node_is_enabled_once_an_agent_reports(world: World) -> None:
    world.node("node-a")
    told = world.apply(code=1)
    assert "no agent reports on node-a: start one there with `ureg agent -node node-a`" in told
    world.agent("node-a")
    world.apply()
    assert world.record("gridnode/node-a")["state"] == "enabled"


def test_with_a_file_for_a_state_there_is_only_the_local_node(world: World) -> None:
    world.repository.environment.pop("UREG_STATE")
    world.node("local", labels={"zone": "eu"})
    world.job("one", "local")
    world.job("two", {"labels": {"zone": "eu"}})
    world.apply()
    assert world.record("job/two")["spec"]["node"] == "local"
    world.node("node-a")
    world.job("one", "node-a")
    told = world.apply(code=1)
    assert "registry.d/job-one.yaml:1:88" in told and "the only node is `local`" in told
    world.job("three", {"labels": {"zone": "us"}})
    assert "registry.d/job-three.yaml:1:" in world.apply(code=1)
    assert "An agent needs a state in PostgreSQL" in world.repository.refused("agent")


def test_times_hold() -> None:
    assert LEASE < SILENT


def test_a_service_runs_where_it_is_placed(world: World, agent: Agent) -> None:
    def supervisor() -> Supervisor:
        return Supervisor(agent.root.resolve() / ".ureg/run")

    command = [sys.executable, "-S", "-u", "-c", "import time; print('up'); time.sleep(60)"]
    world.write("Service", "sleeper", spec={"command": command, "node": "node-a"})
    try:
        world.apply()
        assert "up" in world.repository.ureg("logs", "service/sleeper")
        assert "service/sleeper" in world.repository.ureg("health")
        before = supervisor().look()
        world.repository.ureg("restart", "service/sleeper")
        assert supervisor().look() != before
        assert "No changes" in world.apply()
        world.remove("Service", "sleeper")
        world.apply()
    finally:
        if supervisor().home.names():
            supervisor().home.shut_down()
