"""Rate limits: so many calls per account, region and API in each fixed window of time, or in any.

https://help.aliyun.com/en/openapi/throttling-and-quota-management
"""

from __future__ import annotations

from collections import defaultdict, deque
from math import ceil

from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.knobs import Knobs

Key = tuple[str, str, str]


class Throttle:
    """Counts calls by window. Not thread-safe: the cloud's lock guards it."""

    def __init__(self) -> None:
        self._counts: dict[Key, tuple[int, int]] = {}
        self._lately: dict[Key, deque[float]] = defaultdict(deque)

    def admit(self, account: str, region: str, api: str, now: float, knobs: Knobs) -> None:
        """Count a call; raises ApiError Throttling.User if its window is full.

        Refused calls are not counted: the limit is on what gets through.
        """
        limit = knobs.limit_of(api)
        if not limit:
            return
        if knobs.sliding:
            self._slide(self._lately[account, region, api], limit, now, knobs)
            return
        window = int(now // knobs.window)
        current, used = self._counts.get((account, region, api), (window, 0))
        if current != window:
            used = 0
        if used >= limit:
            left = ceil(((window + 1) * knobs.window - now) * 1000)
            raise refusal("Throttling.User", retry_after_ms=left if knobs.retry_after else 0)
        self._counts[account, region, api] = (window, used + 1)

    def _slide(self, lately: deque[float], limit: int, now: float, knobs: Knobs) -> None:
        while lately and lately[0] <= now - knobs.window:
            lately.popleft()
        if len(lately) >= limit:
            left = ceil((lately[0] + knobs.window - now) * 1000)
            raise refusal("Throttling.User", retry_after_ms=left if knobs.retry_after else 0)
        lately.append(now)
