"""What exploring small worlds has found, each as the shortest case that shows it."""

from __future__ import annotations

from dnatctl.control.world import World
from dnatctl.plan.values import Publish
from tests.support.clock import FakeClock
from tests.unit.plan.made import Scene, listed, mine, pod, record
from tests.unit.pool.made import QUARANTINE, endpoint, offer
from tests.unit.table.made import EIP, GATEWAY, MARKS, reading, row, uid


def test_what_may_be_under_deletion_is_not_listed_anew():
    """Exposure was turned off and on again: the delete sent meanwhile may take the row away."""
    row = mine("fwd-1")
    scene = {"record": record((600, 80)), "pod": pod()}
    assert Scene(row, **scene, unanswered=True).plan().step is None
    made = Scene(row, **scene).plan()
    assert isinstance(made.step, Publish)
    assert made.step.status.entries == listed(row)


def test_what_is_listed_stays_so_while_another_port_is_being_made():
    row = mine("fwd-1")
    held = record((600, 80), (601, 81), entries=(row,))
    made = Scene(row, record=held, pod=pod("80,81"), unanswered=True).plan()
    assert made.step is None
    assert [write.entry.internal_ports.first for write in made.writes] == [81]


def test_the_endpoint_of_an_orphan_rests_when_its_row_is_gone():
    """A write of a leader that died had made the row after the claim for it was let go of."""
    clock = FakeClock()
    world = World(MARKS, [offer()], QUARANTINE, clock)
    table = world.table(GATEWAY)
    ours, foreign = row("fwd-1", f"{EIP}:600", owner=uid(1)), row("fwd-2", f"{EIP}:601")
    table.merge(reading(1.0, ours, foreign), 1.0)
    table.merge(reading(2.0), 2.0)
    assert set(world.quarantined()) == {endpoint(600)}, "the next leader is told"
    assert not world.pool.is_free(GATEWAY, endpoint(600), clock.monotonic())
    assert world.pool.is_free(GATEWAY, endpoint(601), clock.monotonic()), "a foreign row's"
    clock.advance(QUARANTINE)
    assert world.pool.is_free(GATEWAY, endpoint(600), clock.monotonic())
