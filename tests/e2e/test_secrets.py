"""Whatever the tests of this run have left behind so far, no replica's secret is in it."""

import subprocess
from pathlib import Path

import pytest

from dnatctl_sim.cloud import Fault
from tests.e2e.arena import SECRET, Arena, exposing, pods_path
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod

CALLS = ["CreateForwardEntry", "DescribeForwardTableEntries", "DescribeNatGateways"]


def test_nothing_that_the_tests_have_left_holds_a_secret(
    arena: Arena, kubelet: Kubelet, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What etcd has on its disk (every version of every object), the audit log, all logs."""
    replica = arena.replica("--log-level=debug")
    echo = f"signed with {arena.secret_of(replica)}, which nobody may know"
    fault = Fault(action="error", apis=CALLS, code="Odd.Code", message=echo, times=5)
    arena.cloud.add_fault(fault)
    replica.start()
    arena.api.create(pods_path(namespace), pod("web", annotations=exposing("80")))
    arena.ready(namespace, "web")
    replica.stop()
    left = tmp_path_factory.getbasetemp()
    assert found("which nobody may know", left), "what was answered is shown"
    assert found(SECRET, left) == []


def found(text: str, folder: Path) -> list[str]:
    """The files below that hold it, but for configurations."""
    command = ("grep", "-rlaF", "--exclude=config.yaml", "-e", text, str(folder))
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return ended.stdout.splitlines()
