"""One cycle of the daemon: look at what is asked for, what is recorded and what is there; do what may be done; tell.

Nothing that is wrong with one component keeps the others from being looked after: what is suspended, flapping, waits
for its next try or has no way to where it should be is left out together with what depends on it. A commit with errors
changes nothing; the last good one stays in force.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconciler.bootstrap import Registry
from reconciler.daemon import memory
from reconciler.daemon.act import Audience, Gate, Rules, apply, gate, recover_first
from reconciler.daemon.backoff import Backoff, delay, schedule
from reconciler.daemon.budget import recent, spend
from reconciler.daemon.desired import DesiredSide, InForce, Look, Open, sentence
from reconciler.daemon.due import Due, next_due
from reconciler.daemon.policy import Policy
from reconciler.daemon.survey import Survey, Terms, failed_now, survey
from reconciler.daemon.suspensions import end_suspensions, load_suspensions
from reconciler.daemon.times import later
from reconciler.daemon.verdict import MOST_ERRORS, Ended, status_after
from reconciler.daemon.windows import opening
from reconciler.engine.executor import Stop
from reconciler.model.change import Action, Change
from reconciler.model.daemon import CycleReport, Suspension, SyncMode, SyncStatus, Trigger, Verdict, Why
from reconciler.model.diagnostics import Invalid
from reconciler.model.event import Summary
from reconciler.ports import Locked, NoteMoved, StateError

_OF_THE_SOURCE = frozenset({Why.FILES, Why.COMMIT, Why.SOURCE})
_WORTH_SHOWING = frozenset({Why.START, Why.RELOAD})
_BROKEN = Backoff(base=1.0, factor=2.0, cap=60.0)
"""How long a cycle that could not be done at all waits for the next."""


class _Scene(NamedTuple):
    """What a cycle goes by."""

    triggers: tuple[Trigger, ...]
    before: SyncStatus
    now: str
    stop: Stop
    suspensions: tuple[Suspension, ...] = ()
    is_news: bool = True
    """Whether what is asked for is not what was looked at last."""


class Reconciler:
    """Carries out cycles, one at a time. `registry` serves its notes and its clock; `open_at` opens what the source
    asks for. With `follows_commits` that is always a commit, which a trigger names."""

    def __init__(
        self, registry: Registry, open_at: Open, rules: Rules, audience: Audience, follows_commits: bool
    ) -> None:
        self._registry = registry
        self._open_at = open_at
        self._rules = rules
        self._audience = audience
        self._follows_commits = follows_commits
        self._memory: memory.Memory | None = None
        self._desired = DesiredSide(open_at, "")
        self._commit = ""
        self._looked = ""
        self._settled = ""
        """The digest of the desired state that the last cycle worked on."""
        self._number = 0
        self._broken = 0
        self._shown: tuple[object, ...] = ()
        self._seen = ""
        """The digest of what was asked for last."""
        self._announced = False
        self._report = CycleReport(0, (), "", 0.0, self._unknown(), self._unknown())
        self.due = Due("", Why.START)
        """The next cycle, if nothing happens before."""

    def cycle(self, triggers: tuple[Trigger, ...], stop: Stop) -> CycleReport:
        """Looks, does and tells; ends early, at a safe point, when `stop` says so. Never raises for what a user can
        mend."""
        clock = self._registry.clock
        now, began = clock.now(), clock.monotonic()
        self._number += 1
        if any(trigger.why is Why.START for trigger in triggers):
            self._forget()
        self._remember()
        before = self._status()
        self._announced = False
        self._report = CycleReport(self._number, triggers, now, 0.0, before, before)
        after = self._guarded(_Scene(triggers, self._take_in(before, triggers), now, stop))
        self._keep(after)
        return self._report._replace(after=after, elapsed=clock.monotonic() - began)

    def _unknown(self) -> SyncStatus:
        return SyncStatus(SyncMode.PLAN_ONLY, self._rules.source, self._rules.reporter)

    def _status(self) -> SyncStatus:
        known = self._memory.status if self._memory else None
        return (known or self._unknown())._replace(source=self._rules.source, reporter=self._rules.reporter)

    def _forget(self) -> None:
        """Another daemon may have led meanwhile, and brought about newer commits than this one has seen."""
        self._memory = None
        self._desired = DesiredSide(self._open_at, "")
        self._commit = self._looked = self._settled = ""

    def _remember(self) -> None:
        """Reads what the daemon before this one left; tried again until the state can be read."""
        if self._memory is not None:
            return
        try:
            self._memory = memory.recall(self._registry.store.notes)
        except StateError:
            return
        if not self._settled:
            self._desired = DesiredSide(self._open_at, self._status().good)

    def _keep(self, after: SyncStatus) -> None:
        """Puts the status where commands and the next daemon find it. While the state cannot be written it is kept
        here, and written by a later cycle."""
        self._memory = (self._memory or memory.Memory())._replace(status=after)
        try:
            self._memory = memory.keep(self._registry.store.notes, self._memory)
        except NoteMoved:
            self._memory = None
        except StateError:
            pass

    def _take_in(self, before: SyncStatus, triggers: Sequence[Trigger]) -> SyncStatus:
        """What was told before the last start, while another daemon led, may be out of date."""
        starts = [number for number, trigger in enumerate(triggers) if trigger.why is Why.START]
        for trigger in triggers[starts[-1] :] if starts else triggers:
            if trigger.why in _OF_THE_SOURCE:
                before = before._replace(trouble=trigger.trouble)
                self._commit = trigger.commit or self._commit
        return before

    def _guarded(self, scene: _Scene) -> SyncStatus:
        """What the cycle leaves, also where it could not be done at all."""
        try:
            after = self._reconcile(scene)
        except Locked as error:
            text = f"The state is locked by {error.holder.info.who} ({error.holder.info.operation})."
            return self._put_off(scene, Verdict.PENDING, text)
        except Invalid as error:
            self._announce(scene)
            self._audience.report(error.diagnostics)
            return self._put_off(scene, Verdict.BROKEN, *map(sentence, error.diagnostics))
        except StateError as error:
            return self._put_off(scene, Verdict.BROKEN, str(error))
        self._broken = 0
        return after

    def _put_off(self, scene: _Scene, verdict: Verdict, *why: str) -> SyncStatus:
        self._broken += 1
        self.due = Due(later(scene.now, delay(_BROKEN, self._broken, self._rules.reporter)), Why.RETRY)
        errors = why[:MOST_ERRORS] if verdict is Verdict.BROKEN else ()
        return scene.before._replace(
            verdict=verdict, errors=errors, waits=why[0], last_run=scene.now, next_run=self.due.at
        )

    def _reconcile(self, scene: _Scene) -> SyncStatus:
        notes = self._registry.store.notes
        end_suspensions(notes, scene.now)
        scene = scene._replace(suspensions=load_suspensions(notes, scene.now))
        look = self._look(scene.triggers)
        self._report = self._report._replace(diagnostics=look.diagnostics)
        scene = scene._replace(is_news=self._is_news(scene, look))
        if scene.is_news and look.diagnostics:
            self._announce(scene)
            self._audience.report(look.diagnostics)
        if look.force is None:
            return self._without(scene, look)
        self._report = self._report._replace(revision=look.force.desired.revision)
        if not look.refused and self._changes_nothing(scene, look.force):
            generation = look.force.generation
            return scene.before._replace(
                desired=generation, good=generation, applied=generation, applied_at=scene.now, last_run=scene.now
            )
        return self._carry_out(scene, look, look.force)

    def _announce(self, scene: _Scene) -> None:
        """Says why a cycle began, before the first thing that is said of it."""
        if not self._announced:
            self._audience.begin(scene.triggers)
        self._announced = True

    def _is_news(self, scene: _Scene, look: Look) -> bool:
        asked = any(trigger.why in _WORTH_SHOWING for trigger in scene.triggers)
        seen, self._seen = self._seen, look.digest
        return asked or look.digest != seen

    def _look(self, triggers: Iterable[Trigger]) -> Look:
        if self._follows_commits and not self._commit:
            return self._desired.recall()
        reload = any(trigger.why is Why.RELOAD for trigger in triggers)
        anew = reload or not self._follows_commits or self._commit != self._looked
        look = self._desired.look(self._commit, anew)
        self._looked = self._commit
        return look

    def _without(self, scene: _Scene, look: Look) -> SyncStatus:
        """The status where nothing sound was ever seen."""
        if scene.is_news:
            self._announce(scene)
        self.due = Due(later(scene.now, self._rules.interval_by(Policy())), Why.INTERVAL)
        nothing = "No desired state without errors was seen yet."
        return scene.before._replace(
            verdict=Verdict.REFUSED if look.refused else Verdict.PENDING,
            desired=look.generation,
            errors=tuple(map(sentence, look.diagnostics))[:MOST_ERRORS],
            waits=nothing if look.refused else "The source has not told of a commit yet.",
            last_run=scene.now,
            next_run=self.due.at,
            suspensions=scene.suspensions,
        )

    def _changes_nothing(self, scene: _Scene, force: InForce) -> bool:
        """Whether all there is to do is to note a commit that changes nothing of the registry."""
        only_commits = all(trigger.why is Why.COMMIT for trigger in scene.triggers)
        whole = scene.before.verdict is Verdict.SYNCED and scene.before.applied == scene.before.good
        return only_commits and whole and force.digest == self._settled

    def _carry_out(self, scene: _Scene, look: Look, force: InForce) -> SyncStatus:
        mode = self._rules.mode_by(force.policy)
        reports = mode is SyncMode.PLAN_ONLY
        unsettled = frozenset() if reports else recover_first(force, self._rules, self._audience)
        known = self._memory or memory.Memory()
        found = survey(force, Terms(mode, scene.suspensions, known.retries, known.heals, scene.now))
        opened = opening(force.policy.windows, scene.now)
        barred = gate(found.plan, mode, opened, self._rules)
        self._show(scene, force, found, look.refused, going=barred is None)
        summary = None
        if barred is None and found.plan.changes:
            self._commit_to(scene, force)
            summary = apply(force.registry, found.plan, self._rules, self._audience, scene.stop, unsettled)
        ended = self._end(scene, look, force, found, barred, summary)
        self._settled = force.digest
        self.due = next_due(ended, scene.now, opened, self._rules.interval_by(force.policy))
        after = status_after(scene.before, ended)
        return after._replace(mode=mode, last_run=scene.now, next_run=self.due.at)

    def _commit_to(self, scene: _Scene, force: InForce) -> None:
        """Notes what comes into force before anything of it is done: a daemon that starts after a crash goes on with
        it, and does not begin by undoing it."""
        if force.generation != scene.before.good:
            self._keep(scene.before._replace(good=force.generation))

    def _show(self, scene: _Scene, force: InForce, found: Survey, refused: bool, going: bool) -> None:
        """Shows the plan when something changed, when it is carried out, and when it is not the one shown last; not an
        empty one while something waits or is refused."""
        plan = found.plan
        content = (*((c.address, c.action, c.after) for c in plan.changes), *(seen for _, seen in plan.drift))
        news = scene.is_news and not refused
        says = content or not (found.whole.changes or found.unplanned or refused)
        if says and (news or content != self._shown or (going and plan.changes)):
            self._announce(scene)
            self._audience.show(force.registry, plan)
        self._shown = content

    def _end(
        self,
        scene: _Scene,
        look: Look,
        force: InForce,
        found: Survey,
        barred: Gate | None,
        summary: Summary | None,
    ) -> Ended:
        """Takes in what came of the run: what was done, what failed, and what was healed."""
        now = self._registry.clock.now()
        done = _done(found, summary)
        healed = tuple(change.address for change in done if change.address not in found.wanted)
        if done:
            changed = {change.address for change in done}
            self._shown = tuple(seen for _, seen in found.plan.drift if seen.address not in changed)
        self._report = self._report._replace(
            summary=summary, applied=Counter(change.action.value for change in done), healed=healed
        )
        if _has_failures(found, summary):
            failed, failing, recorded = failed_now(found.force)
        else:
            failed, failing, recorded = {}, {}, _count(found, done)
        retries = schedule(found.retries, failed, force.policy.backoff, now)
        known = self._memory or memory.Memory()
        self._memory = known._replace(retries=retries, heals=spend(recent(known.heals, now), healed, now))
        return Ended(
            look,
            found,
            barred,
            frozenset(change.address for change in found.plan.changes),
            frozenset(change.address for change in done),
            failing,
            recorded,
            retries,
            bool(summary and summary.interrupted),
            scene.suspensions,
            now,
        )


def _has_failures(found: Survey, summary: Summary | None) -> bool:
    return bool(found.retries or (summary and summary.failed))


def _count(found: Survey, done: Iterable[Change]) -> int:
    """How many records there are once all went well."""
    records = found.recorded.records
    there = {change.address: change.action is not Action.DELETE for change in done}
    return len(records) + sum(there[a] - (a in records) for a in there)


def _done(found: Survey, summary: Summary | None) -> list[Change]:
    """The changes that were carried out."""
    if summary is None:
        return []
    undone = {*summary.failed, *summary.skipped}
    return [change for change in found.plan.changes if change.address not in undone]
