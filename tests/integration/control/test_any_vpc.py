"""A VPC may have nearly any block of addresses: what the cloud says of a pod's IP counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.cloud.spec import VpcSpec, VSwitchSpec
from dnatctl_sim.kube import Settings
from dnatctl_sim.kube.actors.kubelet import KubeletSettings
from tests.support.stage import Stage, fast, stage

PODS = VSwitchSpec(id="vsw-bp1pods0", cidr="11.0.0.0/16", zone="cn-hangzhou-j")


@pytest.fixture
def it() -> Iterator[Stage]:
    vpc = VpcSpec(cidrs=("11.0.0.0/8",), vswitches=[PODS])
    kube = Settings(nodes=2, kubelet=KubeletSettings(pod_cidr="11.0.0.0/16"))
    with stage(Scenario(vpcs=[vpc], knobs=fast()), kube) as running:
        running.start_controller()
        yield running


def test_pods_of_a_vpc_that_is_not_private_are_exposed(it: Stage) -> None:
    it.pod("web")
    (entry,) = it.ready("web")
    assert entry["internalIP"].startswith("11.0.")
    it.assert_at_rest()


def test_what_the_cloud_refuses_is_told_as_it_says_it(it: Stage) -> None:
    it.pod("web", spec={"schedulingGates": [{"name": "test/never"}]})
    status = {"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}
    it.kube.store.patch("pods", it.ns, "web", {"status": status}, "status")
    assert "VpcCIDR" in it.told("web", "CloudRejected")
    assert it.entries("web") == []
    assert it.own_rows() == []
    it.pod("other")
    it.ready("other")
