"""Whatever somebody writes into the leader's Lease, or where it could get into it: it leads on."""

from __future__ import annotations

import pytest

from dnatctl.kube.lease_record import HANDOVER
from dnatctl.pool.handover import LIMIT
from tests.support.stage import NAMESPACE, RECORDS, Stage, eventually, stage

LEASES = "leases.coordination.k8s.io"
GATEWAY = "ngw-bp1emulated0001"


def handed_over(it: Stage) -> str:
    """What the Lease says for the next leader."""
    lease = it.kube.store.get(LEASES, NAMESPACE, "dnatctl") or {"metadata": {}}
    return str(lease["metadata"].get("annotations", {}).get(HANDOVER, ""))


@pytest.mark.parametrize(
    "text",
    ["[" * 60_000, '{"quarantine":' * 4_000, "1.1.1.1/tcp:512=60;" * 12_000, "x" * 250_000, "\x00"],
    ids=["nested", "objects", "long", "longer", "nul"],
)
def test_nonsense_costs_nothing(text: str) -> None:
    with stage() as it:
        lease = {"name": "dnatctl", "namespace": NAMESPACE, "annotations": {HANDOVER: text}}
        it.kube.store.create(LEASES, {"metadata": lease, "spec": {}})
        running = it.start_controller()
        it.pod("web")
        it.ready("web")
        eventually(lambda: handed_over(it) == "")
        assert running.controller.parts.elector.is_leader()


def test_what_poddnats_claim_does_not_swell_it() -> None:
    with stage(quarantine="60s") as it:
        running = it.start_controller()
        for n in range(300):
            name = f"odd-{n}"
            it.referee.forged.add((it.ns, name))
            ports = [{"externalPort": str(512 + p), "internalPort": str(p + 1)} for p in range(40)]
            place = {"tableId": GATEWAY, "externalIP": f"100.64.{n // 250}.{n % 250}"}
            it.kube.store.create(
                RECORDS,
                {
                    "apiVersion": "alibabacloud.com/v1beta1",
                    "kind": "PodDNAT",
                    "metadata": {"name": name, "namespace": it.ns},
                    "spec": {"protocol": "tcp", **place, "portMapping": ports},
                },
            )
        eventually(lambda: not it.records(), what="nobody wants them")
        it.pod("web")
        it.ready("web")
        it.delete_pod("web")
        it.gone("web")
        assert "203.0.113." in handed_over(it), "what is of the pool rests"
        assert "100.64." not in handed_over(it)
        assert len(handed_over(it)) < LIMIT
        assert running.controller.parts.elector.is_leader()
