"""Hold: the claim and the status of a pod's record, through everything that can happen to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.model import Eni
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Plan, Policy, Reclaim, Retire
from dnatctl.pool import GatewayPool
from dnatctl.table.writes import Refused
from tests.unit.plan.made import (
    BOTH,
    ME,
    NOW,
    ONE,
    OTHER,
    TLS,
    WALL,
    WEB,
    Scene,
    condition,
    create,
    delete,
    entries,
    listed,
    mine,
    new_row,
    offer,
    pod,
    ports,
    ready,
    reclaimed,
    record,
    refused,
    retired,
    spec,
    stamp,
)
from tests.unit.pool.made import QUARANTINE, eip, endpoint
from tests.unit.table.made import (
    DELETING,
    EIP,
    GATEWAY,
    PENDING,
    POD_IP,
    TCP,
    UDP,
    row,
    view,
)

TWO = record(
    (600, 80),
    (601, 443),
    entries=[WEB, TLS],
    conditions=(ready(message="2 of 2 ports are reachable"),),
)


class TestAtRest:
    @pytest.mark.parametrize(
        ("a_record", "rows", "a_pod"),
        [(ONE, [WEB], pod()), (TWO, [WEB, TLS], BOTH), (TWO, [TLS, WEB], BOTH)],
    )
    def test_nothing_is_written(self, a_record, rows, a_pod):
        assert Scene(*rows, record=a_record, pod=a_pod).plan() == Plan()

    def test_foreign_rows_elsewhere_are_no_business_of_ours(self):
        foreign = row("fwd-9", f"{EIP}:605", "10.0.0.9:80")
        assert Scene(WEB, foreign, record=ONE, pod=pod()).plan() == Plan()


class TestFirstTime:
    """From a stored claim to a published status."""

    FRESH = record((600, 80), (601, 443))

    def test_rows_are_created(self):
        assert Scene(record=self.FRESH, pod=BOTH).plan() == Plan(
            writes=(create("600", "80"), create("601", "443"))
        )

    def test_status_waits_until_all_of_them_are_usable(self):
        for rows in ([WEB], [WEB, replace_status(TLS)], [replace_status(WEB), replace_status(TLS)]):
            made = Scene(*rows, record=self.FRESH, pod=BOTH).plan()
            assert made.step is None

    def test_and_then_lists_them_in_the_order_of_the_annotation(self):
        made = Scene(TLS, WEB, record=self.FRESH, pod=BOTH).plan()
        assert made.step.status.entries == listed(WEB, TLS)
        assert condition(made) == ("True", "EntriesAvailable", "2 of 2 ports are reachable")
        assert made.writes == ()

    def test_the_order_of_ports_does_not_move_endpoints(self):
        made = Scene(WEB, TLS, record=TWO, pod=pod("443,80")).plan()
        assert reclaimed(made).ports == ports((601, 443), (600, 80))

    def test_no_row_before_the_table_has_been_read(self):
        unread = Scene(record=self.FRESH, pod=BOTH, tables={GATEWAY: view(read=False)})
        assert unread.plan() == Plan(
            problem=Problem(
                "GatewayUnusable", f"{GATEWAY}: its forward table has not been read yet"
            )
        )

    def test_that_it_has_not_been_read_yet_is_told_to_nobody(self):
        unread = view(read=False)
        scene = Scene(record=self.FRESH, pod=BOTH, tables={GATEWAY: unread})
        assert scene.plan().problem.passing
        unread.unreadable = "Forbidden.RAM"
        text = f"{GATEWAY}: its forward table cannot be read: Forbidden.RAM"
        assert scene.plan().problem == Problem("GatewayUnusable", text)
        assert not scene.plan().problem.passing

    def test_a_gateway_nobody_watches_yet(self):
        elsewhere = record(claim=spec((600, 80), gateway_id="ngw-9"))
        assert Scene(record=elsewhere, pod=pod()).plan() == Plan(
            problem=Problem("GatewayUnusable", "ngw-9: not in the configuration")
        )
        assert not Scene(record=elsewhere, pod=pod()).plan().problem.passing


def replace_status(entry: Any, status: Any = PENDING) -> Any:
    return mine(
        entry.entry_id,
        f"{entry.external_ip}:{entry.external_ports}",
        f"{entry.internal_ip}:{entry.internal_ports}",
        status=status,
    )


class TestPortsAdded:
    def test_they_are_claimed_before_their_rows_are_made(self):
        made = Scene(WEB, record=ONE, pod=BOTH).plan()
        assert reclaimed(made) == spec((600, 80), (601, 443))
        assert made.writes == ()

    def test_then_created_while_status_keeps_what_works(self):
        claimed = replace(ONE, spec=spec((600, 80), (601, 443)), generation=2)
        made = Scene(WEB, record=claimed, pod=BOTH).plan()
        assert made.writes == (create("601", "443", intent=f"2/{stamp(100)}"),)
        assert condition(made) == ("False", "EntriesPending", "1 of 2 ports are reachable")
        assert entries(made) == ["fwd-1"]

    def test_without_room_the_others_stay_and_the_wait_is_bounded(self):
        scene = Scene(WEB, record=ONE, pod=BOTH, offers=(offer(ports="600/601"),))
        scene.pool.retire([endpoint(601)], NOW - 45.0)
        made = scene.plan()
        text = f"{GATEWAY}: no free tcp port is left on {EIP}"
        assert made.problem == Problem("PoolExhausted", text)
        assert made.retry_in == QUARANTINE - 45.0
        assert condition(made) == ("False", "PoolExhausted", text)
        assert entries(made) == ["fwd-1"]

    def test_not_on_an_address_that_left_the_pool(self):
        """Else each look would claim, and give up, one more endpoint that cannot be used."""
        scene = Scene(WEB, record=ONE, pod=BOTH, eips={GATEWAY: [eip("2.2.2.2")]})
        made = scene.plan()
        assert not isinstance(made.step, Reclaim | Retire)
        assert made.problem.reason == "PoolExhausted"

    def test_a_pod_that_asks_for_nonsense_gets_none(self):
        wrong = pod("80,443,x")
        made = Scene(WEB, record=ONE, pod=wrong).plan()
        assert made.writes == ()
        assert condition(made) == ("True", "InvalidAnnotation", made.problem.message)
        assert entries(made) == ["fwd-1"]


class TestPortsRemoved:
    def test_status_first_then_the_row_then_quarantine_then_the_claim(self):
        only = pod("443")
        withdrawn = Scene(WEB, TLS, record=TWO, pod=only).plan()
        assert entries(withdrawn) == ["fwd-2"]
        assert condition(withdrawn) == (
            "False",
            "PortsChanged",
            f"1 of 2 entries are no longer asked for: {EIP}:600/tcp",
        )
        assert withdrawn.step.drifted == (), "nobody else did it"
        assert withdrawn.writes == ()
        after = replace(TWO, status=withdrawn.step.status)

        deleted = Scene(WEB, TLS, record=after, pod=only).plan()
        assert deleted.writes == (delete("fwd-1"),)
        assert not isinstance(deleted.step, Reclaim), "that would be one more write"
        waiting = Scene(replace_status(WEB, DELETING), TLS, record=after, pod=only).plan()
        assert waiting.writes == ()
        assert not isinstance(waiting.step, Reclaim | Retire)

        gone = Scene(TLS, record=after, pod=only)
        assert retired(gone.plan()) == [600]
        made = gone.plan(durable=frozenset({endpoint(600)}))
        assert reclaimed(made).ports == ports((601, 443))

    def test_an_unanswered_create_keeps_the_claim(self):
        """Its row may come into being yet."""
        claimed = record((600, 80), (601, 443), conditions=(ready("False"),))
        made = Scene(WEB, record=claimed, pod=pod()).plan(unanswered=True)
        assert not isinstance(made.step, Reclaim | Retire)

    def test_another_protocol_is_another_port(self):
        made = Scene(record=record((600, 80)), pod=pod("80/udp")).plan()
        assert retired(made) == [600]
        durable = frozenset({endpoint(600)})
        moved = Scene(record=record((600, 80)), pod=pod("80/udp")).plan(durable=durable)
        assert reclaimed(moved).ports == ports((600, 80, UDP))
        assert reclaimed(moved).protocol == UDP

    def test_a_claim_of_a_row_is_not_moved_before_the_row_is_gone(self):
        withdrawn = replace(ONE, status=replace(ONE.status, entries=()))
        made = Scene(WEB, record=withdrawn, pod=pod("80/udp")).plan()
        assert reclaimed(made).ports == ports((600, 80, TCP), (600, 80, UDP))
        claimed = replace(withdrawn, spec=reclaimed(made))
        next_ = Scene(WEB, record=claimed, pod=pod("80/udp")).plan()
        assert set(next_.writes) == {
            delete("fwd-1"),
            create("600", "80", UDP, intent=f"1/{stamp(100)}"),
        }


class TestAddressChanged:
    NEW = "10.0.0.7"

    def test_status_first_then_the_claim(self):
        moved = Scene(WEB, record=ONE, pod=pod(ip=self.NEW))
        made = moved.plan()
        assert entries(made) == []
        text = f"1 of 1 entries no longer reach the pod: its IP was {POD_IP} and is {self.NEW} now"
        assert condition(made) == ("False", "AddressChanged", text)
        assert made.step.drifted == ()
        after = replace(ONE, status=made.step.status)
        made = Scene(WEB, record=after, pod=pod(ip=self.NEW)).plan()
        assert reclaimed(made) == spec((600, 80), ip=self.NEW)

    def test_the_interface_of_the_old_address_is_forgotten(self):
        old = record(claim=spec((600, 80), eni="eni-1", vswitch="vsw-1", zone_id="z-1"))
        made = Scene(record=old, pod=pod(ip=self.NEW)).plan()
        assert reclaimed(made) == spec((600, 80), ip=self.NEW, zone_id="z-1")


class TestByHand:
    """Whatever somebody wrote into the PodDNAT, the world becomes consistent again."""

    def test_a_port_claimed_twice_keeps_one_endpoint(self):
        made = Scene(record=record((600, 80), (601, 80)), pod=pod()).plan()
        assert retired(made) == [601]

    def test_an_endpoint_claimed_twice_serves_one_port(self):
        twice = record((600, 80), (600, 443))
        made = Scene(WEB, record=twice, pod=BOTH).plan()
        assert reclaimed(made).ports == ports((600, 80), (601, 443))

    def test_the_same_port_named_again_is_named_once(self):
        made = Scene(WEB, record=record((600, 80), (600, 80)), pod=pod()).plan()
        assert reclaimed(made).ports == ports((600, 80))

    def test_what_is_wrong_with_the_pod_is_told_meanwhile(self):
        wrong = pod("nonsense")
        dropped = Scene(record=record((600, 80), (601, 80)), pod=wrong).plan()
        assert (retired(dropped), dropped.problem.reason) == ([601], "InvalidAnnotation")
        named_twice = Scene(record=record((600, 80), (600, 80)), pod=wrong).plan()
        assert reclaimed(named_twice).ports == ports((600, 80))
        assert named_twice.problem.reason == "InvalidAnnotation"

    def test_ports_never_asked_for_are_dropped(self):
        scene = Scene(WEB, record=record((600, 80), (22, 22)), pod=pod())
        assert retired(scene.plan()) == [22]

    def test_an_invented_status_is_withdrawn(self):
        invented = record((600, 80), entries=[mine("fwd-77")], conditions=(ready(),))
        made = Scene(record=invented, pod=pod()).plan()
        assert entries(made) == []
        assert condition(made)[:2] == ("False", "EntriesChanged")

    def test_a_wrong_protocol_field_is_put_right(self):
        wrong = record(claim=spec((600, 80), protocol=UDP))
        assert reclaimed(Scene(WEB, record=wrong, pod=pod()).plan()).protocol == TCP


class TestInterface:
    ENI = Eni("eni-1", "vsw-1", "z-1", (POD_IP,))

    def test_is_filled_in_when_it_is_known(self):
        made = Scene(WEB, record=ONE, pod=pod()).plan(eni=self.ENI)
        assert reclaimed(made) == spec((600, 80), eni="eni-1", vswitch="vsw-1", zone_id="z-1")

    def test_once(self):
        known = replace(ONE, spec=spec((600, 80), eni="eni-1", vswitch="vsw-1", zone_id="z-1"))
        assert Scene(WEB, record=known, pod=pod()).plan(eni=self.ENI) == Plan()

    def test_nothing_waits_for_it(self):
        made = Scene(record=record((600, 80)), pod=pod()).plan(eni=self.ENI)
        assert made.writes == (create("600", "80"),)

    def test_one_of_another_address_is_left_alone(self):
        other = Eni("eni-2", "vsw-1", "z-1", ("10.0.0.99",))
        assert Scene(WEB, record=ONE, pod=pod()).plan(eni=other) == Plan()


class TestOutages:
    """The rows are as they ought to be, but their EIP or gateway forwards nothing."""

    DARK = "EIP 1.1.1.1 is not bound to it any more: bind it again"

    def test_what_does_not_reach_the_pod_is_not_listed(self):
        scene = Scene(WEB, record=ONE, pod=pod())
        made = scene.plan(outage=self.DARK)
        assert entries(made) == []
        assert made.step.drifted == ()
        text = f"{GATEWAY}: {self.DARK}; until then its entries reach nothing"
        assert condition(made) == ("False", "GatewayUnusable", text)
        told = replace(ONE, status=made.step.status)
        rested = Scene(WEB, record=told, pod=pod()).plan(outage=self.DARK)
        assert rested == Plan(problem=Problem("GatewayUnusable", text)), "the row stays"

    def test_and_is_listed_again_when_that_is_over(self):
        told = record((600, 80), conditions=(ready("False", "GatewayUnusable"),))
        made = Scene(WEB, record=told, pod=pod()).plan()
        assert condition(made)[:2] == ("True", "EntriesAvailable")

    def test_it_goes_before_a_mistake_in_an_annotation(self):
        made = Scene(WEB, record=ONE, pod=pod("44x")).plan(outage=self.DARK)
        assert entries(made) == []
        assert condition(made)[:2] == ("False", "GatewayUnusable")


class TestWhoDidIt:
    """Somebody else is named only for rows that are not as they were listed, and ought to be."""

    @pytest.mark.parametrize(
        "now",
        [
            [],
            [mine("fwd-1", f"{EIP}:600", f"{POD_IP}:81")],
            [mine("fwd-1", f"{EIP}:600", "10.0.0.9:80")],
            [mine("fwd-1", f"{EIP}:999")],
            [mine("fwd-1", f"{EIP}:600", f"{POD_IP}:81", status=PENDING)],
            [mine(status=DELETING)],
        ],
    )
    def test_a_row_that_is_not_as_it_was(self, now):
        made = Scene(*now, TLS, record=TWO, pod=BOTH).plan()
        assert made.step.drifted == listed(WEB)
        text = "1 of 2 entries no longer reach the pod: somebody else changed or deleted fwd-1"
        assert condition(made) == ("False", "EntriesChanged", text)

    def test_a_row_that_is_as_it_was_and_that_the_cloud_calls_something_else(self):
        """Nobody need have touched it: its mapping is as it should be."""
        failed = mine(status=PENDING, odd_status="Failed")
        made = Scene(failed, TLS, record=TWO, pod=BOTH).plan()
        assert (entries(made), made.step.drifted) == (["fwd-2"], ())
        text = (
            "1 of 2 entries may not reach the pod: fwd-1 is Failed in the cloud, not Available, and"
            " leads where it is to; listed again once it is Available (if it stays so, delete it:"
            " it is made anew)"
        )
        assert condition(made) == ("False", "EntriesPending", text)
        after = replace(TWO, status=made.step.status)
        assert Scene(failed, TLS, record=after, pod=BOTH).plan() == Plan(), "that stays told"

    def test_of_several_such_rows_each_is_named_once(self):
        web = mine(status=PENDING, odd_status="Failed")
        tls = mine("fwd-2", f"{EIP}:601", f"{POD_IP}:443", status=PENDING, odd_status="Odd")
        text = condition(Scene(web, tls, record=TWO, pod=BOTH).plan())[2]
        assert "2 of 2 entries may not reach the pod: fwd-1 is Failed, fwd-2 is Odd in" in text

    def test_a_packed_row_that_is_made_anew_for_another_range(self):
        """The user dropped the port in its middle: all its ports are replaced, by us."""
        wide = mine("fwd-1", f"{EIP}:600/602", f"{POD_IP}:80/82")
        claimed = record((600, 80), (601, 81), (602, 82), entries=[wide], conditions=(ready(),))
        made = Scene(wide, record=claimed, pod=pod("80,82")).plan()
        assert made.step.drifted == ()
        assert condition(made)[:2] == ("False", "PortsChanged")
        assert "3 of 3 entries are being replaced" in condition(made)[2]

    def test_a_changed_row_beside_a_port_that_is_dropped(self):
        made = Scene(
            mine("fwd-1", f"{EIP}:600", f"{POD_IP}:81"), TLS, record=TWO, pod=pod("80")
        ).plan()
        assert made.step.drifted == listed(WEB)

    def test_a_claim_rewritten_by_hand(self):
        moved = replace(ONE, spec=spec((700, 80)))
        assert Scene(WEB, record=moved, pod=pod()).plan().step.drifted == ()


class TestOldProblems:
    """What was wrong is told no longer than it is."""

    @pytest.mark.parametrize("reason", ["InvalidAnnotation", "PoolExhausted", "TupleConflict"])
    def test_are_withdrawn_while_the_entry_is_being_made(self, reason):
        told = record((600, 80), conditions=(ready("False", reason, "no"),))
        made = Scene(replace_status(WEB), record=told, pod=pod()).plan()
        assert condition(made) == ("False", "EntriesPending", "0 of 1 ports are reachable")
        after = replace(told, status=made.step.status)
        assert Scene(replace_status(WEB), record=after, pod=pod()).plan() == Plan()

    def test_what_is_passing_anyhow_costs_no_write(self):
        for reason in ("EntriesPending", "EntriesChanged", "AddressChanged", "PortsChanged"):
            told = record((600, 80), conditions=(ready("False", reason, "soon"),))
            assert Scene(replace_status(WEB), record=told, pod=pod()).plan() == Plan()


class TestReadiness:
    def test_a_row_that_somebody_deleted_is_not_listed_and_made_again(self):
        lost = Scene(record=ONE, pod=pod()).plan()
        assert entries(lost) == []
        assert condition(lost)[:2] == ("False", "EntriesChanged")
        after = replace(ONE, status=lost.step.status)
        assert Scene(record=after, pod=pod()).plan().writes == (create(intent=f"1/{stamp()}"),)

    def test_a_row_in_flux_is_not_listed(self):
        made = Scene(replace_status(WEB), record=ONE, pod=pod()).plan()
        assert entries(made) == []

    def test_while_a_write_is_unanswered_nothing_is_listed_that_was_not(self):
        """It may be the delete of just that row."""
        listing = record((600, 80), (601, 443), entries=[WEB], conditions=(ready(),))
        made = Scene(WEB, TLS, record=listing, pod=BOTH).plan(unanswered=True)
        assert entries(made) == ["fwd-1"]
        assert condition(made) == ("False", "EntriesPending", "1 of 2 ports are reachable")
        assert entries(Scene(WEB, TLS, record=listing, pod=BOTH).plan()) == ["fwd-1", "fwd-2"]

    def test_a_record_that_says_ready_and_lists_nothing_is_put_right(self):
        odd = record((600, 80), conditions=(ready(),))
        made = Scene(record=odd, pod=pod()).plan()
        assert condition(made) == ("False", "EntriesPending", "0 of 1 ports are reachable")
        assert made.writes == (create(intent=f"1/{stamp(100)}"),)

    @pytest.mark.parametrize("reason", ["EntriesPending", "EntriesChanged"])
    def test_whatever_reason_somebody_wrote_down_for_it(self, reason):
        odd = record((600, 80), conditions=(ready("True", reason),))
        made = Scene(record=odd, pod=pod()).plan()
        assert condition(made) == ("False", "EntriesPending", "0 of 1 ports are reachable")


def test_nothing_is_created_for_a_pod_that_is_refused():
    """A PodDNAT written by hand must not get a refused pod what its annotations do not."""
    drifted = replace(TWO, status=replace(TWO.status, entries=listed(TLS)))
    assert Scene(TLS, record=drifted, pod=pod(host_network=True)).plan().writes == ()


def test_nothing_is_created_of_what_somebody_wrote_down_for_a_pod_that_asks_for_nonsense():
    """A record without our finalizer is not one that we made: the pod never had these ports."""
    written = record((600, 80), finalizers=())
    made = Scene(record=written, pod=pod("nonsense")).plan()
    assert made.writes == ()
    assert condition(made)[:2] == ("False", "InvalidAnnotation")
    ours = record((600, 80))
    assert Scene(record=ours, pod=pod("nonsense")).plan().writes == (create("600", "80"),)


@pytest.mark.parametrize("a_pod", [pod("nonsense")])
@pytest.mark.parametrize("policy", [Policy(), Policy(upsert_only=True)])
def test_what_existed_is_kept_for_a_pod_that_asks_for_what_cannot_be_done(a_pod, policy):
    made = Scene(WEB, TLS, record=TWO, pod=a_pod, policy=policy).plan()
    assert made.writes == ()
    assert made.step.status.entries == TWO.status.entries
    drifted = replace(TWO, status=replace(TWO.status, entries=listed(TLS)))
    repaired = Scene(TLS, record=drifted, pod=a_pod, policy=policy).plan()
    assert repaired.writes == (create("600", "80", intent=f"1/{stamp(100)}"),)


def test_the_pool_is_the_one_of_the_configuration():
    assert isinstance(Scene(record=ONE, pod=pod()).pool.offer(GATEWAY), GatewayPool)
    assert Scene(record=ONE, pod=pod()).pool.owner(endpoint(600)) == ME


class TestNoInterface:
    """The cloud finds none: that is told, and proves nothing."""

    def test_it_is_told_of_what_is_there(self):
        made = Scene(WEB, record=ONE, pod=pod(), no_interface=True).plan()
        status, reason, message = condition(made)
        assert (status, reason, entries(made)) == ("True", "NoInterface", ["fwd-1"])
        assert message == (
            "DescribeNetworkInterfaces finds no interface with pod IP 10.0.0.1 in the VPC of vpcID;"
            " if nothing reaches the pod, check vpcID, and that pods have addresses of the VPC"
            " (Terway)"
        )

    def test_entries_are_made_all_the_same(self):
        made = Scene(record=record(), pod=pod(), no_interface=True).plan()
        assert made.problem is not None
        assert (made.problem.reason, made.writes) == ("NoInterface", (create(),))

    def test_what_the_cloud_refuses_comes_first(self):
        no = refused(new_row("600", "80"), Refused.REJECTED)
        made = Scene(record=record(), pod=pod(), no_interface=True, refusals=no).plan()
        assert made.problem is not None
        assert made.problem.reason == "CloudRejected"


class TestWaiting:
    """A claim whose entries have never been there says so once that takes long."""

    @staticmethod
    def waits(*rows, ago=20.0, told=None, **seen):
        conditions = (ready("False", "EntriesAwaited", told),) if told else ()
        awaiting = record((600, 80), conditions=conditions, created=stamp(ago))
        return Scene(*rows, record=awaiting, pod=pod(), **seen)

    def test_is_told_when_it_takes_long(self):
        made = self.waits().plan()
        status, reason, text = condition(made)
        assert (status, reason) == ("False", "EntriesAwaited")
        assert f"it waits for the forward table of {GATEWAY}" in text
        assert made.writes == (create(),)

    def test_is_not_told_before(self):
        made = self.waits(ago=4.0).plan()
        assert made.step is None
        assert made.retry_in == 6.0

    def test_is_told_once(self):
        first = self.waits().plan()
        text = first.step.status.condition("Ready").message
        assert self.waits(told=text).plan().step is None

    def test_names_what_the_cloud_says_instead(self):
        slow = self.waits(trouble="CreateForwardEntry: Throttling.User: slow down")
        assert condition(slow.plan())[2].endswith(
            f"no write to the forward table of {GATEWAY} gets through: "
            "CreateForwardEntry: Throttling.User: slow down"
        )

    def test_names_an_external_ip_that_takes_no_entries(self):
        shut = self.waits(unready="EipInBinding: wait")
        assert condition(shut.plan())[2].endswith(
            f"no entry is made on {EIP} of {GATEWAY} just now, while others are: EipInBinding: wait"
        )

    def test_names_a_table_that_cannot_be_read(self):
        dead = self.waits(told="something else")
        dead.tables[GATEWAY].unreadable = "no answer"
        assert condition(dead.plan())[2].endswith(
            f"the forward table of {GATEWAY} cannot be read: no answer"
        )

    def test_names_a_row_that_stays_in_the_works(self):
        made = self.waits(replace_status(WEB)).plan()
        assert condition(made)[2].endswith("entry fwd-1 is Pending in the cloud, not Available")

    @pytest.mark.parametrize(("made_ago", "named"), [(10.0, False), (10.5, True)])
    def test_but_not_one_that_was_made_just_now(self, made_ago, named):
        waiting = self.waits()
        waiting.tables[GATEWAY].created(replace_status(WEB), NOW - made_ago)
        text = condition(waiting.plan())[2]
        assert ("fwd-1" in text, "one write at a time" in text) == (named, not named)

    def test_nor_one_that_is_as_it_should_be(self):
        awaiting = record((600, 80), (601, 443), created=stamp(20.0))
        made = Scene(WEB, record=awaiting, pod=BOTH).plan()
        assert "fwd-1" not in condition(made)[2]

    def test_names_a_row_on_its_way_out_that_has_its_address(self):
        others = row("fwd-9", f"{EIP}:700", owner=OTHER, status=DELETING)
        made = self.waits(others).plan()
        assert made.writes == (), "the cloud would refuse it"
        assert condition(made)[2].endswith(
            "entry fwd-9, which leads to 10.0.0.1:80/tcp, is Deleting in the cloud, and has to be "
            "gone first"
        )

    @pytest.mark.parametrize("waited_for", ["its own row", "another's that goes"])
    def test_names_a_table_that_is_not_read_for_now(self, waited_for):
        going = row("fwd-9", f"{EIP}:700", owner=OTHER, status=DELETING)
        waiting = self.waits(replace_status(WEB) if waited_for == "its own row" else going)
        wait = waiting.tables[GATEWAY].read_wait
        wait.was_answered(NOW - 9.0, WALL - timedelta(seconds=9))
        wait.begins(NOW - 8.0)
        wait.refused("Throttling.User")
        assert condition(waiting.plan())[2].endswith(
            f"the forward table of {GATEWAY} was last read at 11:59:51 UTC; the cloud refuses to "
            "list it for now: Throttling.User"
        )

    def test_but_not_one_whose_rows_it_does_not_wait_for(self):
        waiting = self.waits()
        waiting.tables[GATEWAY].read_wait.begins(NOW - 60.0)
        assert "one write at a time" in condition(waiting.plan())[2]

    def test_ends_for_good_once_all_is_there(self):
        made = self.waits(WEB, ago=4.0).plan()
        assert (condition(made)[0], made.retry_in) == ("True", None)

    @pytest.mark.parametrize("rows", [(WEB,), ()], ids=["usable", "awaited"])
    def test_is_waited_for_once_where_conditions_are_dropped(self, rows):
        """By a CRD that has none, nothing can be told, ever: to look again would have no end."""
        for ago, again in ((4.0, 6.0), (9.0, 1.0), (10.0, None), (20.0, None)):
            untold = record((600, 80), entries=rows, created=stamp(ago))
            older = Policy(keeps_conditions=False)
            made = Scene(*rows, record=untold, pod=pod(), policy=older).plan()
            assert (made.step, made.retry_in) == (None, again)

    def test_changes_no_token(self):
        """What may have been sent before a crash is asked for by the same token after it."""
        untold, told = self.waits(ago=1.0), self.waits(told="it waits")
        assert untold.plan().writes == told.plan().writes == (create(),)

    def test_lists_nothing_before_all_is_there(self):
        awaiting = record((600, 80), (601, 443), created=stamp(20.0))
        made = Scene(WEB, record=awaiting, pod=BOTH).plan()
        assert entries(made) == []

    def test_ends_with_the_entries(self):
        made = self.waits(WEB, told="it waits").plan()
        assert condition(made) == ("True", "EntriesAvailable", "1 of 1 ports are reachable")
