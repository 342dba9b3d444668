"""An EIP that looks usable and on which the cloud refuses every row."""

from __future__ import annotations

from dnatctl_sim.cloud import Fault, Scenario
from tests.support.stage import eventually, fast, stage


def test_a_pod_gets_another_eip_when_the_cloud_refuses_rows_on_the_first() -> None:
    with stage() as it:
        it.cloud.add_fault(
            Fault(
                action="error",
                stage="before",
                apis=["CreateForwardEntry"],
                match={"ExternalIp": "203.0.113.1"},
                times=10_000,
                status=400,
                code="Forbidden.ExternalIp.UsedInSnatTable",
                message="The specified ExternalIp is already used in SnatTable",
            )
        )
        it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        assert entry["externalIP"] == "203.0.113.2"
        it.pod("next")
        (entry,) = it.ready("next")
        assert entry["externalIP"] == "203.0.113.2"
        refused = [call for call in it.cloud.calls() if "UsedInSnatTable" in call.code]
        assert refused
        assert not [call for call in refused if call.name.endswith("next")]


def test_an_eip_that_is_bound_again_serves_the_next_pod_at_once() -> None:
    """It was left alone for a minute, as somebody had been refused while it was not bound."""
    with stage(Scenario.many(1, eips=1, knobs=fast()), resync="1s", quarantine="1s") as it:
        it.start_controller()
        (gateway,) = it.cloud.scenario.gateways
        (ip,) = gateway.eips
        it.acts.unbind_eip(ip, force=True)
        it.pod("gone")
        eventually(lambda: it.calls("CreateForwardEntry", code="InvalidIp.NotInNatgw"))
        it.delete_pod("gone", grace=0)
        it.gone("gone")
        it.acts.bind_eip(ip, gateway.id)
        eventually(lambda: it.controller_eips(gateway.id) == {ip})
        it.pod("new")
        eventually(lambda: it.entries("new"), seconds=30)
        refused = it.calls("CreateForwardEntry", code="InvalidIp.NotInNatgw")
        assert len(refused) <= 2
