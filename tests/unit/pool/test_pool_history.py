"""Who had an endpoint before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from dnatctl.model import Protocol
from dnatctl.objects import Key, PodDNAT, PodDNATSpec, PortMapping
from dnatctl.pool.history import EACH, MOST_ENDPOINTS, History, Tenure

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


def record(name: str, *ports: int) -> PodDNAT:
    mappings = tuple(PortMapping(port, 80, Protocol.TCP) for port in ports)
    spec = PodDNATSpec("ngw-1", "47.1.2.3", "172.16.0.7", ports=mappings)
    return PodDNAT(
        Key("games", name), f"uid-{name}", "1", created="2026-11-27T11:00:00Z", spec=spec
    )


def told(history: History) -> list[tuple[int, str, str]]:
    return [(endpoint.port, past.holder, past.until) for endpoint, past in history]


def test_what_is_gone_was_its_until_then() -> None:
    history = History()
    history.changed(None, record("a", 512), NOW)
    history.changed(record("a", 512), None, NOW)

    assert told(history) == [(512, "games/a", "2026-11-27T12:00:00Z")]


def test_it_is_told_who_that_was_and_since_when() -> None:
    history = History()
    history.changed(record("a", 512), None, NOW)

    held = Tenure("games/a", "uid-a", "2026-11-27T11:00:00Z", "2026-11-27T12:00:00Z")
    assert [tenure for _, tenure in history] == [held]


def test_of_a_changed_claim_only_what_it_let_go_of() -> None:
    history = History()
    history.changed(record("a", 512, 513), record("a", 513, 514), NOW)

    assert told(history) == [(512, "games/a", "2026-11-27T12:00:00Z")]


def test_news_of_an_unchanged_claim_is_none() -> None:
    history = History()
    history.changed(record("a", 512), replace(record("a", 512), resource_version="2"), NOW)

    assert told(history) == []


def test_only_the_last_few_of_each_and_the_last_many_of_all_are_kept() -> None:
    history = History()
    for number in range(EACH + 3):
        history.changed(record(f"p{number}", 512), None, NOW + timedelta(seconds=number))
    assert [holder for _, holder, _ in told(history)] == [f"games/p{n}" for n in range(3, EACH + 3)]

    for port in range(1000, 1000 + MOST_ENDPOINTS):
        history.changed(record("many", port), None, NOW)
    assert len(told(history)) == MOST_ENDPOINTS
    assert 512 not in {port for port, _, _ in told(history)}
