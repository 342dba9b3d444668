"""A gateway with a port in every state, for what people and metrics are shown of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dnatctl.config import parse
from dnatctl.control.settings import Settings
from dnatctl.control.state.views import Views
from dnatctl.kube.cache import Cache
from dnatctl.model import Endpoint, Gateway
from dnatctl.objects import Key, Pod, PodDNAT, PodDNATSpec, PodDNATStatus, StatusEntry
from tests.support.clock import FakeClock
from tests.support.locks import WatchedLock
from tests.unit.config.samples import MINIMAL
from tests.unit.pool.made import QUARANTINE, eip, endpoint, offer, spec
from tests.unit.table.made import EIP, GATEWAY, MARKS, PENDING, UDP, reading, row, uid

OTHER = "1.1.1.2"
LOBBY, ARENA, GONE, WENT = (Key("games", name) for name in ("lobby-0", "arena-0", "gone", "went"))

ROWS = (
    row("fwd-1", f"{EIP}:600", "10.0.0.1:80", uid(1)),
    row("fwd-2", f"{EIP}:602", "10.0.0.2:80", uid(2)),
    row("fwd-3", f"{EIP}:603", "10.0.9.3:80"),
    row("fwd-4", f"{EIP}:604/605", "10.0.9.4:80/81", uid(9)),
    row("fwd-5", f"{OTHER}:Any", "10.0.9.5:Any", protocol=None, status=PENDING),
    row("fwd-6", f"{EIP}:80", "10.0.9.6:80"),
)
"""Of two PodDNATs, of somebody else, of a PodDNAT that is lost, and two more of others."""


def record(number: int, key: Key, claim: PodDNATSpec, entries: dict[str, Endpoint]) -> PodDNAT:
    """A PodDNAT with those usable entries."""
    usable = tuple(
        StatusEntry(e, claim.internal_ip, 80, entry_id) for entry_id, e in entries.items()
    )
    status = PodDNATStatus(usable)
    return PodDNAT(key, uid(number), str(number), created=f"at-{number}", spec=claim, status=status)


class World:
    """The views, what reads them, and the lock that they share.

    Used are 600 and 602, which rests as well, 601 is pending; 606 and 607 (UDP) rest.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.views = Views(MARKS, [offer()], QUARANTINE, self.clock, {"games": 9}.get)
        self.pods: Cache[Pod] = Cache()
        self.records: Cache[PodDNAT] = Cache()
        self.records.on_change(self.views.record_changed)
        self.settings = Settings(parse(MINIMAL), "dnatctl-system", "me")
        self.lock: Any = WatchedLock()
        self.views.lock = self.lock
        pace = SimpleNamespace(typical=0.12345)
        writer = SimpleNamespace(backlog=lambda: 3, pace=lambda: pace, written_at=7.0)
        poller = SimpleNamespace(last_pass=990.0)
        fleet = SimpleNamespace(writer={GATEWAY: writer}.get, poller={GATEWAY: poller}.get)
        self.gateways: Any = SimpleNamespace(fleet=fleet)
        self._fill()

    def _fill(self) -> None:
        eips = (eip(), eip(OTHER, "is not usable"))
        self.views.gateways[GATEWAY] = Gateway(GATEWAY, "ftb-1", "zone-1", "vpc-1", eips)
        self.views.pool.describe(GATEWAY, eips, "", "zone-1")
        now = self.clock.monotonic()
        self.views.table(GATEWAY).merge(reading(now, *ROWS), now)
        self.records.apply(record(1, LOBBY, spec(600, 601), {"fwd-1": endpoint(600)}))
        self.records.apply(record(2, ARENA, spec(602), {"fwd-2": endpoint(602)}))
        self.records.apply(record(3, GONE, spec(606), {}))
        self.records.apply(record(4, WENT, spec(607, protocol=UDP), {}))
        self.views.retire(ARENA, [endpoint(602)])
        self.records.remove(GONE, uid(3), "5")
        self.clock.advance(0.75)
        self.records.remove(WENT, uid(4), "6")
        self.clock.advance(10.5)

    def end(self) -> None:
        """All is gone, rows and PodDNATs, and what rests has rested."""
        self.records.replace([], "9", reset=True)
        for each in ROWS:
            self.views.table(GATEWAY).gone(each.entry_id, self.clock.monotonic())
        self.clock.advance(QUARANTINE)
