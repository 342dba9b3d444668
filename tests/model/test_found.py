"""What exploring small worlds has found, each as the shortest case that shows it."""

from __future__ import annotations

from dnatctl.plan.values import Publish
from tests.unit.plan.made import Scene, listed, mine, pod, record


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
