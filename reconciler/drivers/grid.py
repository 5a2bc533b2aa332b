"""The driver of the nodes of a grid (GridNode): lets agents on a node take work, and drains the node.

A node is enabled once an agent reports on it. Where the state is no PostgreSQL database, there is only the machine that
ureg runs on, the node called `local`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from reconciler.drivers.grid_client import silent
from reconciler.drivers.grid_database import Database, GridFault, Timing, driver, fault
from reconciler.drivers.grid_questions import QUEUE
from reconciler.drivers.site import Site
from reconciler.model.address import Address, parse_address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record, Seen
from reconciler.ports import Driver

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

ENABLED, DISABLED = "enabled", "disabled"
DATABASE, SCHEMA = "database", "schema"
"""What the site's options say beside the settings of this driver: where the grid is, if there is one."""

_LOCAL = "local"
_PAUSE = 0.1
_LEAST_TIMEOUT_SHARE = 0.95
"""The share of its timeout after which a verb gives up by itself, with better words than those who wait have."""
_ALONE = (
    "the state is a SQLite file, which no agent on another machine can reach: put it into PostgreSQL "
    "(`state: postgresql://...`), or name the only node there is `local`"
)

_NODE = "SELECT enabled, manifest FROM node WHERE name = %s"
_SILENCE = "SELECT extract(epoch FROM clock_timestamp() - max(seen))::float8 FROM agent WHERE node = %s"
_PUT = """
INSERT INTO node (name, enabled, manifest) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, manifest = excluded.manifest
"""
_REMOVE = "DELETE FROM node WHERE name = %s"
_RUNNING = """
SELECT count(*) FROM procrastinate_jobs JOIN procrastinate_workers w ON w.id = worker_id
WHERE queue_name = %s AND status = 'doing' AND w.last_heartbeat > now() - make_interval(secs => %s)
"""


def database(options: Mapping[str, Any]) -> Database:
    """The grid that the options of a site lead to."""
    return Database(options[DATABASE], options[SCHEMA])


def timing(options: Mapping[str, Any]) -> Timing:
    """What the settings of this driver say."""
    usual = Timing()
    return Timing(options.get("leaseSeconds", usual.lease), options.get("silentSeconds", usual.silent))


class GridDriver:
    """`database` is None where there is no grid."""

    name = "grid"
    acts = True
    batches = False

    def __init__(self, database: Database | None, timing: Timing) -> None:
        self._database = database
        self._timing = timing

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        away = [record for record in records if not _is_here(record.address)]
        if self._database is None or not away:
            return ()
        with _connected(self._database) as connection:
            seen = [self._observe(connection, record) for record in away]
        return [one for one in seen if one is not None]

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._execute(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        if _is_here(record.address) or record.state == DISABLED:
            return Health(healthy=True)
        if self._database is None:
            return Health(healthy=False, message=_ALONE)
        with _connected(self._database) as connection:
            why = self._silent(connection, node_name(record.address))
        return Health(healthy=not why, message=why)

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return ()

    def _execute(self, transition: Transition) -> str:
        if _is_here(transition.address):
            return ""
        if self._database is None:
            return _ALONE if transition.target == ENABLED else ""
        try:
            with _connected(self._database, prepared=True) as connection:
                return self._carry_out(connection, node_name(transition.address), transition)
        except GridFault as error:
            return str(error)

    def _carry_out(self, connection: Connection[TupleRow], name: str, transition: Transition) -> str:
        if transition.target == ABSENT:
            connection.execute(_REMOVE, (name,))
            return ""
        manifest = transition.new or transition.old
        if transition.target == ENABLED:
            patience = 0.0 if transition.source == ENABLED else min(self._timing.silent, _patience(transition))
            if why := _wait_for(lambda: self._silent(connection, name), patience):
                return why
        connection.execute(_PUT, (name, transition.target == ENABLED, manifest))
        if (transition.source, transition.target) == (ENABLED, DISABLED):
            return _wait_for(lambda: self._running(connection, name), _patience(transition))
        return ""

    def _observe(self, connection: Connection[TupleRow], record: Record) -> Observation | None:
        name = node_name(record.address)
        enabled, manifest = _one(connection, _NODE, (name,)) or (None, b"")
        state = ABSENT if enabled is None else ENABLED if enabled else DISABLED
        if state != record.state:
            return Observation(record.address, state)
        if bytes(manifest) != record.manifest:
            drift = "it is registered otherwise"
            return Observation(record.address, state, drift, (Seen("node", "as recorded", drift),))
        why = self._silent(connection, name) if enabled else ""
        return Observation(record.address, state, why, (Seen("agent", "reports", why),)) if why else None

    def _silent(self, connection: Connection[TupleRow], name: str) -> str:
        row = _one(connection, _SILENCE, (name,))
        return silent(name, row[0] if row else None, self._timing)

    def _running(self, connection: Connection[TupleRow], name: str) -> str:
        """What still runs, in words; what an agent that died left half done does not."""
        row = _one(connection, _RUNNING, (f"{QUEUE}{name}", self._timing.lease))
        return f"{row[0]} of its operations still run" if row and row[0] else ""


def open_driver(site: Site) -> Driver:
    return GridDriver(database(site.options) if DATABASE in site.options else None, timing(site.options))


def node_name(address: Address) -> str:
    """The name of the node at `address`, which is also its agents'."""
    parts = parse_address(address)
    return f"{parts.registry}:{parts.name}" if parts.registry else parts.name


def _is_here(address: Address) -> bool:
    return parse_address(address).name == _LOCAL


@contextmanager
def _connected(database: Database, prepared: bool = False) -> Iterator[Connection[TupleRow]]:
    """A connection to `database`, where `prepared` says that the tables must be there. Raises GridFault."""
    psycopg = driver()
    try:
        if prepared:
            database.prepare()
        with closing(database.connect()) as connection:
            yield connection
    except psycopg.Error as error:
        raise fault(error) from None


def _one(connection: Connection[TupleRow], query: str, parameters: Sequence[Any]) -> TupleRow | None:
    """The first row; None where there is none, or where the tables were never made."""
    with suppress(driver().errors.UndefinedTable):
        return connection.execute(query.encode(), parameters).fetchone()
    return None


def _patience(transition: Transition) -> float:
    return transition.timeout * _LEAST_TIMEOUT_SHARE if transition.timeout else float("inf")


def _wait_for(problem: Callable[[], str], seconds: float) -> str:
    """Waits until there is no problem any more; the problem that is left after `seconds`."""
    deadline = time.monotonic() + seconds
    while (why := problem()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return why
