"""An EIP that looks usable and on which the cloud refuses every row."""

from __future__ import annotations

from dnatctl_sim.cloud import Fault
from tests.support.stage import stage


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
