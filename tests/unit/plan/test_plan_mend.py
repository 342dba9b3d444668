"""Mend: which rows are created, changed and deleted, and what stands in their way."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from msgspec.structs import replace

from dnatctl.model import PortRange
from dnatctl.objects import Key, PodDNAT
from dnatctl.plan.case import UNFORESEEN_BELIEVED
from dnatctl.plan.exposure import PORTS, SWITCH, Problem, Rules
from dnatctl.plan.mend import READINGS_BETWEEN
from dnatctl.plan.policy import DELETION_HELD
from dnatctl.plan.problems import SQUATTED_FOR_S
from dnatctl.plan.values import Plan, Policy, Reclaim, Retire
from dnatctl.table.writes import CreateRow, ModifyRow, Refusal, Refused
from tests.unit.plan.made import (
    OTHER,
    Scene,
    condition,
    create,
    delete,
    mine,
    modify,
    new_row,
    offer,
    pod,
    ready,
    record,
    refused,
    stamp,
)
from tests.unit.pool.made import eip
from tests.unit.table.made import (
    AVAILABLE,
    DELETING,
    EIP,
    GATEWAY,
    PENDING,
    POD_IP,
    TCP,
    UDP,
    row,
    uid,
    view,
)

WAITING = record((600, 80))
"""A record whose row is to be made true, and whose status lists nothing yet."""

CANNOT_MODIFY = Policy(unmodifiable=frozenset({GATEWAY}))
UPSERT_ONLY = Policy(upsert_only=True)
STALE = mine("fwd-1", internal="10.0.0.9:80")
"""The record's row, leading to an address the pod does not have (any more)."""


class TestDrift:
    def test_a_deleted_row_is_made_again(self):
        assert Scene(record=WAITING, pod=pod()).plan() == Plan(writes=(create(),))

    @pytest.mark.parametrize("why", [*Refused])
    def test_a_row_that_may_not_be_led_back_goes(self, why):
        """It leads to an IP that may be another pod's any moment."""
        no = refused(new_row("600", "80"), why, UNFORESEEN_BELIEVED)
        made = Scene(STALE, record=WAITING, pod=pod()).plan(refusals=no)
        assert delete("fwd-1") in made.writes or isinstance(made.step, Reclaim | Retire)
        assert not [write for write in made.writes if isinstance(write, ModifyRow)]

    @pytest.mark.parametrize("why", [Refused.CONFLICT, Refused.UNFORESEEN])
    def test_one_accident_costs_no_entry(self, why):
        no = refused(new_row("600", "80"), why)
        led = Scene(STALE, record=WAITING, pod=pod()).plan(refusals=no)
        assert led.writes == (modify("fwd-1", "600", "80"),)

    @pytest.mark.parametrize("annotations", [None, {SWITCH: "", PORTS: "x"}])
    def test_none_is_led_to_the_address_of_a_node(self, annotations):
        """A fixed pod is made anew in its node's network."""
        more = {} if annotations is None else {"annotations": annotations}
        there = pod(host_network=True, **more)
        assert Scene(STALE, record=WAITING, pod=there).plan().writes == (delete("fwd-1"),)
        assert Scene(record=WAITING, pod=there).plan().writes == ()

    def test_what_leads_to_an_address_that_is_refused_since_stays(self):
        outside = Rules(networks=(IPv4Network("192.168.0.0/16"),))
        stays = Scene(mine("fwd-1"), record=WAITING, pod=pod(), rules=outside).plan()
        assert stays.writes == ()

    def test_nor_does_one_that_may_not_have_more_lose_what_follows_it(self):
        denied = Rules(denied_ports=(PortRange(22, 22),))
        led = Scene(STALE, record=WAITING, pod=pod("80,22"), rules=denied).plan()
        assert led.writes == (modify("fwd-1", "600", "80"),)

    def test_but_not_where_nothing_may_be_deleted(self):
        no = refused(new_row("600", "80"), Refused.REJECTED)
        led = Scene(STALE, record=WAITING, pod=pod(), policy=UPSERT_ONLY).plan(refusals=no)
        assert led.writes == (modify("fwd-1", "600", "80"),)
        assert led.problem is not None
        assert led.problem.reason == "CloudRejected"
        assert led.problem.message.startswith("entry fwd-1 on ngw-1 cannot be changed: ")

    def test_a_row_that_ought_to_go_and_does_not_is_told(self):
        moved = mine("fwd-1", f"{EIP}:605")
        held = Scene(moved, record=WAITING, pod=pod(), hindrances={"fwd-1": "no leave"}).plan()
        assert held.writes == (delete("fwd-1"),)
        text = "entry fwd-1 on ngw-1 cannot be deleted: no leave"
        assert held.problem == Problem("DeletionHeld", text)

    def test_but_not_where_it_is_wanted_by_now(self):
        right = Scene(mine("fwd-1"), record=WAITING, pod=pod(), hindrances={"fwd-1": "no leave"})
        assert right.plan().problem is None

    @pytest.mark.parametrize("internal", ["10.0.0.9:80", f"{POD_IP}:8080"])
    def test_a_row_that_leads_elsewhere_is_led_back(self, internal):
        edited = mine("fwd-1", internal=internal)
        made = Scene(edited, record=WAITING, pod=pod()).plan()
        assert made == Plan(writes=(modify("fwd-1", "600", "80"),))

    @pytest.mark.parametrize("internal", ["10.0.0.9:80", f"{POD_IP}:8080"])
    def test_or_replaced_where_that_is_not_allowed(self, internal):
        edited = mine("fwd-1", internal=internal)
        scene = Scene(edited, record=WAITING, pod=pod(), policy=CANNOT_MODIFY)
        assert scene.plan() == Plan(writes=(delete("fwd-1"),))
        leaving = mine("fwd-1", internal=internal, status=DELETING)
        assert Scene(leaving, record=WAITING, pod=pod(), policy=CANNOT_MODIFY).plan() == Plan()

    @pytest.mark.parametrize("external", [f"{EIP}:605", "2.2.2.2:600"])
    def test_a_row_moved_to_another_endpoint_is_deleted_first(self, external):
        """It holds the pod's address and port: another row for them would be refused."""
        moved = mine("fwd-1", external)
        made = Scene(moved, record=WAITING, pod=pod()).plan()
        assert made.writes == (delete("fwd-1"),)
        leaving = mine("fwd-1", external, status=DELETING)
        assert Scene(leaving, record=WAITING, pod=pod()).plan().writes == ()
        assert Scene(record=WAITING, pod=pod()).plan().writes == (create(),)

    def test_a_row_of_another_protocol_is_deleted_and_the_right_one_made(self):
        edited = mine("fwd-1", protocol=UDP)
        made = Scene(edited, record=WAITING, pod=pod()).plan()
        assert set(made.writes) == {delete("fwd-1"), create()}

    def test_a_row_made_an_ip_mapping_is_deleted(self):
        edited = mine("fwd-1", f"{EIP}:Any", f"{POD_IP}:Any", protocol=None)
        made = Scene(edited, record=WAITING, pod=pod()).plan()
        assert made.writes == (delete("fwd-1"),)

    def test_rows_that_were_swapped_are_made_anew(self):
        """Neither can be led back while the other holds its place."""
        two = record((600, 80), (601, 443))
        swapped = mine("fwd-1", f"{EIP}:600", f"{POD_IP}:443"), mine("fwd-2", f"{EIP}:601")
        made = Scene(*swapped, record=two, pod=pod("80,443")).plan()
        assert set(made.writes) == {delete("fwd-1"), delete("fwd-2")}

    def test_a_row_copied_under_our_name_is_deleted(self):
        copied = mine("fwd-2", f"{EIP}:605", f"{POD_IP}:8080")
        ready_one = record((600, 80), entries=[mine()], conditions=(ready(),))
        made = Scene(mine(), copied, record=ready_one, pod=pod()).plan()
        assert made == Plan(writes=(delete("fwd-2"),))

    def test_a_row_on_another_gateway_is_deleted(self):
        offers = (offer(GATEWAY), offer("ngw-2"))
        elsewhere = {"ngw-2": view(mine("fwd-9", "2.2.2.2:600"), gateway_id="ngw-2")}
        made = Scene(record=WAITING, pod=pod(), offers=offers, tables=elsewhere).plan()
        assert set(made.writes) == {delete("fwd-9", "ngw-2"), create()}

    def test_even_one_on_the_same_external_ip(self):
        """The EIP was moved here from there: a row cannot move along."""
        offers = (offer(GATEWAY), offer("ngw-2"))
        elsewhere = {"ngw-2": view(STALE, gateway_id="ngw-2")}
        made = Scene(record=WAITING, pod=pod(), offers=offers, tables=elsewhere).plan()
        assert made.writes == (delete("fwd-1", "ngw-2"),)

    @pytest.mark.parametrize("status", [AVAILABLE, PENDING])
    def test_what_is_right_is_left_alone(self, status):
        settled = record((600, 80), conditions=(ready("False"),))
        made = Scene(mine(status=status), record=settled, pod=pod()).plan()
        assert made.writes == ()

    def test_what_is_being_deleted_is_waited_for(self):
        assert Scene(mine(status=DELETING), record=WAITING, pod=pod()).plan() == Plan()

    def test_upsert_only_leads_back_but_deletes_nothing(self):
        led = Scene(STALE, record=WAITING, pod=pod(), policy=UPSERT_ONLY).plan()
        assert led.writes == (modify("fwd-1", "600", "80"),)
        moved = mine("fwd-1", f"{EIP}:605")
        held = Scene(moved, record=WAITING, pod=pod(), policy=UPSERT_ONLY).plan()
        assert (held.writes, held.problem) == ((), DELETION_HELD)


class TestForeignRows:
    def test_one_on_the_pods_address_is_told_of_and_not_touched(self):
        foreign = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80")
        made = Scene(foreign, record=WAITING, pod=pod()).plan()
        assert made.writes == ()
        assert made.problem == Problem(
            "TupleConflict",
            f"{POD_IP}:80/tcp already has a DNAT entry that is not dnatctl's: fwd-9 ({EIP}:700); "
            "delete it or stop exposing the port",
        )
        assert not isinstance(made.step, Reclaim | Retire), "another endpoint would not help"
        assert made.blockers == (), "nobody of ours could make room"

    def test_an_ip_mapping_to_the_pod_is_in_the_way_of_every_port(self):
        foreign = row("fwd-9", "2.2.2.2:Any", f"{POD_IP}:Any", protocol=None)
        made = Scene(foreign, record=WAITING, pod=pod()).plan()
        assert made.writes == ()
        assert "fwd-9 (2.2.2.2:Any)" in made.problem.message

    def test_other_ports_of_the_pod_are_not_held_up(self):
        foreign = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80")
        two = record((600, 80), (601, 443))
        made = Scene(foreign, record=two, pod=pod("80,443")).plan()
        assert made.writes == (create("601", "443"),)
        assert made.problem.reason == "TupleConflict"

    def test_one_being_deleted_is_still_in_the_way(self):
        foreign = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80", status=DELETING)
        assert Scene(foreign, record=WAITING, pod=pod()).plan().writes == ()

    def test_a_row_is_not_led_back_into_one(self):
        foreign = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80")
        made = Scene(STALE, foreign, record=WAITING, pod=pod()).plan()
        # It may lead to another pod by now, and two such rows would wait for each other for ever.
        assert made.writes == (delete("fwd-1"),)
        assert made.problem.reason == "TupleConflict"


class TestStaleRowsOfOthers:
    """A pod's IP is another pod's soon after: rows of the earlier one must go first."""

    STALE = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80", owner=OTHER)

    def test_they_block_and_are_asked_to_leave(self):
        made = Scene(self.STALE, record=WAITING, pod=pod()).plan()
        assert made == Plan(blockers=(OTHER,), retry_in=SQUATTED_FOR_S)

    def test_one_that_does_not_go_is_named(self):
        names = {OTHER: Key("games", "lobby-7")}
        made = Scene(self.STALE, record=WAITING, pod=pod(), names=names, stated_for=60.0).plan()
        status, reason, message = condition(made)
        assert (status, reason) == ("False", "TupleConflict")
        assert "entry of PodDNAT games/lobby-7: fwd-9 (1.1.1.1:700)" in message
        assert made.problem == Problem(reason, message)

    @pytest.mark.parametrize(("stated_for", "left"), [(4.5, 0.5), (SQUATTED_FOR_S, None)])
    def test_it_is_looked_at_again_when_that_is_worth_a_word(self, stated_for, left):
        made = Scene(self.STALE, record=WAITING, pod=pod(), stated_for=stated_for).plan()
        assert made.retry_in == left
        assert (made.problem is not None) is (left is None)

    @pytest.mark.parametrize("entry_id", ["fwd-1", "fwd-99"])
    def test_one_that_is_nobodys_is_named_before_it(self, entry_id):
        """That one does not go by itself."""
        foreign = row(entry_id, f"{EIP}:701", f"{POD_IP}:80")
        made = Scene(self.STALE, foreign, record=WAITING, pod=pod(), stated_for=60.0).plan()
        assert f"{entry_id} (1.1.1.1:701)" in made.problem.message

    def test_one_that_is_on_its_way_out_is_not(self):
        going = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80", owner=OTHER, status=DELETING)
        made = Scene(going, record=WAITING, pod=pod(), stated_for=60.0).plan()
        assert (made.step, made.problem) == (None, None)

    def test_even_those_of_ports_that_are_not_asked_for(self):
        other_port = row("fwd-9", f"{EIP}:700", f"{POD_IP}:8080", owner=OTHER)
        made = Scene(other_port, record=WAITING, pod=pod()).plan()
        assert made == Plan(writes=(create(),), blockers=(OTHER,))

    def test_each_is_named_once_and_in_order(self):
        rows = [
            row("fwd-7", f"{EIP}:700", f"{POD_IP}:80", owner=uid(7)),
            row("fwd-8", f"{EIP}:701", f"{POD_IP}:81", owner=uid(3)),
            row("fwd-9", f"{EIP}:702", f"{POD_IP}:82", owner=uid(7)),
        ]
        made = Scene(*rows, record=WAITING, pod=pod()).plan()
        assert made.blockers == (uid(3), uid(7))

    def test_one_on_its_way_out_holds_up_and_needs_no_asking(self):
        leaving = row("fwd-9", f"{EIP}:700", f"{POD_IP}:8080", owner=OTHER, status=DELETING)
        assert Scene(leaving, record=WAITING, pod=pod()).plan() == Plan(writes=(create(),))


def replace_generation(refusal: Refusal, generation: int) -> Refusal:
    return Refusal(refusal.why, refusal.count, generation, refusal.message)


class TestConflicts:
    """The cloud says that somebody has the endpoint or the pod's address, and nothing is seen."""

    ENTRY = new_row("600", "80")

    def test_the_table_is_read_again_before_the_next_try(self):
        scene = Scene(record=WAITING, pod=pod())
        generation = scene.tables[GATEWAY].generation
        held = scene.plan(refusals=refused(self.ENTRY, Refused.CONFLICT, 1, generation))
        assert held == Plan()
        again = scene.plan(refusals=refused(self.ENTRY, Refused.CONFLICT, 1, generation - 1))
        assert again == Plan(writes=(create(),))

    def test_after_three_another_endpoint_is_taken(self):
        scene = Scene(record=WAITING, pod=pod())
        two = scene.plan(refusals=refused(self.ENTRY, Refused.CONFLICT, 2, 0))
        assert two.writes == (create(),)
        three = scene.plan(refusals=refused(self.ENTRY, Refused.CONFLICT, 3, 0))
        assert isinstance(three.step, Retire)

    def test_unless_the_pods_address_is_what_is_taken(self):
        foreign = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80")
        scene = Scene(foreign, record=WAITING, pod=pod())
        made = scene.plan(refusals=refused(self.ENTRY, Refused.CONFLICT, 9, 0))
        assert not isinstance(made.step, Reclaim | Retire)
        assert made.problem.reason == "TupleConflict"
        assert made.writes == ()

    def test_an_own_row_on_another_endpoint_does_not_explain_them(self):
        """It has the pod's address, but it is ours to delete: the endpoint was refused before."""
        moved = mine("fwd-1", f"{EIP}:605")
        scene = Scene(moved, record=WAITING, pod=pod())
        made = scene.plan(refusals=refused(self.ENTRY, Refused.CONFLICT, 3, 0))
        assert isinstance(made.step, Retire)

    def test_where_no_endpoint_is_any_better_it_stays_and_says_so(self):
        """An entry of another gateway may hold the pod's address, which no view of ours shows."""
        scene = Scene(record=record((601, 80)), pod=pod())
        generation = scene.tables[GATEWAY].generation
        refusals = {
            **refused(self.ENTRY, Refused.CONFLICT, 3, generation),
            **refused(new_row("601", "80"), Refused.CONFLICT, 3, generation),
        }
        held = scene.plan(refusals=refusals)
        assert not isinstance(held.step, Reclaim | Retire)
        assert held.writes == ()
        assert held.problem.reason == "TupleConflict"
        assert (
            f"{POD_IP}:80/tcp is refused on each endpoint that was tried (2)"
            in held.problem.message
        )

        old = generation - READINGS_BETWEEN
        refusals = {entry: replace_generation(r, old) for entry, r in refusals.items()}
        assert scene.plan(refusals=refusals).writes == (create("601", "80"),)
        recent = {entry: replace_generation(r, old + 1) for entry, r in refusals.items()}
        assert scene.plan(refusals=recent).writes == ()

    def test_one_endpoint_refused_in_two_rows_is_one_endpoint(self):
        """A range and, of that range, a single row: it may be that endpoint which is taken."""
        scene = Scene(record=record((601, 81)), pod=pod("81"))
        refusals = {
            **refused(new_row("600/601", "80/81"), Refused.CONFLICT, 3, 0),
            **refused(new_row("601", "81"), Refused.CONFLICT, 3, 0),
        }
        assert isinstance(scene.plan(refusals=refusals).step, Retire)

    @pytest.mark.parametrize(
        "other",
        [
            new_row("600", "443"),
            new_row("600", "80", UDP),
            new_row("600", "80", internal_ip="10.0.0.9"),
        ],
    )
    def test_refusals_of_other_addresses_say_nothing_of_this_one(self, other):
        scene = Scene(record=record((601, 80)), pod=pod())
        refusals = {
            **refused(other, Refused.CONFLICT, 3, 0),
            **refused(new_row("601", "80"), Refused.CONFLICT, 3, 0),
        }
        assert isinstance(scene.plan(refusals=refusals).step, Retire)

    def test_a_rejected_row_is_told_of_and_tried_again(self):
        made = Scene(record=WAITING, pod=pod()).plan(refusals=refused(self.ENTRY, Refused.REJECTED))
        assert made.writes == (create(),)
        assert made.problem == Problem("CloudRejected", "rejected: no")
        assert made.step.status.condition("Ready").reason == "CloudRejected"


class TestPacking:
    PACK = (offer(pack=True),)
    THREE = record((600, 7000), (601, 7001), (602, 7002))
    POD = pod("7000-7002")
    RANGE = new_row("600/602", "7000/7002")

    def test_neighbours_share_a_row(self):
        made = Scene(record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert made == Plan(writes=(create("600/602", "7000/7002"),))

    def test_each_has_its_entry_in_the_status(self):
        packed = mine("fwd-1", f"{EIP}:600/602", f"{POD_IP}:7000/7002")
        made = Scene(packed, record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert [(str(e.endpoint), e.internal_port) for e in made.step.status.entries] == [
            ("1.1.1.1:600/tcp", 7000),
            ("1.1.1.1:601/tcp", 7001),
            ("1.1.1.1:602/tcp", 7002),
        ]

    @pytest.mark.parametrize("why", [Refused.CONFLICT, Refused.REJECTED])
    def test_a_refused_range_is_made_of_single_rows(self, why):
        scene = Scene(record=self.THREE, pod=self.POD, offers=self.PACK)
        made = scene.plan(refusals=refused(self.RANGE, why, 1, 0))
        assert made.writes == tuple(create(f"{600 + n}", f"{7000 + n}") for n in range(3))

    def test_a_range_of_two_as_well(self):
        scene = Scene(record=record((600, 80), (601, 81)), pod=pod("80-81"), offers=self.PACK)
        made = scene.plan(refusals=refused(new_row("600/601", "80/81"), Refused.REJECTED, 1, 0))
        assert made.writes == (create("600", "80"), create("601", "81"))

    def test_single_rows_would_not_help_against_a_full_table(self):
        scene = Scene(record=self.THREE, pod=self.POD, offers=self.PACK)
        made = scene.plan(refusals=refused(self.RANGE, Refused.QUOTA, 1, 0))
        assert made.writes == (create("600/602", "7000/7002"),)

    def test_a_range_of_the_other_protocol_stays_one(self):
        claimed = record((600, 80), (601, 81), (600, 80, UDP), (601, 81, UDP))
        scene = Scene(record=claimed, pod=pod("80-81,80-81/udp"), offers=self.PACK)
        made = scene.plan(refusals=refused(new_row("600/601", "80/81"), Refused.REJECTED, 1, 0))
        assert made.writes == (
            create("600", "80"),
            create("601", "81"),
            create("600/601", "80/81", UDP),
        )

    def test_what_holds_back_one_port_does_not_hold_back_the_others(self):
        foreign = row("fwd-9", f"{EIP}:700", f"{POD_IP}:7001")
        made = Scene(foreign, record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert made.writes == (create("600", "7000"), create("602", "7002"))

    def test_a_range_follows_the_pod(self):
        stale = mine("fwd-1", f"{EIP}:600/602", "10.0.0.9:7000/7002")
        made = Scene(stale, record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert made.writes == (modify("fwd-1", "600/602", "7000/7002"),)

    def test_single_rows_stay_single(self):
        singles = [mine(f"fwd-{n}", f"{EIP}:{600 + n}", f"{POD_IP}:{7000 + n}") for n in range(3)]
        made = Scene(*singles, record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert made.writes == ()
        assert len(made.step.status.entries) == 3

    def test_a_shifted_range_is_led_back(self):
        shifted = mine("fwd-1", f"{EIP}:600/602", f"{POD_IP}:7001/7003")
        made = Scene(shifted, record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert made.writes == (modify("fwd-1", "600/602", "7000/7002"),)

    def test_a_range_that_is_wider_than_the_claim_is_made_anew(self):
        """Status lists none of its ports while that goes on."""
        wide = mine("fwd-1", f"{EIP}:600/603", f"{POD_IP}:7000/7003")
        listing = record(
            (600, 7000), (601, 7001), (602, 7002), entries=[wide], conditions=(ready(),)
        )
        withdrawn = Scene(wide, record=listing, pod=self.POD, offers=self.PACK).plan()
        assert withdrawn.step.status.entries == ()
        after = replace(listing, status=withdrawn.step.status)
        made = Scene(wide, record=after, pod=self.POD, offers=self.PACK).plan()
        assert made.writes == (delete("fwd-1"),)

    def test_a_range_of_which_a_port_is_not_asked_for_any_more_is_withdrawn_whole(self):
        """It is about to be deleted, and with it the way to the ports that stay."""
        packed = mine("fwd-1", f"{EIP}:600/602", f"{POD_IP}:7000/7002")
        listing = record(
            (600, 7000), (601, 7001), (602, 7002), entries=[packed], conditions=(ready(),)
        )
        withdrawn = Scene(packed, record=listing, pod=pod("7000-7001"), offers=self.PACK).plan()
        assert withdrawn.step.status.entries == ()
        assert withdrawn.writes == ()
        after = replace(listing, status=withdrawn.step.status)
        made = Scene(packed, record=after, pod=pod("7000-7001"), offers=self.PACK).plan()
        assert made.writes == (delete("fwd-1"),)

    def test_a_range_may_carry_a_part_of_the_claim(self):
        part = mine("fwd-1", f"{EIP}:600/601", f"{POD_IP}:7000/7001")
        made = Scene(part, record=self.THREE, pod=self.POD, offers=self.PACK).plan()
        assert made.writes == (create("602", "7002"),)


class TestPortBreak:
    @pytest.mark.parametrize(
        ("port", "snat", "needed"), [(1024, True, False), (1025, True, True), (1025, False, False)]
    )
    def test_is_asked_for_where_it_is_needed(self, port, snat, needed):
        offers = (offer(ports="1000/1100"),)
        eips = {GATEWAY: [eip(snat=snat)]}
        made = Scene(record=record((port, 80)), pod=pod(), offers=offers, eips=eips).plan()
        assert made.writes == (create(f"{port}", "80", port_break=needed),)

    def test_a_range_needs_it_if_one_of_its_ports_does(self):
        offers = (offer(ports="1000/1100", pack=True),)
        claimed = record((1024, 80), (1025, 81))
        scene = Scene(
            record=claimed, pod=pod("80-81"), offers=offers, eips={GATEWAY: [eip(snat=True)]}
        )
        assert scene.plan().writes == (create("1024/1025", "80/81", port_break=True),)


class TestIntent:
    """What tells a wish from an earlier one for the same row, from what survives a crash."""

    def intent(self, a_record: PodDNAT) -> str:
        (write,) = Scene(record=a_record, pod=pod()).plan().writes
        assert isinstance(write, CreateRow)
        return write.intent

    def test_the_same_wish_has_the_same_intent(self):
        assert self.intent(WAITING) == self.intent(replace(WAITING, resource_version="99")) == "1/"

    def test_a_changed_claim_is_another(self):
        assert self.intent(replace(WAITING, generation=2)) == "2/"

    def test_a_lost_entry_is_another(self):
        lost = record((600, 80), conditions=(ready("False", "EntriesChanged", "lost", ago=7.0),))
        assert self.intent(lost) == f"1/{stamp(7.0)}"


def test_the_writes_of_two_protocols_on_one_port_are_apart():
    both = record((600, 53, UDP), (600, 53, TCP))
    made = Scene(record=both, pod=pod("53/udp,53/tcp")).plan()
    assert made.step is None or isinstance(made.step, Reclaim)
    again = record(claim=made.step.spec) if made.step else both
    made = Scene(record=again, pod=pod("53/udp,53/tcp")).plan()
    assert made.writes == (create("600", "53", UDP), create("600", "53", TCP))


def test_a_gateway_in_trouble_is_told_of_only_while_something_is_missing():
    settled = record((600, 80), entries=[mine()], conditions=(ready(),))
    scene = Scene(mine(), record=settled, pod=pod())
    scene.pool.describe(GATEWAY, [eip()], "is being upgraded")
    assert scene.plan() == Plan()
