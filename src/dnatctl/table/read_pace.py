"""When to read a table: when somebody waits for what it would show, and seldom otherwise.

Three reasons to read. Somebody asked (the view is in doubt). Own writes have not been seen settled:
a row is looked at when it is believed to have settled, which is known from earlier rows
(`dnatctl.table.settling`), or from a later write that the table took although it takes none while
a row is in flux. Else the table is looked over at leisure, to see what others did to it.

What may be read is earned. Where rows come slowly each is worth a read: whoever waits for it would
wait for the next one too. Where they come fast, one read serves several: those of one namespace.
Who has nothing more to be written does not wait for the writes of others. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf

from dnatctl.table.reading import pages
from dnatctl.table.settling import Unsettled

FEWEST_READS = 0.2
MOST_READS = 0.95
"""Reads that a write earns, where rows come fast and where they come slowly. The rest of one read
for each row is for the looks at leisure."""

FAST_S, SLOW_S = 0.35, 0.45
"""Up to this busy time rows come fast, and from that one on slowly."""

PROBES = 2.6
"""Calls that an entry may cost besides its own write. Those that were refused as the table was busy
count: where it cannot be known when it is free, less is left for reading."""

PATIENCE_S = 5.0
"""After so long whoever waits is worth a read in any case."""

BUSY_LEISURE = 2.0
"""While own writes are being sent, pages are read all the time: the whole table is read, to see
what others did to it, so much less often."""

MOST_LEISURE = 1.2
"""For so many times `leisure`, 0.96 of `resync`, a table waits for its first turn: who is read
shortly before it is read twice."""

NEVER = float("-inf")
KICK_SPACING_S = 0.2
LOOK_SPACING_S = 0.1


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision rests on; times are seconds on the monotonic clock.

    `unsettled`: the own rows still in flux, in the order in which they were written; `cost`: pages
    that a look at those that come takes, `whole`: at those that go. `strict`: the table takes no
    write while a row is in flux. `credit`: pages that may be read for those who wait (see
    `earned`); `saved`: those that were earned since the whole table was read, though looks at rows
    that come have used them up: what a look at those that go costs has to be saved for.
    `more`: namespaces for which there is something to write right now. `doubts`: when a reading may
    settle what readings disagree about, if there is such a thing. `leisure`: see `leisure`.
    `turn`: which part of that time is over when it is this table's turn, 0 to 1; None if it has
    none. `settled`: when the last table was read for the first time.
    """

    now: float
    rows: int
    unsettled: tuple[Unsettled, ...]
    cost: int
    whole: int
    more: Collection[str]
    strict: bool
    last_read: float
    last_pass: float
    asked: bool
    leisure: float
    credit: float
    saved: float = 0.0
    doubts: float | None = None
    turn: float | None = None
    settled: float = NEVER

    @property
    def doubt_due(self) -> float:
        """When to read the whole table because somebody asked, or for the sake of a doubt; infinite
        if there is no such thing. It may be asked for without end: a long table is read less often.
        """
        since = NEVER if self.asked else self.doubts
        spacing = KICK_SPACING_S * self.whole
        return inf if since is None else max(since, self.last_pass + spacing)

    @property
    def writing(self) -> bool:
        """Whether there is something to write right now."""
        return bool(self.more)


def next_read(facts: Facts) -> float:
    """The time at which to read next."""
    return min(_next_usual(facts), facts.doubt_due)


def _next_usual(facts: Facts) -> float:
    idle = at_leisure(facts)
    return min(idle, _look(facts)) if facts.unsettled else idle


def at_leisure(facts: Facts) -> float:
    """When to look the table over although nobody asked: at rest in its turn, so that fifty long
    ones that were read in the same minute are not read so for ever.

    Not later than `leisure` after the last time, nor in a rush. While others wait for their
    first reading none is read again; then it may be a little later.
    """
    latest = facts.last_pass + facts.leisure
    spacing = LOOK_SPACING_S * facts.whole
    period = facts.leisure - spacing
    if facts.turn is None or facts.unsettled or facts.cost == facts.whole or period <= spacing:
        return latest
    end = max(facts.last_pass, facts.settled) + facts.leisure
    turn = end - (end - facts.turn * period) % period
    return min(turn, facts.last_pass + MOST_LEISURE * facts.leisure)


def leisure(rows: int, least: float, most: float, *, writing: bool) -> float:
    """Seconds after which the whole table is read again although nobody asked.

    A page is read every `least` seconds, so that long tables cost no more calls than short ones,
    and a table every `most`, so that what others do to it is found.
    """
    return max(least, min(least * pages(rows) * (BUSY_LEISURE if writing else 1.0), most))


def whole_look(facts: Facts) -> float:
    """When the whole table is to be looked at for rows that go; infinite if nobody waits for any.

    Where that is no dearer than a look at those that come, all are looked at together.
    """
    if facts.cost == facts.whole:
        return _look_at(facts, facts.whole, facts.credit, facts.last_read, lambda _: True)
    credit = max(facts.credit, facts.saved)
    due = _look_at(facts, facts.whole, credit, facts.last_pass, lambda row: row.going)
    return max(due, facts.last_pass + LOOK_SPACING_S * facts.whole)


def page_look(facts: Facts) -> float:
    """When to look at the page with the new rows; infinite if nobody waits for one by itself."""
    if facts.cost == facts.whole:
        return inf
    credit, since = facts.credit, facts.last_read
    return _look_at(facts, facts.cost, credit, since, lambda row: not row.going)


def _look(facts: Facts) -> float:
    """When to look at rows in flux. Who waits for one that comes does not wait until it is worth
    the while to read the whole table for those that go."""
    return min(whole_look(facts), page_look(facts))


def _look_at(
    facts: Facts, cost: int, credit: float, since: float, these: Callable[[Unsettled], bool]
) -> float:
    """When to look at some of the rows in flux: at the first that has settled, if that is earned;
    at the last one of a namespace in any case, once nothing more is written for it.

    `since`: when these were last looked at. A look at others meanwhile does not put that off.
    """
    found = zip(facts.unsettled, _news_at(facts, since), strict=True)
    rows = [(row, news) for row, news in found if these(row)]
    if not rows:
        return inf
    due, spacing = [news for _, news in rows], LOOK_SPACING_S
    if credit < cost:
        last = {row.namespace: news for row, news in rows}
        due = [news for namespace, news in last.items() if namespace not in facts.more]
        spacing *= cost if facts.writing else 1
    if facts.writing:
        due.append(max(rows[0][0].written, since) + PATIENCE_S * cost)
    return max(min(due), since + spacing)


def _news_at(facts: Facts, since: float) -> list[float]:
    """For each row in flux, when a reading may show that it has settled, after one at `since`."""
    rows = facts.unsettled
    found = [row.due for row in rows]
    for n, later in enumerate(rows[1:]):
        if facts.strict and later.written > since:
            found[n] = later.written  # which the table took, so this one has settled
    if rows and facts.writing and facts.strict and rows[-1].surely > since:
        found[-1] = rows[-1].surely  # or the next write is taken, and tells
    return found


def earned(busy: float, refused: float) -> float:
    """Pages that one more write allows to be read. `busy`: for how long the table takes no other
    write, in seconds; `refused`: how many writes it refuses as busy for each that it takes."""
    slow = min(max((busy - FAST_S) / (SLOW_S - FAST_S), 0.0), 1.0)
    worth = FEWEST_READS + slow * (MOST_READS - FEWEST_READS)
    return max(FEWEST_READS, min(worth, PROBES - refused))


def read_cost(rows: int, *, whole: bool) -> int:
    """Pages to read: one shows what is there; the whole table, at most twice, what is not."""
    return 1 if pages(rows) == 1 or not whole else 2 * pages(rows)
