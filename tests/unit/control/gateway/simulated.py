"""A gateway at work in simulated time: the real poller and writer, on a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.model import EntryStatus, ForwardEntry, NewEntry, PortRange
from dnatctl.objects import Key
from dnatctl.table.reading import PAGE_SIZE
from dnatctl.table.writes import CreateRow
from tests.support.clock import FakeClock
from tests.unit.control.gateway.made import AtWork
from tests.unit.table.made import EIP, GATEWAY, MARKS, TCP, uid

FIRST_PORT = 600


@dataclass
class SimulatedTable:
    """A forward table whose calls take time; rows settle after what `settles` draws.

    `strict`: it takes no write while a row is in flux.
    """

    clock: FakeClock
    settles: Callable[[], float]
    strict: bool = True
    newest_first: bool = True
    write_s: float = 0.05
    read_s: float = 0.025
    rows: dict[str, ForwardEntry] = field(default_factory=dict)
    available: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    made: int = 0
    reads: int = 0
    refused: int = 0

    def create_entry(self, table: str, new: NewEntry, token: str, guard: object = None) -> str:
        self.clock.advance(self.write_s / 2)
        now = self.clock.monotonic()
        if self.strict and self._in_flux(now):
            self.refused += 1
            self.clock.advance(self.write_s / 2)
            raise CloudError(Operation.CREATE, ErrorKind.BUSY)
        entry_id = f"fwd-{self.made}"
        self.made += 1
        self.rows[entry_id] = new.as_row(entry_id)
        self.available[entry_id] = now + self.settles()
        self.clock.advance(self.write_s / 2)
        return entry_id

    def delete_entry(self, table: str, entry_id: str, token: str, guard: object = None) -> None:
        self.clock.advance(self.write_s / 2)
        now = self.clock.monotonic()
        if self.strict and self._in_flux(now):
            self.refused += 1
            self.clock.advance(self.write_s / 2)
            raise CloudError(Operation.DELETE, ErrorKind.BUSY)
        self.gone[entry_id] = now + self.settles()
        self.clock.advance(self.write_s / 2)

    def read_page(self, table: str, number: int) -> Any:
        now = self._read()
        order = reversed if self.newest_first else list
        listed = [self._as_of(row, now) for row in order(self.rows.values())]
        self.clock.advance(self.read_s / 2)
        page = listed[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        return SimpleNamespace(total=len(listed), entries=tuple(page))

    def read_entry(self, table: str, entry_id: str) -> ForwardEntry | None:
        now = self._read()
        row = self.rows.get(entry_id)
        found = row and self._as_of(row, now)
        self.clock.advance(self.read_s / 2)
        return found

    def _read(self) -> float:
        self.reads += 1
        self.clock.advance(self.read_s / 2)
        now = self.clock.monotonic()
        for entry_id in [i for i, at in self.gone.items() if at <= now and i in self.rows]:
            del self.rows[entry_id]
        return now

    def _in_flux(self, now: float) -> bool:
        return any(at > now for at in (*self.available.values(), *self.gone.values()))

    def _as_of(self, row: ForwardEntry, now: float) -> ForwardEntry:
        if row.entry_id in self.gone:
            return replace(row, status=EntryStatus.DELETING)
        settled = self.available[row.entry_id] <= now
        return replace(row, status=EntryStatus.AVAILABLE if settled else EntryStatus.PENDING)


class Simulated(AtWork):
    """Poller and writer take their steps when they are due, in one thread."""

    def __init__(
        self,
        settles: Callable[[], float],
        make: type[SimulatedTable] = SimulatedTable,
        **table: Any,
    ) -> None:
        super().__init__()
        self.cloud = make(self.clock, settles, **table)
        self.threads = self._threads()
        self.writer, self.poller = self.threads.writer, self.threads.poller
        self.found: dict[str, float] = {}
        """When each row was seen Available."""
        self._asked = 0
        self.run(1.0)
        self.begun = self.clock.monotonic()

    def ask(self, pods: int, namespace: str = "games", on: str = EIP) -> None:
        """So many pods want a row each."""
        for _ in range(pods):
            self._asked += 1
            n = self._asked
            key = Key(namespace, f"pod-{n}")
            record = self.stored(self.record(n, key, FIRST_PORT + n, on))
            name = MARKS.name(record.uid, str(key))
            port = PortRange(FIRST_PORT + n, FIRST_PORT + n)
            ip = f"10.0.{n // 200}.{n % 200 + 1}"
            entry = NewEntry(on, port, ip, PortRange(80, 80), TCP, name)
            self.writer.want(uid(n), namespace, (CreateRow(GATEWAY, entry, "1/"),))

    def settle(self, seconds: float = 10_000.0) -> None:
        """Until all that was asked for has been seen Available."""
        end = self.clock.monotonic() + seconds
        while self.cloud.made < self._asked or self.cloud.rows.keys() - self.found.keys():
            assert self.clock.monotonic() < end, f"{self.cloud.made} of {self._asked} made"
            self._step()

    def run_until(self, seen: Callable[[], object], every: float = 60.0) -> None:
        """Until `seen`, which is asked at least every so many seconds."""
        end = self.clock.monotonic() + 60.0
        while not seen():
            assert self.clock.monotonic() < end
            self._step(every)

    def run(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self._step()

    def seen(self, number: int) -> float | None:
        """When the row of the pod that asked as the so-manieth was seen Available; None if not."""
        rows = self.cloud.rows.items()
        port = FIRST_PORT + number
        mine = (entry_id for entry_id, row in rows if row.external_ports.first == port)
        return self.found.get(next(mine, ""))

    def delays(self) -> list[float]:
        """Of each row, from when it was Available until that was seen; sorted."""
        return sorted(self.found[i] - at for i, at in self.cloud.available.items())

    def _step(self, most: float = 60.0) -> None:
        waits = [self.writer.step(), self._look(), most]
        if min(waits) > 0:
            self.clock.advance(min(waits) + 1e-6)

    def _look(self) -> float:
        wait = self.poller.step()
        if not wait:
            now = self.clock.monotonic()
            for row in self.views.table(GATEWAY).rows():
                if not row.in_flux:
                    self.found.setdefault(row.entry.entry_id, now)
        return wait or 0.0
