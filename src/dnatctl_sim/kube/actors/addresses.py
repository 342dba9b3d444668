"""The pod IPs of the cluster."""

from __future__ import annotations

import ipaddress
from collections import defaultdict, deque
from collections.abc import Iterator
from enum import StrEnum

BLOCK = 10
"""As many addresses as a network interface has by default here; see `dnatctl_sim.cloud.knobs`."""


class Recycling(StrEnum):
    """Which of the freed addresses is handed out next, or none while fresh ones remain."""

    LIFO = "lifo"
    FIFO = "fifo"


class Addresses:
    """Hands out the addresses of `cidr` from the tenth on.

    LIFO gives the address that was freed last to the next pod, which is the worst case for
    whoever still sends traffic to it; FIFO uses fresh addresses first. With `by_node` each node
    has addresses of its own, in blocks of BLOCK, as those of real ones are of their machines'
    network interfaces; without, any pod may have any, which is harder.
    """

    def __init__(
        self, cidr: str, recycling: Recycling = Recycling.LIFO, *, by_node: bool = False
    ) -> None:
        network = ipaddress.IPv4Network(cidr)
        self._first = int(network.network_address) + 10
        self._last = int(network.broadcast_address) - 1
        self._next = self._first
        self._lifo = recycling is Recycling.LIFO
        self._by_node = by_node
        self._freed: defaultdict[str, deque[str]] = defaultdict(deque)
        self._nodes: dict[str, str] = {}
        self._fresh: defaultdict[str, Iterator[str]] = defaultdict(lambda: iter(()))

    def take(self, node: str) -> str:
        """An address that nobody has. Raises RuntimeError when all are taken."""
        address = self._take(node if self._by_node else "")
        self._nodes[address] = node if self._by_node else ""
        return address

    def _take(self, node: str) -> str:
        freed = self._freed[node]
        if freed and self._lifo:
            return freed.pop()
        for address in self._fresh[node]:
            return address
        if self._next <= self._last:
            self._fresh[node] = self._block()
            return next(self._fresh[node])
        if freed:
            return freed.popleft()
        raise RuntimeError("no pod IP is free")

    def _block(self) -> Iterator[str]:
        first = self._next
        self._next = min(first + (BLOCK if self._by_node else 1), self._last + 1)
        return (str(ipaddress.IPv4Address(number)) for number in range(first, self._next))

    def give_back(self, address: str) -> None:
        """Nobody has `address` any more."""
        self._freed[self._nodes.pop(address, "")].append(address)
