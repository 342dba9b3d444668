"""Counts of the pool, the tables and the watches, for the metrics."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from dnatctl.clock import Clock
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.settings import Settings
from dnatctl.control.state.views import Views
from dnatctl.kube.informer import Informer
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import PodDNATSpec
from dnatctl.observe.pool import IpCount, QuotaCount, TableCount
from dnatctl.observe.watches import WatchCount
from dnatctl.pool import GatewayPool
from dnatctl.table.view import Row

_Claimed = Mapping[tuple[str, str, Protocol], Collection[int]]
"""Ports by gateway, external IP and protocol."""

_Resting = Mapping[tuple[str, Protocol], Collection[int]]
"""Ports by external IP and protocol."""


class _Stock(NamedTuple):
    """A gateway with its external IPs, those of them that something new may be put on, and the
    foreign rows of its table."""

    offer: GatewayPool
    ips: list[str]
    open_ips: frozenset[str]
    foreign: list[Row]


class Inventory:
    """Counts on demand."""

    def __init__(self, views: Views, gateways: Gateways, settings: Settings) -> None:
        self._views = views
        self._gateways = gateways
        self._settings = settings

    def ips(self) -> list[IpCount]:
        """Ports by state, for each external IP and protocol of the pool: of those alone that the
        configuration offers now."""
        with self._views.lock:  # only to copy: counting takes longer than others may wait
            pool = self._views.pool
            claims, quarantined = pool.claims(), self._views.quarantined()
            stocks = [self._stock(offer) for offer in pool.offers()]
        claimed, resting = _claimed(claims.values()), _resting(quarantined)
        return [count for stock in stocks for count in _ip_counts(stock, claimed, resting)]

    def _stock(self, offer: GatewayPool) -> _Stock:
        gateway_id, pool = offer.gateway_id, self._views.pool
        ips = sorted(eip.ip for eip in pool.eips(gateway_id))
        open_ips = frozenset(ip for ip in ips if pool.hands_out(gateway_id, ip))
        return _Stock(offer, ips, open_ips, self._views.table(gateway_id).foreign())

    def tables(self) -> Iterator[TableCount]:
        """One count a gateway of the configuration."""
        wall = self._views.clock.now().timestamp()
        mono = self._views.clock.monotonic()
        for offer in self._views.pool.offers():
            gateway_id = offer.gateway_id
            counts = self._views.counts(gateway_id)
            fleet = self._gateways.fleet
            writer, poller = fleet.writer(gateway_id), fleet.poller(gateway_id)
            limit = self._views.pool.limit(gateway_id, mono)
            read = poller.last_pass if poller else float("-inf")
            yield TableCount(
                gateway=gateway_id,
                own=counts.own,
                foreign=counts.foreign,
                orphan=counts.orphan,
                backlog=writer.backlog() if writer else 0,
                limit=limit,
                usable=not self._views.pool.problem(gateway_id),
                leaving=self._views.pool.leaving(gateway_id),
                read_at=wall - (mono - read) if read > 0 else 0.0,
                written_at=writer.written_at if writer else 0.0,
            )

    def quotas(self) -> Iterator[QuotaCount]:
        """One count for each namespace that has a quota and endpoints, or a quota of its own."""
        now = self._views.clock.monotonic()
        with self._views.lock:
            pool = self._views.pool
            named = self._settings.config.namespaces.with_own_quota()
            namespaces = pool.claiming_namespaces() | named
            uses = {name: pool.quotas.use(name, now) for name in sorted(namespaces)}
        for name, (limit, claimed, resting) in uses.items():
            if limit is not None:
                yield QuotaCount(name, claimed + resting, limit)


def _claimed(claims: Iterable[PodDNATSpec]) -> _Claimed:
    found: dict[tuple[str, str, Protocol], set[int]] = defaultdict(set)
    for spec in claims:
        for port in spec.ports:
            found[spec.gateway_id, spec.external_ip, port.protocol].add(port.external)
    return found


def _resting(endpoints: Iterable[Endpoint]) -> _Resting:
    found: dict[tuple[str, Protocol], set[int]] = defaultdict(set)
    for endpoint in endpoints:
        found[endpoint.ip, endpoint.protocol].add(endpoint.port)
    return found


def _ip_counts(stock: _Stock, claimed: _Claimed, resting: _Resting) -> Iterator[IpCount]:
    gateway_id, offered = stock.offer.gateway_id, stock.offer.ports
    size, foreign = len(offered), _foreign_ports(stock)
    for ip, protocol in product(stock.ips, Protocol):
        used = {port for port in claimed.get((gateway_id, ip, protocol), ()) if port in offered}
        rest = {port for port in resting.get((ip, protocol), ()) if port in offered} - used
        others = min(foreign[ip, protocol], size)
        free = max(size - len(used) - len(rest) - others, 0) if ip in stock.open_ips else 0
        yield IpCount(gateway_id, ip, protocol, free, len(used), len(rest), others)


def _foreign_ports(stock: _Stock) -> Counter[tuple[str, Protocol]]:
    """Ports of the pool that rows of others cover."""
    found: Counter[tuple[str, Protocol]] = Counter()
    for row in stock.foreign:
        entry = row.entry
        for protocol in (entry.protocol,) if entry.protocol else Protocol:
            covered = entry.external_ports.common(stock.offer.ports)
            found[entry.external_ip, protocol] += len(covered)
    return found


def watch_counts(informers: Iterable[Informer[Any]], clock: Clock) -> Iterator[WatchCount]:
    """What each informer has done so far."""
    ahead = clock.now().timestamp() - clock.monotonic()
    for informer in informers:
        stats = informer.stats
        yield WatchCount(
            resource=informer.resource,
            lists=stats.lists,
            watches=stats.watches,
            events=stats.events,
            unreadable=stats.unreadable,
            contact_at=stats.last_contact + ahead,
        )
