"""A line between a replica and the API server that a test can freeze and cut."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from hack.controlplane.ports import LOOPBACK

_CHUNK = 65536


class Link:
    """Relays connections to a server. Use as a context manager.

    The server sees them come from `source`, so that its audit log tells replicas apart.
    """

    def __init__(self, url: str, source: str = LOOPBACK) -> None:
        self.source = source
        """Loopback address that connections seem to come from."""
        self._target = urlsplit(url)
        self._listener = socket.socket()
        self._wires: list[_Wire] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._accept, name="link", daemon=True)

    def __enter__(self) -> Self:
        self._listener.bind((LOOPBACK, 0))
        self._listener.listen(64)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closing does not
        self._thread.join()
        self._listener.close()
        self.cut()

    @property
    def url(self) -> str:
        """The server's URL by way of this line."""
        return f"{self._target.scheme}://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def freeze(self) -> None:
        """Let nothing pass on the connections there are, which stay open; new ones work."""
        for wire in self._open_wires():
            wire.flows.clear()

    def thaw(self) -> None:
        """Undo `freeze`: what was sent meanwhile arrives."""
        for wire in self._open_wires():
            wire.flows.set()

    def cut(self) -> None:
        """Break the connections there are; what waited on frozen ones is lost."""
        wires = self._open_wires()
        for wire in wires:
            wire.cut()
        for wire in wires:
            wire.join()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nothing passes as long as the block runs: connections break, new ones do too."""
        self._is_closed = True
        self.cut()
        try:
            yield
        finally:
            self._is_closed = False

    def _open_wires(self) -> list["_Wire"]:
        with self._lock:
            self._wires = [wire for wire in self._wires if wire.is_open()]
            return list(self._wires)

    def _accept(self) -> None:
        with suppress(OSError):  # the end of the listener
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        address = (self._target.hostname or LOOPBACK, self._target.port or 443)
        try:
            if self._is_closed:
                raise ConnectionRefusedError
            far = socket.create_connection(address, 5, source_address=(self.source, 0))
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._wires.append(_Wire(near, far))


class _Wire:
    """One connection: two sockets and a thread for each direction."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.flows = threading.Event()
        self.flows.set()
        self._ends = (near, far)
        self._threads = [
            threading.Thread(target=self._pump, args=ends, name="link-wire", daemon=True)
            for ends in ((near, far), (far, near))
        ]
        self._left = len(self._threads)
        self._lock = threading.Lock()
        for thread in self._threads:
            thread.start()

    def is_open(self) -> bool:
        """Whether anything may still pass."""
        return self._left > 0

    def cut(self) -> None:
        """Break both sides."""
        for end in self._ends:
            with suppress(OSError):  # it is broken already
                end.shutdown(socket.SHUT_RDWR)
        self.flows.set()

    def join(self) -> None:
        """Wait for the threads."""
        for thread in self._threads:
            thread.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self.flows.wait()
                sink.sendall(data)
        self.cut()
        with self._lock:
            self._left -= 1
            if not self._left:
                for end in self._ends:
                    end.close()
