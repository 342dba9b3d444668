"""Status: times of conditions move only with their status; no write that says nothing new."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import pytest
from msgspec.structs import replace

from dnatctl.kube.poddnat_json import READER, status_json
from dnatctl.objects import RETAINED, Condition, PodDNAT
from dnatctl.plan.status import publish, ready, retained
from dnatctl.plan.values import Policy, Seen
from tests.support.kubejson import poddnat
from tests.unit.plan.made import Scene, listed, mine, pod, record, stamp
from tests.unit.plan.made import ready as condition

RECORD = record((600, 80), entries=[mine()], conditions=(condition(ago=100),), generation=3)
OTHERS = Condition("Audited", "True", "Fine", "somebody else's", stamp(500), 2)


def seen(**policy: bool) -> Seen:
    return Scene(record=RECORD, pod=pod(), policy=Policy(**policy)).seen


def stored(conditions: Iterable[Condition]) -> PodDNAT:
    """The record as it is read from an API server that holds these conditions, and no entry."""
    status = replace(RECORD.status, entries=(), conditions=tuple(conditions), observed_generation=3)
    written = poddnat(metadata={"generation": 3}, status=status_json(status))
    return READER.answer(orjson.dumps(written))


class TestTime:
    def test_stays_while_the_status_does(self):
        made = ready(seen(), RECORD, "True", "InvalidAnnotation", "but it works")
        assert made == Condition(
            "Ready", "True", "InvalidAnnotation", "but it works", stamp(100), 3
        )

    def test_moves_with_the_status(self):
        made = ready(seen(), RECORD, "False", "EntriesChanged", "gone")
        assert made.since == stamp()

    def test_begins_with_the_condition(self):
        fresh = record((600, 80))
        assert ready(seen(), fresh, "True", "EntriesAvailable", "all").since == stamp()
        assert retained(seen(), fresh).since == stamp()

    def test_each_condition_has_its_own(self):
        kept = replace(retained(seen(), RECORD), since=stamp(77))
        both = replace(
            RECORD, status=replace(RECORD.status, conditions=(*RECORD.status.conditions, kept))
        )
        assert retained(seen(), both).since == stamp(77)
        assert ready(seen(), both, "True", "x", "y").since == stamp(100)


class TestWriting:
    def again(self, a_record=RECORD) -> Condition:
        return ready(seen(), a_record, "True", "EntriesAvailable", "1 of 1 ports are reachable")

    def settled(self):
        """The record as it is when its status has been written."""
        made = publish(seen(), RECORD, RECORD.status.entries, self.again())
        assert made is not None
        return replace(RECORD, status=made.status)

    def test_nothing_new_is_not_written(self):
        known = self.settled()
        assert publish(seen(), known, known.status.entries, self.again(known)) is None

    def test_the_order_of_conditions_is_nothing_new(self):
        known = self.settled()
        mixed = replace(
            known, status=replace(known.status, conditions=(OTHERS, *known.status.conditions))
        )
        turned = replace(
            mixed, status=replace(mixed.status, conditions=(*known.status.conditions, OTHERS))
        )
        assert publish(seen(), turned, turned.status.entries, self.again(turned)) is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [("status", "False"), ("reason", "Other"), ("message", "another")],
    )
    def test_what_is_new_is_written(self, field, value):
        known = self.settled()
        changed = replace(self.again(known), **{field: value})
        made = publish(seen(), known, known.status.entries, changed)
        assert made is not None
        assert made.status.conditions == (changed,)
        assert made.status.observed_generation == 3

    def test_entries_are_news(self):
        known = self.settled()
        made = publish(seen(), known, (), self.again(known))
        assert made is not None
        assert made.status.entries == ()
        assert publish(seen(), known, listed(mine("fwd-9")), self.again(known)) is not None

    def test_conditions_of_others_are_kept(self):
        mixed = replace(RECORD, status=replace(RECORD.status, conditions=(OTHERS,)))
        made = publish(seen(), mixed, (), self.again(mixed))
        assert made is not None
        assert OTHERS in made.status.conditions

    @pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
    def test_what_was_written_among_any_number_of_others_is_not_written_again(self, count):
        others = [replace(OTHERS, type=f"Audited{n}") for n in range(count)]
        found = stored(others)
        made = publish(seen(), found, (), self.again(found), retained(seen(), found))
        assert made is not None
        known = stored(made.status.conditions)
        assert known.status == made.status
        assert publish(seen(), known, (), self.again(known), retained(seen(), known)) is None
        assert set(others[:16]) <= set(known.status.conditions), "as many are kept as are read"
        # They are put back, and before ours.
        again = stored([*others, *known.status.conditions[:2]])
        assert publish(seen(), again, (), self.again(again), retained(seen(), again)) is None

    def test_a_retain_time_that_is_not_told_again_is_over(self):
        kept = retained(seen(), RECORD)
        both = replace(RECORD, status=replace(RECORD.status, conditions=(kept, self.again())))
        made = publish(seen(), both, both.status.entries, self.again(both))
        assert made is not None
        assert made.status.condition(RETAINED) is None

    def test_where_conditions_are_dropped_only_entries_count(self):
        """Else each look would write again what an older CRD does not keep."""
        dropped = replace(RECORD, status=replace(RECORD.status, conditions=()))
        older = seen(keeps_conditions=False)
        assert publish(older, dropped, dropped.status.entries, self.again(dropped)) is None
        assert publish(older, dropped, (), self.again(dropped)) is not None
