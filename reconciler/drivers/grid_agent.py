"""An agent: takes what its node is asked from the node's queue, has the local drivers do it, and answers.

It gives a sign of life several times in a lease. Whoever paused for longer finds on waking that its work was given to
another: its answer is refused, since it is not from the latest attempt. When the database goes away it waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from reconciler.drivers.grid import database, timing
from reconciler.drivers.grid_database import Database, Timing, driver, fault
from reconciler.drivers.grid_questions import QUEUE, TASK, failure, reply, report, subjects, time_limit
from reconciler.drivers.grid_stalled import retry_stalled
from reconciler.model.diagnostics import Invalid
from reconciler.ports import Driver, DriverFor

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.worker import Worker
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow
    from psycopg_pool import AsyncConnectionPool

_MOST_ATTEMPTS = 5
_LONGEST_PAUSE = 5.0
"""Between two tries to reach the database, in seconds."""
_BEATS = 5
"""Signs of life in a lease."""

_CLAIM = """
UPDATE question SET attempt = attempt + 1, agent = %s
WHERE id = %s AND answer IS NULL AND wanted_until > clock_timestamp()
RETURNING driver, what, body, attempt, (SELECT enabled FROM node WHERE name = question.node)
"""
_ANSWER = """
WITH done AS (
    UPDATE question SET answer = %s
    WHERE id = %s AND attempt = %s AND answer IS NULL AND wanted_until > '-infinity' RETURNING id
)
SELECT pg_notify(%s, id) FROM done
"""
_BEAT = """
INSERT INTO agent (id, node, version) VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET seen = clock_timestamp()
"""
_WORKER_BEAT = "SELECT procrastinate_update_heartbeat_v1(%s)"
"""The queue's own signs of life stop as it is asked to end, while it still works."""
_LEAVE = "DELETE FROM agent WHERE id = %s"
_TIDY = """
DELETE FROM agent WHERE seen < clock_timestamp() - interval '1 day';
DELETE FROM question WHERE made < clock_timestamp() - interval '1 day' AND wanted_until < 'infinity'
"""


class Post(NamedTuple):
    """Who an agent is: its node, how many questions it works on at once, and this program's version."""

    node: str
    concurrency: int
    version: str


class Agent:
    """Runs until SIGTERM or SIGINT, then takes nothing new and finishes what it has. `say` is told each thing done, in
    a line."""

    def __init__(
        self, database: Database, timing: Timing, post: Post, driver_for: DriverFor, say: Callable[[str], None]
    ) -> None:
        self._database = database
        self._timing = timing
        self._post = post
        self._driver_for = driver_for
        self._say = say
        self._queue = f"{QUEUE}{post.node}"
        self._id = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._connection: AsyncConnection[TupleRow] | None = None
        self._connecting = asyncio.Lock()
        self._worker: Worker | None = None
        self._working: dict[str, asyncio.Future[bytes]] = {}
        """What the drivers are doing, by the component's address."""
        self._ending = asyncio.Event()
        self._broken = asyncio.Event()

    def run(self) -> None:
        """Raises OSError where the database cannot be used as the agent starts."""
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # what matters of it is told in words
        psycopg = driver()
        try:
            self._database.prepare(renew=True)
        except psycopg.Error as error:
            raise fault(error) from None
        asyncio.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        reporting = asyncio.create_task(self._report())
        pause = 0.1
        while not self._ending.is_set():
            try:
                await self._serve()
                pause = 0.1
            except _lost() as error:
                self._say(str(fault(error)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        reporting.cancel()
        with suppress(*_lost()):
            await self._query(_LEAVE, (self._id,))

    async def _report(self) -> None:
        """Gives signs of life to the very end, also while the last work is finished or the database comes back."""
        while True:
            await asyncio.sleep(self._timing.lease / _BEATS)
            try:
                await self._beat()
            except _lost():
                self._broken.set()

    async def _beat(self) -> None:
        await self._query(_BEAT, (self._id, self._post.node, self._post.version))
        if self._worker and self._worker.worker_id is not None:
            await self._query(_WORKER_BEAT, (self._worker.worker_id,))

    async def _serve(self) -> None:
        """Works until it is to end, or until the database goes away: then what runs is finished, and all begins anew,
        since what the queue was not told meanwhile would block it."""
        await self._beat()
        self._broken.clear()
        app = self._app()
        async with app.open_async():
            self._worker = self._make_worker(app)
            self._say(f"{self._post.node}: ready, {self._post.concurrency} at once")
            working = asyncio.create_task(self._worker.run())  # type: ignore[no-untyped-call]
            sides = [
                asyncio.create_task(self._sweep(app)),
                asyncio.create_task(self._ending.wait()),
                asyncio.create_task(self._broken.wait()),
            ]
            done, _ = await asyncio.wait([working, *sides], return_when=asyncio.FIRST_COMPLETED)
            self._worker.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait([working])
            for side in sides:
                side.cancel()
            for task in {working, *done}:
                task.result()

    async def _sweep(self, app: App) -> None:
        while True:
            await asyncio.sleep(self._timing.lease / 2)
            await retry_stalled(app, self._queue, self._timing.lease)
            await self._query(_TIDY)

    def _make_worker(self, app: App) -> Worker:
        from procrastinate.worker import Worker

        return Worker(
            app,
            queues=[self._queue],
            name=self._id,
            concurrency=self._post.concurrency,
            install_signal_handlers=False,
            delete_jobs="always",
            fetch_job_polling_interval=1.0,
            update_heartbeat_interval=self._timing.lease / _BEATS,
            stalled_worker_timeout=self._timing.lease,
        )

    def _app(self) -> App:
        from procrastinate import App, PsycopgConnector

        connector = PsycopgConnector(
            pool_factory=_pool, configure=_commit_at_once, conninfo=self._database.conninfo, min_size=2, max_size=4
        )
        app = App(connector=connector)
        app.task(name=TASK)(self._carry_out)
        return app

    async def _carry_out(self, name: str) -> None:
        claimed = await self._query(_CLAIM, (self._id, name))
        if not claimed:
            return  # answered, or nobody wants it any more
        driver_name, what, body, attempt, enabled = claimed[0]
        if attempt > _MOST_ATTEMPTS:
            answer = failure(
                f"given up after {_MOST_ATTEMPTS} attempts: each time the agent on this node died or paused"
            )
        else:
            refusal = "" if enabled else f"{self._post.node} is not enabled and takes no new work"
            answer = await self._reply(driver_name, what, body, refusal)
        taken = await self._persist(lambda: self._query(_ANSWER, (answer, name, attempt, self._database.channel)))
        fate = "" if taken else f" (refused: attempt {attempt} is not the latest, or nobody waits for it)"
        for line in report(what, body, answer):
            self._say(f"{line}{fate}")

    async def _reply(self, name: str, what: str, body: bytes, refusal: str) -> bytes:
        """Asks the driver in a thread of its own. One that passes its time is left alone, but nothing else is done to
        its components before it ends."""
        limit = time_limit(what, body)
        addresses = subjects(what, body)
        try:
            async with asyncio.timeout(limit):
                for before in [self._working[address] for address in addresses if address in self._working]:
                    await asyncio.shield(before)
                return await asyncio.shield(
                    self._ask(addresses, lambda: reply(lambda: self._driver(name), what, body, refusal))
                )
        except TimeoutError:
            return failure(f"it did not end within {limit:g} s on {self._post.node}")

    def _ask(self, addresses: Collection[str], call: Callable[[], bytes]) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[bytes] = loop.create_future()
        ended.add_done_callback(lambda _: [self._working.pop(address) for address in addresses])
        self._working |= dict.fromkeys(addresses, ended)

        def ask() -> None:
            answer = call()
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(ended.set_result, answer)

        Thread(target=ask, daemon=True).start()
        return ended

    def _driver(self, name: str) -> Driver:
        try:
            return self._driver_for(name)
        except Invalid as error:
            raise OSError("; ".join(f"{found.summary}: {found.detail}" for found in error.diagnostics)) from error

    async def _persist(self, act: Callable[[], Coroutine[Any, Any, list[Any]]]) -> list[Any]:
        """Tries again while the database is away: what was done is not to be forgotten."""
        pause = 0.1
        while True:
            try:
                return await act()
            except _lost():
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _query(self, statement: str, parameters: tuple[Any, ...] | None = None) -> list[Any]:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await self._database.connect_async()
        cursor = await self._connection.execute(statement.encode(), parameters)
        return await cursor.fetchall() if cursor.description else []


def open_agent(options: Mapping[str, Any], post: Post, driver_for: DriverFor, say: Callable[[str], None]) -> Agent:
    """The agent of the grid that `options`, those of the grid's driver, lead to."""
    return Agent(database(options), timing(options), post, driver_for, say)


def _pool(check: object, **options: Any) -> AsyncConnectionPool:
    """A pool without the check that doubles the cost of each query: a connection that broke starts all anew anyway."""
    from psycopg_pool import AsyncConnectionPool

    return AsyncConnectionPool(**options)


async def _commit_at_once(connection: AsyncConnection[TupleRow]) -> None:
    """All that the queue does is one statement each."""
    await connection.set_autocommit(True)


def _lost() -> tuple[type[Exception], ...]:
    """What is raised where the database went away."""
    from procrastinate.exceptions import ConnectorException
    from psycopg_pool import PoolTimeout

    return (driver().Error, ConnectorException, PoolTimeout)
