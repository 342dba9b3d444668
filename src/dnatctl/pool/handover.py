"""What a leader leaves to the next one: which endpoints are in quarantine, and for how long.

Nothing else anywhere says so once a row and its PodDNAT are gone. It travels in an annotation
of the leader's Lease, which is renewed every few seconds anyway: no write is added. What is said is
the time that remained when the Lease was renewed, so that no clock of another machine counts; the
next leader takes off what it saw pass by itself.

The text never gets longer than `LIMIT`: where it would, it says that more rests than does, or that
it rests for longer. Whoever may write the Lease may write anything into it: what is read is bounded
as well, and what cannot be understood is left out.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dnatctl.model import Endpoint, PortRange, Protocol

LIMIT = 64 * 1024
"""Bytes at most: an API server takes 256 KiB of annotations, and others may have their part."""

MOST = 100_000
"""Endpoints that are taken over one by one; where there are more, all rest."""

_ALL = "*"
_PART = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?=([0-9]{1,6})")

_Line = tuple[str, Protocol]
_Timed = tuple[int, int]
"""A port, and the seconds that it rests for."""

_Run = tuple[int, int, int]
"""First and last of ports in a row, and the seconds that each rests for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Ports of one external IP and protocol that rest for so many seconds more."""

    ip: str
    protocol: Protocol
    ports: PortRange
    seconds: float


@dataclass(frozen=True, slots=True)
class Resting:
    """What was handed over. `everything`: seconds for which all endpoints rest."""

    spans: tuple[Span, ...] = ()
    everything: float = 0.0
    _lines: dict[_Line, list[Span]] = field(default_factory=lambda: defaultdict(list), repr=False)

    def __post_init__(self) -> None:
        for span in sorted(self.spans, key=lambda span: span.ports.first):
            self._lines[span.ip, span.protocol].append(span)

    def covers(self, endpoint: Endpoint) -> bool:
        """Whether the next leader would let the endpoint rest."""
        spans = self._lines.get((endpoint.ip, endpoint.protocol), ())
        at = bisect_right(spans, endpoint.port, key=lambda span: span.ports.first)
        return self.everything > 0 or (at > 0 and endpoint.port in spans[at - 1].ports)

    def after(self, age: float) -> Resting:
        """The same so many seconds later."""
        spans = (Span(s.ip, s.protocol, s.ports, s.seconds - age) for s in self.spans)
        return Resting(tuple(s for s in spans if s.seconds > 0), max(self.everything - age, 0.0))

    def each(self) -> dict[Endpoint, float] | None:
        """Seconds for each endpoint, whether it is offered or not: it may be again. None where they
        are more than `MOST`, those that are named again counted again: a short text can name the
        same ones for ever.
        """
        if sum(len(span.ports) for span in self.spans) > MOST:
            return None
        found: dict[Endpoint, float] = {}
        for span in self.spans:
            for port in span.ports:
                endpoint = Endpoint(span.ip, port, span.protocol)
                found[endpoint] = max(span.seconds, found.get(endpoint, 0.0))
        return found


def encode(remaining: Mapping[Endpoint, float], everything: float = 0.0) -> str:
    """Endpoints with the seconds of quarantine that remain, as text."""
    longest = max((everything, *remaining.values()))
    if everything <= 0:
        lines = _lines(remaining)
        for coarsened in (_exactly, _all_as_the_longest, _as_one_span):
            text = _text(lines, coarsened)
            if len(text) <= LIMIT:
                return text
    return f"{_ALL}={math.ceil(longest)}"


def decode(text: str) -> Resting:
    """The reverse of `encode`; what cannot be understood is left out."""
    if len(text) > LIMIT:
        return Resting()
    spans: list[Span] = []
    everything = 0.0
    for line in text.split(";"):
        head, _, body = line.rpartition(":")
        ip, _, protocol = head.rpartition("/")
        if not head and (found := re.fullmatch(r"\*=([0-9]{1,6})", line)):
            everything = float(found[1])
        elif ip and protocol in tuple(Protocol):
            spans += _spans(ip, Protocol(protocol), body)
    return Resting(tuple(spans), everything)


def _lines(remaining: Mapping[Endpoint, float]) -> dict[_Line, list[_Timed]]:
    """What rests, by IP, protocol and port: the same text whenever the same rests."""
    lines: dict[_Line, list[_Timed]] = defaultdict(list)
    for endpoint, seconds in remaining.items():
        lines[endpoint.ip, endpoint.protocol].append((endpoint.port, math.ceil(seconds)))
    for timed in lines.values():
        timed.sort()
    return {line: lines[line] for line in sorted(lines)}


def _text(
    lines: Mapping[_Line, list[_Timed]], coarsened: Callable[[list[_Timed]], Iterable[_Run]]
) -> str:
    return ";".join(
        f"{ip}/{protocol}:{','.join(map(_part, coarsened(timed)))}"
        for (ip, protocol), timed in lines.items()
    )


def _part(run: _Run) -> str:
    first, last, seconds = run
    return f"{first}-{last}={seconds}" if last > first else f"{first}={seconds}"


def _exactly(timed: Iterable[_Timed]) -> list[_Run]:
    runs: list[_Run] = []
    for port, seconds in timed:
        if runs and runs[-1][1:] == (port - 1, seconds):
            runs[-1] = (runs[-1][0], port, seconds)
        else:
            runs.append((port, port, seconds))
    return runs


def _all_as_the_longest(timed: list[_Timed]) -> list[_Run]:
    longest = max(seconds for _, seconds in timed)
    return _exactly((port, longest) for port, _ in timed)


def _as_one_span(timed: list[_Timed]) -> list[_Run]:
    return [(timed[0][0], timed[-1][0], max(seconds for _, seconds in timed))]


def _spans(ip: str, protocol: Protocol, body: str) -> Iterator[Span]:
    for part in body.split(","):
        if found := _PART.fullmatch(part):
            first, last = int(found[1]), int(found[2] or found[1])
            if 1 <= first <= last <= 65535:
                yield Span(ip, protocol, PortRange(first, last), float(found[3]))
