"""What this replica shows of itself: the status document, made when it is asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import chain
from typing import NamedTuple

from dnatctl import __version__
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.settings import LabelsOf, Settings
from dnatctl.control.standing import Standing
from dnatctl.control.state.views import Views
from dnatctl.kube.informer import Informer
from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, PortRange, Protocol
from dnatctl.objects import READY, Key, Pod, PodDNAT, PodDNATSpec
from dnatctl.observe.pods import PodCounts
from dnatctl.plan.exposure import Ask, Problem, Rules, read_exposure
from dnatctl.pool import GatewayPool
from dnatctl.status import document
from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    PastHolder,
    PortStatus,
    State,
    StatusDocument,
    Waiter,
)
from dnatctl.table.view import Row
from dnatctl.times import format_time, parse_time

RELEASING = frozenset(
    {"Releasing", "ReleaseHeld", "Released", "DeletionHeld", "DeletionHeldByPolicy"}
)
"""Reasons of PodDNATs whose entries are going."""

Told = Callable[[], Mapping[Key, tuple[Problem, str]]]
"""What each name was last told is wrong, and since when."""


class _Taken(NamedTuple):
    """What is taken, gone through once for all gateways: a document is made under the lock."""

    claims: Mapping[str, Iterable[tuple[str, PodDNATSpec]]]
    """PodDNATs by UID and what they claim, by gateway."""

    resting: Mapping[str, Iterable[tuple[Endpoint, float]]]
    """Endpoints and the seconds for which they rest, by external IP."""


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
            offers = self._views.pool.offers()
            taken = self._taken()
            gateways = tuple(self._gateway(offer, taken) for offer in offers)
            history = tuple(self._history())
        return document.with_content(status, gateways, waiting, history, self._since)

    def pods(self) -> PodCounts:
        """How many wait, by reason, and for how long."""
        if not self._standing.leading.is_set():
            return PodCounts()
        now, oldest = self._views.clock.now(), dict[tuple[str, str], float]()
        waiting = Counter[tuple[str, str]]()
        for waiter in self._waiting():
            state = "releasing" if waiter.reason in RELEASING else "waiting"
            waits = state, waiter.reason
            waiting[waits] += 1
            if since := parse_time(waiter.since):
                oldest[waits] = max(oldest.get(waits, 0.0), (now - since).total_seconds())
        return PodCounts(len(self._records) - sum(waiting.values()), waiting, oldest)

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

    def _taken(self) -> _Taken:
        claims: defaultdict[str, list[tuple[str, PodDNATSpec]]] = defaultdict(list)
        for uid, spec in self._views.pool.claims().items():
            claims[spec.gateway_id].append((uid, spec))
        resting: defaultdict[str, list[tuple[Endpoint, float]]] = defaultdict(list)
        for endpoint, seconds in self._views.quarantined().items():
            resting[endpoint.ip].append((endpoint, seconds))
        return _Taken(claims, resting)

    def _gateway(self, offer: GatewayPool, taken: _Taken) -> GatewayStatus:
        gateway_id, pool = offer.gateway_id, self._views.pool
        described = self._views.gateways.get(gateway_id)
        ports = self._ports(offer, taken)
        return GatewayStatus(
            id=gateway_id,
            first=offer.ports.first,
            last=offer.ports.last,
            zone=described.zone_id if described else offer.zone_id,
            table=self._table(gateway_id),
            eips=tuple(
                self._eip(offer, eip.ip, eip.problem, ports.get(eip.ip, []))
                for eip in sorted(pool.eips(gateway_id), key=lambda eip: eip.ip)
            ),
            problem=pool.problem(gateway_id) or self._ordered(gateway_id),
            leaving=pool.leaving(gateway_id),
            notes=(leaving,) if (leaving := pool.why_leaving(gateway_id)) else (),
            namespaces=offer.namespaces,
        )

    def _ordered(self, gateway_id: str) -> str:
        """Why nothing new is put there by somebody's order; empty if it may be."""
        orders = self._views.orders
        order = orders.drained(gateway_id) or orders.paused(gateway_id)
        return f"it {order.what}" if order else ""

    def _table(self, gateway_id: str) -> document.TableStatus:
        counts, clock = self._views.counts(gateway_id), self._views.clock
        fleet = self._gateways.fleet
        writer, poller = fleet.writer(gateway_id), fleet.poller(gateway_id)
        read = poller.last_pass if poller else float("-inf")
        rows = counts.own + counts.foreign + counts.orphan
        return document.TableStatus(
            own=counts.own,
            foreign=counts.foreign,
            orphans=counts.orphan,
            limit=self._views.pool.last_limit(gateway_id, rows),
            backlog=writer.backlog() if writer else 0,
            busy_s=round(writer.pace().typical, 3) if writer else None,
            read_at=self._at(read - clock.monotonic()) if read > 0 else "",
        )

    def _at(self, seconds: float) -> str:
        """The time so many seconds from now."""
        return format_time(self._views.clock.now() + timedelta(seconds=seconds))

    def _eip(self, offer: GatewayPool, ip: str, problem: str, ports: list[PortStatus]) -> EipStatus:
        taken = {
            protocol: {
                number
                for port in ports
                if port.protocol == protocol
                for number in PortRange(port.first, port.last).common(offer.ports)
            }
            for protocol in Protocol
        }
        offered = self._views.pool.hands_out(offer.gateway_id, ip)
        size = len(offer.ports) if offered else 0
        free = {str(p): max(size - len(numbers), 0) for p, numbers in taken.items()}
        why = problem or self._views.outages.why(offer.gateway_id, ip)
        if not why and (order := self._views.orders.drained("", ip)):
            why = f"it {order.what}"
        return EipStatus(ip, tuple(sorted(ports, key=_place)), free, why)

    def _ports(self, offer: GatewayPool, taken: _Taken) -> dict[str, list[PortStatus]]:
        """All that is not free of a gateway, by external IP."""
        found: dict[str, list[PortStatus]] = defaultdict(list)
        claimed: set[Endpoint] = set()
        for uid, spec in taken.claims[offer.gateway_id]:
            for endpoint, internal in zip(spec.endpoints(), spec.ports, strict=True):
                claimed.add(endpoint)
                port = self._claimed(uid, endpoint, f"{spec.internal_ip}:{internal.internal}")
                found[endpoint.ip].append(port)
        for row in self._views.table(offer.gateway_id).rows():
            for port in self._unclaimed(row, claimed, offer.ports):
                found[row.entry.external_ip].append(port)
        bound = (taken.resting[eip.ip] for eip in self._views.pool.eips(offer.gateway_id))
        for endpoint, seconds in chain.from_iterable(bound):
            if endpoint not in claimed and endpoint.port in offer.ports:
                number, until = endpoint.port, self._at(seconds)
                rests = PortStatus(number, number, endpoint.protocol, State.RESTING, until=until)
                found[endpoint.ip].append(rests)
        return found

    def _claimed(self, uid: str, endpoint: Endpoint, internal: str) -> PortStatus:
        key = self._views.records.key_of(uid)
        record = self._records.get(key) if key else None
        usable = {e.endpoint: e for e in record.status.entries} if record else {}
        entry = usable.get(endpoint)
        return PortStatus(
            endpoint.port,
            endpoint.port,
            endpoint.protocol,
            State.USED if entry else State.PENDING,
            pod=str(key) if key else "",
            uid=uid,
            internal=internal,
            entry=entry.entry_id if entry else "",
            since=record.created if record else "",
        )

    def _unclaimed(
        self, row: Row, claimed: set[Endpoint], offered: PortRange
    ) -> Iterator[PortStatus]:
        """What a row covers of the pool that no claim accounts for."""
        entry = row.entry
        within = entry.external_ports.common(offered)
        if not within:
            return
        state = State.ORPHAN if row.owner else State.FOREIGN
        for protocol in (entry.protocol,) if entry.protocol else Protocol:
            if Endpoint(entry.external_ip, within[0], protocol) in claimed:
                continue
            yield PortStatus(
                within[0],
                within[-1],
                protocol,
                state,
                uid=row.owner,
                internal=_internal(entry),
                entry=entry.entry_id,
                problem="" if entry.status is EntryStatus.AVAILABLE else str(entry.status),
            )

    # --- who waits, and who had what

    def _waiting(self) -> Iterator[Waiter]:
        rules, told = self._settings.rules(self._labels), self._told()
        for record in self._records.values():
            if waiter := _of_record(record, self._pods.get(record.key), told):
                yield waiter
        for pod in self._pods.values():
            if self._records.get(pod.key) is None and (waiter := _of_pod(pod, rules, told)):
                yield waiter

    def _history(self) -> Iterator[PastHolder]:
        for endpoint, (holder, uid, since, until) in self._views.history:
            yield PastHolder(str(endpoint), holder, uid, since, until)


def _of_record(
    record: PodDNAT, pod: Pod | None, told: Mapping[Key, tuple[Problem, str]]
) -> Waiter | None:
    uid = pod.uid if pod else ""
    if record.key in told:
        problem, since = told[record.key]
        return Waiter(str(record.key), problem.reason, problem.text, since, uid)
    ready = record.status.condition(READY)
    if ready is not None and ready.status == "True" and not record.deleting:
        return None
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
        return Waiter(str(pod.key), "Queued", "it has not been looked at yet", "", pod.uid)
    return None


def _place(port: PortStatus) -> tuple[str, int]:
    return port.protocol, port.first


def _internal(entry: ForwardEntry) -> str:
    return f"{entry.internal_ip}:{entry.internal_ports}"
