"""What the watches of the API server have done, counted when they are scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Family = CounterMetricFamily | GaugeMetricFamily


@dataclass(frozen=True, slots=True)
class WatchCount:
    """One informer since the start. `contact_at`: a Unix time."""

    resource: str
    lists: Mapping[str, int]
    watches: Mapping[str, int]
    events: Mapping[str, int]
    unreadable: int
    contact_at: float


class WatchCollector(Collector):
    """Asks for the counts at each scrape."""

    def __init__(self, counts: Callable[[], Iterable[WatchCount]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Family]:
        """See prometheus_client."""
        outcome = ("resource", "outcome")
        lists = CounterMetricFamily("dnatctl_watch_lists", "Lists, by outcome.", labels=outcome)
        ended = CounterMetricFamily(
            "dnatctl_watch_ends",
            "Watches ended, by outcome: closed as agreed, or what went wrong.",
            labels=outcome,
        )
        events = CounterMetricFamily(
            "dnatctl_watch_events", "Watch lines, by type.", labels=("resource", "type")
        )
        unreadable = CounterMetricFamily(
            "dnatctl_watch_unreadable",
            "Objects and lines that could not be understood.",
            labels=("resource",),
        )
        contact = GaugeMetricFamily(
            "dnatctl_watch_last_contact_timestamp_seconds",
            "When the API server was last heard of by this watch; bookmarks come each minute.",
            labels=("resource",),
        )
        for count in self._counts():
            _fill(lists, count.resource, count.lists)
            _fill(ended, count.resource, count.watches)
            _fill(events, count.resource, count.events)
            unreadable.add_metric((count.resource,), count.unreadable)
            contact.add_metric((count.resource,), count.contact_at)
        yield from (lists, ended, events, unreadable, contact)


def _fill(family: CounterMetricFamily, resource: str, values: Mapping[str, int]) -> None:
    for label, value in dict(values).items():
        family.add_metric((resource, label), value)
