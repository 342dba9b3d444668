"""A living pod whose PodDNAT was lost: what still leads to it is claimed again, nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.objects import Adopted, Key
from dnatctl.plan.adoption import left_with
from dnatctl.plan.exposure import SWITCH, Ask, Problem
from dnatctl.plan.regain import is_left_to
from dnatctl.plan.values import Adopt, Allowance, CreateRecord, Reclaim, Retire
from dnatctl.table.marks import Marks
from dnatctl.table.view import Table
from tests.unit.plan.made import KEY, OTHER, Scene, pod, ports, record, spec
from tests.unit.pool.made import eip, offer
from tests.unit.table.made import DELETING, EIP, GATEWAY, POD_IP, UDP, reading, row, view

TAGGED = Marks("c1", "0123abcd")
LOST = OTHER


def left(external=f"{EIP}:602", *args, label=str(KEY), marks=TAGGED, **more):
    """A row that a PodDNAT of the pod's name left behind."""
    made = row(f"fwd-{external}", external, *args, **more)
    return replace(made, name=marks.name(LOST, label))


def table_of(*rows, gateway_id=GATEWAY):
    table = Table(gateway_id, lambda entry: TAGGED.owner(entry.name))
    table.merge(reading(0.0, *rows), 0.0)
    return table


def scene(*rows, **more):
    return Scene(**{"tables": {GATEWAY: table_of(*rows)}, **more})


def planned(*rows, record=None, ports_asked="80", **changes):
    return scene(*rows, record=record, pod=pod(ports_asked)).plan(marks=TAGGED, **changes)


def claimed(*rows, ports_asked="80", **changes):
    step = planned(*rows, ports_asked=ports_asked, **changes).step
    assert isinstance(step, CreateRecord)
    return step.spec


def test_what_leads_to_the_pod_is_claimed_again():
    assert claimed(left()) == spec((602, 80))


def test_in_the_order_that_the_pod_has_and_with_protocols():
    rows = left(f"{EIP}:601", f"{POD_IP}:81", protocol=UDP), left()
    assert claimed(*rows, ports_asked="80,81/udp") == spec((602, 80), (601, 81, UDP))


def test_a_row_for_many_ports_is_claimed_as_a_whole_or_not_at_all():
    wide = left(f"{EIP}:601/602", f"{POD_IP}:80/81")
    assert claimed(wide, ports_asked="80,81").ports == ports((601, 80), (602, 81))
    assert claimed(wide).ports != ports((601, 80))


def test_a_row_that_leads_to_fewer_ports_than_it_has_is_not_read_as_less():
    assert claimed(left(f"{EIP}:601/602", f"{POD_IP}:80")).ports != ports((601, 80))


def test_of_two_external_ips_the_one_that_most_ports_were_had_on():
    few = left("3.3.3.3:600")
    most = left(f"{EIP}:601", f"{POD_IP}:81"), left(f"{EIP}:602", f"{POD_IP}:82")
    bound = {GATEWAY: [eip(EIP), eip("3.3.3.3")]}
    step = scene(*most, few, pod=pod("80,81,82"), eips=bound).plan(marks=TAGGED).step
    assert step.spec == spec((601, 81), (602, 82))


CUT = {
    "its port": offer(ports="605/609"),
    "its EIP": offer(eips=("3.3.3.3",)),
    "its namespace": offer(namespaces=("else",)),
}


@pytest.mark.parametrize("now", CUT.values(), ids=CUT)
def test_though_it_is_offered_no_more(now):
    """It was once, and stays its pod's to the end."""
    bound = {GATEWAY: [eip(EIP), eip("3.3.3.3")]}
    it = scene(left(), pod=pod(), offers=(now, offer("ngw-2")), eips=bound)
    assert it.plan(marks=TAGGED).step.spec == spec((602, 80))


def test_though_its_gateway_has_left_the_configuration():
    tables = {GATEWAY: table_of(left()), "ngw-2": view(gateway_id="ngw-2")}
    it = Scene(pod=pod(), offers=(offer("ngw-2"),), tables=tables)
    assert it.plan(marks=TAGGED).step.spec == spec((602, 80))


@pytest.mark.parametrize("bound", [[], [eip()]])
def test_though_something_is_wrong_with_its_gateway(bound):
    """Nothing is asked of the gateway for that, and the row would be in the way of any other."""
    it = scene(left(), pod=pod(), offers=(offer(), offer("ngw-2")))
    it.pool.describe(GATEWAY, bound, "is being upgraded")
    assert it.plan(marks=TAGGED).step.spec == spec((602, 80))
    again = scene(left(), pod=pod(), record=record((602, 80)))
    again.pool.describe(GATEWAY, bound, "is being upgraded")
    assert again.plan(marks=TAGGED).step == Adopt(GATEWAY, (left().entry_id,), lost=True)


def test_not_on_a_gateway_that_is_gone():
    it = scene(left(), pod=pod(), offers=(offer(), offer("ngw-2")))
    it.pool.describe(GATEWAY, [], "does not exist")
    it.tables[GATEWAY].vanished()
    assert it.plan(marks=TAGGED, absent=frozenset({GATEWAY})).step.spec.gateway_id == "ngw-2"


def test_of_two_gateways_the_one_that_nothing_is_wrong_with():
    most = left(), left(f"{EIP}:601", f"{POD_IP}:81")
    few = left("2.2.2.2:602")
    tables = {GATEWAY: table_of(*most), "ngw-2": table_of(few, gateway_id="ngw-2")}
    it = Scene(pod=pod("80,81"), offers=(offer(), offer("ngw-2")), tables=tables)
    assert it.plan(marks=TAGGED).step.spec.gateway_id == GATEWAY
    it.pool.describe(GATEWAY, [eip()], "is being upgraded")
    assert it.plan(marks=TAGGED).step.spec.gateway_id == "ngw-2"


@pytest.mark.parametrize(
    "other",
    [
        left(label="games/lobby-1"),
        left(label="games-lobby/0"),
        left(label=""),
        left(marks=Marks("c1")),
        left(marks=Marks("c1", "fedc9876")),
        left(f"{EIP}:602", "10.0.0.2:80"),
        left(f"{EIP}:602", f"{POD_IP}:443"),
        left(status=DELETING),
        left(protocol=None),
        left("9.9.9.9:602"),
    ],
    ids=[
        "another pod's",
        "that of another namespace",
        "nobody's by name",
        "perhaps another cluster's",
        "another cluster's",
        "to another IP",
        "to another port",
        "on its way out",
        "a whole address",
        "on an EIP that is not bound",
    ],
)
def test_nothing_else_is(other):
    found = Scene(pod=pod()).plan(marks=TAGGED).step
    assert claimed(other) == found.spec, "as if there were none"


def test_not_what_a_poddnat_of_another_name_or_one_seen_to_go_has():
    assert claimed(left(), names={LOST: KEY}).ports != ports((602, 80))
    assert claimed(left(), going=frozenset({LOST})).ports != ports((602, 80))


def test_what_was_asked_for_with_no_certain_answer_is_asked_for_again():
    it = scene(left(), pod=pod())
    it.pool.claim("asked", "", spec((602, 80)), 0.0)
    assert it.plan(marks=TAGGED, asked=spec((602, 80))).step.spec == spec((602, 80))
    assert it.plan(marks=TAGGED).step.spec != spec((602, 80)), "it is somebody else's claim"


def test_whatever_more_its_namespace_may_have():
    nothing = Allowance(0, Problem("NamespaceQuota", "no more"))
    assert claimed(left(), allowance=nothing) == spec((602, 80))
    assert planned(allowance=nothing).step is None


def test_what_was_adopted_is_had_by_what_the_ledger_says():
    rows = replace(row("fwd-1", f"{EIP}:602"), name="ack-pod-dnat")
    noted = Adopted(LOST, KEY.digest)
    assert claimed(rows, adopted={"fwd-1": noted}) == spec((602, 80))
    adopts = planned(rows, record=record((602, 80)), adopted={"fwd-1": noted}).step
    assert adopts == Adopt(GATEWAY, ("fwd-1",), lost=True)
    another = Adopted(LOST, Key("games-lobby", "0").digest)
    for whose in (another, Adopted(LOST)):
        assert claimed(rows, adopted={"fwd-1": whose}).ports != ports((602, 80))
    assert claimed(left(), adopted={left().entry_id: another}).ports != ports((602, 80)), (
        "its mark says for whom it was made, not for whom it was adopted"
    )


def test_the_rows_of_the_claim_are_noted_as_the_records():
    held = record((602, 80))
    assert planned(left(), record=held).step == Adopt(GATEWAY, (left().entry_id,), lost=True)
    assert not isinstance(planned(left(label="x"), record=held).step, Adopt)


def test_a_claim_that_was_never_of_use_gives_way():
    held = record((603, 80))
    unused = frozenset(held.spec.endpoints())
    assert planned(left(), record=held).step == Retire(tuple(held.spec.endpoints()))
    assert planned(left(), record=held, durable=unused).step == Reclaim(spec((602, 80)))


def test_it_gives_way_to_wherever_they_are():
    there = {
        GATEWAY: view(),
        "ngw-2": table_of(left("2.2.2.2:602", protocol=UDP), gateway_id="ngw-2"),
    }
    held = record((600, 80, UDP))
    it = Scene(offers=(offer(), offer("ngw-2")), tables=there, record=held, pod=pod("80/udp"))
    step = it.plan(marks=TAGGED, durable=frozenset(held.spec.endpoints())).step
    there_now = {"gateway_id": "ngw-2", "external_ip": "2.2.2.2", "protocol": UDP}
    assert step == Reclaim(spec((602, 80, UDP), **there_now))


def test_one_that_may_be_of_use_stays():
    held = record((603, 80))
    own = replace(row("fwd-1", f"{EIP}:603"), name=TAGGED.name(held.uid, str(KEY)))
    for made in (planned(left(), own, record=held), planned(left(), record=held, unanswered=True)):
        assert not isinstance(made.step, Reclaim | Retire)
    fixed = record((603, 80), fixed=True)
    made = scene(left(), record=fixed, pod=pod(fixed=True)).plan(marks=TAGGED)
    assert not isinstance(made.step, Reclaim | Retire)


class TestLeftWith:
    """What a pod with no PodDNAT has until it ends, though it may not claim it for now."""

    def left(self, *rows, who=None, record=None, **changes):
        it = scene(*rows, record=record, pod=who or pod())
        return left_with(replace(it.seen, marks=TAGGED, **changes))

    def test_is_what_was_made_for_it_and_leads_to_ports_that_it_asks_for(self):
        own = left()
        assert self.left(own, left(f"{EIP}:603", f"{POD_IP}:81")) == {own.entry_id}
        assert self.left(own, who=pod("80,82")) == {own.entry_id}

    def test_is_all_that_was_made_for_it_where_what_it_asks_for_makes_no_sense(self):
        own = left()
        assert self.left(own, who=pod("nonsense")) == {own.entry_id}

    def test_is_nothing_where_it_asks_for_nothing_or_is_over(self):
        off, ended = pod(annotations={SWITCH: "false"}), pod(ended=True)
        assert self.left(left(), who=off) == self.left(left(), who=ended) == set()

    def test_is_nothing_where_it_may_have_nothing_any_more(self):
        exposure = scene(pod=pod()).seen.exposure
        for ask, has in ((Ask.ON, 1), (Ask.KEEP, 1), (Ask.REVOKED, 0)):
            assert len(self.left(left(), exposure=replace(exposure, ask=ask))) == has

    def test_is_nothing_where_it_has_a_poddnat(self):
        assert self.left(left(), record=record((603, 80))) == set()

    def test_is_what_its_poddnat_claims_until_that_is_noted(self):
        """A sweep between the two would take it for an orphan."""
        own, again = left(), record((602, 80))
        assert self.left(own, record=again) == {own.entry_id}
        assert self.left(own, record=again, names={LOST: KEY}) == set()
        assert self.left(own, who=pod(annotations={SWITCH: "false"}), record=again) == set()

    def test_is_nothing_on_a_gateway_that_is_not_known(self):
        gone = record(claim=spec((602, 80), gateway_id="ngw-2"))
        assert self.left(left(), record=gone) == set()

    def test_is_not_what_another_has_or_what_is_being_released(self):
        other = left(f"{EIP}:602", label="games/lobby-1")
        assert self.left(other) == self.left(left(), going=frozenset({LOST})) == set()


@pytest.mark.parametrize(
    ("row", "changes", "has"),
    [
        (left(), {}, True),
        (left(label="games/lobby-1"), {}, False),
        (left(f"{EIP}:602", "10.0.0.99:80"), {}, False),
        (left(f"{EIP}:603", f"{POD_IP}:81"), {}, False),
        (left(f"{EIP}:603", f"{POD_IP}:81"), {"ask": Ask.KEEP, "ports": ()}, True),
        (left(), {"ask": Ask.OFF}, False),
        (left(), {"ask": Ask.ENDED}, False),
    ],
)
def test_one_row_is_left_to_its_pod_on_the_same_terms(row, changes, has):
    """Where nothing is known but pods and rows, as by hand."""
    exposure = replace(scene(pod=pod()).seen.exposure, **changes)
    assert is_left_to(KEY, exposure, row, TAGGED, {}) is has


@pytest.mark.parametrize(("key", "has"), [(KEY, True), (Key("games", "lobby-1"), False)])
def test_so_is_one_that_was_adopted_for_it(key, has):
    row, exposure = replace(left(), name="older"), scene(pod=pod()).seen.exposure
    noted = {row.entry_id: Adopted(LOST, key.digest)}
    assert is_left_to(KEY, exposure, row, TAGGED, noted) is has
