"""What goes wrong: in the cloud, by others who use the same tables, between us and Kubernetes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from dnatctl_sim.cloud import Fault
from dnatctl_sim.cloud.errors import ApiError
from tests.e2e.arena import WRITES, Arena
from tests.e2e.oracle import Row, row_tuple
from tests.support.link import Link

ANY = [*WRITES, "DescribeForwardTableEntries"]
FOREIGN_IP = "172.16.255"
"""Machines of others, whose IPs no pod gets."""


class Trouble:
    """Draws one fault after the other; `end` undoes what would not pass by itself."""

    def __init__(self, arena: Arena, links: list[Link], seed: int) -> None:
        self.done: Counter[str] = Counter()
        """What happened, and how often."""
        self.last = ("", 0.0)
        """What happened last, and how many seconds it took to make."""
        self._arena = arena
        self._links = links
        self._random = random.Random(f"trouble {seed}")
        self._foreign: dict[str, tuple[object, ...]] = {}
        self._undo: list[Callable[[], None]] = []
        acts = {
            self.calls_slow: 6,
            self.calls_refused: 6,
            self.answers_lost: 6,
            self.connections_reset: 4,
            self.pages_of_a_proxy: 3,
            self.gateway_modifying: 2,
            self.entry_deleted: 4,
            self.entry_of_somebody_else: 6,
            self.watches_frozen: 3,
            self.connections_cut: 3,
            self.api_server_killed: 0.7,
            self.history_lost: 0.4,
        }
        self._acts: tuple[Callable[[], None], ...] = tuple(acts)
        self._weights = tuple(acts.values())

    def step(self) -> None:
        """End the last trouble that lasts, and make another."""
        self._end_last()
        (act,) = self._random.choices(self._acts, self._weights)
        began = time.monotonic()
        with suppress(ApiError):  # the cloud lets nobody do that now
            act()
            self.done[act.__name__] += 1
        self.last = (act.__name__, round(time.monotonic() - began, 1))

    def end(self) -> None:
        """No more trouble."""
        self._end_last()
        self._arena.cloud.clear_faults()

    def touched(self) -> list[str]:
        """Entries of others that are not what they were."""
        rows = {row["entry_id"]: _whole(row) for row in self._arena.rows()}
        return [entry for entry, was in self._foreign.items() if rows.get(entry) != was]

    @property
    def foreign(self) -> int:
        """How many entries others have made."""
        return len(self._foreign)

    # In the cloud

    def calls_slow(self) -> None:
        self._fault(Fault(action="delay", stage="during", apis=ANY, seconds=(0.2, 2.0)))

    def calls_refused(self) -> None:
        code, status = self._random.choice([("SystemBusy", 503), ("InternalError", 500)])
        self._fault(Fault(action="error", stage="before", apis=ANY, code=code, status=status))

    def answers_lost(self) -> None:
        self._fault(Fault(action="close", stage="after", apis=list(WRITES)))

    def connections_reset(self) -> None:
        self._fault(Fault(action="reset", stage="during", apis=ANY))

    def pages_of_a_proxy(self) -> None:
        self._fault(Fault(action="page", stage="after", apis=ANY, status=502))

    def gateway_modifying(self) -> None:
        gateway = self._random.choice(list(self._arena.cloud.world.gateways))
        self._arena.acts.set_gateway(gateway, status="Modifying")
        self._undo.append(lambda: self._arena.acts.set_gateway(gateway, status="Available"))

    def entry_deleted(self) -> None:
        """Somebody deletes one of ours by hand."""
        own = self._arena.own_rows()
        if own:
            with suppress(LookupError):  # gone meanwhile
                self._arena.acts.delete_entry(self._random.choice(own)["entry_id"])

    def entry_of_somebody_else(self) -> None:
        """Somebody makes an entry of theirs on an endpoint that we might hand out."""
        gateway = self._random.choice(self._arena.cloud.scenario.gateways)
        port = str(self._random.randint(512, 1024))
        ip = f"{FOREIGN_IP}.{self._random.randint(1, 254)}"
        entry_id = self._arena.acts.create_entry(
            gateway.id, self._random.choice(gateway.eips), port, ip, port
        )
        mine = {row["entry_id"]: row for row in self._arena.rows()}
        self._foreign[entry_id] = _whole(mine[entry_id])

    def _fault(self, fault: Fault) -> None:
        fault.times = self._random.randint(1, 5)
        fault.probability = 0.3
        self._arena.cloud.add_fault(fault)

    # Between dnatctl and Kubernetes

    def watches_frozen(self) -> None:
        link = self._random.choice(self._links)
        link.freeze()
        self._undo.append(link.thaw)

    def connections_cut(self) -> None:
        self._random.choice(self._links).cut()

    def api_server_killed(self) -> None:
        self._arena.control_plane.restart_apiserver()

    def history_lost(self) -> None:
        self._arena.control_plane.expire_watches()

    def _end_last(self) -> None:
        while self._undo:
            self._undo.pop()()


def _whole(row: Row) -> tuple[object, ...]:
    return *row_tuple(row), row["name"], row["origin"]
