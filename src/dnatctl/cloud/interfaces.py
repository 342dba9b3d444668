"""Which network interfaces hold addresses: the questions to ECS."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from dnatctl.cloud import wire
from dnatctl.cloud.api import MAX_ENI_IPS, Unsaid
from dnatctl.cloud.listings import Listing, holder
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.sdk import Sdk
from dnatctl.cloud.translate import MOST_PAGES, require_list, unreadable
from dnatctl.model import Eni

_PAGE_SIZE: Final = 500

_MOST_ALONE: Final = 5
"""Addresses in one question that are asked for one by one where that has to be."""


class _Listed:
    """The answers to one search: which interfaces list an address."""

    def __init__(self) -> None:
        self._by_ip: dict[str, list[Listing]] = {}
        self.not_asked: set[str] = set()
        """Those that may be found when they are asked for alone."""

    def add(self, answer: Iterable[tuple[str, Listing]]) -> None:
        """Take in an answer."""
        for ip, listing in answer:
            self._by_ip.setdefault(ip, []).append(listing)

    def shows(self, ip: str) -> bool:
        """Whether some interface has it that is not leaving."""
        return not all(each.is_leaving for each in self._by_ip.get(ip, ()))

    def a_primary(self) -> str:
        """The primary address of some interface; "" if none is listed."""
        return next((each[0].eni.ips[0] for each in self._by_ip.values()), "")

    def holders(self, asked: Collection[str]) -> dict[str, Eni | Unsaid]:
        """Who has each address. That of a neighbour may be by now that of an interface which
        nobody asked for, where the one that is listed is leaving."""
        items = self._by_ip.items()
        found = {ip: holder(these) for ip, these in items if ip in asked or self.shows(ip)}
        later = {ip: Unsaid.NOT_ASKED for ip in self.not_asked if not self.shows(ip)}
        return found | later


class Interfaces:
    """The interfaces of one VPC."""

    def __init__(self, sdk: Sdk, region_id: str, vpc_id: str) -> None:
        self._sdk = sdk
        self._region_id = region_id
        self._vpc_id = vpc_id
        self._filter_finds_primary: bool | None = None
        """Whether the filter for many addresses finds primary ones too; None until it is known."""
        self._a_primary = ""
        """The primary address of some interface, by the latest answer that named one."""

    def find(self, ips: Collection[str]) -> dict[str, Eni | Unsaid]:
        """See `CloudApi.find_enis`."""
        listed = _Listed()
        pending = iter(dict.fromkeys(ips))
        while batch := list(islice(pending, MAX_ENI_IPS)):
            self._find_batch(batch, listed)
        return listed.holders(set(ips))

    def _find_batch(self, batch: list[str], listed: _Listed) -> None:
        listed.add(self._enis(private_ip_address=batch))
        self._a_primary = listed.a_primary() or self._a_primary
        missed = [ip for ip in batch if not listed.shows(ip)]
        if missed and not self._finds_primary():
            for ip in missed[:_MOST_ALONE]:
                listed.add(self._enis(primary_ip_address=ip))
            listed.not_asked.update(missed[_MOST_ALONE:])

    def _finds_primary(self) -> bool:
        """Whether the filter for many addresses finds primary ones too; False if it is not known.

        The SDK calls it one for secondary addresses (DescribeNetworkInterfacesRequest), and no page
        of the vendor says more. So it is asked once for one that is primary, alone: beside another
        of its interface's addresses it would be found by that one.
        """
        if self._filter_finds_primary is None and (primary := self._some_primary()):
            if primary in dict(self._enis(private_ip_address=[primary])):
                self._filter_finds_primary = True
            elif primary in dict(self._enis(primary_ip_address=primary)):
                self._filter_finds_primary = False
            else:
                self._a_primary = ""  # its interface has gone
        return bool(self._filter_finds_primary)

    def _some_primary(self) -> str:
        """Where no answer has named one yet, that of any interface of the VPC; "" for none."""
        return self._a_primary or next((ip for ip, _ in self._enis(page_size=10)), "")

    def _enis(self, page_size: int = _PAGE_SIZE, **filters: Any) -> Iterator[tuple[str, Listing]]:
        from alibabacloud_ecs20140526 import models as ecs

        next_token, tokens = None, set[str]()
        for _ in range(MOST_PAGES):
            request = ecs.DescribeNetworkInterfacesRequest(
                region_id=self._region_id,
                # Private addresses repeat across VPCs.
                vpc_id=self._vpc_id,
                max_results=page_size,
                next_token=next_token,
                **filters,
            )
            body = self._sdk.call(Operation.READ_ENIS, request)
            require_list(Operation.READ_ENIS, body, body.network_interface_sets)
            for row in wire.rows(body.network_interface_sets, "network_interface_set"):
                yield from _listings(row)
            next_token = body.next_token
            if not next_token:
                return
            if next_token in tokens:
                break
            tokens.add(next_token)
        raise unreadable(Operation.READ_ENIS, "pages without end")


def _listings(row: Any) -> Iterator[tuple[str, Listing]]:
    status = str(row.status or "").lower()
    for ip, eni in wire.enis(row):
        yield ip, Listing(eni, status)
