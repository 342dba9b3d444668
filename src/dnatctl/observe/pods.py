"""Gauges of how pods stand: how many are reachable, who waits for what, how long already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class PodCounts:
    """Pods that ask to be exposed, and PodDNATs whose release goes on.

    Both by state (`waiting`, `releasing`) and reason, each of which is a series: `Other` stands for
    all that others have written. `waiting`: how many. `oldest`: for how long,
    in seconds, the one that waits longest has waited.
    """

    reachable: int = 0
    waiting: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest: Mapping[tuple[str, str], float] = field(default_factory=dict)


class PodCollector(Collector):
    """Asks for the counts at each scrape."""

    def __init__(self, counts: Callable[[], PodCounts]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        counts = self._counts()
        reachable = GaugeMetricFamily(
            "dnatctl_pods_reachable", "Pods all of whose exposed ports are reachable."
        )
        reachable.add_metric((), counts.reachable)
        yield reachable
        waiting = GaugeMetricFamily(
            "dnatctl_pods_waiting",
            "Pods that wait for endpoints, and releases that go on, by reason.",
            labels=("state", "reason"),
        )
        for (state, reason), count in sorted(counts.waiting.items()):
            waiting.add_metric((state, reason), count)
        yield waiting
        oldest = GaugeMetricFamily(
            "dnatctl_pods_oldest_wait_seconds",
            "For how long the one that waits longest for that reason has waited.",
            labels=("state", "reason"),
        )
        for (state, reason), seconds in sorted(counts.oldest.items()):
            oldest.add_metric((state, reason), seconds)
        yield oldest
