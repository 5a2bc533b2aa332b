"""How many transitions one agent carries out: `python -m benchmarks.drivers.grid URL [COUNT]`.

URL is that of a PostgreSQL database as in the setting `state`; the tables of the grid are made in it. The agent's
driver does nothing (`record`), so that what is measured is the way there and back: one by one from ten threads, as an
apply asks for drivers that take one at a time, and all at once, as for those that batch.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from reconciler.drivers.grid_client import Client
from reconciler.drivers.grid_database import Database, Timing
from reconciler.drivers.grid_remote import PlacedDriver
from reconciler.drivers.record import RecordDriver
from reconciler.model.outcome import Transition
from reconciler.state.postgres_url import target

ROOT = Path(__file__).parents[2]
NODE = "bench"
_THREADS = 10


class OneByOne(RecordDriver):
    batches = False


def main(url: str, count: int = 2000) -> None:
    place, schema = target(url)
    database = Database(place, f"{schema}_grid")
    with _agent(url), _enabled(database):
        client = Client(database, Timing())
        for driver in (OneByOne(), RecordDriver()):
            placed = PlacedDriver(driver, lambda kind, manifest: NODE, lambda: client)
            placed.execute(_transitions(1, "warm up"))
            began = time.monotonic()
            _carry_out(placed, _transitions(count, driver.__class__.__name__))
            rate = count / (time.monotonic() - began)
            print(f"{'all at once' if driver.batches else 'one by one':<12} {rate:8.0f} /s")


def _carry_out(driver: PlacedDriver, transitions: Sequence[Transition]) -> None:
    parts = [transitions] if driver.batches else [[each] for each in transitions]
    with ThreadPoolExecutor(_THREADS) as threads:
        outcomes = [outcome for done in threads.map(driver.execute, parts) for outcome in done]
    errors = {outcome.error for outcome in outcomes} - {""}
    if errors:
        raise SystemExit("\n".join(errors))


def _transitions(count: int, run: str) -> list[Transition]:
    key = f"{run} {time.time()}"
    return [
        Transition(f"{key}/{number}", f"component/c{number}", "Component", "add", "absent", "enabled", b"", b"{}")
        for number in range(count)
    ]


@contextmanager
def _agent(url: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="ureg-benchmark-") as folder:
        command = [sys.executable, str(ROOT / "cli.py"), "agent", "-node", NODE, "-state", url]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            try:
                if process.stdout and "ready" not in process.stdout.readline():
                    raise SystemExit("The agent does not start.")
                ThreadPoolExecutor(1).submit(process.communicate)
                yield
            finally:
                process.terminate()


@contextmanager
def _enabled(database: Database) -> Iterator[None]:
    with database.connect() as connection:
        connection.execute("INSERT INTO node VALUES (%s, true, '') ON CONFLICT DO NOTHING", (NODE,))
        yield
        connection.execute("DELETE FROM node WHERE name = %s", (NODE,))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
