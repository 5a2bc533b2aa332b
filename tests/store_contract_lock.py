"""What every StateStore's lock must do: a lease with heartbeats, and a term that fences a holder that slept."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from store_contract import LEASE, Stores
from store_values import RUN, intent, lock, put, record

from reconciler.ports import Locked, StateError
from reconciler.state.machine import boot_id, started

SHORT = 1.0
ELSEWHERE = lock("elsewhere")._replace(who="bob@elsewhere")

HOLD = """
    with store.write(lock("held")._replace(pid=os.getpid()), 0) as writer:
        writer.begin(RUN)
        writer.intend([intent("a")])
        print("held", flush=True)
        time.sleep(60)
"""


class LockContract(Stores):
    def test_the_holder_is_known_while_it_holds(self) -> None:
        store = self.open()
        assert store.holder() is None
        with store.write(lock(), 0):
            first = store.holder()
        with store.write(lock("two"), 0):
            second = store.holder()
        assert store.holder() is None
        assert first
        assert second
        assert (first.info, second.info) == (lock(), lock("two"))
        assert second.term == first.term + 1

    def test_heartbeats_keep_a_lease_alive(self) -> None:
        with self.open(SHORT).write(ELSEWHERE, 0) as writer:
            holder = self.open().holder()
            time.sleep(1.6 * SHORT)
            with pytest.raises(Locked), self.open(SHORT).write(lock("rival"), 0):
                pass
            later = self.open().holder()
            writer.settle(put(record("a")))
        assert holder
        assert later
        assert later.expires > holder.expires
        assert later[:2] == holder[:2]
        assert "lease" not in {thread.name for thread in threading.enumerate()}, "the heart stops with the writer"

    def test_a_lease_that_ran_out_is_taken_over_and_the_old_holder_fenced(self) -> None:
        with self.open(LEASE).write(ELSEWHERE, 0) as slow:
            slow.begin(RUN)
            self._run_out()
            assert self.open().holder() is None
            with self.open().write(lock("next"), 0) as writer:
                for late in (
                    lambda: slow.settle(put(record("a"))),
                    lambda: slow.intend([intent("a")]),
                    lambda: slow.finish("ok"),
                    lambda: slow.begin(RUN._replace(id="run-2")),
                ):
                    with pytest.raises(StateError, match=r"was lost to ada@.*Nothing more is written"):
                        late()
                writer.settle(put(record("b")))
            with pytest.raises(StateError, match="was lost to someone"):
                slow.settle(put(record("a")))
        assert set(self.open().load().records) == {"service/b"}
        (event,) = [event for event in self.open().events() if event.verb == "takeover"]
        assert "bob@elsewhere" in event.text
        assert self.open().verify() == []

    def test_a_lost_lock_is_not_given_back_by_the_one_who_lost_it(self) -> None:
        with self.open().write(ELSEWHERE, 0):
            self.raw("UPDATE lock SET holder = 'thief', who = 'eve@elsewhere'")
        holder = self.open().holder()
        assert holder
        assert holder.info.id == "thief"

    def test_an_older_term_is_refused_even_under_the_same_name(self) -> None:
        with self.open().write(ELSEWHERE, 0) as slow:
            self._run_out()
            with self.open().write(ELSEWHERE, 0), pytest.raises(StateError, match="was lost to bob@elsewhere"):
                slow.settle(put(record("a")))

    def test_a_paused_holder_is_overtaken_and_wakes_up_fenced(self) -> None:
        script = """
            with store.write(lock("held")._replace(pid=os.getpid()), 0) as writer:
                print("held", flush=True)
                sys.stdin.readline()
                try:
                    writer.settle(put(record("late")))
                except StateError as error:
                    print(error, flush=True)
                time.sleep(0.5)
                try:
                    writer.settle(put(record("later")))
                except StateError as error:
                    print(error, flush=True)
        """
        reader, pen = os.pipe()
        previous = os.dup(0)
        os.dup2(reader, 0)
        try:
            process = self.child(script, wait_for="held", lease=SHORT)
        finally:
            os.dup2(previous, 0)
            for descriptor in (previous, reader):
                os.close(descriptor)
        with process:
            process.send_signal(signal.SIGSTOP)
            started = time.monotonic()
            with self.open(SHORT).write(lock("rival"), 10) as writer:
                assert 0.3 * SHORT < time.monotonic() - started < 8 * SHORT
                os.write(pen, b"go on\n")
                process.send_signal(signal.SIGCONT)
                assert process.stdout
                first, second = process.stdout.readline(), process.stdout.readline()
                assert writer.settle(put(record("rival"))) == 1
        os.close(pen)
        assert "was lost to ada@" in first
        assert "was lost to ada@" in second
        assert process.returncode == 0
        assert set(self.open().load().records) == {"service/rival"}

    @pytest.mark.parametrize("collected", [True, False])
    def test_the_lock_of_a_dead_holder_is_taken_over_at_once(self, collected: bool) -> None:
        with self.child(HOLD, wait_for="held") as process:
            with pytest.raises(Locked) as caught, self.open().write(lock(), 0.1):
                pass
            assert caught.value.holder.info.pid == process.pid
            process.send_signal(signal.SIGKILL)
            os.waitid(os.P_PID, process.pid, os.WEXITED | (0 if collected else os.WNOWAIT))
            assert self.open().holder() is None
            with self.open().write(lock("next"), 0) as writer:
                holder = self.open().holder()
                assert holder
                assert holder.info == lock("next")
                assert [each.address for each in self.open().pending()] == ["service/a"], "its intents are still there"
                writer.begin(RUN._replace(id="run-2"))
                assert writer.settle(put(record("a"))) == 1
            process.poll()
        verbs = [event.verb for event in self.open().events("")]
        assert verbs == ["begin", "takeover", "finish", "begin"]
        assert f"process {process.pid}, apply, since 20" in [*self.open().events("")][1].text
        assert [past.outcome for past in self.open().runs()] == ["", "died"]

    @pytest.mark.parametrize("started", ["1", f"{boot_id()}/1", "another-boot/", "another-boot/1"])
    def test_a_process_number_that_was_used_again(self, started: str) -> None:
        self._hold_as(lock().who, os.getppid(), started)
        assert self.open().holder() is None
        with self.open().write(lock(), 0) as writer:
            assert writer.settle(put(record("a"))) == 1

    @pytest.mark.parametrize(
        ("who", "pid", "started"),
        [
            ("ada@elsewhere", 2**22 + 1, "another-boot/1"),
            (lock().who, os.getppid(), ""),
            (lock().who, os.getppid(), started(os.getppid())),
            (lock().who, 2**62, ""),
        ],
    )
    def test_a_holder_that_may_be_alive_keeps_the_lock(self, who: str, pid: int, started: str) -> None:
        self._hold_as(who, pid, started)
        with pytest.raises(Locked) as caught, self.open().write(lock(), 0):
            pass
        assert self.open().holder() == caught.value.holder

    def _hold_as(self, who: str, pid: int, started: str) -> None:
        with self.open().write(None, 0):
            pass
        time = "'2099-01-01T00:00:00.000Z'"
        self.raw(
            "INSERT INTO lock (id, holder, operation, who, pid, started, created, expires, term) "
            f"VALUES (1, 'x', 'apply', '{who}', {pid}, '{started}', {time}, {time}, 0)"
        )

    def _run_out(self) -> None:
        """Ends the lease of a holder on another machine."""
        self.raw("UPDATE lock SET expires = '2020-01-01T00:00:00.000Z', started = 'another-boot/1'")

    def test_a_lock_is_forced_open_by_its_id(self) -> None:
        with self.open().write(lock(), 0) as writer:
            assert not self.open().unlock("other")
            assert self.open().unlock("one")
            assert not self.open().unlock("one")
            assert self.open().holder() is None
            with pytest.raises(StateError, match="someone who forced it open"):
                writer.settle(put(record("a")))
        (event,) = self.open().events("")
        assert (event.verb, event.run) == ("force-unlock", "")
        assert f"ada@{os.uname().nodename}" in event.text
        assert self.open().load().records == {}

    def test_twenty_processes_at_once_make_one_state(self) -> None:
        script = """
            def write():
                name = str(os.getpid())
                with store.write(lock(name)._replace(pid=os.getpid()), 60) as writer:
                    writer.begin(RUN._replace(id=name))
                    writer.settle(put(record(name)))
                    writer.finish("ok")

            children = []
            for _ in range(20):
                child = os.fork()
                if not child:
                    write()
                    os._exit(0)
                children.append(child)
            print([os.waitpid(child, 0)[1] for child in children])
        """
        with self.child(script) as process:
            assert process.stdout
            assert process.stdout.read() == f"{[0] * 20}\n"
        state = self.open().load()
        assert (state.serial, len(state.records)) == (20, 20)
        assert {each.serial for each in state.records.values()} == set(range(1, 21))
        assert [past.outcome for past in self.open().runs()] == ["ok"] * 20
        assert self.open().verify() == []

    def test_a_process_killed_in_mid_write_leaves_a_whole_state(self) -> None:
        script = """
            with store.write(lock("held")._replace(pid=os.getpid()), 0) as writer:
                for number in range(100000):
                    writer.intend([intent(f"{number % 7}-{n}") for n in range(200)])
                    serial = writer.settle(put(*(record(f"{number % 7}-{n}", error=str(number)) for n in range(200))))
                    print(serial, flush=True)
        """
        for _ in range(3):
            with self.child(script) as process:
                assert process.stdout
                acknowledged = max(int(process.stdout.readline()) for _ in range(3))
                process.kill()
                acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
            state = self.open().load()
            assert acknowledged <= state.serial <= acknowledged + 1
            newest = [each for each in state.records.values() if each.serial == state.serial]
            assert len(newest) == 200, "a write is there whole or not at all"
            assert len({each.error for each in newest}) == 1
            assert len(self.open().pending()) in {0, 200}
        assert self.open().verify() == []
