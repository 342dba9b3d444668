"""What exploring small worlds has found, each as the shortest case that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dnatctl.control.state.views import Views
from dnatctl.model import NewEntry
from dnatctl.plan.mend import READINGS_BETWEEN
from dnatctl.plan.values import Plan, Publish, Retire
from dnatctl.table.writes import Refusal, Refused
from tests.support.clock import FakeClock
from tests.unit.plan.made import Scene, create, listed, mine, new_row, pod, record
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
    world = Views(MARKS, [offer()], QUARANTINE, clock)
    table = world.table(GATEWAY)
    ours, foreign = row("fwd-1", f"{EIP}:600", owner=uid(1)), row("fwd-2", f"{EIP}:601")
    others = [row(f"fwd-{n}", f"{EIP}:{n}") for n in (603, 604)]
    table.merge(reading(1.0, ours, foreign, *others), 1.0)
    table.merge(reading(2.0, *others), 2.0)
    table.merge(reading(2.2, *others), 2.2)
    assert set(world.quarantined()) == {endpoint(600)}, "the next leader is told"
    assert not world.pool.is_free(GATEWAY, endpoint(600), clock.monotonic())
    assert world.pool.is_free(GATEWAY, endpoint(601), clock.monotonic()), "a foreign row's"
    clock.advance(QUARANTINE)
    assert world.pool.is_free(GATEWAY, endpoint(600), clock.monotonic())


REFUSED = {
    new_row(external, "80"): Refusal(Refused.CONFLICT, 3, 0, "taken") for external in ("600", "601")
}


class TestRefusedEverywhere:
    """The cloud says that an address is taken, and no row of the table has it: the claim must not
    wander through the whole pool, leaving endpoints in quarantine that others could have."""

    def plan(self, generation: int, refusals: Mapping[NewEntry, Refusal] | None = None) -> Plan:
        scene = Scene(record=record((601, 80)), pod=pod())
        scene.tables[GATEWAY].generation = generation
        return scene.plan(refusals=REFUSED if refusals is None else refusals)

    def test_the_claim_stays_and_people_are_told(self):
        made = self.plan(generation=1)
        assert isinstance(made.step, Publish)
        assert made.writes == ()
        assert made.problem is not None
        assert made.problem.reason == "TupleConflict"

    def test_it_is_tried_again_now_and_then(self):
        assert self.plan(generation=READINGS_BETWEEN - 1).writes == ()
        assert self.plan(generation=READINGS_BETWEEN).writes == (create("601"),)

    def test_one_endpoint_refused_is_left(self):
        here = {entry: r for entry, r in REFUSED.items() if entry.external_ports.first == 601}
        assert isinstance(self.plan(1, here).step, Retire)

    def test_another_address_of_the_pod_is_another_matter(self):
        before = {replace(entry, internal_ip="10.0.0.9"): r for entry, r in REFUSED.items()}
        here = {entry: r for entry, r in REFUSED.items() if entry.external_ports.first == 601}
        assert isinstance(self.plan(1, before | here).step, Retire)
