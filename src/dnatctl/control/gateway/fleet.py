"""The threads of all gateways that have some, from their first description to their end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from dnatctl.clock import Deadline
from dnatctl.control.gateway.poller import TablePoller
from dnatctl.control.gateway.threads import TableThreads
from dnatctl.control.gateway.writer import TableWriter

CUT_OFF_AFTER = 6
"""So many readings in a row that fail are no hiccup: with the pauses between, half a minute."""


class Fleet:
    """A poller and a writer for each gateway. Put in and taken out by one thread, read by any."""

    def __init__(self) -> None:
        self._at_work: dict[str, TableThreads] = {}
        self._ended: list[TableThreads] = []
        self._closing = threading.Lock()
        self._closed = False

    def __contains__(self, gateway_id: object) -> bool:
        return gateway_id in self._at_work

    def ids(self) -> list[str]:
        """Gateways that have threads."""
        return list(self._at_work)

    @property
    def closed(self) -> bool:
        """Whether all were told to stop, and no other begins."""
        return self._closed

    def put(self, gateway_id: str, threads: TableThreads) -> None:
        """From now on they look after that gateway's table."""
        self._at_work[gateway_id] = threads

    def begin(self, gateway_id: str, threads: TableThreads) -> None:
        """Put them in and start them, unless all were told to stop: gateways may be described until
        after that. Raises what starting a thread raises: then there are none."""
        with self._closing:
            if self._closed:
                return
            self.put(gateway_id, threads)
            try:
                threads.start()
            except BaseException:
                self.dismiss(gateway_id)
                raise

    def dismiss(self, gateway_id: str) -> None:
        """Stop those of a gateway; `join` waits for them too."""
        threads = self._at_work.get(gateway_id)
        if threads is not None:
            self._ended.append(threads)  # first, so that whoever waits for all finds them
            del self._at_work[gateway_id]
            threads.writer.stop()
            threads.poller.stop()

    def writer(self, gateway_id: str) -> TableWriter | None:
        """The writer of that gateway's table."""
        threads = self._at_work.get(gateway_id)
        return threads.writer if threads else None

    def poller(self, gateway_id: str) -> TablePoller | None:
        """The poller of that gateway's table."""
        threads = self._at_work.get(gateway_id)
        return threads.poller if threads else None

    def writers(self) -> list[TableWriter]:
        """All writers."""
        return [threads.writer for threads in self._all()]

    def stop_writers(self) -> None:
        """Send no more writes, and begin with no other table."""
        with self._closing:
            self._closed = True
        for writer in self.writers():
            writer.stop()

    def stop(self) -> None:
        """Read and write no more."""
        self.stop_writers()
        for threads in self._all():
            threads.poller.stop()

    def join_writers(self, deadline: Deadline) -> bool:
        """Wait for writers that were stopped; whether no write is under way any more."""
        return all(threads.writer.join(deadline.left) for threads in self._every())

    def join(self, deadline: Deadline) -> bool:
        """Wait for all that was stopped; whether it has ended."""
        written = self.join_writers(deadline)
        return all(t.poller.join(deadline.left) for t in self._every()) and written

    def read_soon(self) -> None:
        """Read every table anew."""
        for threads in self._all():
            threads.poller.read_soon()

    def read_since(self, then: float) -> bool:
        """Whether every table that can be read has been read since then (monotonic)."""
        pollers = [threads.poller for threads in self._all()]
        return all(poller.last_pass >= then or poller.failing for poller in pollers)

    def cut_off(self) -> str:
        """Why no table can be read, where that has gone on for a while; empty if one can.

        A table that is said not to be there is no matter of the way to the cloud.
        """
        pollers = [threads.poller for threads in self._all()]
        if not pollers or any(p.failing < CUT_OFF_AFTER or p.missing for p in pollers):
            return ""
        return f"no forward table can be read: {pollers[0].unreadable}"

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Gateways with whose table something is wrong, each with what, for people."""
        for gateway_id in self.ids():
            threads = self._at_work.get(gateway_id)
            for why in threads.complaints() if threads else ():
                yield gateway_id, why

    def _all(self) -> list[TableThreads]:
        return list(self._at_work.values())

    def _every(self) -> list[TableThreads]:
        return [*self._all(), *self._ended]
