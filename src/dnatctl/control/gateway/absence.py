"""Which gateways are gone: what the cloud does not list may be there all the same.

An odd answer, or a key of another account for a while, must not cost a thousand pods their
addresses. Pure: times are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from dnatctl.model import Gateway

ALONE_BELIEVED_S = 600.0
"""Where the cloud lists none of our gateways, a wrong key is likelier than that all were deleted at
once: only after so long, in seconds, are they taken for gone."""


class Absence:
    """Since when each gateway is not listed that was when it was asked for last."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def doubted(self, absent: Set[str]) -> Set[str]:
        """Those that are not listed and not yet taken for gone, which are `absent`."""
        return self._since.keys() - absent

    def believed(
        self,
        described: Mapping[str, Gateway],
        now: float,
        absent: Set[str],
        has_no_table: Callable[[str], bool],
    ) -> set[str]:
        """Of those described, the ones that are gone: not listed twice in a row, their table not
        there either, and others listed. `absent`: who was taken for gone so far."""
        gone = [i for i, gateway in described.items() if gateway.absent and i in self._since]
        if all(gateway.absent or gateway.unread for gateway in described.values()):
            long = {i for i, at in self._since.items() if now - at >= ALONE_BELIEVED_S}
            gone = [i for i in gone if i in absent | long]
        return {i for i in gone if has_no_table(i)}

    def note(self, described: Mapping[str, Gateway], now: float, others: Set[str]) -> None:
        """Take in what was described; what was known of `others` stays, and of no more."""
        missing = {i: self._since.get(i, now) for i, each in described.items() if each.absent}
        self._since = {i: at for i, at in self._since.items() if i in others} | missing
