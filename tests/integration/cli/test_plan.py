"""`dnatctl plan`: what would be done now, told without doing any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from dnatctl.cli.plan import plan
from tests.support.stage import CLUSTER_ID, NAMESPACE, RECORDS, Stage, eventually, stage

GATEWAY = "ngw-bp1emulated0001"
NOBODY = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        yield running


def asked(it: Stage, tmp_path: Path, *arguments: str, **config: Any) -> Result:
    path, at = tmp_path / "config.yaml", it.cloud_server.endpoint
    endpoints = {"endpoints": {"vpc": at, "ecs": at}}
    path.write_text(yaml.safe_dump(it.configuration() | endpoints | config))
    options = ["--config", str(path), "--kubeconfig", str(it.folder / "kubeconfig")]
    return CliRunner().invoke(plan, [*options, "--timeout", "60", *arguments])


def planned(it: Stage, tmp_path: Path, **config: Any) -> tuple[int, list[dict[str, str]]]:
    """Exit status, and all that would be done."""
    said = asked(it, tmp_path, "-o", "json", **config)
    assert said.exit_code in (0, 3), said.output
    return said.exit_code, json.loads(said.stdout[said.stdout.index("{") :])["plan"]


def placed(it: Stage, *names: str) -> None:
    def has_ip(name: str) -> bool:
        pod = it.kube.store.get("pods", it.ns, name) or {}
        return bool(pod["status"].get("podIP"))

    eventually(lambda: all(map(has_ip, names)))


def test_each_pod_is_told_its_own_endpoint_or_why_it_gets_none_and_nothing_is_written(
    it: Stage, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        it.pod(name)
    it.pod("bad", "http")
    placed(it, "a", "b", "c", "bad")
    before = it.kube.requests.writes(), it.writes()[1]

    code, found = planned(it, tmp_path)

    assert code == 3
    endpoints = [each["detail"].split()[0] for each in found if each["what"] == "endpoint"]
    assert len(endpoints) == len(set(endpoints)) == 3
    (refused,) = [each for each in found if each["pod"] == "default/bad"]
    assert (refused["action"], refused["what"]) == ("none", "InvalidAnnotation")
    assert (it.kube.requests.writes(), it.writes()[1]) == before
    assert it.records() == []


def test_what_leads_to_a_pod_that_lost_its_poddnat_is_to_be_its_own_again(
    it: Stage, tmp_path: Path
) -> None:
    it.start_controller()
    it.pod("a")
    (entry,) = it.ready("a")
    it.stop_controllers()
    with it.kube.store.raw.lock:
        it.kube.store.patch(RECORDS, it.ns, "a", {"metadata": {"finalizers": None}})
        it.kube.store.delete(RECORDS, it.ns, "a")
    it.referee.violations.clear()
    _, found = planned(it, tmp_path)
    (endpoint,) = [each["detail"] for each in found if each["what"] == "endpoint"]
    assert f"{entry['externalIP']}:{entry['externalPort']}" in endpoint
    assert not [each for each in found if each["action"] == "delete"]


def test_at_rest_and_beside_a_leader_there_is_nothing_to_do(it: Stage, tmp_path: Path) -> None:
    it.start_controller()
    it.pod("a")
    it.ready("a")
    it.quiet()
    before, leases = it.writes(), it.kube.store.list("leases.coordination.k8s.io", NAMESPACE)

    said = asked(it, tmp_path)

    assert (said.exit_code, "nothing to do" in said.stdout) == (0, True), said.output
    assert it.writes() == before
    holders = [lease["spec"]["holderIdentity"] for lease in leases]
    after = it.kube.store.list("leases.coordination.k8s.io", NAMESPACE)
    assert [lease["spec"]["holderIdentity"] for lease in after] == holders


def test_what_is_left_over_is_found(it: Stage, tmp_path: Path) -> None:
    it.start_controller()
    for name in ("gone", "drifted"):
        it.pod(name)
        it.ready(name)
    it.stop_controllers()
    (row,) = it.own_rows("gone")
    it.delete_pod("gone", grace=0)
    it.delete_row(it.own_rows("drifted")[0]["entry_id"])
    stray = it.acts.create_entry(
        GATEWAY,
        "203.0.113.1",
        "700",
        "10.0.0.99",
        "700",
        name=f"dnatctl_{CLUSTER_ID}_{NOBODY}",
    )
    eventually(lambda: it.kube.store.get("pods", it.ns, "gone") is None)
    before = it.writes()

    code, found = planned(it, tmp_path)

    assert code == 3
    told = {(each["action"], each["pod"], each["what"]) for each in found}
    assert ("delete", "", "entry") in told
    assert any(stray in each["detail"] for each in found)
    assert {each["pod"] for each in found} == {"", "default/gone", "default/drifted"}
    assert ("change", "default/drifted", "status") in told
    assert it.writes() == before
    assert row in it.own_rows()


def test_what_rests_for_the_next_leader_is_promised_to_nobody(it: Stage, tmp_path: Path) -> None:
    narrow = {"natGwPool": [{"natgwId": GATEWAY, "portRangeStart": 512, "portRangeEnd": 512}]}
    it.config |= {"networkController": narrow, "quarantine": "60s"}
    it.start_controller()
    for name in ("a", "b"):
        it.pod(name)
        it.ready(name)
    it.delete_pod("a", grace=0)
    it.gone("a")
    it.stop_controllers()
    it.pod("c")
    placed(it, "c")

    code, found = planned(it, tmp_path)

    (told,) = [each for each in found if each["pod"] == "default/c"]
    assert (code, told["what"]) == (0, "PoolExhausted")


def test_other_pools_are_tried_out_before_they_are_put_to_work(it: Stage, tmp_path: Path) -> None:
    it.start_controller()
    it.pod("a")
    it.ready("a")
    it.stop_controllers()
    it.pod("b")
    placed(it, "b")
    high = {"natGwPool": [{"natgwId": GATEWAY, "portRangeStart": 900, "portRangeEnd": 901}]}

    _, found = planned(it, tmp_path, networkController=high)

    assert [each["pod"] for each in found] == ["default/b"]
    assert ":900/tcp to" in found[0]["detail"]


def test_what_cannot_be_read_is_a_failure(it: Stage, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text((it.folder / "kubeconfig").read_text().replace("127.0.0.1", "127.0.0.9"))
    said = asked(it, tmp_path, "--timeout", "1", "--kubeconfig", str(path))
    assert said.exit_code == 1
    assert "Error" in said.output
