"""When to read a table: often enough to see writes settle, seldom enough to cost next to nothing.

Three reasons to read. Somebody asked (the view is in doubt). Own writes have not been seen settled:
while more are being sent, one reading serves several of them, which bounds the reads an entry; when
none is left to send, the last ones are looked at just when they are likely to have settled. Else
the table is looked over at leisure, to see what others did to it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from dnatctl.table.reading import PAGE_SIZE

WRITES_A_READ = 6
"""Own writes that one read of a page is to serve while more are being sent."""

BUSY_IDLE = 2.0
"""While own writes are being sent, pages are read all the time: the whole table is read, to see
what others did to it, so much less often."""

CREDIT_LIMIT = 4.0
"""Pages that may be read ahead of that: so the first few pods of a burst need not wait for it."""

KICK_SPACING_S = 0.2
FIRST_GUESS_S = 0.1
LONGEST_LOOK_S = 3.0
LOOK_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision rests on; times are seconds on the monotonic clock.

    `unsettled`: when each own row still in flux was last written; `removing`: how many of them are
    on their way out. `looks`: readings since the last write that found something in flux. `credit`:
    pages that the writes sent so far allow to be read (see `earn`). `doubts`: when a reading may
    settle what readings disagree about, if there is such a thing.
    """

    @property
    def in_doubt(self) -> bool:
        """Whether a reading now may settle a doubt."""
        return self.doubts is not None and self.doubts <= self.now

    now: float
    rows: int
    unsettled: tuple[float, ...]
    removing: int
    writing: bool
    typical: float
    last_read: float
    last_pass: float
    looks: int
    asked: bool
    idle_s: float
    credit: float
    doubts: float | None = None


def next_read(facts: Facts) -> float:
    """The time at which to read next."""
    usual = _next_usual(facts)
    if facts.doubts is None:
        return usual
    spacing = KICK_SPACING_S * read_cost(facts.rows, removing=True)
    return min(usual, max(facts.doubts, facts.last_read + spacing))


def _next_usual(facts: Facts) -> float:
    if facts.asked:
        return facts.last_read + KICK_SPACING_S
    if not facts.unsettled:
        return whole_due(facts.last_pass, facts.idle_s, writing=False)
    idle = whole_due(facts.last_pass, facts.idle_s, writing=facts.writing)
    if facts.writing:
        return min(idle, _while_writing(facts))
    return min(idle, _after_writing(facts))


def whole_due(last_pass: float, idle_s: float, *, writing: bool) -> float:
    """The time at which the whole table is to be read again, although nobody asked."""
    return last_pass + idle_s * (BUSY_IDLE if writing else 1.0)


def _while_writing(facts: Facts) -> float:
    cost = read_cost(facts.rows, removing=facts.removing > 0)
    settled = facts.unsettled[0] + (facts.typical or FIRST_GUESS_S)
    if facts.credit >= cost:
        return max(settled, facts.last_read + FIRST_GUESS_S)
    patience = max(5.0, WRITES_A_READ * cost * (facts.typical + 0.05))
    return max(facts.unsettled[0], facts.last_read) + patience


def _after_writing(facts: Facts) -> float:
    guess = facts.typical or FIRST_GUESS_S
    settled = facts.unsettled[-1] + guess
    if facts.last_read < settled or facts.looks == 0:
        return settled
    pause = max(guess / 4, FIRST_GUESS_S) * LOOK_GROWTH ** min(facts.looks, 20)
    return facts.last_read + min(pause, LONGEST_LOOK_S)


def earn(credit: float, writes: int) -> float:
    """The pages that may be read after so many more writes."""
    return min(credit + writes / WRITES_A_READ, CREDIT_LIMIT)


def read_cost(rows: int, *, removing: bool) -> int:
    """Pages to read: one shows what is there; absence takes the whole table, twice if paged."""
    pages = max(1, -(-rows // PAGE_SIZE))
    return 1 if pages == 1 or not removing else 2 * pages
