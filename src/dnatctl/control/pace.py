"""The pace of one table: when it may be written to next, learned from what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from dnatctl.plan.values import CreateRow, DeleteRow, ModifyRow, Write
from dnatctl.table.pacing import Pacer

LATE = 0.5
LATE_S = 0.01
"""A write sent this much later than it could have been, as a share of the gap and in seconds, still
tells something."""


@dataclass(frozen=True, slots=True)
class _Last:
    """The last write: its kind, when it was answered, and whether it surely took effect."""

    kind: type[Write]
    answered: float
    certain: bool


class TablePace:
    """Creates, changes and deletes may keep a table busy for different times: a pacer for each."""

    def __init__(self, now: float) -> None:
        self._pacers = {kind: Pacer() for kind in (CreateRow, ModifyRow, DeleteRow)}
        self._last = _Last(CreateRow, now, certain=False)
        self._free_to_try = now

    @property
    def next(self) -> float:
        """When the next write may be sent (monotonic clock)."""
        return self._last.answered + self._pacer.gap

    @property
    def typical(self) -> float:
        """Seconds after which the last write has usually settled; 0 while nothing is known."""
        return self._pacer.typical

    def accepted(self, kind: type[Write], sent: float, now: float) -> None:
        """A write sent at `sent` was accepted."""
        # The answer to a refused try may have come after the time of the next one.
        late = sent - max(self.next, self._free_to_try)
        if self._last.certain and late < self._pacer.gap * LATE + LATE_S:
            self._pacer.accepted(sent - self._last.answered)
        else:
            self._pacer.accepted_late()
        self._last = _Last(kind, now, certain=True)

    def refused(self, sent: float, now: float) -> None:
        """A write sent at `sent` was refused, at `now`, because the table was busy."""
        self._pacer.refused(sent - self._last.answered)
        self._free_to_try = now

    def lost(self, kind: type[Write], now: float) -> None:
        """A write was not answered: it may have taken effect, and then the table is busy."""
        self._last = _Last(kind, now, certain=False)

    @property
    def _pacer(self) -> Pacer:
        return self._pacers[self._last.kind]
