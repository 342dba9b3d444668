"""Counts of the pool, the tables and the watches, for the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from dnatctl.clock import Clock
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.settings import Settings
from dnatctl.control.state.views import Views
from dnatctl.kube.informer import Informer
from dnatctl.model import Protocol
from dnatctl.observe.pool import IpCount, QuotaCount, TableCount
from dnatctl.observe.watches import WatchCount
from dnatctl.pool import GatewayPool

IpKey = tuple[str, str, Protocol]


class Inventory:
    """Counts on demand."""

    def __init__(self, views: Views, gateways: Gateways, settings: Settings) -> None:
        self._views = views
        self._gateways = gateways
        self._settings = settings

    def ips(self) -> list[IpCount]:
        """Ports by state, for each external IP and protocol of the pool."""
        with self._views.lock:
            used: Counter[IpKey] = Counter()
            for spec in self._views.pool.claims().values():
                for endpoint in spec.endpoints():
                    used[spec.gateway_id, endpoint.ip, endpoint.protocol] += 1
            resting: Counter[tuple[str, Protocol]] = Counter()
            for endpoint in self._views.quarantined():
                resting[endpoint.ip, endpoint.protocol] += 1
            return [
                self._ip_count(offer, ip, protocol, used, resting)
                for offer in self._views.pool.offers()
                for ip in sorted(eip.ip for eip in self._views.pool.eips(offer.gateway_id))
                for protocol in Protocol
            ]

    def _ip_count(
        self,
        offer: GatewayPool,
        ip: str,
        protocol: Protocol,
        used: Counter[IpKey],
        resting: Counter[tuple[str, Protocol]],
    ) -> IpCount:
        foreign = min(self._foreign(offer, ip, protocol), len(offer.ports))
        taken = used[offer.gateway_id, ip, protocol]
        rest = resting[ip, protocol]
        offered = self._views.pool.hands_out(offer.gateway_id, ip)
        free = max(len(offer.ports) - taken - rest - foreign, 0) if offered else 0
        return IpCount(offer.gateway_id, ip, protocol, free, taken, rest, foreign)

    def _foreign(self, offer: GatewayPool, ip: str, protocol: Protocol) -> int:
        """Ports of the pool that rows of others cover."""
        total = 0
        for row in self._views.table(offer.gateway_id).rows():
            entry = row.entry
            if row.owner or entry.external_ip != ip or entry.protocol not in (None, protocol):
                continue
            first = max(entry.external_ports.first, offer.ports.first)
            last = min(entry.external_ports.last, offer.ports.last)
            total += max(last - first + 1, 0)
        return total

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
