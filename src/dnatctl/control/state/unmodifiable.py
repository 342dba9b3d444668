"""Gateways on which the credentials do not allow that an entry is changed: it is replaced there.

The policy of the older controller lacks that right, and it may be given, or taken away, at any time
and for one gateway alone. So each denial is believed for a while. Pure: times are handed in.
"""

from __future__ import annotations

from typing import NamedTuple

from dnatctl.backoff import doubled

HOLD_S = (60.0, 900.0)
"""How long a denial is believed before a change is tried again, at first and at most."""


class _Denial(NamedTuple):
    until: float
    failures: int


class Unmodifiable:
    """By gateway, whether `ModifyForwardEntry` was denied there lately."""

    def __init__(self) -> None:
        self._denials: dict[str, _Denial] = {}

    def denied(self, gateway_id: str, now: float) -> bool:
        """A change was denied; returns whether that is news."""
        last = self._denials.get(gateway_id)
        failures = last.failures + 1 if last else 0
        self._denials[gateway_id] = _Denial(now + doubled(HOLD_S, failures), failures)
        return last is None

    def granted(self, gateway_id: str) -> None:
        """A change was accepted."""
        self._denials.pop(gateway_id, None)

    def at(self, now: float) -> frozenset[str]:
        """The gateways on which a change had better not be tried."""
        return frozenset(i for i, denial in self._denials.items() if now < denial.until)
