"""Quarantine: endpoints that rest after use, so that nobody gets traffic meant for another pod."""

from __future__ import annotations

from collections.abc import Mapping

from dnatctl.model import Endpoint


class Quarantine:
    """Endpoints that are not to be handed out yet. Times are seconds on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[Endpoint, float] = {}
        self._all_until = float("-inf")

    def begin(self, endpoint: Endpoint, now: float) -> None:
        """The endpoint rests for the full time from now on."""
        self._until[endpoint] = now + self._seconds

    def resume(self, remaining: Mapping[Endpoint, float], now: float) -> None:
        """Take over what an earlier run began: seconds that remain for each endpoint."""
        for endpoint, seconds in remaining.items():
            until = now + min(seconds, self._seconds)
            self._until[endpoint] = max(until, self._until.get(endpoint, until))

    def resume_all(self, seconds: float, now: float) -> None:
        """An earlier run knows only that endpoints rest, not which: so all do."""
        self._all_until = now + min(seconds, self._seconds)

    def all_left(self, now: float) -> float:
        """Seconds for which all endpoints rest."""
        return max(self._all_until - now, 0.0)

    def holds(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint still rests."""
        return max(self._until.get(endpoint, now), self._all_until) > now

    def remaining(self, now: float) -> dict[Endpoint, float]:
        """Seconds that remain for each endpoint; those whose time is over are forgotten."""
        self._until = {endpoint: until for endpoint, until in self._until.items() if until > now}
        return {endpoint: until - now for endpoint, until in self._until.items()}
