"""What is held against whom, for how long, and what clears it."""

from __future__ import annotations

import pytest

from dnatctl.model import Endpoint, Protocol
from dnatctl.pool import Target
from dnatctl.pool.trust import HOLD_S, PROVEN_S, REMEMBERED_S, SCOUT_S, Tried, Trust
from tests.support.steps import steps

A, B, C = "1.1.1.1", "2.2.2.2", "3.3.3.3"
ONE, TWO = "ngw-1", "ngw-2"
WHY = "Some.New.Code: no (request 1)"


def at(ip: str, port: int = 600) -> Endpoint:
    return Endpoint(ip, port, Protocol.TCP)


def refuse(trust: Trust, uid: str, ip: str, port: int = 600, gateway: str = ONE, now=0.0) -> bool:
    return trust.refused(uid, gateway, at(ip, port), WHY, now)


class TestStepByStep:
    def test_one_refusal_is_held_against_the_endpoint_and_for_that_pod(self):
        trust = Trust()
        assert not refuse(trust, "p", A)
        assert trust.spurns("p", at(A))
        assert not trust.spurns("p", at(A, 601))
        assert not trust.spurns("q", at(A))
        assert not trust.avoids("p", ONE, A, 1.0)

    def test_two_endpoints_of_an_ip_against_the_ip(self):
        trust = Trust()
        refuse(trust, "p", A, 600)
        refuse(trust, "p", A, 601)
        assert trust.avoids("p", ONE, A, 1.0)
        assert not trust.avoids("p", ONE, B, 1.0)
        assert not trust.avoids("q", ONE, A, 1.0), "one pod makes nothing bad for others"
        assert trust.flaw(ONE, A, 1.0) == ""

    def test_two_ips_against_the_gateway(self):
        trust = Trust()
        refuse(trust, "p", A)
        refuse(trust, "p", B)
        assert trust.avoids("p", ONE, C, 1.0)
        assert not trust.avoids("p", TWO, C, 1.0)
        assert trust.tried("p") == Tried(2, 2, 1)

    def test_two_pods_make_an_ip_bad_for_all(self):
        trust = Trust()
        refuse(trust, "p", A)
        assert refuse(trust, "q", A, 601)
        assert trust.flaw(ONE, A, 1.0) == WHY
        assert trust.flaw(ONE, B, 1.0) == ""

    def test_two_bad_ips_make_a_gateway_bad_for_all(self):
        trust = Trust()
        for ip in (A, B):
            for uid in "pq":
                refuse(trust, uid, ip)
        assert trust.flaw(ONE, C, 1.0) == WHY
        assert trust.flaw(TWO, C, 1.0) == ""

    def test_who_is_accepted_elsewhere_was_not_at_fault(self):
        trust = Trust()
        refuse(trust, "p", A)
        assert trust.accepted("p", ONE, B, 1.0)
        assert trust.flaw(ONE, A, 2.0) == WHY
        assert not trust.spurns("p", at(A)), "what it tried is forgotten"

    def test_but_not_where_others_were_accepted_meanwhile(self):
        trust = Trust()
        refuse(trust, "p", A, now=0.0)
        trust.accepted("q", ONE, A, 1.0)
        trust.accepted("p", ONE, B, 2.0)
        assert trust.flaw(ONE, A, 3.0) == ""

    def test_a_pods_refusals_are_forgotten_with_it_and_in_time(self):
        trust = Trust()
        for port in (600, 601):
            refuse(trust, "p", A, port)
            refuse(trust, "q", B, port)
        trust.forget("p")
        assert not trust.avoids("p", ONE, A, 1.0)
        assert trust.avoids("q", ONE, B, 1.0)
        assert not trust.avoids("q", ONE, B, REMEMBERED_S)

    @pytest.mark.parametrize(
        "answered",
        [lambda trust: trust.accepted("p", ONE, B, 1.0), lambda trust: refuse(trust, "p", B, 601)],
        ids=["accepted", "refused"],
    )
    def test_an_answer_is_taken_in_as_quickly_while_many_are_refused_elsewhere(self, answered):
        """It is done under the lock that all threads share."""
        few, many = Trust(), Trust()
        for trust, pods in ((few, 10), (many, 1000)):
            for number in range(pods):
                refuse(trust, f"pod-{number}", A)
            refuse(trust, "p", B)
        assert steps(lambda: answered(few)) == steps(lambda: answered(many))

    def test_those_of_long_ago_do_not_count_as_tries(self):
        trust = Trust()
        refuse(trust, "p", A, 600)
        refuse(trust, "p", B, 600, now=REMEMBERED_S)
        assert trust.tried("p") == Tried(1, 1, 1)

    def test_that_a_pod_was_served_is_forgotten_with_it(self):
        trust = Trust()
        trust.accepted("p", ONE, A, 0.0)
        assert trust.is_served("p")
        trust.forget("p")
        assert not trust.is_served("p")

    def test_an_ip_of_another_gateway_says_nothing_of_this_one(self):
        trust = Trust()
        for gateway in (ONE, TWO):
            for uid in "pq":
                refuse(trust, uid, A, gateway=gateway)
        assert trust.flaw(ONE, A, 1.0)
        assert trust.flaw(ONE, C, 1.0) == trust.flaw(TWO, C, 1.0) == ""

    def test_nor_does_one_that_the_cloud_named(self):
        trust = Trust()
        trust.mark(Target(ONE, A), WHY, 0.0, firm=True)
        for uid in "pq":
            refuse(trust, uid, B)
        assert trust.flaw(ONE, C, 1.0) == ""

    def test_nor_one_whose_hold_is_over(self):
        trust = Trust()
        trust.mark(Target(ONE, A), WHY, 0.0)
        for uid in "pq":
            refuse(trust, uid, B, now=HOLD_S[0])
        assert trust.flaw(ONE, C, HOLD_S[0]) == ""

    def test_what_is_known_to_be_bad_is_no_news(self):
        trust = Trust()
        for ip in (A, B):
            for uid in "pq":
                refuse(trust, uid, ip)
        assert not refuse(trust, "r", A)

    def test_where_it_makes_the_gateway_bad_again_it_is(self):
        trust = Trust()
        for ip in (A, B):
            for uid in "pq":
                refuse(trust, uid, ip)
        trust.accepted("s", ONE, C, 1.0)
        assert trust.flaw(ONE, C, 1.0) == ""
        assert refuse(trust, "r", A, now=2.0)
        assert trust.flaw(ONE, C, 2.0) == WHY

    def test_what_is_accepted_clears_the_refusals_there_of_all_pods_and_no_others(self):
        trust = Trust()
        refuse(trust, "q", A)
        refuse(trust, "q", B)
        trust.accepted("p", ONE, A, 1.0)
        assert not trust.spurns("q", at(A))
        assert trust.spurns("q", at(B))

    def test_an_ip_that_refused_one_endpoint_and_accepted_another_is_well(self):
        trust = Trust()
        refuse(trust, "p", A, 600)
        trust.accepted("p", ONE, A, 1.0)
        assert trust.flaw(ONE, A, 1.0) == ""


class TestMarks:
    def test_the_hold_ends_and_grows_with_each_failed_probe(self):
        trust, now, holds = Trust(), 0.0, []
        for _ in range(8):
            assert trust.mark(Target(ONE, A), WHY, now)
            wait = trust.next_change(now)
            assert trust.flaw(ONE, A, now + wait - 0.1)
            holds.append(wait)
            now += wait
            assert not trust.flaw(ONE, A, now)
        assert holds[:3] == [HOLD_S[0], 2 * HOLD_S[0], 4 * HOLD_S[0]]
        assert holds == sorted(holds)
        assert holds[-1] == HOLD_S[1]

    def test_one_who_goes_ahead_is_such_a_probe(self):
        trust = Trust()
        trust.mark(Target(ONE, A), WHY, 0.0)
        over = HOLD_S[0] + 1.0
        trust.engaged("p", ONE, A, over, moved=False)
        assert trust.mark(Target(ONE, A), WHY, over + 1.0), "before the others would follow"
        assert trust.next_change(over + 1.0) == 2 * HOLD_S[0]
        assert not trust.mark(Target(ONE, A), WHY, over + 2.0)
        trust.engaged("p", ONE, A, over + 3.0, moved=True)
        assert not trust.mark(Target(ONE, A), WHY, over + 4.0), "there is nowhere else"

    def test_and_others_who_follow_it_too_soon_make_it_no_less_of_one(self):
        trust, over = Trust(), HOLD_S[0] + 1.0
        trust.mark(Target(ONE, A), WHY, 0.0)
        for later in (0.0, 1.0):
            trust.engaged("p", ONE, A, over + later, moved=False)
        assert trust.mark(Target(ONE, A), WHY, over + 2.0)

    def test_at_the_very_end_of_the_hold_it_is_one(self):
        trust = Trust()
        trust.mark(Target(ONE, A), WHY, 0.0)
        trust.engaged("p", ONE, A, HOLD_S[0], moved=False)
        assert trust.mark(Target(ONE, A), WHY, HOLD_S[0] + 1.0)

    def test_refusals_of_the_same_crowd_count_once(self):
        trust = Trust()
        trust.mark(Target(ONE), WHY, 0.0)
        assert not trust.mark(Target(ONE), WHY, 1.0)
        assert trust.next_change(1.0) == HOLD_S[0] - 1.0
        assert trust.next_change(HOLD_S[0]) is None

    @pytest.mark.parametrize("target", [Target(ONE, A), Target(ONE)])
    def test_what_is_accepted_is_well(self, target):
        trust = Trust()
        trust.mark(target, WHY, 0.0)
        assert trust.accepted("p", ONE, A, 1.0)
        assert not trust.flaw(ONE, A, 1.0)
        assert not trust.accepted("p", ONE, A, 2.0), "that is no news"

    def test_when_the_hold_is_over_one_goes_first(self):
        trust = Trust()
        trust.mark(Target(ONE, A), WHY, 0.0)
        over = HOLD_S[0] + 1.0
        trust.engaged("p", ONE, A, over, moved=False)
        assert trust.flaw(ONE, A, over), "the others wait for how it fares"
        assert not trust.flaw(ONE, A, over, uid="p"), "it does not move before it was tried"
        assert not trust.flaw(ONE, A, over + SCOUT_S), "but not for ever"


class TestScouts:
    def test_the_first_that_leaves_goes_ahead(self):
        trust = Trust()
        trust.engaged("p", ONE, B, 0.0, moved=True)
        assert trust.is_scouted(ONE, B, 1.0)
        assert not trust.is_scouted(TWO, B, 1.0)
        assert not trust.is_scouted(ONE, B, SCOUT_S)

    def test_others_are_told_when_they_need_not_wait_any_more(self):
        trust = Trust()
        trust.engaged("p", ONE, B, 100.0, moved=True)
        assert trust.next_change(110.0) == SCOUT_S - 10.0
        assert trust.next_change(100.0 + SCOUT_S) is None

    def test_it_tries_the_whole_gateway_where_nothing_is_known_of_it(self):
        trust = Trust()
        trust.engaged("p", ONE, B, 0.0, moved=True)
        assert trust.is_scouted(ONE, A, 1.0)

    def test_and_only_the_ip_where_another_is_well(self):
        trust = Trust()
        trust.accepted("q", ONE, C, 0.0)
        trust.engaged("p", ONE, B, 1.0, moved=True)
        assert trust.is_scouted(ONE, B, 2.0)
        assert not trust.is_scouted(ONE, A, 2.0)

    def test_what_was_well_long_ago_is_tried_anew(self):
        trust = Trust()
        trust.accepted("q", ONE, B, 0.0)
        trust.engaged("p", ONE, B, PROVEN_S, moved=True)
        assert trust.is_scouted(ONE, B, PROVEN_S)

    def test_nobody_waits_for_one_at_what_is_bad_anyway(self):
        trust = Trust()
        trust.engaged("p", ONE, B, 0.0, moved=True)
        for target in (Target(ONE), Target(ONE, B)):
            trust.mark(target, WHY, 1.0)
        assert not trust.is_scouted(ONE, B, 2.0)

    def test_its_fate_frees_the_others(self):
        for outcome in ("accepted", "refused"):
            trust = Trust()
            trust.engaged("p", ONE, B, 0.0, moved=True)
            if outcome == "accepted":
                assert trust.accepted("p", ONE, B, 1.0), "who waits is to be told"
            else:
                refuse(trust, "p", B)
            assert not trust.is_scouted(ONE, B, 1.0)

    def test_nobody_need_go_ahead_where_rows_were_made_just_now(self):
        trust = Trust()
        trust.accepted("q", ONE, B, 0.0)
        trust.engaged("p", ONE, B, 1.0, moved=True)
        assert not trust.is_scouted(ONE, B, 1.0)

    def test_a_new_claim_is_no_scout(self):
        trust = Trust()
        trust.engaged("p", ONE, B, 0.0, moved=False)
        assert not trust.is_scouted(ONE, B, 0.0)


def test_nothing_is_remembered_of_targets_that_came_and_went():
    """External IPs do, and whoever may write a PodDNAT names any they like."""
    trust = Trust()
    for number in range(1000):
        now, ip = number * SCOUT_S, f"ip-{number}"
        trust.engaged("p", f"ngw-{number}", ip, now, moved=True)
        trust.accepted("p", ONE, f"well-{number}", now)
    assert len(trust._scouts) <= 2 * 2
    assert len(trust._accepted) <= 2 + PROVEN_S / SCOUT_S


def test_what_is_tried_again_is_remembered_from_then_on():
    trust = Trust()
    trust.engaged("p", ONE, A, 0.0, moved=True)
    trust.engaged("p", ONE, B, 1.0, moved=True)
    trust.engaged("p", ONE, A, SCOUT_S - 1.0, moved=True)
    trust.engaged("p", ONE, C, SCOUT_S + 2.0, moved=True)
    assert trust.is_scouted(ONE, A, SCOUT_S + 2.0)


class TestOneOfSeveral:
    """What a gateway that takes no row is told apart from others by."""

    def test_rows_are_accepted_beside_it_or_not(self):
        trust = Trust()
        assert not trust.accepted_beside(ONE, 0.0)
        trust.accepted("p", ONE, A, 5.0)
        assert not trust.accepted_beside(ONE, 0.0)
        trust.accepted("q", TWO, B, 5.0)
        assert trust.accepted_beside(ONE, 5.0)
        assert not trust.accepted_beside(ONE, 5.1)

    def test_it_is_marked_until_it_takes_one(self):
        trust = Trust()
        assert not trust.is_marked(Target(ONE))
        trust.mark(Target(ONE), WHY, 0.0)
        assert not trust.is_marked(Target(TWO))
        assert trust.flaw(ONE, A, HOLD_S[0]) == ""
        assert trust.is_marked(Target(ONE)), "its hold is over, and nobody knows better"
        trust.accepted("p", ONE, A, HOLD_S[0])
        assert not trust.is_marked(Target(ONE))

    def test_who_tries_it_stays_until_that_is_answered(self):
        trust = Trust()
        trust.mark(Target(ONE, A), WHY, 0.0)
        trust.engaged("early", ONE, A, 1.0, moved=False)
        assert trust.flaw(ONE, A, 1.0, uid="early"), "its hold is not over"
        over = HOLD_S[0]
        trust.engaged("probe", ONE, A, over, moved=False)
        trust.engaged("stored", ONE, A, over + 0.1, moved=False)
        trust.forget("probe")
        assert not trust.flaw(ONE, A, over + 0.2, uid="stored"), "the same one, with its real UID"
        assert trust.flaw(ONE, A, over + 0.2, uid="probe")
        trust.mark(Target(ONE, A), WHY, over + 0.3)
        assert trust.flaw(ONE, A, over + 0.3, uid="stored")


@pytest.mark.parametrize(
    ("asked", "ends"), [(5.0, False), (5.1, True), (5.0 + HOLD_S[0], False), (6.0, True)]
)
def test_what_is_described_well_after_it_was_refused_and_while_that_counts_is_tried_again(
    asked: float, ends: bool
) -> None:
    trust = Trust()
    trust.mark(Target(ONE, A), WHY, 5.0, firm=True)
    assert trust.described_well(ONE, A, asked, anew=True) is ends
