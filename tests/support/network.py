"""Keeps the tests on this machine: a connection to anywhere else is refused and remembered."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any


def is_local(address: Any) -> bool:
    """Whether a socket address is of this machine: loopback, `localhost`, or not of IP at all."""
    if not isinstance(address, tuple):
        return True
    return _is_local_host(address[0])


def _is_local_host(host: Any) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    if text in {None, "", "localhost"}:
        return True
    try:
        return ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


class Guard:
    """Stands before the ways out of the process.

    What is refused is remembered besides, since the code under test may well catch the error.
    """

    def __init__(self) -> None:
        self._attempts: list[str] = []

    def take(self) -> list[str]:
        """The attempts since the last call."""
        attempts, self._attempts = self._attempts, []
        return attempts

    def install(self) -> None:
        """Put the guard in place, for good: threads outlive the test that started them."""
        for name in ("connect", "connect_ex", "sendto"):
            setattr(socket.socket, name, self._guarded_method(getattr(socket.socket, name)))
        resolve = socket.getaddrinfo

        def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
            if not _is_local_host(host):
                self._refuse(host)
            return resolve(host, *args, **kwargs)

        socket.getaddrinfo = guarded

    def _guarded_method(self, method: Any) -> Any:
        def guarded(sock: socket.socket, *args: Any) -> Any:
            if not is_local(args[-1]):  # the address comes last in all of them
                self._refuse(args[-1])
            return method(sock, *args)

        return guarded

    def _refuse(self, address: Any) -> None:
        self._attempts.append(str(address))
        raise ConnectionRefusedError(f"tests stay on this machine; tried {address}")


GUARD = Guard()
"""The one of this process."""
