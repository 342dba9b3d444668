"""`dnatctl check --online`: what is wrong with an installation is one line, before it hurts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner

from dnatctl.cli.main import cli
from dnatctl.config import parse
from dnatctl.control.tools.cluster_check import look_at_cluster
from dnatctl.kube.client import KubeClient
from dnatctl.status.findings import Grade
from tests.support.actions import ACTIONS
from tests.support.stage import NAMESPACE, PREFIX, Stage, eventually, stage

DEPLOYMENTS = "deployments.apps"
LEASES = "leases.coordination.k8s.io"


@pytest.fixture(scope="module")
def world() -> Iterator[Stage]:
    """Nothing is at work: what is looked at is what a controller would find. One row is there."""
    with stage() as it:
        it.config["endpoints"] = dict.fromkeys(("vpc", "ecs"), it.cloud_server.endpoint)
        gateway = it.cloud.scenario.gateways[0]
        it.acts.create_entry(gateway.id, "203.0.113.1", "9000", "172.16.0.9", "9000")
        yield it


@pytest.fixture
def it(world: Stage) -> Iterator[Stage]:
    """The same world, as it was before what the test does to it."""
    before = dict(world.config)
    yield world
    world.config = before
    world.cloud.set_knobs(allowed=["vpc:*", "ecs:*"], quota=100)
    world.heal()
    for resource in (DEPLOYMENTS, LEASES):
        for obj in world.kube.store.list(resource):
            meta = obj["metadata"]
            world.kube.store.delete(resource, meta["namespace"], meta["name"])


@dataclass(frozen=True)
class Said:
    code: int
    lines: list[str]

    @property
    def wrong(self) -> list[str]:
        return [line.removeprefix("✗ ") for line in self.lines if line.startswith("✗")]

    @property
    def notes(self) -> list[str]:
        return [line.removeprefix("- ") for line in self.lines if line.startswith("- ")]

    def has(self, line: str) -> bool:
        return any(line in each for each in self.lines)


def check(it: Stage, *words: str) -> Said:
    file = it.folder / "config.yaml"
    file.write_text(yaml.safe_dump(it.configuration()))
    cluster = ("--kubeconfig", str(it.folder / "kubeconfig"))
    result = CliRunner().invoke(cli, ["check", "--online", "--config", str(file), *cluster, *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Said(result.exit_code, result.stdout.splitlines())


def test_where_all_is_right_each_thing_has_its_tick_and_nothing_is_changed(it: Stage) -> None:
    rows, calls = it.rows(), len(it.calls())

    said = check(it)

    assert said.code == 0, said
    assert said.wrong == []
    assert said.lines[0].startswith("✓ configuration: ")
    assert said.lines[-1].startswith("nothing wrong: ")
    untried = "vpc:DeleteForwardEntry"
    for action in ACTIONS:
        line = "not tried: " if action == untried else "✓ cloud: may "
        assert said.has(f"{line}{action}"), action
    for thing in ("credentials accepted", "table ftb-", "EIP 203.", "of 100 forward entries"):
        assert said.has(thing), thing
    for leave in (
        "list pods",
        "patch poddnats/status",
        f"update leases.coordination.k8s.io dnatctl in {NAMESPACE}",
    ):
        assert said.has(f"✓ cluster: may {leave}"), leave
    assert said.has("no controller leads")
    assert it.rows() == rows
    assert not any(call.committed for call in it.calls(since=calls))


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_is_not_granted_is_named_with_what_it_costs(it: Stage, action: str) -> None:
    it.cloud.set_knobs(allowed=[each for each in ACTIONS if each != action])
    rows = it.rows()

    said = check(it, "--try-delete")

    optional = action == "vpc:ModifyForwardEntry"
    (line,) = [each for each in (*said.wrong, *said.notes) if "may not" in each]
    assert line.startswith(f"cloud: may not {action}"), said
    assert "grant it" in line
    assert (line in said.notes) is optional
    assert said.code == (0 if optional else 1)
    assert it.rows() == rows


def test_credentials_that_are_refused_are_not_taken_for_a_missing_grant(it: Stage) -> None:
    it.config["credential"] = {"accessKey": "LTAI5tOther", "accessSecret": "wrong"}

    said = check(it)

    assert said.code == 1
    (line,) = said.wrong
    assert "InvalidAccessKeyId.NotFound" in line
    assert "make a new pair" in line
    assert "wrong" not in "".join(said.lines).replace("nothing wrong", "")


def test_a_cloud_that_cannot_be_reached_hides_nothing_of_the_cluster(it: Stage) -> None:
    it.config["endpoints"] = {"vpc": "http://127.0.0.1:9", "ecs": "http://127.0.0.1:9"}

    said = check(it)

    assert said.code == 1
    assert len(said.wrong) == 1
    assert "endpoints" in said.wrong[0]
    assert said.has("✓ cluster: the CRD is as dnatctl needs it")


class TestRoom:
    @pytest.mark.parametrize(("most", "code"), [(1, 1), (2, 0)])
    def test_a_table_at_its_limit_is_told(self, it: Stage, most: int, code: int) -> None:
        it.config["pool"] = {"maxEntries": most}
        said = check(it)

        assert said.code == code
        assert said.has(f"1 of {most} forward entries")
        if code:
            assert "raise maxEntries" in said.wrong[0]

    def test_a_quota_that_is_used_up_is_found_out_by_the_dry_run(self, it: Stage) -> None:
        it.cloud.set_knobs(quota=1)
        said = check(it)

        assert said.code == 1
        assert "takes no more" in said.wrong[0]
        assert said.has("✓ cloud: may vpc:CreateForwardEntry")


def test_an_eip_that_is_mapped_whole_is_named(it: Stage) -> None:
    gateway, before = it.cloud.scenario.gateways[0].id, it.rows()
    it.acts.create_entry(gateway, "203.0.113.2", "Any", "172.16.0.8", "Any", protocol="Any")
    (row,) = [row for row in it.rows() if row not in before]

    said = check(it)

    it.acts.delete_entry(row["entry_id"])
    eventually(lambda: len(it.rows()) == len(before))
    assert said.code == 1
    (line,) = said.wrong
    assert f"EIP 203.0.113.2 is mapped whole to 172.16.0.8 by {row['entry_id']}" in line


def test_a_lease_that_nobody_renews_is_told(it: Stage) -> None:
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "dnatctl-0_1", "leaseDurationSeconds": 15, "renewTime": long_ago}
    metadata = {"name": "dnatctl", "namespace": NAMESPACE}
    it.kube.store.create(LEASES, {"metadata": metadata, "spec": spec})

    said = check(it)

    assert said.code == 1
    assert "dnatctl-0_1 holds the Lease and has not renewed it since" in said.wrong[0]


def deployment(name: str, own: dict[str, str], template: dict[str, str]) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels, "annotations": template}}
    pod["spec"] = {"containers": [{"name": "c", "image": "nginx"}]}  # type: ignore[assignment]
    return {
        "metadata": {"name": name, "namespace": "default", "annotations": own},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod},
    }


def test_an_annotation_on_a_workload_instead_of_its_template_is_named(it: Stage) -> None:
    ours = {PREFIX: "", f"{PREFIX}-expose-port": "80"}
    for name, own, template in (
        ("astray", ours, {}),
        ("repeated", ours, ours),
        ("right", {}, ours),
    ):
        it.kube.store.create(DEPLOYMENTS, deployment(name, own, template))

    said = check(it)

    assert said.code == 0
    (line,) = [each for each in said.notes if "spec.template" in each]
    assert "in namespace default: Deployment astray has" in line


def test_as_json_it_is_data(it: Stage) -> None:
    it.cloud.set_knobs(allowed=[each for each in ACTIONS if each != "vpc:CreateForwardEntry"])

    said = check(it, "-o", "json")

    document: Any = json.loads("\n".join(said.lines))
    assert said.code == 1
    assert document["good"] is False
    (wrong,) = [each for each in document["findings"] if each["grade"] == "fail"]
    assert wrong["about"] == "cloud"
    assert wrong["mend"]


class Denying:
    """A client for an account that lacks some verbs."""

    def __init__(self, client: KubeClient, denied: Callable[[Any], bool]) -> None:
        self._client = client
        self._denied = denied

    def request(self, method: str, path: str, **more: Any) -> bytes:
        if path.endswith("selfsubjectaccessreviews"):
            asked = more["body"]["spec"]["resourceAttributes"]
            return orjson.dumps({"status": {"allowed": not self._denied(asked)}})
        return self._client.request(method, path, **more)


def test_a_verb_that_is_not_granted_is_named_with_what_it_costs(it: Stage) -> None:
    client = KubeClient.connect(it.folder / "kubeconfig", 1)
    config = parse(yaml.safe_dump(it.configuration()))
    denying: Any = Denying(client, lambda asked: asked["resource"] == "leases")

    found = list(look_at_cluster(denying, config, "ops", datetime.now(UTC)))
    client.close()

    wrong = [str(each) for each in found if each.grade is Grade.FAIL]
    assert len(wrong) == 3
    for verb, line in zip(("create", "get", "update"), wrong, strict=True):
        assert line.startswith(f"cluster: may not {verb} leases.coordination.k8s.io")
        assert "nothing is done: grant it" in line
