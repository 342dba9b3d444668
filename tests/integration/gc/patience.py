"""How long the Collector waits, apart from how quick the machine is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnatctl.control.tools.collector import Collector
from dnatctl.table.orphans import Orphan
from tests.support.clock import FakeClock


def hurry(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """That step of the Collector gets 2 s, however long the others may take."""
    real = getattr(Collector, step)
    monkeypatch.setattr(Collector, step, lambda collector, _timeout: real(collector, 2.0))


def time_passes(
    monkeypatch: pytest.MonkeyPatch, seconds: Callable[[bool, list[str]], float]
) -> None:
    """While entries are waited for, time stands still, but for what each look adds to it.

    `seconds`: how much, given whether one more has gone, and why each of the others has not.
    """
    clock, delete, fewer = FakeClock(), Collector.delete, Collector._fewer

    def begin(
        collector: Collector, orphans: list[Orphan], patience: float
    ) -> list[tuple[Orphan, str]]:
        monkeypatch.setattr(collector, "_clock", clock)
        return delete(collector, orphans, patience)

    def look(collector: Collector, orphans: list[Orphan], than: int) -> bool:
        gone = fewer(collector, orphans, than)
        why = [collector._why_left(orphan) for orphan in collector._left(orphans)]
        clock.advance(seconds(gone, why))
        return gone

    monkeypatch.setattr(Collector, "delete", begin)
    monkeypatch.setattr(Collector, "_fewer", look)


def given_up_once_refused(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The patience is over as soon as so many entries are left and it is known of each why."""

    def seconds(_gone: bool, why: list[str]) -> float:
        refused = len(why) == number and all("Forbidden.RAM" in each for each in why)
        return 3600.0 if refused else 0.0

    time_passes(monkeypatch, seconds)
