"""What the program asks of the cloud, in its own words: the seam between control and the SDK."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from dnatctl.model import Eni, ForwardEntry, Gateway, NewEntry

PAGE_SIZE: Final = 50
"""Rows of a forward table in one page, the most the vendor gives (DescribeForwardTableEntries)."""

MAX_ENI_IPS: Final = 100
"""IP addresses one DescribeNetworkInterfaces may ask for, the vendor's limit."""


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One page of a forward table.

    `total` is the number of rows in the whole table when this page was made, as the cloud counts
    them: a hint. The vendor has no snapshot over pages: a table that changes in between can skip or
    repeat rows.
    """

    total: int
    entries: tuple[ForwardEntry, ...]


class Unsaid(StrEnum):
    """Why it is not said which interface holds an address, nor that none does."""

    UNCLEAR = "unclear"
    """Interfaces of several machines list it, or one of which the answer lacks the ID."""

    NOT_ASKED = "not-asked"
    """It has to be asked for alone, and others came first: it is to be asked for again."""


Guard = Callable[[], bool]
"""Whether a write may be sent now; asked right before it is."""


class CloudApi(Protocol):
    """The cloud of one VPC. Every method blocks, may be called from any thread, and raises
    `errors.CloudError`; none retries by itself, except once with renewed credentials.

    Waiting for the rate limit happens inside the call. If the program stops meanwhile, or has
    stopped before, the call raises `Stopped` and nothing was sent. A write asks its `guard` after
    that wait, right before it is sent: what was allowed before the wait may not be any more.
    """

    def describe_gateways(
        self, wanted: Collection[str] = (), heard: Callable[[Gateway], None] | None = None
    ) -> list[Gateway]:
        """The NAT gateways with these IDs, or all of the VPC if none is named, with their EIPs.

        Each takes a call of its own: `heard` is called with each as soon as it is described.

        A wanted gateway that is absent, or in another VPC, is returned with its `problem` set, and
        one of which the cloud refuses to say all with `unread`, unless it does so of all.
        """
        ...

    def read_page(self, table_id: str, page_number: int) -> EntryPage:
        """Page `page_number` (from 1) of a forward table, `PAGE_SIZE` rows each."""
        ...

    def read_entry(self, table_id: str, entry_id: str) -> ForwardEntry | None:
        """One row of a forward table, None if it is not there."""
        ...

    def create_entry(
        self, table_id: str, new: NewEntry, token: str, guard: Guard | None = None
    ) -> str:
        """Ask for a new row; returns its ID at once, while the row is still Pending.

        With a token the cloud has seen, the ID can be that of a row deleted since.
        """
        ...

    def delete_entry(
        self, table_id: str, entry_id: str, token: str, guard: Guard | None = None
    ) -> None:
        """Ask for a row to be removed; it is Deleting until it is absent."""
        ...

    def modify_entry(
        self,
        table_id: str,
        entry_id: str,
        new: NewEntry,
        token: str,
        guard: Guard | None = None,
    ) -> None:
        """Ask for a row to become `new`, in place; it is Pending until done."""
        ...

    def find_enis(self, ips: Collection[str]) -> Mapping[str, Eni | Unsaid]:
        """The network interfaces that hold these addresses of the VPC, by address.

        The neighbours on these interfaces, of which the answer tells too, are included; an
        address that no interface holds is left out. Where the cloud has to be asked for addresses
        one by one it is for a few, those that are named first.
        """
        ...


class Stopped(Exception):  # noqa: N818 - not a failure: the program is ending
    """The program stops, or the guard says no: a call that waited for its turn was not made."""
