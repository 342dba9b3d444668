"""The rows of a view of a forward table, found by owner, by endpoint and by internal address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from dnatctl.compact import Multimap
from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, NewEntry, Protocol

_PORT: Final = 1
_BLOCK: Final = 32
_ADDRESS: Final = 65536
"""Sizes of the places, in ports, that a row is found at: its one port; each block of ports that it
reaches into (packed rows may have two ports each: a block is full with 32 of them); its IP."""

_WIDE: Final = 1024
"""A row of more ports is found at its IP: a table has room for some tens of such rows on an IP. One
whose ports cannot be read counts as one over all ports, which are two thousand blocks."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its owner: the UID of a PodDNAT, or empty for a foreign one.

    `written`: when our last write to it was answered; `seen`: a reading has listed it since.
    """

    entry: ForwardEntry
    owner: str
    written: float = float("-inf")
    seen: bool = True

    @property
    def in_flux(self) -> bool:
        """Whether the cloud is still working on it."""
        return self.entry.status is not EntryStatus.AVAILABLE

    def leads_as(self, new: NewEntry) -> bool:
        """Whether it takes the traffic that `new` would take, and to the same place."""
        entry = self.entry
        return entry == replace(new.as_row(entry.entry_id), status=entry.status, name=entry.name)

    def leads_like(self, entry: ForwardEntry) -> bool:
        """Whether it takes the traffic that `entry` takes, and to the same place."""
        return replace(entry, name=self.entry.name).is_but_for_status(self.entry)

    def loses_status(self, entry: ForwardEntry) -> bool:
        """Whether `entry` is the same own row, in use, of which nobody says how far it is."""
        in_use = bool(self.owner) and not self.in_flux
        return in_use and bool(entry.odd_status) and entry.is_but_for_status(self.entry)

    def clashes(self, new: NewEntry) -> bool:
        """Whether a table cannot hold both: they share an endpoint, or an internal address."""
        entry = self.entry
        external = entry.external_ip == new.external_ip and entry.external_ports.overlaps(
            new.external_ports
        )
        internal = entry.internal_ip == new.internal_ip and entry.internal_ports.overlaps(
            new.internal_ports
        )
        return entry.protocol in (None, new.protocol) and (external or internal)


class Rows:
    """Rows by ID, with indexes over them."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._by_owner: Multimap[str] = Multimap()
        self._by_internal_ip: Multimap[str] = Multimap()
        self._by_external: Multimap[tuple[str, int, int]] = Multimap()
        """By external IP, number and size of a place: see `_places`."""
        self._in_flux: dict[str, Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[Row]:
        """All rows."""
        return list(self._rows.values())

    def row(self, entry_id: str) -> Row | None:
        """The row with that ID."""
        return self._rows.get(entry_id)

    def owned_by(self, uid: str) -> list[Row]:
        """The rows that belong to the PodDNAT with that UID."""
        # Each look asks every table, and one has any.
        return self._sorted(self._by_owner.at(uid)) if uid in self._by_owner else []

    def holds(self, uid: str, new: NewEntry) -> bool:
        """Whether that PodDNAT has a row on the endpoints of `new`."""
        wanted = (new.external_ip, new.external_ports, new.protocol)
        return any(
            (row.entry.external_ip, row.entry.external_ports, row.entry.protocol) == wanted
            for row in self.owned_by(uid)
        )

    def owners(self) -> list[str]:
        """The UIDs of all PodDNATs that own a row here."""
        return [uid for uid in self._by_owner if uid]

    def foreign_count(self) -> int:
        """How many rows are not ours."""
        return len(self._by_owner.at(""))

    def foreign(self) -> list[Row]:
        """The rows that are not ours, in no order."""
        return [self._rows[i] for i in self._by_owner.at("")]

    def covering(self, endpoint: Endpoint) -> list[Row]:
        """The rows that take traffic to `endpoint`, ranges and `Any` rows included."""
        ip, port = endpoint.ip, endpoint.port
        near = [
            entry_id
            for size in (_PORT, _BLOCK, _ADDRESS)
            for entry_id in self._by_external.at((ip, port // size, size))
        ]
        return self._sorted([i for i in near if self._rows[i].entry.covers(endpoint)])

    def any_row_on(self, ip: str) -> Row | None:
        """The IP mapping (`Any`) that takes the whole address, which bars every other row."""
        rows = self._sorted(self._by_external.at((ip, 0, _ADDRESS)))
        return next((row for row in rows if row.entry.protocol is None), None)

    def holding(self, ip: str, port: int, protocol: Protocol) -> list[Row]:
        """The rows that lead to that internal address: the cloud allows one a table."""
        return [
            row
            for row in self.leading_to(ip)
            if row.entry.protocol in (None, protocol) and port in row.entry.internal_ports
        ]

    def leading_to(self, ip: str) -> list[Row]:
        """The rows whose internal IP is `ip`."""
        return self._sorted(self._by_internal_ip.at(ip))

    def in_flux(self) -> list[Row]:
        """Own rows that the cloud was still working on when last heard of."""
        return sorted(self._in_flux.values(), key=lambda row: row.entry.entry_id)

    def _sorted(self, ids: Collection[str]) -> list[Row]:
        return [self._rows[i] for i in sorted(ids)] if ids else []

    # --- indexes

    def _put(self, row: Row) -> None:
        old = self._rows.get(row.entry.entry_id)
        if old is not None:
            self._unindex(old)
        entry = row.entry
        self._rows[entry.entry_id] = row
        self._by_owner.add(row.owner, entry.entry_id)
        self._by_internal_ip.add(entry.internal_ip, entry.entry_id)
        for place in _places(entry):
            self._by_external.add(place, entry.entry_id)
        if row.owner and row.in_flux:
            self._in_flux[entry.entry_id] = row

    def _remove(self, row: Row) -> None:
        del self._rows[row.entry.entry_id]
        self._unindex(row)

    def _unindex(self, row: Row) -> None:
        entry = row.entry
        self._by_owner.discard(row.owner, entry.entry_id)
        self._by_internal_ip.discard(entry.internal_ip, entry.entry_id)
        for place in _places(entry):
            self._by_external.discard(place, entry.entry_id)
        self._in_flux.pop(entry.entry_id, None)


def _places(entry: ForwardEntry) -> list[tuple[str, int, int]]:
    """Where a row is found: external IP, number and size of each place; all are of one size."""
    ip, ports = entry.external_ip, entry.external_ports
    if len(ports) == 1:
        size = _PORT
    else:
        size = _ADDRESS if entry.protocol is None or len(ports) > _WIDE else _BLOCK
    return [(ip, n, size) for n in range(ports.first // size, ports.last // size + 1)]
