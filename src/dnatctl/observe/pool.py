"""Gauges of the pool and the tables, counted when they are scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class IpCount:
    """Ports of one external IP and protocol by state."""

    gateway: str
    external_ip: str
    protocol: str
    free: int
    used: int
    quarantined: int
    foreign: int


@dataclass(frozen=True, slots=True)
class TableCount:
    """Rows of one gateway's table, and what is going on there.

    `limit` is None where the quota is not known. `read_at`, `written_at`: Unix times, 0 for never.
    """

    gateway: str
    own: int
    foreign: int
    orphan: int
    backlog: int
    limit: int | None
    usable: bool
    read_at: float
    written_at: float = 0.0
    leaving: int = 0


@dataclass(frozen=True, slots=True)
class QuotaCount:
    """Endpoints that count for a namespace with a quota: claimed, or resting because of it."""

    namespace: str
    used: int
    limit: int


class PoolCollector(Collector):
    """Asks for the counts at each scrape."""

    def __init__(
        self,
        ips: Callable[[], Iterable[IpCount]],
        tables: Callable[[], Iterable[TableCount]],
        quotas: Callable[[], Iterable[QuotaCount]] = tuple,
    ) -> None:
        self._ips = ips
        self._tables = tables
        self._quotas = quotas

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        yield self._ports()
        yield from self._table_gauges()
        yield from self._namespace_gauges()

    def _ports(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "dnatctl_pool_ports",
            "External ports of the pool by state: free, used (claimed), quarantined, foreign.",
            labels=("gateway", "external_ip", "protocol", "state"),
        )
        for count in self._ips():
            for state in ("free", "used", "quarantined", "foreign"):
                labels = (count.gateway, count.external_ip, count.protocol, state)
                family.add_metric(labels, getattr(count, state))
        return family

    def _table_gauges(self) -> Iterator[GaugeMetricFamily]:
        entries = GaugeMetricFamily(
            "dnatctl_forward_entries", "Rows of forward tables.", labels=("gateway", "owner")
        )
        backlog = GaugeMetricFamily(
            "dnatctl_table_backlog", "Writes that wait for a table.", labels=("gateway",)
        )
        limit = GaugeMetricFamily(
            "dnatctl_table_entries_limit",
            "Rows a table may hold: maxEntries, or what a refusal for quota has shown in the last "
            "minutes. No series while neither is known.",
            labels=("gateway",),
        )
        usable = GaugeMetricFamily(
            "dnatctl_gateway_usable", "1 if the gateway can be written to.", labels=("gateway",)
        )
        read = GaugeMetricFamily(
            "dnatctl_last_full_sync_timestamp_seconds",
            "When a table was last read whole; 0 for never.",
            labels=("gateway",),
        )
        written = GaugeMetricFamily(
            "dnatctl_last_write_timestamp_seconds",
            "When a write to a table was last accepted; 0 for never.",
            labels=("gateway",),
        )
        leaving = GaugeMetricFamily(
            "dnatctl_leaving_endpoints",
            "Endpoints in use that the configuration offers no more: they go with their pods.",
            labels=("gateway",),
        )
        for count in self._tables():
            for owner in ("own", "foreign", "orphan"):
                entries.add_metric((count.gateway, owner), getattr(count, owner))
            backlog.add_metric((count.gateway,), count.backlog)
            if count.limit is not None:
                limit.add_metric((count.gateway,), count.limit)
            usable.add_metric((count.gateway,), float(count.usable))
            read.add_metric((count.gateway,), count.read_at)
            written.add_metric((count.gateway,), count.written_at)
            leaving.add_metric((count.gateway,), count.leaving)
        yield from (entries, backlog, limit, usable, read, written, leaving)

    def _namespace_gauges(self) -> Iterator[GaugeMetricFamily]:
        """The label is not `namespace`: Prometheus puts the scraped pod's own there."""
        used = GaugeMetricFamily(
            "dnatctl_namespace_endpoints_used",
            "Endpoints that count against a namespace's quota; no series without a quota.",
            labels=("resource_namespace",),
        )
        limit = GaugeMetricFamily(
            "dnatctl_namespace_endpoints_limit",
            "A namespace's quota of endpoints; no series without a quota.",
            labels=("resource_namespace",),
        )
        for count in self._quotas():
            used.add_metric((count.namespace,), count.used)
            limit.add_metric((count.namespace,), count.limit)
        yield from (used, limit)
