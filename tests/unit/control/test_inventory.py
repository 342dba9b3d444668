"""Counts for the metrics: right, and nobody is kept waiting for them."""

from __future__ import annotations

from typing import Any

import pytest

from dnatctl.control.people import inventory
from dnatctl.control.people.inventory import Inventory
from dnatctl.observe.pool import IpCount, QuotaCount, TableCount
from dnatctl.table.view import Row, Table
from tests.support.clock import EPOCH
from tests.unit.control.made import OTHER, World
from tests.unit.table.made import EIP, GATEWAY, TCP, UDP

IPS = [
    IpCount(GATEWAY, EIP, TCP, free=5, used=3, quarantined=1, foreign=1),
    IpCount(GATEWAY, EIP, UDP, free=9, used=0, quarantined=1, foreign=0),
    IpCount(GATEWAY, OTHER, TCP, free=0, used=0, quarantined=0, foreign=10),
    IpCount(GATEWAY, OTHER, UDP, free=0, used=0, quarantined=0, foreign=10),
]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def counts(world: World) -> Inventory:
    return Inventory(world.views, world.gateways, world.settings)


def test_ports_are_counted_by_state(counts: Inventory) -> None:
    assert counts.ips() == IPS


def test_rows_are_counted_by_owner(counts: Inventory) -> None:
    assert list(counts.tables()) == [
        TableCount(
            *(GATEWAY, 2, 3, 1),
            backlog=3,
            limit=None,
            usable=True,
            read_at=EPOCH.timestamp() - 10.0,
            written_at=7.0,
        )
    ]


def test_endpoints_count_for_their_namespace(counts: Inventory) -> None:
    assert list(counts.quotas()) == [QuotaCount("games", used=5, limit=9)]


def test_nobody_is_kept_waiting_while_ports_are_counted(
    world: World, counts: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: set[bool] = set()

    def made(*args: Any) -> IpCount:
        held.add(world.lock.held)
        return IpCount(*args)

    monkeypatch.setattr(inventory, "IpCount", made)
    assert counts.ips() == IPS
    assert held == {False}


def test_only_foreign_rows_are_looked_at(
    counts: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(_table: Table) -> list[Row]:
        raise AssertionError("all rows of a table were asked for")

    monkeypatch.setattr(Table, "rows", rows)
    assert counts.ips() == IPS
