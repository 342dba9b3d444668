"""A controller process that does one thing at a time, made of the program's own parts.

Lookout, plan, reconciler, pool, table, backlog, writer, sweeper are the real ones; only threads,
network and clock are missing. Every step starts from an image of the process's memory and ends with
one, so that an explorer can branch at every step.
"""

from __future__ import annotations

from dataclasses import replace as changed
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.config import Namespaces
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.sweeper import Sweeper
from dnatctl.control.gateway.threads import TableThreads
from dnatctl.control.gateway.writer import TableWriter
from dnatctl.control.sight.look import Lookout, _Answers
from dnatctl.control.sight.spaces import Spaces
from dnatctl.control.sight.tenancy import Nodes
from dnatctl.control.state.signals import Signals
from dnatctl.control.state.views import Views
from dnatctl.control.worker import reconciler as reconciling
from dnatctl.control.worker.reconciler import Reconciler
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import KubeError
from dnatctl.kube.nodes import Node
from dnatctl.model import ForwardEntry, GatewayEip
from dnatctl.objects import Key, PodDNAT
from dnatctl.plan.adoption import left_with
from dnatctl.plan.exposure import Rules
from dnatctl.plan.values import Plan, Seen, WorkloadAnswer
from dnatctl.pool import GatewayPool
from dnatctl.table.backlog import Backlog
from dnatctl.table.marks import Marks
from dnatctl.table.turns import LOWER_CLASS_EVERY
from dnatctl.table.view import Pass
from dnatctl.table.writes import PendingWrite
from tests.model import image as img
from tests.model.cloud import Call, Cloud, Outcome
from tests.model.edges import (
    CloudPort,
    Dispatched,
    PodCache,
    RecordCache,
    Server,
    Silent,
    TickClock,
)
from tests.model.image import EIP, GATEWAY, Image, Pause
from tests.model.kube import Kube, Request, as_pod, key
from tests.model.setup import Setup

CLUSTER = "c1"
MARKS = Marks(CLUSTER, "0123abcd")
RULES = Rules()


@cache
def dead_node() -> Nodes:
    """The one node of which anything is known."""
    nodes: Cache[Node] = Cache()
    nodes.apply(Node(Key("", "dead"), "uid-of-dead", "1", "", ready=False))
    return Nodes(nodes)


class Done(NamedTuple):
    """What came of a step. `stored`: writes that the API server carried out. `late`: those still
    on their way to it. `told`: what the step was, for a story. `gone`: adopted rows that are gone.
    `lease`: what the lease says from now on, if it was written.
    """

    image: Image
    stored: tuple[Request, ...] = ()
    late: tuple[Request, ...] = ()
    told: str = ""
    gone: tuple[str, ...] = ()
    lease: str | None = None


SILENT = Silent()
_OPERATION = {"create": Operation.CREATE, "modify": Operation.MODIFY, "delete": Operation.DELETE}
_ENIS = SimpleNamespace(
    want=lambda ip, since, node: None,
    missing=lambda ip: False,
    held=lambda ip, since, node: None,
)
_GAUGE = SimpleNamespace(set=lambda count: None)
_METRICS: Any = SimpleNamespace(
    orphans_deleted=SimpleNamespace(inc=lambda count: None), orphans_held=_GAUGE, strangers=_GAUGE
)


class OneStep(Reconciler):
    """Tells what it decided last."""

    told = ""

    def _decide(self, seen: Seen) -> Plan:
        made = super()._decide(seen)
        writes = ", ".join(describe(write) for write in made.writes)
        self.told = describe(made.step) if made.step else writes or "nothing"
        return made


class Process:
    """One step of one process: made of an image, and made an image again by `freeze`."""

    def __init__(
        self,
        setup: Setup,
        image: Image,
        tick: int,
        *,
        kube: Kube,
        cloud: Cloud,
        fault: str = "",
        all_due: bool = False,
    ) -> None:
        self.image = image
        self.clock = TickClock(tick)
        self.now = self.clock.monotonic()
        self.server: Any = Server(kube, tick, fault)
        offer = GatewayPool(GATEWAY, setup.ports)
        self.views = Views(MARKS, [offer], setup.quarantine_s, self.clock)
        self.table = self.views.table(GATEWAY)
        self.pods: Any = PodCache(image.pods)
        self.records: Any = RecordCache()
        self.backlog = Backlog()
        self.setup = setup
        self._cloud = cloud
        self._load(all_due=all_due)
        queue: Any = SILENT
        self.signals = Signals(self.views, queue, self.pods, self.records)
        self.records.on_change(self._record_changed)

    @cached_property
    def lookout(self) -> Lookout:
        """What a worker looks with."""
        enis: Any = _ENIS
        nothing: Any = None
        lookout = Lookout(
            self.views,
            self.pods,
            self.records,
            rules=lambda _: RULES,
            spaces=Spaces(nothing, nothing, Namespaces),
            policy=lambda: self.setup.policy,
            nodes=dead_node(),
            lookups=self.server,
            gateways=lambda: self.gateways,
            enis=enis,
            neighbours=Neighbours(),
            clock=self.clock,
        )
        img.load_looks(lookout, self.image)
        return lookout

    @cached_property
    def reconciler(self) -> OneStep:
        """What a worker acts with."""
        reporter: Any = SILENT
        reconciler = OneStep(
            self.lookout,
            self.views,
            self.records,
            self.server,
            ledger=self.server,
            hands=self.gateways,
            signals=self.signals,
            reporter=reporter,
            note_soon=lambda: None,
        )
        img.load_doubted(reconciler, self.image)
        return reconciler

    # --- image

    def _load(self, *, all_due: bool) -> None:
        image, views = self.image, self.views
        views.pool.describe(GATEWAY, [GatewayEip(EIP, usable=True)], "")
        views.adopted.update(image.adopted)
        views.going = set(image.going)
        img.load_table(self.table, image, self.now)
        img.load_pool(views.pool, image)
        for state in image.pods:
            views.ips.pod_changed(None, as_pod(state))
        for record in image.records:
            self.records.held[record.key] = record
            views.records._keys[record.uid] = record.key
        views.records._made = set(image.made)
        img.load_backlog(self.backlog, image.backlog, all_due=all_due)

    def freeze(self, **changes: Any) -> Image:
        """The image of the memory as it is now."""
        views, reading = self.views, self.image.reading
        reading = changes.get("reading", reading)
        quarantine = views.pool._quarantine
        first_read = img.freeze_first_read(self.table, self.now)
        frozen = self.image._replace(
            pods=tuple(sorted(self.pods.states.values())),
            records=tuple(r for _, r in sorted(self.records.held.items())),
            rows=img.freeze_table(self.table, self.now, reading=reading is not None),
            deleted=img.freeze_deleted(self.table, self.now, (*self._cloud.rows, *(reading or ()))),
            table=img.freeze_pasts(self.table, self.now, (*self._cloud.rows, *(reading or ()))),
            read=self.table.read_once,
            first_read=first_read,
            shown=img.freeze_shown(self.table, first_read),
            made=img.freeze_made(views, first_read),
            claims=img.freeze_claims(views.pool),
            contests=img.freeze_contests(views.pool),
            unused=img.freeze_unused(views.pool),
            quarantine=img.freeze_quarantine(views.pool, self.now),
            lines=img.freeze_lines(views.pool),
            dismissed=frozenset(views.pool._dismissed),
            retired=frozenset(quarantine._retired),
            noted=frozenset(quarantine._noted & quarantine._retired),
            adopted=tuple(sorted(views.adopted.items())),
            going=frozenset(views.going),
            backlog=img.freeze_backlog(self.backlog, self.table, self.now),
        )
        if "lookout" in self.__dict__:
            looks = img.freeze_looks(self.lookout)
            frozen = frozen._replace(
                looks=looks,
                workloads=self._workloads(),
                deletions=img.freeze_deletions(self.lookout, self.records.held, self.now),
                served=img.freeze_served(self.lookout, self.records.held),
            )
        if "reconciler" in self.__dict__:
            frozen = frozen._replace(
                doubted=img.freeze_doubted(self.reconciler, self.now),
                mute=img.freeze_mute(self.reconciler, self.records.held),
            )
        if "sweeper" in self.__dict__ or self.image.sightings or self.image.vanished:
            frozen = frozen._replace(**img.freeze_sightings(self.sweeper, self.table))
        return frozen._replace(**changes) if changes else frozen

    def _workloads(self) -> tuple[tuple[str, tuple[float, str, WorkloadAnswer]], ...]:
        known = self.lookout._workloads.items()
        return tuple(sorted((k.name, v) for k, v in known if v[0] >= self.now))

    def done(self, told: str = "", **changes: Any) -> Done:
        """The end of the step."""
        server = self.server
        return Done(self.freeze(**changes), server.stored, server.late, told)

    @cached_property
    def gateways(self) -> Gateways:
        """The gateway at work, with the backlog there is; its threads are never started."""
        port: Any = CloudPort(self._cloud)
        gateways = Gateways(
            self.views,
            port,
            self.signals,
            _METRICS,
            fence=lambda: True,
            adopted=self.server.load,
            idle_s=60.0,
        )
        threads = TableThreads(
            GATEWAY,
            self.views,
            port,
            listener=self.signals,
            remains=gateways.remains,
            metrics=_METRICS,
            in_doubt=lambda: None,
            fence=lambda: True,
            idle_s=60.0,
            backlog=self.backlog,
        )
        gateways.fleet.put(GATEWAY, threads)
        gateways._wanted = {
            uid: {GATEWAY}
            for uid, record in self.backlog._records.items()
            if any(pending.wanted for pending in record.pending)
        }
        gateways._asked = {uid: {GATEWAY} for uid in self.backlog._records}
        return gateways

    @property
    def writer(self) -> TableWriter:
        """The writer of the table."""
        writer = self.gateways.fleet.writer(GATEWAY)
        assert writer is not None
        return writer

    @cached_property
    def sweeper(self) -> Sweeper:
        """Made when needed, which is seldom."""
        sweeper = Sweeper(
            self.views,
            self.gateways,
            _METRICS,
            ledger=self.server,
            known_uids=lambda: {record.uid for record in self.server.kube.records},
            may_delete=lambda: True,
            left_with=lambda key: left_with(self.lookout.glance(key)),
        )
        img.load_sightings(sweeper, self.image)
        return sweeper

    def _record_changed(self, old: PodDNAT | None, new: PodDNAT | None) -> None:
        if old is not None and new is None:
            self.gateways.record_changed(old, new)

    # --- the worker

    def reconcile(self, name: str) -> str:
        """Look, decide, and take one step; returns what the step was."""
        usual, reconciling.MOST_STEPS = reconciling.MOST_STEPS, 1
        try:
            self.reconciler.reconcile(self.signals.ref(key(name)))
        except KubeError as error:
            if not (error.unsure or error.refused):
                raise
        finally:
            reconciling.MOST_STEPS = usual
        return self.reconciler.told

    def look(self, name: str) -> Pause | None:
        """Ask for a pod that the watch has not told of, and be held up; None where that is not so.

        All else that is looked at is of the moment of the decision.
        """
        if key(name) in self.reconciler._doubted:
            return None
        answers = _Answers()
        seen = self.lookout._look(key(name), _as_it_is, answers)
        if seen is None or answers.pod is None or key(name) in self.lookout._confirmed:
            return None
        basis, pod = answers.pod
        return Pause(name, _state(pod), seen.record, basis)

    def decide(self, name: str) -> Pause | None:
        """Look and decide, and be held up before the write to Kubernetes; None if there is none."""
        if key(name) in self.reconciler._doubted:
            return None
        seen, made = self._decide(name, _Answers())
        return Pause(name, _state(seen.pod), seen.record, step=made.step) if made.step else None

    def resume(self, pause: Pause) -> str:
        """Go on after a pause."""
        pod = as_pod(pause.pod) if pause.pod else None
        if pause.step is None:
            answers = _Answers((pause.basis, pod))
            seen, made = self._decide(pause.name, answers)
            if made.step is not None:
                self._take(seen, made.step)
            return self.reconciler.told
        seen = self.lookout._see(key(pause.name), _Answers())
        self._take(changed(seen, pod=pod, record=pause.record), pause.step)
        return describe(pause.step)

    def _decide(self, name: str, answers: _Answers) -> tuple[Seen, Plan]:
        decided = self.lookout._look(key(name), self.reconciler._in_one_breath, answers)
        assert decided is not None
        return decided

    def _take(self, seen: Seen, step: Any) -> None:
        try:
            self.reconciler._take(seen, step)
        except KubeError as error:
            if error.refused:
                self.reconciler._not_taken(seen, step, error)
            elif not error.unsure:
                raise

    # --- the writer

    def send(self, turn: int) -> Call | None:
        """Send what is next; None where nothing needed sending.

        `turn` 0: the highest class has its turn, else one of the lower ones.
        """
        backlog = self.backlog
        backlog._turns._taken = LOWER_CLASS_EVERY * turn - 1 if turn else 0
        pending = backlog.take(self.now)
        if pending is None:
            return None
        try:
            self.writer._write(pending)
        except Dispatched as dispatched:
            return dispatched.call
        return None

    def hear(self, call: Call, outcome: Outcome) -> None:
        """The answer to the write under way."""
        pending = self.backlog.sending
        assert isinstance(pending, PendingWrite)
        if isinstance(outcome, ErrorKind):
            error = CloudError(_OPERATION[call.verb], outcome)
            self.writer._outcomes.failed(pending, error, self.now)
        else:
            self.writer._outcomes.accepted(pending, outcome, self.now)

    # --- the poller

    def merge(self, rows: tuple[ForwardEntry, ...], started: float) -> list[str]:
        """Take in a reading of the whole table; returns adopted rows that are gone."""
        reading = Pass(started, {row.entry_id: row for row in rows}, atomic=True)
        changes = self.table.merge(reading, self.now)
        for entry_id in self.table.unlisted(reading):
            row = self._cloud.row(entry_id) if entry_id not in self._cloud.hidden else None
            changes += self.table.answered(entry_id, row, self.now)
        if not self.image.read:
            self.views.pool.open()
        gone = [c.before.entry.entry_id for c in changes if c.before and c.after is None]
        return self.views.disown(gone)

    # --- the lease

    def inherit(self, text: str) -> None:
        """Take over what the last leader left."""
        self.views.inherit(text, 0.0)

    def handover(self) -> str:
        """What the lease says for the next leader."""
        return self.views.handover()

    def noted(self, text: str) -> None:
        """The lease has been written."""
        self.views.noted(text)


def _as_it_is(seen: Seen) -> Seen:
    return seen


def _state(pod: Any) -> Any:
    return pod.state if pod else None


def describe(step: object) -> str:
    """A step or a write, for a story."""
    return type(step).__name__
