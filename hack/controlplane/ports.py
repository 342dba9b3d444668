"""Ports on the loopback interface that stay usable while their server is restarted."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port nobody listens on, not one of `taken`, below the range of outgoing connections.

    A port of that range would be lost in a restart: any connection made meanwhile can be given
    it, even one that a client makes to that very port.

    Raises:
        OSError: none found.
    """
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(lowest_outgoing // 2, lowest_outgoing))
    random.shuffle(candidates)
    for port in candidates:
        if port not in taken and _can_listen(port):
            return port
    raise OSError(f"no free port below {lowest_outgoing} on {LOOPBACK}")


def free_ports(count: int) -> list[int]:
    """Several different ports as `free_port` gives them."""
    ports: list[int] = []
    while len(ports) < count:
        ports.append(free_port(frozenset(ports)))
    return ports


def _can_listen(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
