"""Pod IPs for the fake kubelet."""

import ipaddress
from collections import deque


class AddressPool:
    """Hands out addresses of a network, fresh ones unless told otherwise."""

    def __init__(self, network: str) -> None:
        hosts = ipaddress.ip_network(network).hosts()
        self._fresh = (str(host) for host in hosts)
        self._offered: deque[str] = deque()
        self.recycle = False
        """Whether an address that is given back is the next to be handed out."""

    def take(self) -> str:
        """The address that was offered first, or else a fresh one."""
        return self._offered.popleft() if self._offered else next(self._fresh)

    def offer(self, address: str) -> None:
        """Make this the address of the next pod that needs one."""
        self._offered.append(address)

    def give_back(self, address: str) -> None:
        """Say that no container uses the address any more."""
        if self.recycle:
            self._offered.append(address)
