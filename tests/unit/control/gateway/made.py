"""A gateway at work, in as few words as a test needs; no thread runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.threads import TableThreads
from dnatctl.control.state.views import Views
from dnatctl.model import ForwardEntry, Gateway, NewEntry, PortRange
from dnatctl.objects import Key, PodDNAT
from dnatctl.observe.metrics import Metrics
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow
from tests.support.clock import FakeClock
from tests.unit.pool.made import eip, offer, spec
from tests.unit.table.made import EIP, GATEWAY, MARKS, POD_IP, TCP, reading, uid

LOBBY = Key("games", "lobby-0")


class Heard:
    """A listener that keeps what it was told."""

    def __init__(self) -> None:
        self.changes: list[Key] = []
        self.gateways: list[str] = []
        self.rooms = 0

    def changed(self, key: Key) -> None:
        self.changes.append(key)

    def room_made(self) -> None:
        self.rooms += 1

    def gateway_changed(self, gateway_id: str) -> None:
        self.gateways.append(gateway_id)


class Cloud:
    """Answers each write with the next of `answers` (an exception is raised), else with an ID."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.tokens: list[str] = []
        self.rows: dict[str, ForwardEntry] = {}
        self.described: list[Gateway] = []

    def create_entry(self, table: str, new: NewEntry, token: str, guard: object = None) -> str:
        return self._answer(token, f"fwd-{len(self.tokens)}")

    def modify_entry(
        self, table: str, entry_id: str, new: NewEntry, token: str, guard: object = None
    ) -> None:
        self._answer(token, entry_id)

    def delete_entry(self, table: str, entry_id: str, token: str, guard: object = None) -> None:
        self._answer(token, entry_id)

    def read_entry(self, table: str, entry_id: str) -> ForwardEntry | None:
        return self.rows.get(entry_id)

    def read_page(self, table: str, number: int) -> Any:
        rows = tuple(self.rows.values()) if number == 1 else ()
        return SimpleNamespace(total=len(self.rows), entries=rows)

    def describe_gateways(self, wanted: object = (), heard: object = None) -> list[Gateway]:
        return self.described

    def _answer(self, token: str, usual: str) -> str:
        self.tokens.append(token)
        answer = self.answers.pop(0) if self.answers else usual
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


class AtWork:
    """One gateway whose table was read, and which serves one PodDNAT."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.views = Views(MARKS, [offer()], 60.0, self.clock)
        self.views.pool.describe(GATEWAY, [eip()], "")
        self.views.table(GATEWAY).merge(reading(self.clock.monotonic()), self.clock.monotonic())
        self.views.pool.open()
        self.cloud: Any = Cloud()
        self.heard = Heard()
        self.metrics = Metrics()
        self.doubts = 0
        self.gateways = Gateways(
            self.views,
            self.cloud,
            self.heard,
            self.metrics,
            fence=lambda: True,
            adopted=lambda _id: {},
            idle_s=60.0,
        )
        self.threads = self._threads()
        self.writer, self.poller = self.threads.writer, self.threads.poller

    def _threads(self) -> TableThreads:
        def doubt() -> None:
            self.doubts += 1

        threads = TableThreads(
            GATEWAY,
            self.views,
            self.cloud,
            listener=self.heard,
            remains=self.gateways.remains,
            metrics=self.metrics,
            in_doubt=doubt,
            fence=lambda: True,
            idle_s=60.0,
        )
        self.gateways.fleet.put(GATEWAY, threads)
        return threads

    def record(self, number: int = 1, key: Key = LOBBY, port: int = 600, ip: str = EIP) -> PodDNAT:
        """A PodDNAT that claims this port."""
        return PodDNAT(key, uid(number), "1", created=f"{number}", spec=spec(port, ip=ip))

    def stored(self, record: PodDNAT) -> PodDNAT:
        """It is there."""
        self.views.record_changed(None, record)
        self.gateways.record_changed(None, record)
        return record

    def gone(self, record: PodDNAT, *, lost: bool = False) -> None:
        """It is there no more."""
        self.views.record_changed(record, None)
        self.gateways.record_changed(record, None, lost=lost)


def entry(port: int = 600, owner: int = 1, ip: str = EIP) -> NewEntry:
    """The row to be of that PodDNAT."""
    name = MARKS.name(uid(owner), str(LOBBY))
    return NewEntry(ip, PortRange(port, port), POD_IP, PortRange(80, 80), TCP, name)


def create(port: int = 600, owner: int = 1, ip: str = EIP) -> CreateRow:
    return CreateRow(GATEWAY, entry(port, owner, ip), "1/")


def modify(entry_id: str = "fwd-1", port: int = 600) -> ModifyRow:
    return ModifyRow(GATEWAY, entry_id, entry(port), "1/")


def delete(entry_id: str = "fwd-1") -> DeleteRow:
    return DeleteRow(GATEWAY, entry_id)
