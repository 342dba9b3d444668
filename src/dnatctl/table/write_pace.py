"""When to write to a table again: learn how long it stays busy after a write, and try just then.

A forward table takes one write at a time and refuses others until the last one has settled. Nobody
says how long that takes; each write teaches: it was refused after some gaps and accepted after a
longer one, so the busy time lies between the last refused gap and the accepted one. Observations
that agree, but for some jitter, are narrowed to one interval (a steady table); ones that do not are
taken as a random busy time. Either way the gaps to try next are those that cost least
(`dnatctl.table.gaps`).

All times are seconds; a gap runs from the answer to one write to the sending of the next. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dnatctl.table.gaps import Busy, plan_gaps, price_of
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Write

WINDOW = 48
"""How many writes are remembered: enough to know a distribution, few enough to follow a change."""

AGREE = 16
"""So many of the last that agree are enough for a steady busy time: a hiccup is soon forgotten."""

REFUSAL_PRICE = 0.03
"""What a refusal may cost, as a share of the mean busy time."""

RANDOM_PRICE = 0.045
"""The same where the busy time is random, and each write costs several: readings are to be paid too
(`dnatctl.table.read_pace.PROBES`)."""

JITTER = 0.08
"""Share of the busy time by which observations of a steady one may contradict each other: threads
and networks are late now and then."""

FIRST_GAP_S = 0.1
"""The first pause of one that knows nothing, doubled with each refusal. Some accounts may make five
creates a second, and a try that is refused for its rate costs more than a coarse first bracket."""

RECENT = 16
"""Writes over which the refusals are averaged."""

EXPLORE_EVERY = 24
"""One write in so many is tried early, to notice a table that has become faster."""

USUAL_S = 3.0
"""Tables settle within this as a rule: one that was never busy before, and is for longer now, may
be held up."""

OUTAGE_S = 15.0
MAX_STEP_S = 5.0
"""A table that stays busy beyond all experience is tried again at least this often."""

LATE = 0.5
LATE_S = 0.01
"""A write sent this much later than it could have been, as a share of the gap and in seconds, still
tells something; and one that was refused as long before."""

_EARLY = (0.0, 0.9, 0.5)
_EARLY_IF_LATE = 0.5


class Experience:
    """What is known of a time that nobody tells, from the intervals in which it has lain.

    `price`, `random`: what a try that comes too early may cost, as a share of the mean of that
    time; where it is steady, and where it is not.
    """

    def __init__(self, price: float = REFUSAL_PRICE, random: float = RANDOM_PRICE) -> None:
        self._prices = price, random
        self._seen: deque[Busy] = deque(maxlen=WINDOW)
        self._belief: list[Busy] = []
        self.schedule: list[float] = [0.0]
        """When to try, in order; past the last of them it has always been over."""
        self.typical = 0.0
        """By when it is usually over; 0 while nothing is known."""
        self._floor = 0.0
        self._surprised = False

    @property
    def price(self) -> float:
        """What a try that comes too early may cost, in seconds; 0 while nothing is known."""
        return price_of(self._belief, self._price_share) if self._belief else 0.0

    @property
    def _price_share(self) -> float:
        return self._prices[len(self._belief) > 1]

    def learn(self, low: float, high: float) -> None:
        """It was not over after `low`, and was after `high`.

        What took far longer than ever was an outage, or idleness: it says nothing.
        """
        before = self._belief
        if high <= max(OUTAGE_S, 4 * self.typical):
            self._observe(low, high)
        self.typical = max((busy.high for busy in self._seen), default=0.0)
        if self._belief != before:  # most writes to a steady table teach nothing new
            self.schedule = plan_gaps(self._belief, self._price_share)

    def _observe(self, low: float, high: float) -> None:
        """Remember one; forget the others where it shows that the table has changed.

        A table that seems far slower may have been held up just once, by a change of the gateway
        or by somebody else's row: that is believed when the next one says the same.
        """
        surprising = low > (2 * self.typical or USUAL_S)
        if surprising and not self._surprised:
            self._surprised = True
            return
        self._surprised = False
        faster = high <= self._floor * (1 - JITTER)
        if faster or low >= 2 * self.typical:
            self._seen.clear()
            self._floor = 0.0
        self._seen.append(Busy(low, high))
        self._belief = self._agreed() or list(self._seen)

    def _agreed(self) -> list[Busy]:
        """One interval if all observations allow it, or nearly: a steady time."""
        recent = list(self._seen)[-AGREE:]
        low = max(self._floor, *(b.low for b in recent))
        high = min(b.high for b in recent)
        if low - high > JITTER * low:
            self._floor = 0.0
            return []
        self._floor = min(low, high)
        return [Busy(min(low, high), max(low, high))]


class Pacer:
    """Learns one table's busy time and says how long to wait before the next try."""

    def __init__(self) -> None:
        self._known = Experience()
        self._tried = 0
        self.low = 0.0
        """The longest gap after which this write was refused."""
        self._writes = 0
        self._late = False
        self._early: float | None = None
        """At which share of the gap the next write is tried, to see whether that is enough."""

    @property
    def gap(self) -> float:
        """The gap after which the next try is to be sent."""
        if self._early is not None:
            return self.tries[0] * self._early
        if self._tried < len(self.tries):
            return self.tries[self._tried]
        return self._beyond()

    @property
    def typical(self) -> float:
        """A gap by which the table is usually free; 0 while nothing is known."""
        return self._known.typical

    @property
    def tries(self) -> list[float]:
        """The gaps to try, in order; [0.0] while nothing is known."""
        return self._known.schedule

    def refused(self, gap: float, *, late: bool = False) -> None:
        """A write sent after `gap` seconds was refused because the table was busy.

        `late`: it could have been sent long before. Somebody else may have made the table busy
        since, so what is learned from it is tried out with the next write.
        """
        self.low = max(self.low, gap)
        self._late |= late
        if self._early is not None:
            self._early = None
        else:
            self._tried += 1
        while self._tried < len(self.tries) and self.tries[self._tried] <= self.low:
            self._tried += 1

    def accepted(self, gap: float) -> None:
        """A write sent after `gap` seconds was accepted; the count starts anew."""
        before = self.tries[-1]
        self._known.learn(min(self.low, gap), gap)
        self._writes += 1
        self._early = self._next_early(slower=self.tries[-1] > 2 * before)
        self._begin_anew()

    def accepted_late(self) -> None:
        """A write was accepted that says nothing about the busy time: nobody tried earlier."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.low, self._tried, self._late = 0.0, 0, False

    def _next_early(self, *, slower: bool) -> float | None:
        if self.tries[0] <= 0:
            return None
        turn, others = divmod(self._writes, EXPLORE_EVERY)
        if others == 0:
            return _EARLY[turn % len(_EARLY)]
        return _EARLY_IF_LATE if self._late and slower else None

    def _beyond(self) -> float:
        """The gaps after the last planned one: small steps first, then doubling."""
        last = max(self.low, self.tries[-1])
        over = self._tried - len(self.tries)
        step, doublings = self._known.price, over
        if not step:
            # It grows by the tries alone: how long nothing was written before the first of them
            # says nothing of how long the table is busy.
            step, doublings = FIRST_GAP_S, max(over - 1, 0)
        return last + min(step * 2.0 ** min(doublings, 20), MAX_STEP_S)


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
        self._paused_until = float("-inf")
        self._turned_away = 0
        self.writes = 0
        """How many were accepted."""
        self.refusals = 0.0
        """How many were refused as the table was busy, for each of the last that were accepted."""

    @property
    def next(self) -> float:
        """When the next write may be sent (monotonic clock)."""
        return max(self._settled, self._paused_until)

    @property
    def _settled(self) -> float:
        return self._last.answered + self._pacer.gap

    def pause(self, until: float) -> None:
        """Nothing is to be written before that time, whatever the table's pace."""
        self._paused_until = until

    @property
    def typical(self) -> float:
        """Seconds after which the last write has usually settled; 0 while nothing is known."""
        return self._pacer.typical

    @property
    def strict(self) -> bool:
        """Whether the table takes no write while a row is in flux, as far as is known."""
        return self.typical > 0 or self._turned_away > 0

    @property
    def tries(self) -> Sequence[float]:
        """The gaps after which the next write is to be tried, in order; [0.0] at first."""
        return self._pacer.tries

    def accepted(self, kind: type[Write], sent: float, now: float) -> None:
        """A write sent at `sent` was accepted."""
        late = self._late_by(sent)
        if self._last.certain and late < max(self._allowed, 2 * self._pacer.low):
            self._pacer.accepted(sent - self._last.answered)
        else:
            self._pacer.accepted_late()
        self._last = _Last(kind, now, certain=True)
        self.writes += 1
        self.refusals += (self._turned_away - self.refusals) / RECENT
        self._turned_away = 0

    def refused(self, sent: float, now: float) -> None:
        """A write sent at `sent` was refused, at `now`, because the table was busy."""
        late = self._late_by(sent) > self._allowed
        self._pacer.refused(sent - self._last.answered, late=late)
        self._free_to_try = now
        self._turned_away += 1

    def _late_by(self, sent: float) -> float:
        """How much earlier it could have been sent: the answer to a refused try may have come after
        the time of the next one."""
        return sent - max(self._settled, self._free_to_try)

    @property
    def _allowed(self) -> float:
        return self._pacer.gap * LATE + LATE_S

    def lost(self, kind: type[Write], now: float) -> None:
        """A write was not answered: it may have taken effect, and then the table is busy."""
        self._last = _Last(kind, now, certain=False)

    @property
    def _pacer(self) -> Pacer:
        return self._pacers[self._last.kind]
