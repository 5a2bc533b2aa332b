"""Asks agents through the database, from any number of threads, and waits for their answers.

What several threads ask at the same moment is queued in one transaction. One thread of its own listens for answers,
tells the database which are still waited for, and gives up what passed its time or whose node fell silent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from reconciler.drivers.grid_database import Database, GridFault, Timing, driver, fault
from reconciler.drivers.grid_questions import EXECUTE, LEFT, QUEUE, TASK, Question, failure

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

_TICK = 0.5
"""Seconds between two looks at what is waited for."""
_WANTED = "interval '60 seconds'"
_RENEW = 15.0
_IDLE = 5.0
"""For how many seconds nothing is waited for before the connections are closed."""
_GRACE, _MOST_GRACE = 0.08, 4.0
"""The share of its timeout, and the most seconds, by which an answer may be late: less than the executor waits."""

_ASK = f"""
WITH asked AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::boolean[])
    WITH ORDINALITY AS asked (id, node, driver, what, body, lock, left_there, place)
), new AS (
    INSERT INTO question (id, node, driver, what, body, wanted_until)
    SELECT id, node, driver, what, body,
        CASE WHEN left_there THEN 'infinity'::timestamptz ELSE clock_timestamp() + {_WANTED} END
    FROM asked ON CONFLICT (id) DO NOTHING RETURNING id
), replaced AS (
    UPDATE question SET wanted_until = '-infinity' FROM procrastinate_jobs AS job JOIN asked ON asked.lock = job.lock
    WHERE question.id = job.queueing_lock AND job.queue_name = '{QUEUE}' || asked.node AND question.answer IS NULL
        AND question.wanted_until < 'infinity' AND question.id NOT IN (SELECT id FROM asked)
)
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW('{QUEUE}' || node, '{TASK}', 0, lock, id, jsonb_build_object('name', id), NULL)::procrastinate_job_to_defer_v1
    ORDER BY place
)) FROM asked JOIN new USING (id) HAVING count(*) > 0
"""  # noqa: S608 - constants
"""Queues what was not asked before, in one transaction, in the place of what a run that died wanted of the same
component: `id` is the queueing lock, so that nothing is queued twice. It calls the queue's own function, since to
import the queue's library takes longer than to ask."""
_SILENCE = "SELECT node, extract(epoch FROM clock_timestamp() - max(seen))::float8 FROM agent GROUP BY node"
_ANSWERS = "SELECT id, answer FROM question WHERE id = ANY(%s) AND answer IS NOT NULL"
_RENEWAL = f"UPDATE question SET wanted_until = clock_timestamp() + {_WANTED} WHERE id = ANY(%s) AND answer IS NULL"  # noqa: S608
_GIVE_UP = "UPDATE question SET wanted_until = %s::timestamptz WHERE id = %s AND answer IS NULL"
_FORGET = "DELETE FROM question WHERE id = ANY(%s)"


class _Waiting:
    """A question, and its answer once `done` is set."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.done = Event()
        self.answer = b""
        self.asked = time.monotonic()
        limit = question.timeout
        self.deadline = self.asked + limit + min(limit * _GRACE, _MOST_GRACE) if limit else float("inf")


class Client:
    """Satisfies grid_remote.Asks."""

    def __init__(self, database: Database, timing: Timing) -> None:
        self._database = database
        self._timing = timing
        self._mutex = Lock()
        self._sending = Lock()
        self._unsent: list[_Waiting] = []
        self._waiting: dict[str, list[_Waiting]] = {}
        self._connection: Connection[TupleRow] | None = None
        self._listener: Thread | None = None
        self._renewed = time.monotonic()

    def ask(self, questions: Sequence[Question]) -> list[bytes]:
        """The answers, in their order: what the agents said, LEFT, or a failure in words. Never raises."""
        try:
            driver()
        except GridFault as error:
            return [failure(str(error))] * len(questions)
        waits = [_Waiting(question) for question in questions]
        with self._mutex:
            self._unsent += waits
            for wait in waits:
                self._waiting.setdefault(wait.question.id, []).append(wait)
            if self._listener is None:
                self._listener = Thread(target=self._listen, daemon=True)
                self._listener.start()
        self._send()
        for wait in waits:
            wait.done.wait()
        return [wait.answer for wait in waits]

    def _send(self) -> None:
        """Queues what is not queued yet, of all threads. Whoever comes while another one sends finds nothing left."""
        with self._sending:
            with self._mutex:
                batch, self._unsent = self._unsent, []
            if not batch:
                return
            try:
                self._persist(batch)
            except (OSError, driver().Error) as error:
                why = str(error) if isinstance(error, OSError) else str(fault(error))
                for wait in batch:
                    self._end(wait, failure(why))

    def _persist(self, batch: Sequence[_Waiting]) -> None:
        """Tries again while the database is away, for as long as a node may be silent."""
        deadline = time.monotonic() + self._timing.silent
        while True:
            try:
                if self._connection is None:
                    self._database.prepare()
                    self._connection = self._database.connect()
                return self._queue(self._connection, batch)
            except driver().OperationalError:
                self._drop()
                if time.monotonic() > deadline:
                    raise
                time.sleep(_TICK / 2)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _queue(self, connection: Connection[TupleRow], batch: Iterable[_Waiting]) -> None:
        silence = _silence(connection)
        asked: dict[str, Question] = {}
        for wait in batch:
            why = self._silent(wait.question.node, silence)
            if not why or wait.question.may_be_left:
                asked[wait.question.id] = wait.question
            if why:
                self._end(wait, LEFT if wait.question.may_be_left else failure(why))
        _defer(connection, asked.values(), {q.id for q in asked.values() if self._silent(q.node, silence)})

    def _silent(self, node: str, silence: Mapping[str, float]) -> str:
        """Why nobody on `node` will answer; "" where somebody is there."""
        return silent(node, silence.get(node), self._timing)

    def _listen(self) -> None:
        """Runs while there is something to wait for. A database that stays away fails that."""
        lost = 0.0
        while self._is_needed():
            try:
                with self._database.connect() as connection:
                    connection.execute(f"LISTEN {self._database.channel}".encode())
                    lost = 0.0
                    self._serve(connection)
            except Exception as error:  # noqa: BLE001 - nobody else would tell those who wait
                lost = lost or time.monotonic()
                if time.monotonic() - lost > self._timing.silent:
                    self._fail_all(error)
                time.sleep(_TICK / 2)
        with self._sending:
            self._drop()

    def _is_needed(self) -> bool:
        """Whether anything waits; else whoever asks next starts to listen anew."""
        with self._mutex:
            if not self._waiting:
                self._listener = None
            return bool(self._waiting)

    def _serve(self, connection: Connection[TupleRow]) -> None:
        """Until nothing was waited for in a while."""
        due, used = 0.0, time.monotonic()
        while time.monotonic() - used < _IDLE:
            told = [note.payload for note in connection.notifies(timeout=_TICK, stop_after=1)]
            if told:
                self._take(connection, [name for name in told if name in self._waiting])
            if self._waiting:
                used = time.monotonic()
            if time.monotonic() >= due:
                self._look_after(connection, list(self._waiting))
                due = time.monotonic() + _TICK

    def _look_after(self, connection: Connection[TupleRow], names: list[str]) -> None:
        """Takes answers of which nothing was heard, and gives up what has no hope of one."""
        if not names:
            return
        self._take(connection, names)
        silence, now = _silence(connection), time.monotonic()
        for wait in [wait for name in names for wait in list(self._waiting.get(name, ()))]:
            why = self._silent(wait.question.node, silence)
            if why:
                self._give_up(connection, wait, why)
            elif now > wait.deadline:
                limit = wait.question.timeout
                self._give_up(connection, wait, f"{wait.question.node} did not answer within {limit:g} s")
        if now - self._renewed > _RENEW:
            connection.execute(_RENEWAL, (list(self._waiting),))
            self._renewed = now

    def _take(self, connection: Connection[TupleRow], names: list[str]) -> None:
        passing: list[str] = []
        for name, answer in connection.execute(_ANSWERS, (names,)).fetchall() if names else ():
            for wait in list(self._waiting.get(name, ())):
                self._end(wait, answer)
                passing += [name] if wait.question.what != EXECUTE else []
        if passing:
            connection.execute(_FORGET, (passing,))

    def _give_up(self, connection: Connection[TupleRow], wait: _Waiting, why: str) -> None:
        left, name = wait.question.may_be_left, wait.question.id
        if not connection.execute(_GIVE_UP, ("infinity" if left else "-infinity", name)).rowcount:
            self._take(connection, [name])  # the answer came at the last moment
        if not wait.done.is_set():
            self._end(wait, LEFT if left else failure(why))

    def _end(self, wait: _Waiting, answer: bytes) -> None:
        with self._mutex:
            others = self._waiting.get(wait.question.id, [])
            if wait in others:
                others.remove(wait)
            if not others:
                self._waiting.pop(wait.question.id, None)
        wait.answer = answer
        wait.done.set()

    def _fail_all(self, error: Exception) -> None:
        why = str(fault(error)) if isinstance(error, driver().Error) else f"{type(error).__name__}: {error}"
        with self._mutex:
            waits = [wait for waits in self._waiting.values() for wait in waits]
        for wait in waits:
            self._end(wait, failure(why))


def silent(node: str, seconds: float | None, timing: Timing) -> str:
    """What to say of a node of whose agents nothing was heard for `seconds` (None: ever); "" where that is well."""
    if seconds is None:
        return f"no agent reports on {node}: start one there with `ureg agent -node {node}`"
    if seconds > timing.silent:
        return f"no agent has reported on {node} for {seconds:.0f} s"
    return ""


def _silence(connection: Connection[TupleRow]) -> dict[str, float]:
    return dict(connection.execute(_SILENCE).fetchall())


def _defer(connection: Connection[TupleRow], asked: Iterable[Question], left: set[str]) -> None:
    rows = [(q.id, q.node, q.driver, q.what, q.body, q.lock, q.id in left) for q in asked]
    if rows:
        connection.execute(_ASK.encode(), [list(column) for column in zip(*rows, strict=True)])
