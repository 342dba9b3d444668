"""An older controller's PodDNAT whose pod has annotations that make no sense."""

from __future__ import annotations

import pytest

from dnatctl.plan.exposure import PORTS, SWITCH
from dnatctl.plan.values import Adopt, Plan, Publish
from dnatctl.table.view import Table
from tests.unit.plan.made import OTHER, WEB, Scene, entries, mine, pod, record
from tests.unit.table.made import DELETING, GATEWAY, reading, row

LEFT = row("fwd-9")
UNCLEAR = pod(annotations={SWITCH: "true", PORTS: "nonsense"})
OLD = record((600, 80), entries=[LEFT])


def unclear(*rows, held=OLD, who=UNCLEAR, **more) -> Plan:
    return Scene(*rows, pod=who, record=held, **more).plan()


def test_what_was_made_for_it_stays_as_it_is_and_the_annotation_is_named():
    made = unclear(LEFT)
    assert (made.step, made.writes) == (None, ())
    assert made.problem.reason == "InvalidAnnotation"
    assert PORTS in made.problem.message


def test_so_does_what_was_adopted_by_one_that_was_lost():
    table = Table(GATEWAY, lambda _: OTHER)
    table.merge(reading(0.0, LEFT), 0.0)
    made = Scene(pod=UNCLEAR, record=OLD, tables={GATEWAY: table}).plan()
    assert (made.step, made.writes) == (None, ())


def test_it_is_adopted_when_the_annotation_makes_sense():
    assert unclear(LEFT, who=pod()).step == Adopt(GATEWAY, ("fwd-9",))


WITHDRAWN = {
    "a row that is gone": (),
    "a row on its way out": (row("fwd-9", status=DELETING),),
    "a row that leads elsewhere": (row("fwd-9", internal="10.0.0.9:80"),),
    "a row of another port": (row("fwd-9", "1.1.1.1:601"),),
}


@pytest.mark.parametrize("rows", WITHDRAWN.values(), ids=WITHDRAWN)
def test_what_does_not_lead_to_the_pod_is_listed_no_more(rows):
    assert entries(unclear(*rows)) == []


def test_nor_what_leads_to_the_address_it_had():
    assert entries(unclear(LEFT, who=pod(ip="10.0.0.2", annotations=UNCLEAR.annotations))) == []


def test_one_that_has_rows_of_its_own_is_kept_true_by_them():
    both = record((600, 80), (601, 81), entries=[WEB, row("fwd-9", "1.1.1.1:601", "10.0.0.1:81")])
    made = unclear(WEB, row("fwd-9", "1.1.1.1:601", "10.0.0.1:81"), held=both)
    assert entries(made) == ["fwd-1"]
    assert isinstance(made.step, Publish)


def test_whether_or_not_it_lists_them():
    assert entries(unclear(LEFT, mine("fwd-1", "1.1.1.1:601", "10.0.0.1:81"))) == []


def test_one_that_lists_nothing_is_not_waited_for():
    assert unclear(mine(), held=record((600, 80))).step is not None


def test_a_pod_that_is_refused_is_no_such_case():
    """What it asks for is clear."""
    host = pod(host_network=True)
    assert entries(unclear(LEFT, who=host)) == []
