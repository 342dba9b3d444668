"""A gateway or an EIP on which the cloud refuses rows, with a code that says why or with none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from dnatctl_sim.cloud import Fault, Scenario, Settle
from tests.support.stage import Stage, eventually, fast, stage

FIRST, SECOND = "ngw-bp1emulated0001", "ngw-bp1emulated0002"
BAD, GOOD = "203.0.113.1", "203.0.113.2"
UNFORESEEN = "OperationUnsupported.EipNatBWPCheck"


def refuse(
    it: Stage, code: str, status: int = 400, api: str = "CreateForwardEntry", **match: str
) -> None:
    """Calls with these parameters are refused from now on."""
    it.cloud.add_fault(
        Fault(
            action="error",
            stage="before",
            apis=[api],
            match=match,
            times=None,
            status=status,
            code=code,
            message="The operation is not supported.",
        )
    )


def table_of(it: Stage, gateway_id: str) -> str:
    return str(it.cloud.world.gateways[gateway_id].table.table_id)


def two() -> Scenario:
    return Scenario.many(2, eips=1, knobs=fast())


def ips(it: Stage, *names: str) -> set[str]:
    return {it.ready(name)[0]["externalIP"] for name in names}


def claims(it: Stage) -> dict[str, Any]:
    return {record["metadata"]["name"]: record["spec"] for record in it.records(it.ns)}


def test_a_gateway_that_ram_denies_is_left_for_one_that_takes_rows() -> None:
    with stage(two()) as it:
        refuse(it, "Forbidden.RAM", 403, ForwardTableId=table_of(it, FIRST))
        it.start_controller()
        names = [f"web-{n}" for n in range(4)]
        for name in names:
            it.pod(name)
        for name in names:
            it.ready(name)
            assert it.own_rows(name)[0]["gateway"] == SECOND
        it.pod("later")
        it.ready("later")
        denied = it.calls("CreateForwardEntry", code="Forbidden.RAM")
        assert not [call for call in denied if call.name.endswith("later")], "it was known"
        assert len(denied) <= 3
        it.assert_at_rest()


def moved_to_the_good_one(it: Stage, comes: Callable[[list[str]], bool]) -> list[str]:
    """Pods ask for entries, and others as they come, until all are served; whose claims moved."""
    names = [f"web-{n}" for n in range(4)]
    for name in names:
        it.pod(name)
    others: list[str] = []

    def served() -> bool:
        if comes(others):
            others.append(f"other-{len(others)}")
            it.pod(others[-1])
        return all(it.entries(name) for name in names)

    eventually(served)
    assert ips(it, *names) == {GOOD}
    return told_of_it(it, names)


def told_of_it(it: Stage, names: list[str]) -> list[str]:
    """Those of whom an event says that their claim moved, once there is one."""
    moved: list[str] = eventually(
        lambda: [name for name in names if "ClaimMoved" in it.events(name)]
    )
    return moved


def served_there(it: Stage) -> list[str]:
    """Pods come until one is served there again; all of them."""
    came: list[str] = []

    def comes() -> bool:
        came.append(f"again-{len(came)}")
        it.pod(came[-1])
        return ips(it, came[-1]) == {BAD}

    eventually(comes)
    return came


def two_a_second() -> Callable[[list[str]], bool]:
    begun = time.monotonic()
    return lambda others: time.monotonic() > begun + len(others) / 2


def test_a_gateway_that_was_denied_is_tried_again_when_its_hold_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who was to try it was moved away before its create: new rights were never found."""
    monkeypatch.setattr("dnatctl.pool.trust.HOLD_S", (0.5, 1.0))
    monkeypatch.setattr("dnatctl.table.backlog.DENIED_PAUSE_S", (0.1, 0.2))
    with stage(two()) as it:
        refuse(it, "Forbidden.RAM", 403, ForwardTableId=table_of(it, FIRST))
        it.start_controller()
        for n in range(2):
            it.pod(f"web-{n}")
        assert ips(it, "web-0", "web-1") == {GOOD}
        it.cloud.clear_faults()
        later = served_there(it)
        assert not [name for name in later if "ClaimMoved" in it.events(name)]
        it.assert_at_rest()


@pytest.fixture
def soon_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a minute takes seconds."""
    monkeypatch.setattr("dnatctl.table.unready.BELIEVED_S", 3.0)
    monkeypatch.setattr("dnatctl.control.gateway.blame.FRUITLESS_S", 3.0)
    monkeypatch.setattr("dnatctl.table.backlog.LOST_S", 1.0)


@pytest.mark.usefixtures("soon_sure")
def test_an_eip_that_is_always_said_to_be_busy_is_left_for_another() -> None:
    """While the table takes rows on others: pods waited there for ever, and slowed all others."""
    code = "OperationUnsupported.EipInBinding"
    with stage() as it:
        refuse(it, code, ExternalIp=BAD)
        it.start_controller()
        moved = moved_to_the_good_one(
            it, lambda others: sum(not it.entries(name) for name in others) < 2
        )
        assert code in it.events(moved[0])["ClaimMoved"]


@pytest.mark.usefixtures("soon_sure")
@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("InternalError", 500, id="no answer"),
        pytest.param("IncorretForwardEntryStatus", 400, id="busy"),
    ],
)
def test_an_eip_on_which_no_create_ends_well_is_left_for_another(code: str, status: int) -> None:
    """While others do: pods waited there for ever, and new ones joined them."""
    with stage() as it:
        refuse(it, code, status, ExternalIp=BAD)
        it.start_controller()
        moved = moved_to_the_good_one(it, two_a_second())
        text = it.events(moved[0])["ClaimMoved"]
        assert BAD in text
        assert code in text
        it.pod("later")
        assert ips(it, "later") == {GOOD}
        tried = it.calls("CreateForwardEntry", code=code)
        assert not [call for call in tried if call.external.startswith(f"{BAD}:")
                    and call.name.endswith("later")], "it was known"  # fmt: skip


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("InternalError", 500, id="no answer"),
        pytest.param("IncorrectStatus.NATGW", 400, id="busy"),
    ],
)
@pytest.mark.usefixtures("soon_sure")
def test_a_gateway_on_which_no_create_ends_well_is_left_for_another(code: str, status: int) -> None:
    """Half of all pods waited there for ever, and of those that came later as well."""
    with stage(two()) as it:
        refuse(it, code, status, ForwardTableId=table_of(it, FIRST))
        it.start_controller()
        moved = moved_to_the_good_one(it, two_a_second())
        assert code in it.events(moved[0])["ClaimMoved"]
        it.pod("later")
        assert ips(it, "later") == {GOOD}
        it.cloud.clear_faults()
        it.assert_at_rest()


@pytest.mark.usefixtures("soon_sure")
def test_a_row_that_turns_up_on_the_eip_that_was_left_is_taken_away() -> None:
    """A create that was given up may be carried out at last."""
    with stage(resync="1s") as it:
        refuse(it, "InternalError", 500, ExternalIp=BAD)
        it.start_controller()
        name = moved_to_the_good_one(it, two_a_second())[0]
        (before,), (row,) = it.ready(name), it.own_rows(name)
        asked = next(c for c in it.calls("CreateForwardEntry") if c.name == row["name"])
        port = asked.external.rpartition(":")[2]
        late = it.acts.create_entry(
            table_of(it, FIRST), BAD, port, before["internalIP"], "81", name=row["name"]
        )
        eventually(lambda: late not in {row["entry_id"] for row in it.own_rows()})
        assert it.entries(name) == [before]
        it.settled()


def test_an_eip_refused_with_a_code_nobody_knows_is_left_for_another() -> None:
    with stage() as it:
        refuse(it, UNFORESEEN, ExternalIp=BAD)
        it.start_controller()
        names = [f"web-{n}" for n in range(12)]
        for name in names:
            it.pod(name)
        assert ips(it, *names) == {GOOD}
        moved = told_of_it(it, names)
        assert UNFORESEEN in it.events(moved[0])["ClaimMoved"]
        it.pod("later")
        assert ips(it, "later") == {GOOD}
        refused = it.calls("CreateForwardEntry", code=UNFORESEEN)
        assert not [call for call in refused if call.name.endswith("later")], "it was known"
        it.assert_at_rest()


def test_a_gateway_refused_with_a_code_nobody_knows_is_left_for_another() -> None:
    """One pod alone finds its way: another port, another EIP, another gateway."""
    with stage(Scenario.many(2, eips=2, knobs=fast())) as it:
        refuse(it, UNFORESEEN, ForwardTableId=table_of(it, FIRST))
        it.start_controller()
        it.pod("web")
        it.ready("web")
        assert it.own_rows("web")[0]["gateway"] == SECOND
        it.assert_at_rest()


def test_where_all_refuse_alike_a_claim_stays_is_told_and_heals() -> None:
    with stage(two()) as it:
        refuse(it, "Forbidden.RAM", 403)
        it.start_controller()
        names = [f"web-{n}" for n in range(6)]
        for name in names:
            it.pod(name)
        for name in names:
            text = it.told(name, "CloudRejected")
            assert "Forbidden.RAM" in text
            assert "request" in text
        it.quiet()
        before = claims(it)
        eventually(lambda: len(it.calls("CreateForwardEntry")) >= 4)
        it.quiet()
        assert claims(it) == before, "nothing is better elsewhere"
        moved = sum("ClaimMoved" in it.events(name) for name in names)
        assert moved <= 2, "one goes ahead, and the others wait for how it fares"
        it.heal()
        for name in names:
            it.ready(name)
        it.assert_at_rest()


def test_a_pod_that_is_refused_everywhere_is_told_and_holds_up_nobody() -> None:
    with stage() as it:
        it.start_controller()
        address = "10.0.77.7"
        refuse(it, UNFORESEEN, InternalIp=address)
        it.pod("bad", spec={"schedulingGates": [{"name": "test/never"}]})
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        it.kube.store.patch("pods", it.ns, "bad", {"status": status}, "status")
        eventually(lambda: it.condition("bad").get("reason") == "CloudRejected")
        text = it.condition("bad")["message"]
        assert UNFORESEEN in text
        assert "refused alike" in text
        names = [f"web-{n}" for n in range(4)]
        for name in names:
            it.pod(name)
        assert ips(it, *names) == {BAD, GOOD}, "both are as good as ever"
        it.quiet()


def test_what_is_in_use_stays_where_it_is() -> None:
    with stage() as it:
        it.start_controller()
        names = [f"web-{n}" for n in range(4)]
        for name in names:
            it.pod(name)
        before = {name: it.ready(name) for name in names}
        refuse(it, UNFORESEEN, ExternalIp=BAD)
        for n in range(4):
            it.pod(f"new-{n}")
        assert ips(it, *(f"new-{n}" for n in range(4))) == {GOOD}
        assert {name: it.entries(name) for name in names} == before
        it.assert_at_rest()


@pytest.mark.parametrize("code", [UNFORESEEN, "Forbindden"])
def test_an_entry_that_the_cloud_will_not_change_is_replaced(code: str) -> None:
    """Else it would lead for ever where it leads, perhaps to another pod."""
    with stage() as it:
        it.start_controller()
        it.pod("web")
        (before,) = it.ready("web")
        refuse(it, code, api="ModifyForwardEntry")
        it.edit_row(before["forwardEntryId"], internal_ip="10.0.99.99")
        eventually(lambda: it.calls("ModifyForwardEntry", code=code))

        def replaced() -> bool:
            found = it.entries("web")
            return bool(found) and found[0]["forwardEntryId"] != before["forwardEntryId"]

        eventually(replaced)
        assert [it.entries("web")[0][k] for k in ("externalIP", "externalPort", "internalIP")] == [
            before[k] for k in ("externalIP", "externalPort", "internalIP")
        ]
        it.assert_at_rest()


def test_a_gateway_of_which_the_cloud_says_nothing_holds_up_no_other() -> None:
    with stage(two(), resync="0.5s") as it:
        refuse(it, UNFORESEEN, api="DescribeEipAddresses", AssociatedInstanceId=FIRST)
        it.start_controller()
        it.pod("web")
        assert ips(it, "web") == {GOOD}
        it.cloud.clear_faults()
        eventually(lambda: it.controller_eips(FIRST) == {BAD})
        it.assert_at_rest()


def test_what_the_cloud_does_not_say_of_a_gateway_for_a_while_is_as_it_was() -> None:
    """Nor does a start take that for EIPs that are gone."""
    with stage(two(), resync="0.5s") as it:
        it.start_controller()
        names = [f"web-{n}" for n in range(4)]
        for name in names:
            it.pod(name)
        before = {name: it.ready(name) for name in names}
        refuse(it, UNFORESEEN, api="DescribeEipAddresses", AssociatedInstanceId=FIRST)
        eventually(lambda: len(it.calls("DescribeEipAddresses", code=UNFORESEEN)) > 3)
        it.stop_controllers()
        it.start_controller()
        asked = len(it.calls("DescribeEipAddresses", code=UNFORESEEN))
        eventually(lambda: len(it.calls("DescribeEipAddresses", code=UNFORESEEN)) > asked + 3)
        assert {name: it.entries(name) for name in names} == before
        it.cloud.clear_faults()
        it.assert_at_rest()


@pytest.mark.parametrize(("code", "status"), [("Forbidden.RAM", 403), ("InternalError", 500)])
def test_a_table_that_cannot_be_read_is_left_for_another(
    monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    """Half of all pods waited there without end: creates were accepted, and nobody could see it."""
    monkeypatch.setattr("dnatctl.control.gateway.poller.UNREADABLE_S", 1.0)
    with stage(two()) as it:
        it.start_controller()
        used = [f"used-{n}" for n in range(2)]
        for name in used:
            it.pod(name)
        before = {name: it.ready(name) for name in used}
        assert ips(it, *used) == {BAD, GOOD}
        refuse(it, code, status, "DescribeForwardTableEntries", ForwardTableId=table_of(it, FIRST))
        names = [f"web-{n}" for n in range(4)]
        for name in names:
            it.pod(name)
        assert ips(it, *names) == {GOOD}
        moved = told_of_it(it, names)
        assert code in it.events(moved[0])["ClaimMoved"]
        for n in range(4):
            it.pod(f"later-{n}")
        assert ips(it, *(f"later-{n}" for n in range(4))) == {GOOD}
        assert not [n for n in range(4) if "ClaimMoved" in it.events(f"later-{n}")], "it was known"
        assert {name: it.ready(name) for name in used} == before
        it.cloud.clear_faults()
        served_there(it)
        it.assert_at_rest()


@pytest.mark.parametrize("policy", ["sync", "upsert-only"])
def test_a_change_that_was_denied_once_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Not before a restart was it, and on no gateway; without deletes pods were cut off."""
    monkeypatch.setattr("dnatctl.control.state.unmodifiable.HOLD_S", (0.5, 1.0))
    monkeypatch.setattr("dnatctl.table.backlog.DENIED_PAUSE_S", (0.1, 0.2))
    with stage(policy=policy) as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        refuse(it, "Forbidden.RAM", 403, "ModifyForwardEntry")
        it.kube.kubelet.restart(it.ns, "web")
        if policy == "sync":
            eventually(lambda: it.calls("DeleteForwardEntry"))  # it is replaced
        else:
            eventually(lambda: "ModifyForwardEntry" in it.events("web").get("CloudRejected", ""))
        it.cloud.clear_faults()
        it.ready("web")

        def changed() -> bool:
            it.kube.kubelet.restart(it.ns, "web")
            it.ready("web")
            return bool(it.calls("ModifyForwardEntry", code=""))

        eventually(changed)
        it.assert_at_rest()


def test_that_gateways_cannot_be_described_is_told_by_health() -> None:
    """A new EIP is not seen, nor one that is gone; only the log said why."""
    with stage(resync="0.5s") as it:
        running = it.start_controller()
        refuse(it, "Forbidden.RAM", 403, "DescribeNatGateways")
        notes = running.controller.parts.gateways.notes
        eventually(lambda: "cannot be described: DescribeNatGateways" in str(notes()))
        it.cloud.clear_faults()
        eventually(lambda: not notes())


@pytest.mark.usefixtures("soon_sure")
def test_a_row_that_does_not_settle_where_no_other_is_taken_is_left_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who waited behind it went elsewhere, and it did not."""
    monkeypatch.setattr("dnatctl.plan.case.STUCK_S", 3.0)
    slow = fast(gateway_settle={FIRST: Settle.all(600.0)})
    with stage(Scenario.many(2, eips=1, knobs=slow)) as it:
        it.start_controller()
        moved = moved_to_the_good_one(it, two_a_second())
        assert len(moved) == 2
