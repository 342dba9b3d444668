"""Packing: ports that follow one another on both sides can share a row with a port range."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from dnatctl.model import PortRange, Protocol
from dnatctl.objects import PortMapping
from dnatctl.pool.values import Wanted

Run = tuple[PortRange, PortRange, Protocol]
"""What one row carries: its external range, its internal range, its protocol."""

T = TypeVar("T")


def rows_of(ports: Iterable[PortMapping], *, pack: bool) -> list[Run]:
    """The rows that carry the ports; with `pack`, neighbours share one."""

    def follows(a: PortMapping, b: PortMapping) -> bool:
        return pack and b == PortMapping(a.external + 1, a.internal + 1, a.protocol)

    return [
        (
            PortRange(run[0].external, run[-1].external),
            PortRange(run[0].internal, run[-1].internal),
            run[0].protocol,
        )
        for run in _cut(ports, follows)
    ]


def runs_of(ports: Wanted, *, pack: bool) -> list[list[tuple[int, Protocol]]]:
    """Wanted ports, cut into runs that one row could carry if their endpoints follow as well."""

    def follows(a: tuple[int, Protocol], b: tuple[int, Protocol]) -> bool:
        return pack and b == (a[0] + 1, a[1])

    return _cut(ports, follows)


def _cut(items: Iterable[T], follows: Callable[[T, T], bool]) -> list[list[T]]:
    runs: list[list[T]] = []
    for item in items:
        if runs and follows(runs[-1][-1], item):
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs
