"""Whole states on their way: pushed into the place of the recorded one, or copied from one database to another."""

from __future__ import annotations

from hashlib import blake2b

import orjson

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.history import Run
from reconciler.model.record import RecordedState
from reconciler.ports import Locking, Notes, StateStore

_FORCE = "-force takes it all the same. `ureg state pull` prints what is recorded now; keep that first."


def push(pushed: RecordedState, run: Run, store: StateStore, locking: Locking, force: bool) -> int:
    """Puts `pushed` in the place of what is recorded and returns the new serial.

    Raises Invalid for a state of another lineage, or one that is older than what is recorded. `force` takes both: the
    records are then taken into the lineage that is there.
    """
    with store.write(locking.info, locking.timeout) as writer:
        current = store.load()
        if current.lineage and force:
            pushed = pushed._replace(lineage=current.lineage)
        _refuse_other_lineage(pushed, current)
        if pushed.serial < current.serial and not force:
            raise Invalid(_older(pushed, current))
        writer.begin(run)
        serial = writer.replace(pushed, "push")
        writer.finish("ok")
    return serial


def migrate(source: StateStore, target: StateStore, run: Run, here: Locking, there: Locking) -> tuple[int, str]:
    """Copies all records of `source` into the empty state `target`, both locked, reads them back and compares. The
    notes come along: what is suspended stays so, and the daemon goes on with what it knows.

    Returns how many records there are, and their digest. Raises Invalid where `source` is empty or `target` is not,
    where a run that died still has to be recovered, and where what was read back is not what was copied.
    """
    _refuse_unfit(source.load(), target.load())  # also before locking, which a database cannot do twice
    with source.write(here.info, here.timeout), target.write(there.info, there.timeout) as writer:
        recorded = source.load()
        _refuse_open(source)
        _refuse_unfit(recorded, target.load())
        writer.begin(run)
        writer.replace(recorded, "migrate")
        _copy_notes(source.notes, target.notes)
        written, expected = digest(target.load()), digest(recorded)
        writer.finish("ok" if written == expected else "failed")
    if written != expected:
        raise Invalid(_differs(expected, written))
    return len(recorded.records), written


def digest(recorded: RecordedState) -> str:
    """A digest over the lineage and every record."""
    total = blake2b(recorded.lineage.encode(), digest_size=20)
    for address in sorted(recorded.records):
        parts = [part.decode() if isinstance(part, bytes) else part for part in recorded.records[address]]
        total.update(orjson.dumps(parts))
    return total.hexdigest()


def _copy_notes(source: Notes, target: Notes) -> None:
    """`target` may have some already, of a copy that did not come to its end."""
    known = {note.key: note.version for note in target.under("")}
    for note in source.under(""):
        target.put(note.key, note.body, known.get(note.key, 0))


def _refuse_other_lineage(pushed: RecordedState, current: RecordedState) -> None:
    if current.lineage and pushed.lineage != current.lineage:
        detail = f"The file has the lineage {pushed.lineage or 'of no state yet'}, what is recorded {current.lineage}."
        raise Invalid(Diagnostic("state-lineage", "This is the state of another registry", detail, _FORCE))


def _older(pushed: RecordedState, current: RecordedState) -> Diagnostic:
    detail = f"The file has the serial {pushed.serial}, what is recorded {current.serial}."
    return Diagnostic("state-older", "This state is older than what is recorded", detail, _FORCE)


def _refuse_open(source: StateStore) -> None:
    if count := len(source.pending()):
        detail = f"It has {count} verb{'s' * (count != 1)} under way whose outcome is not known."
        hint = "Run `ureg plan` once: it finds out what became of them."
        raise Invalid(Diagnostic("state-open", "A run that died has to be recovered first", detail, hint))


def _refuse_unfit(here: RecordedState, there: RecordedState) -> None:
    if not here.lineage:
        hint = "Put the new place into ureg.yaml; the first apply makes the state there."
        raise Invalid(Diagnostic("state-empty", "There is nothing to copy: nothing was ever recorded", hint=hint))
    if there.lineage or there.records:
        detail = f"It has the serial {there.serial} and {len(there.records)} components."
        hint = "Name a database that holds no state yet."
        raise Invalid(Diagnostic("state-occupied", "There is a state already where this one is to go", detail, hint))


def _differs(expected: str, written: str) -> Diagnostic:
    detail = f"The digest of the records is {expected} here, and {written} there."
    hint = "Keep the settings as they are, and remove the copy."
    return Diagnostic("state-copy", "The copy is not the same as what was copied", detail, hint)
