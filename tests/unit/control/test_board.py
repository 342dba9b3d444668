"""The status document: what it shows of a gateway, and that nobody is kept waiting for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.control.people.board import RELEASING, Board
from dnatctl.control.people.inventory import Inventory
from dnatctl.objects import Condition, Key, PodDNATSpec, PodDNATStatus
from dnatctl.plan.exposure import Problem
from dnatctl.plan.reasons import REASONS
from dnatctl.status import ports
from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    Leadership,
    PastHolder,
    PortStatus,
    State,
    TableStatus,
)
from dnatctl.status.show import lines
from tests.unit.control.made import ARENA as ARENA_0
from tests.unit.control.made import OTHER, World, record
from tests.unit.plan.made import pod
from tests.unit.pool.made import QUARANTINE, offer, spec
from tests.unit.table.made import EIP, GATEWAY, TCP, UDP, uid

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FOREIGN_ALL = {"internal": "10.0.9.5:Any", "entry": "fwd-5", "problem": "Pending"}
LOBBY: dict[str, str] = {"pod": "games/lobby-0", "uid": uid(1), "since": "at-1"}
ARENA: dict[str, str] = {"pod": "games/arena-0", "uid": uid(2), "since": "at-2"}

EXPECTED = GatewayStatus(
    id=GATEWAY,
    first=600,
    last=609,
    zone="zone-1",
    table=TableStatus(
        own=2, foreign=3, orphans=1, backlog=3, busy_s=0.123, read_at="2025-12-31T23:59:50Z"
    ),
    eips=(
        EipStatus(
            EIP,
            (
                PortStatus(600, 600, TCP, State.USED, internal=":80", entry="fwd-1", **LOBBY),
                PortStatus(601, 601, TCP, State.PENDING, internal=":81", **LOBBY),
                PortStatus(602, 602, TCP, State.USED, internal=":80", entry="fwd-2", **ARENA),
                PortStatus(603, 603, TCP, State.FOREIGN, internal="10.0.9.3:80", entry="fwd-3"),
                PortStatus(
                    *(604, 605, TCP, State.ORPHAN),
                    uid=uid(9),
                    internal="10.0.9.4:80/81",
                    entry="fwd-4",
                ),
                PortStatus(606, 606, TCP, State.RESTING, until="2026-01-01T00:01:00Z"),
                PortStatus(607, 607, UDP, State.RESTING, until="2026-01-01T00:01:00Z"),
            ),
            {"tcp": 3, "udp": 9},
        ),
        EipStatus(
            OTHER,
            (
                PortStatus(600, 609, TCP, State.FOREIGN, **FOREIGN_ALL),
                PortStatus(600, 609, UDP, State.FOREIGN, **FOREIGN_ALL),
            ),
            {"tcp": 0, "udp": 0},
            "is not usable",
        ),
    ),
)


TOLD: dict[Key, tuple[Problem, str]] = {}


@pytest.fixture
def world() -> Iterator[World]:
    yield World()
    TOLD.clear()


@pytest.fixture
def board(world: World) -> Board:
    leading = threading.Event()
    leading.set()
    standing: Any = SimpleNamespace(
        lease=lambda: Leadership(leading=True, identity="me", holder="me"),
        waits_for=list,
        troubles=list,
        leading=leading,
    )
    caches: Any = (world.pods, world.records)
    return Board(
        world.views,
        world.gateways,
        *caches,
        world.settings,
        standing=standing,
        told=lambda: TOLD,
        labels=lambda _name: {},
    )


def test_a_gateway_is_shown_with_all_that_is_not_free(board: Board) -> None:
    assert board.status().gateways == (EXPECTED,)


@pytest.mark.parametrize("ports", ["600/609", "602/611", "602/604", "590/599", "700/702"])
def test_the_gauges_call_free_what_is_shown_to_be_wherever_the_range_has_moved(
    world: World, board: Board, ports: str
) -> None:
    world.views.offer_again([offer(ports=ports)], QUARANTINE)
    world.views.table(GATEWAY).gone("fwd-4", world.clock.monotonic())  # an orphan counts as free

    (gateway,) = board.status().gateways
    shown = {(eip.ip, p): free for eip in gateway.eips for p, free in eip.free.items()}
    counts = Inventory(world.views, world.gateways, world.settings).ips()

    assert {(count.external_ip, count.protocol): count.free for count in counts} == shown
    assert shown[EIP, UDP] > 0


def test_what_is_not_usable_though_its_row_is_there_takes_no_more_room(
    world: World, board: Board
) -> None:
    locked = replace(record(2, ARENA_0, spec(602), {}), resource_version="7")
    world.records.apply(locked)

    (gateway,) = board.status().gateways

    found = [(p.first, p.state, p.entry) for e in gateway.eips for p in e.ports if p.first < 603]
    used, coming, there = found[:3]
    assert used == (600, State.USED, "fwd-1")
    assert (coming, there) == ((601, State.PENDING, ""), (602, State.PENDING, "fwd-2"))
    told = next(line for line in lines(board.status(), NOW) if line.startswith(GATEWAY))
    assert "6 entries (2 ours, 3 foreign, 1 orphaned, 1 more claimed), room for 93 more" in told


def test_a_gateway_with_no_eip_bound_is_shown_as_of_no_use(world: World, board: Board) -> None:
    world.views.pool.describe(GATEWAY, (), "", "zone-1")
    assert [each.problem for each in board.status().gateways] == ["no EIP is bound to it"]


def test_who_had_an_endpoint_is_shown(board: Board) -> None:
    assert board.status().history == (
        PastHolder(f"{EIP}:606/tcp", "games/gone", uid(3), "at-3", "2026-01-01T00:00:00Z"),
        PastHolder(f"{EIP}:607/udp", "games/went", uid(4), "at-4", "2026-01-01T00:00:00Z"),
    )


def test_those_who_wait_are_counted_by_reasons_of_ours_alone(world: World, board: Board) -> None:
    def waits(number: int, reason: str) -> None:
        key = Key("games", f"waits-{number}")
        untold = record(number, key, PodDNATSpec(), {})
        ready = Condition("Ready", "False", reason, "", "2025-12-31T23:59:00Z")
        world.records.apply(replace(untold, status=PodDNATStatus(conditions=(ready,))))

    forged = [f"Forged{number}" for number in range(50)] + ["", "PoolExhausted\n", "x" * 1024]
    for number, reason in enumerate(["PoolExhausted", "Releasing", *forged], 100):
        waits(number, reason)
    counts = board.pods()
    pending = {("waiting", "EntriesPending"): 2}  # of `World`
    assert counts.waiting == pending | {
        ("waiting", "PoolExhausted"): 1,
        ("releasing", "Releasing"): 1,
        ("waiting", "Other"): len(forged),
    }
    assert counts.oldest.keys() == counts.waiting.keys() - pending


def test_who_is_reachable_waits_for_nothing_whatever_it_is_told(world: World, board: Board) -> None:
    for number, status in enumerate(["True", "False"], 100):
        key = Key("games", f"told-{status}")
        ready = Condition("Ready", status, "EntriesAvailable", "", "2025-12-31T23:59:00Z")
        made = replace(
            record(number, key, PodDNATSpec(), {}), status=PodDNATStatus(conditions=(ready,))
        )
        world.records.apply(made)
        TOLD[key] = (Problem("NoInterface", "the cloud knows none"), "2025-12-31T23:00:00Z")
    counts = board.pods()
    assert counts.reachable == 1
    assert counts.waiting[("waiting", "NoInterface")] == 1


def test_who_has_no_poddnat_makes_nobody_else_unreachable(world: World, board: Board) -> None:
    before = board.pods().reachable
    for number in range(5):
        refused = replace(pod(), key=Key("games", f"refused-{number}"), uid=f"refused-{number}")
        world.pods.apply(refused)
        TOLD[refused.key] = (Problem("PortDenied", "22 is denied"), "2025-12-31T23:00:00Z")
    counts = board.pods()
    assert counts.waiting[("waiting", "PortDenied")] == 5
    assert counts.reachable == before


def test_each_reason_of_ours_is_counted_by_its_name(world: World, board: Board) -> None:
    untold = record(100, Key("games", "waits"), PodDNATSpec(), {})
    for version, reason in enumerate(REASONS.keys() | RELEASING, 200):
        status = PodDNATStatus(conditions=(Condition("Ready", "False", reason, ""),))
        world.records.apply(replace(untold, status=status, resource_version=str(version)))
        assert reason in {each for _, each in board.pods().waiting}


def test_a_pod_that_nobody_has_looked_at_is_counted(world: World, board: Board) -> None:
    world.pods.apply(replace(pod(), key=Key("games", "waits")))
    assert board.pods().waiting[("waiting", "Queued")] == 1


def test_nobody_is_kept_waiting_while_it_is_made(
    world: World, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: set[bool] = set()

    def made(*args: Any, **more: Any) -> PortStatus:
        held.add(world.lock.held)
        return PortStatus(*args, **more)

    monkeypatch.setattr(ports, "PortStatus", made)
    board.status()
    assert held == {False}


def test_what_changes_while_it_is_made_is_not_in_it(
    world: World, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows one moment, whoever goes on meanwhile."""
    makes = ports.gateways

    def meanwhile(snapshot: ports.Snapshot) -> tuple[GatewayStatus, ...]:
        world.end()
        return makes(snapshot)

    monkeypatch.setattr(ports, "gateways", meanwhile)
    assert board.status().gateways == (EXPECTED,)
    monkeypatch.undo()
    assert [eip.ports for eip in board.status().gateways[0].eips] == [(), ()], "it did change"
