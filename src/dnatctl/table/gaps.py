"""Which gaps to try for a time that nobody tells, as they are believed to cost least:

    expected idle time after it is over  +  price of an early try * expected early tries

An early try comes before it is over. The price, a fixed share of the mean of that time, fixes both
how finely a steady time is pinned down and how many tries a random one costs: for one spread evenly
over a width w, gaps end up sqrt(2 * price * w) apart. All times are seconds. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

PRICE_FLOOR_S = 0.001

_GRID = 40
"""Points between the earliest and the latest time, besides the ends of the intervals."""


@dataclass(frozen=True, slots=True)
class Busy:
    """One observation: the table was busy after `low` seconds and free after `high`."""

    low: float
    high: float


def plan_gaps(belief: Sequence[Busy], share: float) -> list[float]:
    """The gaps to try, in order, for a time believed to lie evenly in those intervals.

    `share`: the price of a try that comes too early, as a share of the mean of that time.
    """
    if not belief:
        return [0.0]
    top = max(busy.high for busy in belief)
    if top <= 2 * PRICE_FLOOR_S:
        return [0.0]
    grid = _grid(belief, top)
    return _cheapest(grid, _over_by(belief, grid), price_of(belief, share))


def price_of(belief: Sequence[Busy], share: float) -> float:
    """The price of a try that comes too early, in seconds; see `plan_gaps`."""
    mean = sum(busy.low + busy.high for busy in belief) / (2 * len(belief))
    return max(share * mean, PRICE_FLOOR_S)


def _grid(belief: Sequence[Busy], top: float) -> list[float]:
    bottom = min(busy.low for busy in belief)
    step = (top - bottom) / _GRID
    return sorted({*(bottom + step * i for i in range(1, _GRID)), *(b.high for b in belief)})


def _over_by(belief: Sequence[Busy], grid: Sequence[float]) -> list[float]:
    """The believed probability that it is over, at each of those times."""
    ends, ended = sorted(belief, key=attrgetter("high")), 0
    shares = []
    for t in grid:
        while ended < len(ends) and ends[ended].high <= t:
            ended += 1
        under_way = [b for b in ends[ended:] if b.low < t]
        part = sum([(t - b.low) / (b.high - b.low) for b in under_way])
        shares.append((ended + part) / len(belief))
    return shares


def _cheapest(grid: Sequence[float], share: Sequence[float], price: float) -> list[float]:
    """The subset of `grid`, ending with its last point, that costs least.

    Going from a gap i that came too early to the next gap k costs the idle time of what is over in
    between, and one more try for what is not at k. From the last gap to the first, `cost[k]` is
    what it costs to begin with k; a hop from i to k costs `cost[k] - share[i] * grid[k]` and what
    depends on i alone. Those are lines in share[i], which falls from one i to the next, so that of
    the lines only the lower hull is kept, the best one in front: n points cost n steps.
    """
    area = [0.0]
    for (t0, s0), (t1, s1) in pairwise(zip(grid, share, strict=True)):
        area.append(area[-1] + (t1 - t0) * (s0 + s1) / 2)
    cost = [a + price * (1 - s) for a, s in zip(area, share, strict=True)]
    last = len(grid) - 1
    after, hull = [last] * len(grid), deque([last])
    for i in range(last - 1, -1, -1):
        s = share[i]
        while len(hull) > 1 and (
            cost[hull[1]] - s * grid[hull[1]] <= cost[hull[0]] - s * grid[hull[0]]
        ):
            hull.popleft()
        after[i] = k = hull[0]
        cost[i] += cost[k] - s * (grid[k] - grid[i]) - area[i]
        while len(hull) > 1 and _is_above(hull[-2], hull[-1], i, grid, cost):
            hull.pop()
        hull.append(i)
    chosen = [cost.index(min(cost))]
    while chosen[-1] != last:
        chosen.append(after[chosen[-1]])
    return [grid[k] for k in chosen]


def _is_above(a: int, b: int, c: int, grid: Sequence[float], cost: Sequence[float]) -> bool:
    """Whether the line of b is nowhere below both others; grid[a] > grid[b] > grid[c]."""
    return (cost[c] - cost[b]) * (grid[a] - grid[b]) <= (cost[b] - cost[a]) * (grid[b] - grid[c])
