"""One pod at a time: look, plan, take the next step, and look again while there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from dnatctl.control.sight.look import Lookout
from dnatctl.control.state.refusals import (
    DOUBTS_UNTOLD,
    PASSING,
    Failing,
    Refusals,
    holds_up,
    is_refusal,
    not_answered,
    not_noted,
    not_stored,
)
from dnatctl.control.state.signals import Signals
from dnatctl.control.state.views import Views
from dnatctl.control.worker.adopter import Adopter
from dnatctl.control.worker.damping import Damper
from dnatctl.control.worker.its_turn import ITS_TURN, after_others
from dnatctl.control.worker.roles import Hands, Keeper, Keepless, Reporter
from dnatctl.control.worker.statuses import Statuses
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.ledger import Ledger
from dnatctl.kube.poddnats import SETTLED_S, PodDNATApi
from dnatctl.objects import FINALIZER, Key, PodDNAT, PodDNATSpec, PodRef
from dnatctl.plan.plan import is_done_with, is_held, plan
from dnatctl.plan.values import (
    CHANGES_A_MINUTE,
    Adopt,
    CreateRecord,
    DeleteRecord,
    DropFinalizer,
    FixMetadata,
    Plan,
    Publish,
    Reclaim,
    Retire,
    Seen,
    Step,
)

log = structlog.get_logger(__name__)

MOST_STEPS = 16
"""Steps taken for a pod before others get their turn."""

CALLED = ("PoolExhausted", "NamespaceQuota")
"""Problems of which those are called whose turn it is, so that nobody has to look by himself."""

WAIT_FOR_ROOM = ("PoolExhausted", "NamespaceQuota", "CloudRejected")
"""Problems that may be over as soon as somebody else gives something back, or is served."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A write that nobody answered, and what it rested on. `until`: what was not stored by then
    never will be.
    """

    seen: Seen
    until: float


class Reconciler:
    """Turns plans into requests.

    Signals are told of each look at a pod: what has been heard of it until then is settled by it.
    They answer False where the name is another pod's by now: that one's own turn will come.
    """

    def __init__(
        self,
        lookout: Lookout,
        views: Views,
        records: Cache[PodDNAT],
        api: PodDNATApi,
        *,
        ledger: Ledger,
        hands: Hands,
        signals: Signals,
        reporter: Reporter,
        note_soon: Callable[[], None],
        dry_run: bool = False,
        keeper: Keeper | None = None,
        changes_a_minute: int = CHANGES_A_MINUTE,
    ) -> None:
        self._lookout = lookout
        self._views = views
        self._records = records
        self._api = api
        self._adopter = Adopter(ledger, views)
        self._hands = hands
        self._signals = signals
        self._reporter = reporter
        self._note_soon = note_soon
        self._dry_run = dry_run
        self._keeper = keeper or Keepless()
        self._refusals = Refusals()
        self._damper = Damper(changes_a_minute)
        self._doubted: dict[Key, Undecided] = {}
        """Names whose last write may have been carried out although it failed."""
        self._looks = Failing()
        """Where the API server does not say what has to be known of a name."""
        self._steps = Failing()
        """Where it does not store what is due."""
        self._statuses = Statuses()

    def try_again(self) -> None:
        """PodDNATs can be stored again: whoever was refused one tries now."""
        with self._views.lock:
            self._refusals.begin_anew()
        self._signals.resync()

    def reconcile(self, ref: PodRef) -> float | None:
        """Bring one pod, with the record of its name, as far as it goes now.

        Returns the seconds after which to look again; None to wait until something is heard.
        Raises KubeError where the API server fails.
        """
        key = ref.key
        if (doubted := self._doubted.get(key)) is not None:
            self._recheck(doubted)
        taken: set[type[Step]] = set()
        for _ in range(MOST_STEPS):
            if not self._signals.looking(ref):
                return 0.0
            decided = self._look(key)
            if decided is None:
                return 0.0
            seen, made = decided
            if made.step is None or self._dry_run:
                return self._judge(seen, made)
            log.debug("step", key=str(key), step=type(made.step).__name__)
            try:
                if not self._take(seen, made.step):
                    return None
            except KubeError as error:
                if isinstance(made.step, CreateRecord | Reclaim) and holds_up(error):
                    return self._refused(seen, error)
                self._not_taken(seen, made.step, error)
                raise
            if type(made.step) in taken:
                return 0.0  # something else has changed meanwhile: that may go on without end
            taken.add(type(made.step))
        return 0.0

    def _look(self, key: Key) -> tuple[Seen, Plan] | None:
        """That the API server does not say what has to be known passes, mostly; else it is told."""
        try:
            decided = self._lookout.look(key, self._in_one_breath)
        except KubeError as error:
            if error.failure not in PASSING:
                self._unanswered(key, error)
            raise
        self._looks.over(key)
        return decided

    def _unanswered(self, key: Key, error: KubeError) -> None:
        failed = self._looks.again(key, Lookout, self._views.clock.monotonic())
        if failed.times > DOUBTS_UNTOLD and not self._dry_run:
            silence = Plan(problem=not_answered(key, error))
            self._reporter.judged(self._lookout.glance(key), silence)

    def _in_one_breath(self, seen: Seen) -> tuple[Seen, Plan]:
        """Decide, and hand over what is to be written to tables, while nothing can change.

        Between a plan and its writes no writer may carry out what an earlier plan wanted, or it
        would be wanted once more.
        """
        seen = self._statuses.add_to(seen)
        made = self._decide(seen)
        self._hand_over(seen, made)
        return seen, made

    def _decide(self, seen: Seen) -> Plan:
        """Plan, and take the endpoints of a new claim out of the pool. The views are locked."""
        held_back = self._refusals.hold(seen.key, seen.now) or self._damper.hold(seen.key, seen.now)
        if held_back is not None:
            seen = replace(seen, allowance=held_back)
        if seen.record is not None and is_held(seen):
            self._views.recall(seen.record)
        made = plan(seen, self._views.pool)
        match made.step:
            case CreateRecord(spec) if self._views.waiting.comes_later(seen.key, spec.gateway_id):
                made = after_others(self._views.waiting.early_s(seen.key))
        # Room that is made from now on is heard of.
        self._queue_up(seen.key, made)
        if self._dry_run:
            return made
        if held_back is not None and made.problem == held_back.problem:
            self._refusals.waits(seen.key)
        if isinstance(made.step, CreateRecord | Reclaim):
            self._refusals.tries(seen.key, seen.now)
            held = seen.record.spec if seen.record else None
            self._views.begin_claim(seen.key, made.step.spec, held)
        elif seen.asked is not None and held_back is None:
            self._views.end_claim(seen.key)
        return made

    def _queue_up(self, key: Key, made: Plan) -> None:
        reason = made.problem.reason if made.problem else ""
        if reason in WAIT_FOR_ROOM and not isinstance(made.step, CreateRecord):
            early = made.problem == ITS_TURN
            self._views.waiting.begin(key, for_pool=reason == "PoolExhausted", early=early)
        else:
            self._views.waiting.end(key)

    def _hand_over(self, seen: Seen, made: Plan) -> None:
        if self._dry_run:
            for step in (*made.writes, *([made.step] if made.step else [])):
                log.info("would do", key=str(seen.key), step=repr(step))
            return
        if seen.record is not None:
            self._hands.want(seen.record.uid, seen.key, made.writes)
        for uid in made.blockers:
            self._hands.expedite(uid)
        if made.read:
            self._hands.read(made.read)

    def _refused(self, seen: Seen, error: KubeError) -> float:
        """A claim was not stored: whoever it is for is told, and tries again later."""
        log.warning("claim not stored", key=str(seen.key), error=str(error))
        now = self._views.clock.monotonic()
        with self._views.lock:
            problem, wait = self._refusals.refused(seen.key, error, now)
        if problem is not None:
            self._reporter.judged(seen, Plan(problem=problem))
        return wait

    def _judge(self, seen: Seen, made: Plan) -> float | None:
        self._steps.over(seen.key)
        if (unnoted := self._adopter.note_late(seen)) is not None:
            made = replace(made, problem=made.problem or unnoted)
        if made.problem is ITS_TURN:
            self._signals.room_made()
        if made.problem is not None and made.problem.passing:
            return made.retry_in
        why = made.problem.reason if made.problem else ""
        log.debug("looked", reason=why, writes=len(made.writes))
        untold = None if self._dry_run else self._reporter.judged(seen, made)
        if seen.record is None and seen.pod is None:
            self._lookout.forget(seen.key)
            self._doubted.pop(seen.key, None)
            self._views.end_claim(seen.key)  # also where it is held back, which is told nobody now
            with self._views.lock:
                self._refusals.forget(seen.key)
        waits = made.problem is not None and made.problem.reason in CALLED
        if waits:
            self._signals.called_in_vain()
        again = None if waits else made.retry_in
        return min((at for at in (again, untold) if at is not None), default=None)

    # --- steps

    def _take(self, seen: Seen, step: Step) -> bool:
        """Take a step; returns whether to go on at once."""
        try:
            go_on = self._carry_out(seen, step)
        except KubeError as error:
            if error.unsure:
                self._doubt(seen)
            stale = error.failure in (Failure.CONFLICT, Failure.NOT_FOUND, Failure.ALREADY_EXISTS)
            if not (stale and self._was_behind(seen)) or self._lasts(seen, step, error):
                raise
            return True
        self._steps.over(seen.key)
        return go_on

    def _was_behind(self, seen: Seen) -> bool:
        """Whether the cache was behind, so that what the server holds decides anew.

        If not, whoever answered so will answer so again.
        """
        self._refresh(seen)
        held, had = self._records.get(seen.key), seen.record
        if held is None or had is None:
            return held is not had
        return (held.uid, held.resource_version) != (had.uid, had.resource_version)

    def _carry_out(self, seen: Seen, step: Step) -> bool:
        if isinstance(step, CreateRecord):
            return self._create(seen, step)
        record = seen.record
        if record is None:
            return False
        match step:
            case Reclaim(spec):
                self._claim(seen, step, lambda: self._api.replace_spec(record, spec))
            case Publish(status):
                self._keeper.keep(record, status)
                written = self._api.patch_status(record, status)
                self._statuses.stored(status, written)
                self._written(seen, step, written)
            case FixMetadata(owner):
                finalizers = tuple(dict.fromkeys((*record.finalizers, FINALIZER)))
                fixed = self._api.patch_metadata(record, finalizers=finalizers, owners=(owner,))
                self._written(seen, step, fixed)
            case Adopt():
                self._adopter.adopt(record, step)
                self._reporter.stepped(seen, step, record)
            case Retire():
                return self._retire(seen.key, step)
            case DeleteRecord():
                self._api.delete(record)
                return False
            case DropFinalizer():
                self._drop_finalizer(seen, record, step)
        return True

    def _create(self, seen: Seen, step: CreateRecord) -> bool:
        new = PodDNAT(
            key=seen.key,
            uid="",
            resource_version="",
            finalizers=(FINALIZER,),
            owners=(step.owner,),
            spec=step.spec,
        )
        self._claim(seen, step, lambda: self._api.create(new))
        return True

    def _claim(self, seen: Seen, step: Step, write: Callable[[], PodDNAT]) -> None:
        """Have a claim stored. What is in doubt stays taken; what is refused is free at once."""
        try:
            stored = write()
        except KubeError as error:
            if not error.unsure:
                self._views.end_claim(seen.key)
                raise
            self._views.doubt_claim(seen.key)
            self._doubt(seen)  # whatever comes of the look
            self._refresh(seen)
            raise
        except BaseException:
            self._views.doubt_claim(seen.key)
            raise
        if seen.record is None:
            self._views.records.made(stored.uid)
        self._written(seen, step, stored)
        self._views.end_claim(seen.key)
        had = seen.record.spec if seen.record else PodDNATSpec()
        with self._views.lock:
            if not set(stored.spec.endpoints()) <= set(had.endpoints()):
                self._damper.took(seen.key, self._views.clock.monotonic())
            waiting = self._refusals.accepted(seen.key)
        for key in waiting:
            self._signals.changed(key)
        self._signals.served()

    def _retire(self, key: Key, step: Retire) -> bool:
        begun = self._views.retire(key, step.endpoints)
        if begun:
            self._note_soon()
        return bool(self._views.durable(step.endpoints)) and begun

    def _not_taken(self, seen: Seen, step: Step, error: KubeError) -> None:
        """What becomes of a PodDNAT of which something was not stored, and what is told of it."""
        lasts = self._lasts(seen, step, error)
        if is_done_with(seen, step):
            self._stays(seen)
        # The PodDNAT is there, or `_take` had seen that it is not: it has no status.
        missing = error.failure is Failure.NOT_FOUND and isinstance(step, Publish)
        at_once = isinstance(step, FixMetadata) and is_refusal(error)
        if not (error.refused or lasts or missing or at_once):
            return
        if isinstance(step, Publish) and seen.record is not None:
            self._statuses.refused(seen.record.uid)
        if isinstance(step, Adopt):
            self._not_noted(seen, step, error)
        elif isinstance(step, Publish | FixMetadata | DeleteRecord | DropFinalizer):
            self._reporter.judged(seen, Plan(problem=not_stored(seen.key, error)))

    def _lasts(self, seen: Seen, step: Step, error: KubeError) -> bool:
        """Whether it has failed so for too long to be waited for: of hanging webhooks, and of some
        that answer nonsense, the API server never says that they refuse. Nor does one say so that
        has too many requests for long: what a status lists has to go all the same."""
        starved = error.failure is Failure.TOO_MANY_REQUESTS and isinstance(step, Publish)
        if error.failure in PASSING and not starved:
            return False
        now = self._views.clock.monotonic()
        return self._steps.again(seen.key, type(step), now).lasts(now)

    def _not_noted(self, seen: Seen, step: Adopt, error: KubeError) -> None:
        if seen.record is not None:
            self._adopter.adopt_unnoted(seen.record, step)
        self._reporter.judged(seen, Plan(problem=not_noted(seen.key, error)))

    def _stays(self, seen: Seen) -> None:
        """A PodDNAT that is done with cannot be let go: when its endpoints have begun to rest for
        certain, they are others' to have."""
        record = seen.record
        if record is None:
            return
        if retiring := tuple(e for e in record.spec.endpoints() if e not in seen.durable):
            self._retire(seen.key, Retire(retiring))
        elif self._views.dismiss(record):
            self._keeper.forget(record.uid)
            self._signals.room_made()

    def _drop_finalizer(self, seen: Seen, record: PodDNAT, step: DropFinalizer) -> None:
        left = tuple(name for name in record.finalizers if name != FINALIZER)
        patched = self._api.patch_finalizers(record, left)
        self._hands.forget(record.uid)
        self._statuses.forget(record.uid)
        self._keeper.forget(record.uid)
        self._reporter.stepped(seen, step, patched)
        if left:
            self._records.note_written(patched)
        else:
            self._records.note_deleted(record.key, record.uid)

    def _written(self, seen: Seen, step: Step, record: PodDNAT) -> None:
        self._records.note_written(record)
        self._reporter.stepped(seen, step, record)

    def _doubt(self, seen: Seen) -> None:
        self._doubted[seen.key] = Undecided(seen, self._views.clock.monotonic() + SETTLED_S)

    def _recheck(self, doubt: Undecided) -> None:
        """Nothing may rest on a view that lacks a write of our own."""
        seen, now = doubt.seen, self._views.clock.monotonic()
        self._refresh(seen)
        if now >= doubt.until:
            self._views.never_stored(seen.key)
        if seen.record is not None and (gateway_id := seen.record.spec.gateway_id):
            self._adopter.load(gateway_id)
        if self._views.asked(seen.key) is None:
            del self._doubted[seen.key]

    def _refresh(self, seen: Seen) -> None:
        held = self._api.get(seen.key)
        if held is not None:
            self._records.note_written(held)
        elif seen.record is not None:
            self._records.note_deleted(seen.key, seen.record.uid)
