"""`dnatctl uninstall`: what it takes away, what it leaves, and that it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from msgspec.structs import replace

from dnatctl.cli.uninstall import uninstall
from dnatctl.control.tools.uninstall import Survey, Uninstaller
from dnatctl.kube.lease_record import HANDOVER
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import ENDPOINTS
from dnatctl.pool.handover import decode
from dnatctl.table.marks import Marks
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.integration.gc.denied import DENIED
from tests.integration.gc.patience import given_up_once_refused, hurry
from tests.support.stage import NAMESPACE, RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

GATEWAY = "ngw-bp1emulated0001"
CLUSTER = "c11ba338192xxxxxxx"
NOBODY = "11111111-2222-3333-4444-555555555555"
DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
LEASES = "leases.coordination.k8s.io"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(publish={"condition": True, "annotation": True}) as running:
        yield running


def run(it: Stage, tmp_path: Path, *arguments: str, **config: object) -> Result:
    path = tmp_path / "config.yaml"
    endpoint = it.cloud_server.endpoint
    endpoints = {"endpoints": {"vpc": endpoint, "ecs": endpoint}}
    path.write_text(yaml.safe_dump({**it.configuration(), **endpoints, **config}))
    kubeconfig = it.kube.write_kubeconfig(str(tmp_path / "kubeconfig"))
    options = ["--config", str(path), "--kubeconfig", kubeconfig, *arguments]
    return CliRunner().invoke(uninstall, options)


def exposed(it: Stage) -> None:
    """Two pods and a fixed one with entries; the controller has gone since."""
    it.start_controller()
    for name in ("one", "two"):
        it.pod(name, "80/tcp,90/udp")
    it.kube.store.create("statefulsets.apps", stateful(it.ns, "db", fixed=""))
    for name, ports in (("one", 2), ("two", 2), ("db-0", 1)):
        it.ready(name, ports)
    eventually(lambda: ENDPOINTS in annotations(it, "one"))
    it.stop_controllers()


def annotations(it: Stage, pod: str) -> dict[str, str]:
    found = it.kube.store.get("pods", it.ns, pod) or {}
    return dict(found["metadata"].get("annotations", {}))


def endpoint_of(row: dict[str, str]) -> Endpoint:
    return Endpoint(row["external_ip"], int(row["external_port"]), Protocol(row["protocol"]))


def ours(it: Stage) -> list[str]:
    """ConfigMaps and Leases in the controller's namespace."""
    found = [*it.kube.store.list("configmaps", NAMESPACE), *it.kube.store.list(LEASES, NAMESPACE)]
    return [one["metadata"]["name"] for one in found]


def entry(it: Stage, port: int, name: str, ip: str = "10.0.0.99") -> str:
    return it.acts.create_entry(GATEWAY, "203.0.113.1", str(port), ip, str(port), name=name)


def nothing_is_left(it: Stage) -> None:
    assert it.own_rows() == []
    assert it.records() == []
    assert ours(it) == []
    for name in ("one", "two", "db-0"):
        assert it.condition(name) == {}
        assert ENDPOINTS not in annotations(it, name)


def test_nothing_of_ours_is_left_and_nothing_else_is_touched(it: Stage, tmp_path: Path) -> None:
    exposed(it)
    foreign = entry(it, 900, "terraform")
    others = entry(it, 901, Marks(CLUSTER, "fedc9876").name(NOBODY))
    orphan = entry(it, 902, it.marks.name(NOBODY))
    before = (it.rows(), it.records(), ours(it))

    shown = run(it, tmp_path)
    assert shown.exit_code == 0, shown.output
    assert "default/one" in shown.output
    assert orphan in shown.output
    assert others not in shown.output
    assert "--yes" in shown.output
    assert (it.rows(), it.records(), ours(it)) == before

    done = run(it, tmp_path, "--yes")
    assert done.exit_code == 0, done.output
    assert "6 entries, 3 PodDNATs gone" in done.output
    assert {row["entry_id"] for row in it.rows()} == {foreign, others}
    nothing_is_left(it)
    assert it.kube.store.get(DEFINITIONS, "", RECORDS) is not None
    again = run(it, tmp_path, "--yes", "--crd")
    assert again.exit_code == 0, again.output
    eventually(lambda: it.kube.store.get(DEFINITIONS, "", RECORDS) is None)
    assert run(it, tmp_path, "--yes").exit_code == 0


def test_a_controller_that_works_is_not_worked_against(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, "lead")
    it.start_controller()
    it.pod("web")
    it.ready("web")
    rows = it.rows()
    refused = run(it, tmp_path, "--yes", "--timeout", "60")
    assert refused.exit_code == 1
    assert f"kubectl -n {NAMESPACE} scale deployment dnatctl --replicas=0" in refused.output
    it.assert_at_rest()
    assert it.rows() == rows
    it.stop_controllers()
    selector = {"app.kubernetes.io/name": "dnatctl"}
    metadata = {"name": "mine", "namespace": NAMESPACE, "labels": selector}
    template = {
        "metadata": {"labels": selector},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": selector}, "template": template}
    it.kube.store.create("deployments.apps", {"metadata": metadata, "spec": spec})
    refused = run(it, tmp_path, "--yes")
    assert refused.exit_code == 1
    assert "scale deployment mine --replicas=0" in refused.output
    assert it.rows() == rows


def test_what_is_stuck_without_a_controller_is_freed(it: Stage, tmp_path: Path) -> None:
    exposed(it)
    it.kube.store.delete(DEFINITIONS, "", RECORDS)
    it.kube.store.delete("namespaces", "", it.ns)
    it.kube.store.delete("namespaces", "", NAMESPACE)
    eventually(lambda: all("deletionTimestamp" in r["metadata"] for r in it.records()))
    assert len(it.records()) == 3
    done = run(it, tmp_path, "--namespace", NAMESPACE, "--yes")
    assert done.exit_code == 0, done.output
    assert it.own_rows() == []
    eventually(lambda: it.kube.store.get(DEFINITIONS, "", RECORDS) is None)
    eventually(lambda: it.kube.store.get("namespaces", "", it.ns) is None)
    assert it.kube.store.list(LEASES, "kube-system") == []


def test_what_cannot_be_deleted_is_left_with_all_that_says_what_it_is(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exposed(it)
    given_up_once_refused(monkeypatch, 5)
    before = (it.records(), ours(it))
    it.cloud.add_fault(DENIED)
    refused = run(it, tmp_path, "--yes", "--timeout", "60")
    assert refused.exit_code == 1
    assert "its entries are there still" in refused.output
    assert "Forbidden.RAM" in refused.output, "what is wrong, in the cloud's words"
    assert ([r["metadata"]["uid"] for r in it.records()], ours(it)) == (
        [r["metadata"]["uid"] for r in before[0]],
        before[1],
    )
    it.cloud.clear_faults()
    assert run(it, tmp_path, "--yes").exit_code == 0
    nothing_is_left(it)


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """This happens after all was looked at, and before anything is taken away."""
    remove = Uninstaller.remove

    def after(uninstaller: Uninstaller, found: Survey, patience: float) -> list[str]:
        happens()
        return remove(uninstaller, found, patience)

    monkeypatch.setattr(Uninstaller, "remove", after)


def test_poddnats_that_change_or_go_meanwhile_are_in_the_way_of_nothing(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exposed(it)

    def others_are_at_work() -> None:
        it.kube.store.patch(RECORDS, it.ns, "one", {"metadata": {"labels": {"backup": "done"}}})
        it.kube.store.delete(RECORDS, it.ns, "two")
        it.kube.store.patch(RECORDS, it.ns, "db-0", {"metadata": {"finalizers": None}})
        it.kube.store.delete(RECORDS, it.ns, "db-0")

    meanwhile(monkeypatch, others_are_at_work)
    done = run(it, tmp_path, "--yes")
    it.referee.violations.clear()  # it takes what was stripped for the controller's doing
    assert done.exit_code == 0, done.output
    nothing_is_left(it)


def test_entries_stay_where_they_are_listed_still_and_all_else_goes(
    it: Stage, tmp_path: Path
) -> None:
    exposed(it)
    match = Match(verb="patch", resource=RECORDS, subresource="status", name="one")
    refusal = it.kube.faults.add(Fault(403, "the webhook says no"), match, None)
    refused = run(it, tmp_path, "--yes")
    refusal.cancel()
    assert refused.exit_code == 1
    assert "default/one: it lists its entries still: Forbidden" in refused.output
    assert [record["metadata"]["name"] for record in it.records()] == ["one"]
    listed = {each["forwardEntryId"] for each in it.entries("one")}
    assert {row["entry_id"] for row in it.own_rows()} == listed
    assert run(it, tmp_path, "--yes").exit_code == 0
    nothing_is_left(it)


def test_what_it_freed_rests_where_something_is_left_and_a_controller_may_follow(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exposed(it)
    given_up_once_refused(monkeypatch, 1)
    stays, *go = it.own_rows()
    it.cloud.add_fault(replace(DENIED, match={"ForwardEntryId": stays["entry_id"]}))
    assert run(it, tmp_path, "--yes", "--timeout", "60", quarantine="600s").exit_code == 1
    assert it.own_rows() == [stays]
    (lease,) = it.kube.store.list(LEASES, NAMESPACE)
    resting = decode(lease["metadata"]["annotations"][HANDOVER])
    assert all(resting.covers(endpoint_of(row)) for row in go)
    assert not resting.covers(endpoint_of(stays))


def test_entries_may_be_left_where_the_cloud_is_out_of_reach(it: Stage, tmp_path: Path) -> None:
    exposed(it)
    rows = it.rows()
    nowhere = {"endpoints": {"vpc": "http://127.0.0.1:1", "ecs": "http://127.0.0.1:1"}}
    assert run(it, tmp_path, "--timeout", "2", **nowhere).exit_code == 1
    done = run(it, tmp_path, "--yes", "--keep-entries", **nowhere)
    assert done.exit_code == 0, done.output
    assert it.records() == []
    assert it.rows() == rows
    it.referee.violations.clear()  # the rule for the controller: no finalizer goes before its rows


def test_records_of_other_programs_and_gateways_are_left(it: Stage, tmp_path: Path) -> None:
    exposed(it)
    foreign = entry(it, 900, "somebody", "10.0.0.7")
    for name, gateway, entry_id in (("older", GATEWAY, foreign), ("away", "ngw-gone", "fwd-x")):
        it.referee.forged.add((it.ns, name))
        spec = {"tableId": gateway, "externalIP": "203.0.113.1", "portMapping": []}
        metadata = {"name": name, "namespace": it.ns, "finalizers": ["natgw-controller"]}
        it.kube.store.create(RECORDS, {"metadata": metadata, "spec": spec})
        listed = {"externalIP": "203.0.113.1", "externalPort": "900", "forwardEntryId": entry_id}
        it.kube.store.patch(RECORDS, it.ns, name, {"status": {"entries": [listed]}}, "status")
    older = it.record("older")
    assert older is not None
    its_own = entry(it, 901, it.marks.name(older["metadata"]["uid"]), "10.0.0.7")
    done = run(it, tmp_path, "--yes")
    assert done.exit_code == 1
    assert "default/older: its entries" in done.output
    assert "ngw-gone" in done.output
    assert sorted(r["metadata"]["name"] for r in it.records()) == ["away", "older"]
    assert sorted(row["entry_id"] for row in it.rows()) == sorted([foreign, its_own])
    assert run(it, tmp_path, "--yes", "--keep-entries").exit_code == 0
    assert it.records() == []
    assert sorted(row["entry_id"] for row in it.rows()) == sorted([foreign, its_own])
    it.referee.violations.clear()  # as above
