"""The ports of one external IP and protocol, in the order in which they are to be handed out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse

from dnatctl.model import PortRange


class Line:
    """Least recently used first: ports never used, ascending, then released ones in that order.

    Memory grows with the ports ever used, not with the range: whoever claims the last port passes
    over all others.
    """

    def __init__(self, ports: PortRange) -> None:
        self.ports = ports
        self._fresh = ports.first
        self._unused: set[int] = set()
        """Never used ports below `_fresh`: they were taken and put back."""
        self._first_use: set[int] = set()
        """Taken ports that had never been used before."""
        self._returned: OrderedDict[int | range, None] = OrderedDict()
        """Released ports and ranges passed over, in the order in which they are next in line."""
        self._left: set[int] = set()
        """Ports that are in none of those ranges any more."""

    def take(self, port: int) -> None:
        """The port is claimed; it stays out of the line until it is given or put back."""
        if port in self.ports and (port >= self._fresh or port in self._unused):
            self._first_use.add(port)
        self._leave(port)

    def give_back(self, port: int) -> None:
        """The port was used and is not any more: to the end of the line."""
        if port in self.ports:
            self._first_use.discard(port)
            self._leave(port)
            self._returned[port] = None

    def put_back(self, port: int) -> None:
        """The port was claimed and never used: to where it was in the line."""
        if port in self._first_use:
            self._first_use.remove(port)
            self._unused.add(port)
        elif port in self.ports:
            self._leave(port)
            self._returned[port] = None
            self._returned.move_to_end(port, last=False)

    def over(self, ports: PortRange) -> Line:
        """This line over other ports: those in both keep their place in it."""
        line = Line(ports)
        taken = [port for port in self._taken() if port in ports]
        returned = [port for port in self._after_fresh() if port in ports]
        for port in sorted((*taken, *returned)):  # what lies between was never used: it comes first
            line.take(port)
        line._returned.update(dict.fromkeys(_clipped(self._returned, ports)))
        line._left = {port for port in self._left - self._unused if port in ports}
        line._first_use = {port for port in taken if port in self._first_use}
        return line

    def _taken(self) -> list[int]:
        free = self._unused.union(self._after_fresh())
        return [port for port in range(self.ports.first, self._fresh) if port not in free]

    def pick(self, count: int, free: Callable[[int], bool]) -> list[int] | None:
        """The first `count` ports in line that are `free`, or None if there are not so many."""
        picked: list[int] = []
        for port in self._in_line():
            if len(picked) == count:
                break
            if free(port):
                picked.append(port)
        return picked if len(picked) == count else None

    def pick_run(self, count: int, free: Callable[[int], bool]) -> list[int] | None:
        """The first run of `count` consecutive free ports: among the never used ones first."""
        never_used = range(min(self._unused, default=self._fresh), self.ports.last + 1)
        return _run(never_used, count, free) or _run(sorted(self._in_line()), count, free)

    @property
    def never_used(self) -> int:
        """How many ports have not been used since the start."""
        return self.ports.last - self._fresh + 1 + len(self._unused)

    def _in_line(self) -> Iterator[int]:
        yield from sorted(self._unused)
        yield from range(self._fresh, self.ports.last + 1)
        yield from self._after_fresh()

    def _after_fresh(self) -> Iterator[int]:
        for each in self._returned:
            if isinstance(each, range):
                yield from filterfalse(self._left.__contains__, each)
            else:
                yield each

    def _leave(self, port: int) -> None:
        if self.ports.first <= port < self._fresh:
            self._left.add(port)
        self._advance_to(port)
        self._unused.discard(port)
        self._returned.pop(port, None)

    def _advance_to(self, port: int) -> None:
        """Ports passed over join the line of returned ones: they are the next in it."""
        if port < self._fresh or port not in self.ports:
            return
        if port > self._fresh:
            self._returned[range(self._fresh, port)] = None
        self._fresh = port + 1


def _clipped(returned: Iterable[int | range], ports: PortRange) -> Iterator[int | range]:
    """Of these, what lies in the ports."""
    for each in returned:
        if isinstance(each, range):
            if within := range(max(each.start, ports.first), min(each.stop, ports.last + 1)):
                yield within
        elif each in ports:
            yield each


def _run(ports: Iterable[int], count: int, free: Callable[[int], bool]) -> list[int] | None:
    """The first `count` consecutive ones of these ascending ports that are free."""
    run: list[int] = []
    for port in filter(free, ports):
        if run and port != run[-1] + 1:
            run.clear()
        run.append(port)
        if len(run) == count:
            return run
    return None
