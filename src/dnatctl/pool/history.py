"""Who had an endpoint before: a short memory, for people. Pure: times are handed in."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from dnatctl.model import Endpoint
from dnatctl.objects import PodDNAT
from dnatctl.times import format_time

MOST_ENDPOINTS = 4096
"""Of which something is remembered: those that were let go of last."""
EACH = 4
"""Holders of one endpoint that are remembered."""


class Tenure(NamedTuple):
    """One holder: a PodDNAT's name and UID, from when until when (RFC 3339)."""

    holder: str
    uid: str
    since: str
    until: str


class History:
    """The last holders of the endpoints that were let go of last."""

    def __init__(self) -> None:
        self._past: OrderedDict[Endpoint, deque[Tenure]] = OrderedDict()

    def changed(self, old: PodDNAT | None, new: PodDNAT | None, now: datetime) -> None:
        """A PodDNAT is not what it was: what it has let go of is remembered as its."""
        if old is None or (new is not None and old.spec == new.spec):
            return
        gone = set(old.spec.endpoints()).difference(new.spec.endpoints() if new else ())
        for endpoint in gone:
            self._ended(endpoint, Tenure(str(old.key), old.uid, old.created, format_time(now)))

    def __iter__(self) -> Iterator[tuple[Endpoint, Tenure]]:
        """The longest ago first."""
        for endpoint, tenures in self._past.items():
            for tenure in tenures:
                yield endpoint, tenure

    def _ended(self, endpoint: Endpoint, tenure: Tenure) -> None:
        known = self._past.pop(endpoint, None) or deque(maxlen=EACH)
        known.append(tenure)
        self._past[endpoint] = known
        if len(self._past) > MOST_ENDPOINTS:
            self._past.popitem(last=False)
