"""Edits of the recorded state that act on nothing: adopt, move and forget."""

from __future__ import annotations

import orjson

from reconciler.engine.records import as_applied
from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.history import Run
from reconciler.model.record import Record, RecordedState
from reconciler.model.resource import DesiredState
from reconciler.ports import Locking, StateStore, Write


def adopt(desired: DesiredState, address: Address, run: Run, store: StateStore, locking: Locking) -> Record:
    """Records `address` as applied just as its manifest says, without asking its driver to do anything."""
    resource = desired.resources.get(address)
    if resource is None:
        raise Invalid(_unknown(address, "the manifests", "Write its manifest first."))
    record = as_applied(resource, desired.revision.commit)
    with store.write(locking.info, locking.timeout) as writer:
        if address in store.load().records:
            raise Invalid(
                Diagnostic("already-recorded", f"{address} is recorded already", hint="Plan to see how it differs.")
            )
        writer.begin(run)
        writer.settle([Write(address, record, "import")])
        writer.finish("ok")
    return record


def move(source: Address, target: Address, run: Run, store: StateStore, locking: Locking) -> None:
    """Gives the record of `source` the address `target`, as after a rename of its manifest."""
    with store.write(locking.info, locking.timeout) as writer:
        recorded = store.load()
        record = _recorded(recorded, source)
        if target in recorded.records:
            raise Invalid(Diagnostic("already-recorded", f"{target} is recorded already"))
        if parse_address(source).kind != parse_address(target).kind:
            raise Invalid(Diagnostic("kind-differs", f"{source} cannot become {target}", "A component keeps its kind."))
        referrers = [r for r in recorded.records.values() if source in r.dependencies and r.address != source]
        writer.begin(run)
        writer.settle(
            [
                Write(source, None, f"mv {target}"),
                Write(target, record._replace(address=target), f"mv {source}"),
                *(Write(r.address, _redirected(r, source, target), f"mv {source}") for r in referrers),
            ]
        )
        writer.finish("ok")


def forget(addresses: tuple[Address, ...], run: Run, store: StateStore, locking: Locking) -> None:
    """Takes records out of the state; what they stand for stays as it is."""
    with store.write(locking.info, locking.timeout) as writer:
        recorded = store.load()
        for address in addresses:
            _recorded(recorded, address)
        writer.begin(run)
        writer.settle([Write(address, None, "rm") for address in addresses])
        writer.finish("ok")


def _redirected(record: Record, source: Address, target: Address) -> Record:
    moved = [target if address == source else address for address in record.dependencies]
    return record._replace(references=orjson.dumps(moved))


def _recorded(recorded: RecordedState, address: Address) -> Record:
    if address not in recorded.records:
        raise Invalid(_unknown(address, "the state", "`ureg state list` shows what is recorded."))
    return recorded.records[address]


def _unknown(address: Address, where: str, hint: str) -> Diagnostic:
    return Diagnostic("address-unknown", f"{address} is not in {where}", hint=hint, address=address)
