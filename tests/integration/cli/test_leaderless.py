"""What is said of pods while no controller leads, or while the definition of PodDNATs goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from dnatctl.cli.main import cli
from tests.support.stage import Stage, eventually, stage

CRD = "poddnats.alibabacloud.com"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        running.start_controller()
        running.pod("web")
        running.ready("web")
        yield running


def asked(it: Stage, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--kubeconfig", str(it.folder / "kubeconfig")])


def reason(it: Stage) -> str:
    """Of the PodDNAT."""
    conditions = (it.record("web") or {}).get("status", {}).get("conditions", [])
    return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), "")


def test_the_address_of_a_pod_is_told_and_then_that_nobody_closes_it(it: Stage) -> None:
    entry = it.entries("web")[0]
    address = f"{entry['externalIP']}:{entry['externalPort']}"
    it.stop_controllers()

    lives = asked(it, "explain", "web")
    it.delete_pod("web", grace=0)
    eventually(lambda: it.kube.store.get("pods", it.ns, "web") is None)
    gone = asked(it, "explain", "web")

    assert f"{address}/tcp leads to port 80" in lives.stdout
    assert "No controller leads; what leads to the pod stays as it is" in lives.stdout
    assert (lives.exit_code, gone.exit_code) == (1, 1), "that it is so is not known for sure"
    assert f"Nothing is released until one leads: {address}/tcp is open" in gone.stdout
    assert "by itself" not in gone.stdout


def test_a_pod_that_is_served_while_the_definition_goes_is_told_to_be(it: Stage) -> None:
    doors = it.running[0].controller.parts.doors
    server = ("--server", f"127.0.0.1:{doors.status_port}")
    it.kube.store.delete("customresourcedefinitions.apiextensions.k8s.io", "", CRD)
    eventually(lambda: reason(it) == "ReleaseHeld")

    explained = asked(it, "explain", "web", *server)
    # The controller of this process logs to wherever the command's answer goes.
    (line,) = [row for row in asked(it, "list").stdout.splitlines() if row.startswith(it.ns)]

    assert line.split()[2] == "1/1"
    assert line.split()[-1] == "ReleaseHeld"
    assert explained.exit_code == 0, explained.stdout
    assert "Reachable: " in explained.stdout
    assert "is being deleted along with" in explained.stdout
    assert "To release it all the same" in explained.stdout


@pytest.mark.parametrize("order", [["drain", "203.0.113.2"], ["pause", "web"]])
def test_an_order_stands_though_what_it_is_about_cannot_be_read(order: list[str]) -> None:
    with stage() as it:
        it.kube.store.delete("customresourcedefinitions.apiextensions.k8s.io", "", CRD)
        eventually(lambda: asked(it, "list").exit_code == 1)

        result = asked(it, *order)

        assert result.exit_code == 1
        assert result.stderr.rstrip().endswith(": that stands)"), result.stderr
