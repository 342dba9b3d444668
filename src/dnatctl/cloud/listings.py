"""Whose an address is that several network interfaces list. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from dnatctl.cloud.api import Unsaid
from dnatctl.model import Eni

_IN_USE: Final = "inuse"
_LEAVING: Final = frozenset({"detaching", "deleting", "createfailed"})
"""Of the words of the vendor (Available, Attaching, InUse, Detaching, Deleting; older pages add
Creating, CreateFailed) those of an interface that loses its addresses, or never had them."""


class Listing(NamedTuple):
    """An interface that lists an address; `status` is the vendor's, in small letters."""

    eni: Eni
    status: str

    @property
    def is_leaving(self) -> bool:
        """Whether its addresses may be another interface's by now."""
        return self.status in _LEAVING

    @property
    def rank(self) -> int:
        """The less, the more it is to be believed: one in use before all others."""
        return 0 if self.status == _IN_USE else 2 if self.is_leaving else 1


def holder(listings: Collection[Listing]) -> Eni | Unsaid:
    """The one that has the address, in whatever order they are listed.

    Unclear between interfaces of different machines of which none is leaving, or is in use alone;
    and where none has an ID, which is none to be noted.
    """
    known = [each for each in listings if each.eni.eni_id]
    best = min((each.rank for each in known), default=0)
    believed = [each.eni for each in known if each.rank == best]
    machines = {eni.instance_id for eni in believed if eni.instance_id}
    if len(machines) > 1 or not believed:
        return Unsaid.UNCLEAR
    return min(believed, key=lambda eni: (not eni.instance_id, eni.eni_id))
