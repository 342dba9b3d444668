"""Whether a row does what a write asks for."""

from __future__ import annotations

from dataclasses import replace

from dnatctl.model import EntryStatus, NewEntry, PortRange, Protocol
from dnatctl.table.view import Row

NEW = NewEntry("1.1.1.1", PortRange(600, 601), "10.0.0.1", PortRange(80, 81), Protocol.TCP, "ours")


def test_a_row_leads_as_asked_whatever_it_is_called_and_settled_or_not():
    entry = NEW.as_row("fwd-1")
    for same in (entry, replace(entry, status=EntryStatus.AVAILABLE), replace(entry, name="new")):
        assert Row(same, "a").leads_as(NEW)


def test_a_row_that_differs_in_any_address_or_port_does_not():
    entry = NEW.as_row("fwd-1")
    for other in (
        replace(entry, internal_ip="10.0.0.2"),
        replace(entry, external_ip="1.1.1.2"),
        replace(entry, internal_ports=PortRange(81, 82)),
        replace(entry, external_ports=PortRange(601, 602)),
        replace(entry, protocol=Protocol.UDP),
    ):
        assert not Row(other, "a").leads_as(NEW)
