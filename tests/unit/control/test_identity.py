"""What the ledger says of the installation: here, of a migration from an older controller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dnatctl.control.cluster.identity import MIGRATING, MIGRATION_S, WORKED_AS, Identity
from dnatctl.control.state.views import Views
from dnatctl.table.marks import Marks
from dnatctl.times import format_time
from tests.support.clock import FakeClock


class Facts:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def facts(self) -> dict[str, str]:
        return dict(self.held)

    def parked(self) -> dict[str, str]:
        return {}

    def note_facts(self, facts: Mapping[str, str | None]) -> None:
        self.held = {k: v for k, v in {**self.held, **facts}.items() if v is not None}


def body(*_: Any, **__: Any) -> bytes:
    return b'{"metadata": {"uid": "11111111-2222-4333-8444-555555555555"}}'


def begun(
    ledger: Facts, clock: FakeClock, *, take_over: bool = True, dry: bool = False
) -> Identity:
    """A process that has come so far as to work."""
    client: Any = SimpleNamespace(request=body)
    stored: Any = ledger
    settings: Any = SimpleNamespace(dry_run=dry, config=SimpleNamespace(take_over=take_over))
    identity = Identity(client, stored, Views(Marks("c1"), [], 60.0, clock), settings)
    assert identity.learn() == ""
    assert identity.migrating_since() is None, "not before there is work"
    assert identity.settle() == ""
    return identity


def test_a_migration_ends_by_itself_across_restarts() -> None:
    ledger, clock = Facts(), FakeClock()
    began = clock.now()
    assert begun(ledger, clock).migrating_since() == began
    assert ledger.held[MIGRATING] == format_time(began)
    clock.advance(MIGRATION_S - 5)
    second = begun(ledger, clock)
    assert second.migrating_since() is not None
    clock.advance(10)
    assert second.migrating_since() is None
    assert begun(ledger, clock).migrating_since() is None


def test_it_begins_anew_only_after_a_start_without() -> None:
    ledger, clock = Facts(), FakeClock()
    begun(ledger, clock)
    clock.advance(2 * MIGRATION_S)
    assert begun(ledger, clock, take_over=False).migrating_since() is None
    assert MIGRATING not in ledger.held
    assert begun(ledger, clock).migrating_since() == clock.now()


@pytest.mark.parametrize("text", ["nonsense", "2999-01-01T00:00:00Z"])
def test_what_somebody_wrote_there_is_no_licence_for_ever(text: str) -> None:
    ledger, clock = Facts(), FakeClock()
    ledger.held = {MIGRATING: text}
    since = begun(ledger, clock).migrating_since()
    assert since is None or since <= clock.now() + timedelta(seconds=1)


def test_a_dry_run_notes_nothing_and_tells_what_it_would_do() -> None:
    ledger, clock = Facts(), FakeClock()
    assert begun(ledger, clock, dry=True).migrating_since() == clock.now()
    assert ledger.held == {}
    begun(ledger, clock)
    assert ledger.held[WORKED_AS] == "c1"
