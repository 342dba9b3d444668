"""A question about many addresses that the cloud refuses for one of them: asked again in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Generic, TypeVar

from dnatctl.cloud.errors import CloudError, ErrorKind

OF_ONE: Final = frozenset({ErrorKind.REJECTED, ErrorKind.UNCLASSIFIED, ErrorKind.GONE})
"""Refusals that do not pass by themselves, and that may be about one address alone."""

_V = TypeVar("_V")


@dataclass(slots=True)
class Heard(Generic[_V]):
    """What the cloud has said of addresses, which are in one of three lists.

    `refused`: it was asked for each of them alone and refused that. `left`: not answered, be it
    that they were not asked for often enough, or that `error` says nothing of them.
    """

    answer: dict[str, _V] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    error: CloudError | None = None

    @property
    def is_of_one(self) -> bool:
        """Whether the latest error may be about one address alone."""
        return self.error is not None and self.error.kind in OF_ONE


def ask_in_parts(
    ask: Callable[[list[str]], Mapping[str, _V]], ips: list[str], *, divide: bool = True
) -> Heard[_V]:
    """Ask for all of them and, where that is refused, for halves of them and of those.

    With as many calls as it takes to find one that is refused, twice the logarithm: of several,
    one is found each time. Not `divide`: with one call.
    """
    heard: Heard[_V] = Heard()
    parts, calls = [ips], 2 * len(ips).bit_length() + 1 if divide else 1
    while parts and calls:
        part, calls = parts.pop(), calls - 1
        try:
            heard.answer.update(ask(part))
            heard.answered += part
        except CloudError as error:
            heard.error = error
            if not heard.is_of_one:
                parts.append(part)
                break
            if len(part) == 1:
                heard.refused += part
            else:
                parts += part[len(part) // 2 :], part[: len(part) // 2]
    heard.left = list(chain.from_iterable(parts))
    return heard
