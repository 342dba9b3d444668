"""Adoption: an unmarked row is a record's own if everything fits; every forgery is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.objects import PodDNAT, PodDNATSpec
from dnatctl.plan.adoption import left_with
from dnatctl.plan.values import Adopt, Plan, Policy, Publish, TakeOver
from dnatctl.table.marks import Marks
from dnatctl.table.view import Table
from tests.unit.plan.made import (
    KEY,
    OTHER,
    WALL,
    Scene,
    delete,
    listed,
    mine,
    offer,
    pod,
    ready,
    record,
    spec,
    stamp,
)
from tests.unit.table.made import (
    DELETING,
    EIP,
    GATEWAY,
    PENDING,
    POD_IP,
    TCP,
    UDP,
    reading,
    row,
    uid,
    view,
)

TAKE_OVER = Policy(take_over=TakeOver(WALL, (offer(),)))
LEGACY = row("fwd-1")
"""A row as the older controller made it: no mark, from EIP:600 to the pod's port 80."""

ELSEWHERE = row("fwd-1", internal="10.0.0.9:80")
"""A row that leads to another address than the pod's."""


def recorded(*rows: Any, **more: Any) -> PodDNAT:
    """A record that lists those rows, as the older controller left it."""
    known = {"created": stamp(1000), **more}
    return record((600, 80), entries=rows, conditions=(ready(),), **known)


def adopts(scene: Scene) -> bool:
    return isinstance(scene.plan().step, Adopt)


class TestLost:
    """The row is noted for a PodDNAT that is not there any more; this one may be restored of it."""

    def scene(self, noted: Any, asked: str = "80") -> Scene:
        table = Table(GATEWAY, lambda _: OTHER)
        table.merge(reading(0.0, noted), 0.0)
        return Scene(record=recorded(noted), pod=pod(asked), tables={GATEWAY: table})

    def test_what_was_adopted_by_one_that_was_lost_is_to_be_had_again(self):
        assert self.scene(LEGACY).plan().step == Adopt(GATEWAY, ("fwd-1",))

    def test_but_not_of_one_that_is_there_or_was_seen_to_go(self):
        scene = self.scene(LEGACY)
        assert not isinstance(scene.plan(names={OTHER: KEY}).step, Adopt)
        assert not isinstance(scene.plan(going=frozenset({OTHER})).step, Adopt)

    def test_nor_where_its_mark_tells_whose_it_is(self):
        assert not adopts(self.scene(row("fwd-1", owner=uid(7))))

    def test_nor_for_the_address_of_another_pod(self):
        assert not adopts(self.scene(ELSEWHERE))

    @pytest.mark.parametrize(("asked", "had"), [("80", 1), ("nonsense", 1), ("81", 0)])
    def test_until_it_is_noted_again_its_pod_is_left_with_it(self, asked, had):
        """A sweep before that would take it for an orphan."""
        assert len(left_with(self.scene(LEGACY, asked).seen)) == had
        assert left_with(self.scene(ELSEWHERE, asked).seen) == set()


class TestRightful:
    def test_a_row_as_recorded_that_leads_to_the_own_living_pod(self):
        scene = Scene(LEGACY, record=recorded(LEGACY), pod=pod())
        assert scene.plan() == Plan(Adopt(GATEWAY, ("fwd-1",)))

    def test_several_at_once(self):
        second = row("fwd-2", f"{EIP}:601", f"{POD_IP}:443")
        both = recorded(LEGACY, second)
        assert Scene(LEGACY, second, record=both, pod=pod("80,443")).plan().step == Adopt(
            GATEWAY, ("fwd-1", "fwd-2")
        )

    def test_a_range_of_which_every_port_is_recorded(self):
        packed = row("fwd-1", f"{EIP}:600/601", f"{POD_IP}:80/81")
        assert adopts(Scene(packed, record=recorded(packed), pod=pod("80-81")))

    def test_one_that_is_being_changed(self):
        pending = row("fwd-1", status=PENDING)
        assert adopts(Scene(pending, record=recorded(pending), pod=pod()))

    def test_only_what_is_not_known_to_be_ours_already(self):
        assert not adopts(Scene(mine(), record=recorded(mine()), pod=pod()))

    def test_those_that_fit_of_those_that_are_listed(self):
        forged = row("fwd-2", f"{EIP}:601", "10.0.0.9:443")
        both = recorded(LEGACY, forged)
        made = Scene(LEGACY, forged, record=both, pod=pod("80,443")).plan()
        assert made.step == Adopt(GATEWAY, ("fwd-1",))

    def test_before_the_record_is_released(self):
        deleted = recorded(LEGACY, deleting=True)
        assert adopts(Scene(LEGACY, record=deleted, pod=pod()))


class TestForged:
    """The row in the table, what the PodDNAT says of it, and the pod: something does not fit."""

    def test_a_host_network_pod_has_an_address_that_is_not_its_own(self):
        assert not adopts(Scene(LEGACY, record=recorded(LEGACY), pod=pod(host_network=True)))

    @pytest.mark.parametrize(
        ("in_table", "said"),
        [
            (LEGACY, row("fwd-7")),
            (LEGACY, row("fwd-1", f"{EIP}:601")),
            (LEGACY, row("fwd-1", "2.2.2.2:600")),
            (LEGACY, row("fwd-1", internal="10.0.0.9:80")),
            (LEGACY, row("fwd-1", internal=f"{POD_IP}:443")),
            (LEGACY, row("fwd-1", protocol=UDP)),
            (row("fwd-1", protocol=UDP), LEGACY),
            (row("fwd-1", internal=f"{POD_IP}:443"), LEGACY),
            (row("fwd-1", internal="10.0.0.9:80"), LEGACY),
            (row("fwd-1", status=DELETING), LEGACY),
            (row("fwd-1", owner=OTHER), LEGACY),
            (row("fwd-1", f"{EIP}:600/610", f"{POD_IP}:80/90"), LEGACY),
            (row("fwd-1", f"{EIP}:Any", f"{POD_IP}:Any", protocol=None), LEGACY),
        ],
    )
    @pytest.mark.parametrize("policy", [Policy(), TAKE_OVER])
    def test_the_row_is_not_what_the_record_says(self, in_table, said, policy):
        scene = Scene(in_table, record=recorded(said), pod=pod("80,443"), policy=policy)
        made = scene.plan()
        assert isinstance(made.step, Publish), "nothing is noted; what is not true is withdrawn"
        assert made.step.status.entries == ()
        assert made.writes == ()

    def test_an_entry_more_than_the_row_has(self):
        """One true entry and one invented for the same row."""
        both = recorded(LEGACY)
        more = (*both.status.entries, *listed(row("fwd-1", f"{EIP}:601", f"{POD_IP}:81")))
        forged = replace(both, status=replace(both.status, entries=more))
        assert not adopts(Scene(LEGACY, record=forged, pod=pod("80,81")))

    @pytest.mark.parametrize(
        "a_pod",
        [
            pod(ip="10.0.0.7"),
            pod("443"),
            pod("80/udp"),
            pod("nonsense"),
            pod(ip=""),
            pod(ended=True),
            pod(annotations={}),
            None,
        ],
    )
    def test_the_row_does_not_lead_to_what_the_living_pod_exposes(self, a_pod):
        assert not adopts(Scene(LEGACY, record=recorded(LEGACY), pod=a_pod))

    def test_a_row_of_another_table(self):
        """The record names ngw-2, the row is in ngw-1: IDs are looked up where the claim is."""
        elsewhere = recorded(LEGACY, claim=spec((600, 80), gateway_id="ngw-2"))
        tables = {"ngw-2": view(gateway_id="ngw-2")}
        assert not adopts(Scene(LEGACY, record=elsewhere, pod=pod(), tables=tables))

    def test_a_record_of_another_pod(self):
        stranger = recorded(LEGACY, owners=(replace(recorded().owners[0], uid="uid-other-pod"),))
        made = Scene(LEGACY, record=stranger, pod=pod()).plan()
        assert made.writes == ()

    def test_nothing_is_adopted_before_the_table_has_been_read(self):
        unread = {GATEWAY: view(LEGACY, read=False)}
        assert not adopts(Scene(record=recorded(LEGACY), pod=pod(), tables=unread))

    def test_a_foreign_row_is_never_written_to_whatever_the_record_says(self):
        for deleting in (False, True):
            forged = recorded(ELSEWHERE, deleting=deleting)
            withdrawn = replace(forged, status=replace(forged.status, entries=(), conditions=()))
            for a_record in (forged, withdrawn):
                made = Scene(ELSEWHERE, record=a_record, pod=pod()).plan()
                assert not any(getattr(w, "entry_id", "") == "fwd-1" for w in made.writes)


class TestTakeOver:
    """For the length of a migration the records of the older controller are believed."""

    @pytest.mark.parametrize("ports", ["80", "443"])
    @pytest.mark.parametrize("more", [{}, {"ip": "10.0.0.7"}, {"ip": ""}, {"ended": True}])
    @pytest.mark.parametrize("fixed", [False, True])
    def test_whatever_the_pod_is_like(self, ports, more, fixed):
        a_record = recorded(ELSEWHERE, fixed=fixed)
        a_pod = pod(ports, fixed=fixed, **more)
        scene = Scene(ELSEWHERE, record=a_record, pod=a_pod, policy=TAKE_OVER)
        assert scene.plan() == Plan(Adopt(GATEWAY, ("fwd-1",)))

    @pytest.mark.parametrize("fixed", [False, True])
    def test_or_without_a_pod(self, fixed):
        scene = Scene(ELSEWHERE, record=recorded(ELSEWHERE, fixed=fixed), policy=TAKE_OVER)
        assert scene.plan() == Plan(Adopt(GATEWAY, ("fwd-1",)))

    @pytest.mark.parametrize(
        "changes",
        [
            {"created": stamp(-1)},
            {"created": ""},
            {"created": "2999"},
            {"claim": spec((601, 80))},
            {"claim": PodDNATSpec()},
        ],
        ids=str,
    )
    def test_not_by_a_poddnat_that_is_no_legacy(self, changes):
        """Who may write PodDNATs could name any row of others."""
        forged = recorded(ELSEWHERE, **changes)
        assert not adopts(Scene(ELSEWHERE, record=forged, policy=TAKE_OVER))

    @pytest.mark.parametrize(
        "pool",
        [(), (offer("ngw-2"),), (offer(ports="601/700"),), (offer(eips=("9.9.9.9",)),)],
        ids=["none", "gateway", "ports", "address"],
    )
    def test_nor_what_is_not_of_the_pool(self, pool):
        policy = Policy(take_over=TakeOver(WALL, pool))
        assert not adopts(Scene(ELSEWHERE, record=recorded(ELSEWHERE), policy=policy))

    @pytest.mark.parametrize(
        "marks", [Marks("c1", "0123abcd"), Marks("c2"), Marks("c2", "0123abcd")]
    )
    def test_nor_what_dnatctl_made_in_another_cluster(self, marks):
        """Its PodDNATs may have been restored here from a backup, while it is at work."""
        theirs = dataclasses.replace(ELSEWHERE, name=marks.name(uid(9), "games-lobby-0"))
        assert not adopts(Scene(theirs, record=recorded(theirs), policy=TAKE_OVER))

    @pytest.mark.parametrize("fixed", [False, True])
    def test_status_is_not_cleared_before_the_table_could_be_read(self, fixed):
        """It is all that says which rows are to be taken over."""
        scene = Scene(
            record=recorded(LEGACY, fixed=fixed),
            pod=None,
            policy=TAKE_OVER,
            tables={GATEWAY: view(LEGACY, read=False)},
        )
        made = scene.plan()
        assert (made.step, made.writes) == (None, ())
        assert made.problem.reason == "GatewayUnusable"

    def test_that_of_a_poddnat_that_is_no_legacy_is(self):
        """Nothing is taken over for it, and what does not reach a pod is listed no longer."""
        made = Scene(
            record=recorded(LEGACY, created=stamp(-1)),
            policy=TAKE_OVER,
            tables={GATEWAY: view(LEGACY, read=False)},
        ).plan()
        assert isinstance(made.step, Publish)
        assert made.step.status.entries == ()

    def test_of_a_gateway_that_is_no_more_there_is_nothing_to_take_over(self):
        made = Scene(record=recorded(LEGACY), pod=None, policy=TAKE_OVER, tables={}).plan(
            absent=frozenset({GATEWAY})
        )
        assert isinstance(made.step, Publish)

    def test_what_was_taken_over_is_released_like_any_other(self):
        """The ledger says whose it is: seen from then on, the row has an owner."""
        made = Scene(mine(), record=recorded(mine()), pod=None, policy=TAKE_OVER).plan()
        assert isinstance(made.step, Publish)
        after = replace(recorded(), status=made.step.status)
        assert Scene(mine(), record=after, pod=None).plan().writes == (delete("fwd-1"),)


def test_protocols_of_a_status_entry_are_those_of_the_row():
    udp = row("fwd-1", protocol=UDP)
    assert adopts(Scene(udp, record=recorded(udp), pod=pod("80/udp")))
    assert not adopts(Scene(udp, record=recorded(udp), pod=pod("80/tcp")))
    assert listed(udp)[0].endpoint.protocol is not TCP
