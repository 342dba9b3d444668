"""What this replica shows of itself: the status document, made when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from dnatctl import __version__
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.settings import LabelsOf, Settings
from dnatctl.control.standing import Standing
from dnatctl.control.state.views import Views
from dnatctl.kube.informer import Informer
from dnatctl.model import GatewayEip
from dnatctl.objects import READY, Key, Pod, PodDNAT
from dnatctl.observe.pods import PodCounts
from dnatctl.plan.exposure import Ask, Problem, Rules, read_exposure
from dnatctl.plan.reasons import REASONS
from dnatctl.pool import GatewayPool
from dnatctl.status import document, ports
from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    PastHolder,
    StatusDocument,
    Waiter,
)
from dnatctl.status.ports import Outline, Snapshot
from dnatctl.times import format_time, parse_time

RELEASING = frozenset(
    {
        "Releasing",
        "EntriesUnmarked",
        "ReleaseHeld",
        "Released",
        "DeletionHeld",
        "DeletionHeldByPolicy",
    }
)
"""Reasons of PodDNATs whose entries are going."""

_QUEUED = "Queued"
"""Reason of a pod of which nothing is known yet: nobody is told of it."""

_COUNTED = frozenset({*REASONS, _QUEUED})
"""Reasons that are counted one by one; all others as `OTHER`."""

OTHER = "Other"
"""Of conditions whose reason is none of ours: who may write PodDNATs is not to fill Prometheus with
a series for each."""

Told = Callable[[], Mapping[Key, tuple[Problem, str]]]
"""What each name was last told is wrong, and since when."""


class Board:
    """Makes the document. `told`: see `Told`; `labels`: of namespaces."""

    def __init__(
        self,
        views: Views,
        gateways: Gateways,
        pods: Informer[Pod],
        records: Informer[PodDNAT],
        settings: Settings,
        *,
        standing: Standing,
        told: Told,
        labels: LabelsOf,
    ) -> None:
        self._views = views
        self._gateways = gateways
        self._pods = pods
        self._records = records
        self._settings = settings
        self._standing = standing
        self._told = told
        self._labels = labels
        self._since = format_time(views.clock.now())

    def page(self) -> bytes:
        """The document as it is served."""
        return document.encode(self.status())

    def status(self) -> StatusDocument:
        """The document as of now."""
        lease, waits_for = self._standing.lease(), tuple(self._standing.waits_for())
        status = StatusDocument(
            at=format_time(self._views.clock.now()),
            version=__version__,
            cluster=self._settings.config.cluster_id,
            lease=lease,
            ready=not waits_for,
            waits_for=waits_for,
            notes=tuple(self._standing.troubles()),
            rules=self._rules(),
            orders=self._views.orders.each,
        )
        if not lease.leading:
            return status
        # Not under the lock of the views: caches have locks of their own, which come first.
        waiting = tuple(self._waiting())
        with self._views.lock:
            snapshot, history = self._snapshot(), list(self._views.history)
        gateways = ports.gateways(snapshot)
        past = tuple(PastHolder(str(endpoint), *tenure) for endpoint, tenure in history)
        return document.with_content(status, gateways, waiting, past, self._since)

    def pods(self) -> PodCounts:
        """How many wait, by reason, and for how long."""
        if not self._standing.leading.is_set():
            return PodCounts()
        now, oldest = self._views.clock.now(), dict[tuple[str, str], float]()
        waiting = Counter[tuple[str, str]]()
        reachable = {str(record.key) for record in self._records.values() if _is_reachable(record)}
        for waiter in self._waiting():
            if waiter.pod in reachable:
                continue  # it is told something, and waits for nothing
            state = "releasing" if waiter.reason in RELEASING else "waiting"
            waits = state, waiter.reason if waiter.reason in _COUNTED else OTHER
            waiting[waits] += 1
            if since := parse_time(waiter.since):
                oldest[waits] = max(oldest.get(waits, 0.0), (now - since).total_seconds())
        return PodCounts(len(reachable), waiting, oldest)

    def _rules(self) -> document.RulesInForce:
        config, rules = self._settings.config, self._settings.rules()
        return document.RulesInForce(
            allow=config.namespaces.allow,
            deny=config.namespaces.deny,
            selector=str(config.namespaces.selector or ""),
            denied_ports=tuple(ports.text for ports in rules.denied_ports),
            vpc_cidrs=tuple(map(str, rules.networks)),
            stateful_kinds=tuple(sorted(rules.stateful_kinds)),
            max_ports_per_pod=rules.max_ports,
        )

    # --- gateways

    def _snapshot(self) -> Snapshot:
        """What stands now; under the lock, so it copies and does no more."""
        views = self._views
        return Snapshot(
            at=views.clock.now(),
            gateways=[self._outline(offer) for offer in views.pool.offers()],
            claims=views.pool.claims(),
            names=dict(views.records.keys),
            records=self._records.values(),
            resting=views.quarantined(),
        )

    def _outline(self, offer: GatewayPool) -> Outline:
        gateway_id, pool = offer.gateway_id, self._views.pool
        described = self._views.gateways.get(gateway_id)
        eips = sorted(pool.eips(gateway_id), key=lambda eip: eip.ip)
        rows = self._views.table(gateway_id).rows()
        status = GatewayStatus(
            id=gateway_id,
            first=offer.ports.first,
            last=offer.ports.last,
            zone=described.zone_id if described else offer.zone_id,
            table=self._table(gateway_id, len(rows)),
            eips=tuple(EipStatus(eip.ip, problem=self._flaw(gateway_id, eip)) for eip in eips),
            problem=self._problem(gateway_id),
            leaving=pool.leaving(gateway_id),
            notes=(leaving,) if (leaving := pool.why_leaving(gateway_id)) else (),
            namespaces=offer.namespaces,
        )
        open_ips = frozenset(eip.ip for eip in eips if pool.hands_out(gateway_id, eip.ip))
        return Outline(status, offer.ports, open_ips, rows)

    def _problem(self, gateway_id: str) -> str:
        """Why nothing new can be put on a gateway; empty if it can."""
        pool = self._views.pool
        wrong = pool.problem(gateway_id) or pool.why_none_bound(gateway_id)
        return wrong or self._ordered(gateway_id)

    def _ordered(self, gateway_id: str) -> str:
        """Why nothing new is put there by somebody's order; empty if it may be."""
        orders = self._views.orders
        order = orders.drained(gateway_id) or orders.paused(gateway_id)
        return f"it {order.what}" if order else ""

    def _flaw(self, gateway_id: str, eip: GatewayEip) -> str:
        """What is wrong with an EIP; empty if nothing is."""
        why = eip.problem or self._views.outages.why(gateway_id, eip.ip)
        if not why and (order := self._views.orders.drained("", eip.ip)):
            why = f"it {order.what}"
        return why

    def _table(self, gateway_id: str, rows: int) -> document.TableStatus:
        clock, fleet = self._views.clock, self._gateways.fleet
        writer, poller = fleet.writer(gateway_id), fleet.poller(gateway_id)
        read = poller.last_pass if poller else float("-inf")
        return document.TableStatus(
            limit=self._views.pool.last_limit(gateway_id, rows),
            backlog=writer.backlog() if writer else 0,
            busy_s=round(writer.pace().typical, 3) if writer else None,
            read_at=self._at(read - clock.monotonic()) if read > 0 else "",
        )

    def _at(self, seconds: float) -> str:
        """The time so many seconds from now."""
        return format_time(self._views.clock.now() + timedelta(seconds=seconds))

    # --- who waits

    def _waiting(self) -> Iterator[Waiter]:
        rules, told = self._settings.rules(self._labels), self._told()
        for record in self._records.values():
            if waiter := _of_record(record, self._pods.get(record.key), told):
                yield waiter
        for pod in self._pods.values():
            if self._records.get(pod.key) is None and (waiter := _of_pod(pod, rules, told)):
                yield waiter


def _is_reachable(record: PodDNAT) -> bool:
    ready = record.status.condition(READY)
    return ready is not None and ready.status == "True" and not record.deleting


def _of_record(
    record: PodDNAT, pod: Pod | None, told: Mapping[Key, tuple[Problem, str]]
) -> Waiter | None:
    uid = pod.uid if pod else ""
    if record.key in told:
        problem, since = told[record.key]
        return Waiter(str(record.key), problem.reason, problem.text, since, uid)
    if _is_reachable(record):
        return None
    ready = record.status.condition(READY)
    if ready is None:
        text = "claimed; its entries are being made"
        return Waiter(str(record.key), "EntriesPending", text, record.created, uid)
    return Waiter(str(record.key), ready.reason, ready.message, ready.since, uid)


def _of_pod(pod: Pod, rules: Rules, told: Mapping[Key, tuple[Problem, str]]) -> Waiter | None:
    if pod.key in told:
        problem, since = told[pod.key]
        return Waiter(str(pod.key), problem.reason, problem.text, since, pod.uid)
    ask = read_exposure(pod, rules).ask
    if ask is Ask.NO_ADDRESS:
        return Waiter(str(pod.key), "NoAddress", "the pod has no IP yet", "", pod.uid)
    if ask is Ask.ON:
        return Waiter(str(pod.key), _QUEUED, "it has not been looked at yet", "", pod.uid)
    return None
