"""`dnatctl gc`: what it shows, what it deletes, and what it never touches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner, Result

from dnatctl.cli.gc import TOLD, gc
from dnatctl.control.tools.collector import Collector
from dnatctl.kube.lease_record import HANDOVER
from dnatctl.table.marks import Marks
from dnatctl_sim.cloud import Settle
from dnatctl_sim.kube.wire.faults import Fault as KubeFault
from dnatctl_sim.kube.wire.faults import Write
from tests.integration.gc.denied import DENIED
from tests.integration.gc.patience import given_up_once_refused, hurry, time_passes
from tests.support.referee import RECORDS
from tests.support.stage import Stage, stage

LEASES = "leases.coordination.k8s.io"
GATEWAY = "ngw-bp1emulated0001"
CLUSTER = "c11ba338192xxxxxxx"
NOBODY = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        yield running


def run_gc(it: Stage, tmp_path: Path, *arguments: str, answer: str = "") -> Result:
    config = tmp_path / "config.yaml"
    endpoint = it.cloud_server.endpoint
    config.touch(mode=0o600)
    config.write_text(
        yaml.safe_dump({**it.configuration(), "endpoints": {"vpc": endpoint, "ecs": endpoint}})
    )
    kubeconfig = it.kube.write_kubeconfig(str(tmp_path / "kubeconfig"))
    options = ["--config", str(config), "--kubeconfig", kubeconfig, *arguments]
    return CliRunner().invoke(gc, options, input=answer)


def orphan(it: Stage, port: int, name: str = f"dnatctl_{CLUSTER}_{NOBODY}") -> str:
    return it.acts.create_entry(
        GATEWAY, "203.0.113.1", str(port), "10.0.0.99", str(port), name=name
    )


def test_orphans_are_shown_and_kept_until_somebody_says_yes(it: Stage, tmp_path: Path) -> None:
    entry_id = orphan(it, 700)
    shown = run_gc(it, tmp_path, answer="n\n")
    assert shown.exit_code == 0
    assert entry_id in shown.output
    assert NOBODY in shown.output
    assert [row["entry_id"] for row in it.rows()] == [entry_id]


def test_only_orphans_of_this_cluster_are_deleted(it: Stage, tmp_path: Path) -> None:
    controller = it.start_controller()
    it.pod("web")
    it.ready("web")
    it.stop_controllers()
    del controller
    kept = {row["entry_id"] for row in it.rows()}
    kept |= {
        orphan(it, 701, f"dnatctl_{CLUSTER}y_{NOBODY}"),
        orphan(it, 702, f"dnatctl_{CLUSTER}_not-a-uid"),
        orphan(it, 703, f"xdnatctl_{CLUSTER}_{NOBODY}"),
        orphan(it, 704, "terraform"),
    }
    doomed = {orphan(it, 705), orphan(it, 706, f"dnatctl_{CLUSTER}_{NOBODY}_default-web")}
    done = run_gc(it, tmp_path, "--yes")
    assert done.exit_code == 0, done.output
    assert "2 deleted, 0 left" in done.output
    assert {row["entry_id"] for row in it.rows()} == kept
    assert doomed.isdisjoint(kept)


def test_what_cannot_be_deleted_is_told_with_the_reason_and_not_waited_for_long(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up_once_refused(monkeypatch, 12)
    left = {orphan(it, 700 + n) for n in range(12)}
    it.cloud.add_fault(DENIED)
    refused = run_gc(it, tmp_path, "--yes", "--timeout", "60")
    assert refused.exit_code == 1
    assert "0 deleted, 12 left" in refused.output
    told = [line for line in refused.output.splitlines() if "Forbidden.RAM" in line]
    assert len(told) == TOLD
    assert all(line.split()[0] in left for line in told)


def test_it_goes_on_as_long_as_entries_go(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 50 of the 75 seconds that none of them is waited for longer than."""
    time_passes(monkeypatch, lambda gone, _why: 50.0 if gone else 0.0)
    for n in range(6):
        orphan(it, 700 + n)
    it.cloud.set_knobs(settle=Settle.all(0.3))  # so that each is seen to go by itself
    done = run_gc(it, tmp_path, "--yes", "--timeout", "60")
    assert done.exit_code == 0, done.output
    assert "6 deleted, 0 left" in done.output


def test_entries_of_a_cluster_that_is_gone_are_deleted_by_its_tag_only(
    it: Stage, tmp_path: Path
) -> None:
    gone, other = Marks(CLUSTER, "0123abcd"), Marks(CLUSTER, "fedc9876")
    kept = {
        orphan(it, 701, other.name(NOBODY)),
        orphan(it, 702, it.marks.name(NOBODY)),
        orphan(it, 703),
    }
    orphan(it, 704, gone.name(NOBODY, "default-web"))
    assert "0123abcd" not in run_gc(it, tmp_path, answer="n\n").output
    done = run_gc(it, tmp_path, "--of", gone.tag, "--yes")
    assert done.exit_code == 0, done.output
    assert "1 deleted, 0 left" in done.output
    assert {row["entry_id"] for row in it.rows()} == kept


def test_the_tag_of_no_cluster_is_refused(it: Stage, tmp_path: Path) -> None:
    for tag in ("", "0123ABCD"):
        assert run_gc(it, tmp_path, "--of", tag, "--yes").exit_code == 2


def test_nothing_is_deleted_while_a_controller_leads(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, "lead")
    it.start_controller()
    it.pod("web")
    it.ready("web")
    entry_id = orphan(it, 707)
    done = run_gc(it, tmp_path, "--yes", "--timeout", "60")
    assert done.exit_code == 1
    assert "stop the controller first" in done.output
    assert entry_id in {row["entry_id"] for row in it.rows()}


def test_two_of_it_at_once_do_not_both_delete(
    it: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They took each other for themselves, and what one had freed the other knew nothing of."""
    orphan(it, 708)
    lead = Collector.lead
    seconds: list[Any] = []

    def lead_and_be_followed(collector: Collector, _timeout: float) -> str:
        if seconds:
            return lead(collector, 2.0)
        seconds.append(None)
        holder = lead(collector, 60.0)
        if not holder:
            seconds[0] = run_gc(it, tmp_path, "--yes")
        return holder

    monkeypatch.setattr(Collector, "lead", lead_and_be_followed)
    assert run_gc(it, tmp_path, "--yes").exit_code == 0
    assert seconds[0].exit_code == 1
    assert "dnatctl-gc" in seconds[0].output
    assert "holds the lease" in seconds[0].output
    assert it.rows() == []


def lose_record(it: Stage, name: str) -> None:
    """Its PodDNAT is lost, as in a restored backup, while no controller runs; then its pod ends."""
    it.kube.store.patch(RECORDS, it.ns, name, {"metadata": {"finalizers": None}})
    it.kube.store.delete(RECORDS, it.ns, name)
    it.delete_pod(name, grace=0)
    it.referee.violations.clear()  # the rule for the controller: no finalizer goes before its rows


def test_what_it_frees_rests_whoever_leads_next(tmp_path: Path) -> None:
    """Else another pod gets the endpoint at once, and the traffic meant for the one before it."""
    with stage(quarantine="600s") as it:
        it.start_controller()
        for name in ("web", "freed"):
            it.pod(name)
        freed = [it.ready(name)[0] for name in ("web", "freed")]
        it.delete_pod("freed", grace=0)
        it.gone("freed")
        it.stop_controllers()
        lose_record(it, "web")
        assert run_gc(it, tmp_path, "--yes").exit_code == 0
        assert it.rows() == []
        running = it.start_controller()
        resting = {(e.ip, str(e.port)) for e in running.controller.parts.views.quarantined()}
        assert resting == {(entry["externalIP"], entry["externalPort"]) for entry in freed}


def lost_but_living(it: Stage, *names: str) -> dict[str, str]:
    """Pods that live on and have lost their PodDNATs; the rows that lead to them."""
    it.start_controller()
    for name in names:
        it.pod(name)
    rows = {name: it.ready(name)[0]["forwardEntryId"] for name in names}
    it.stop_controllers()
    for name in names:
        it.kube.store.patch(RECORDS, it.ns, name, {"metadata": {"finalizers": None}})
        it.kube.store.delete(RECORDS, it.ns, name)
    it.referee.violations.clear()  # as in `lose_record`
    return rows


def test_what_leads_to_living_pods_is_kept_unless_it_is_asked_for(
    it: Stage, tmp_path: Path
) -> None:
    """People follow the runbook where many PodDNATs were lost: nobody is to be cut off by that."""
    rows = lost_but_living(it, "web", "going", "gone", "other")
    it.kube.kubelet.hold(it.ns, "going")
    it.delete_pod("going")
    it.delete_pod("gone", grace=0)
    it.annotate("other", expose_port="81")
    done = run_gc(it, tmp_path, "--yes")
    assert done.exit_code == 0, done.output
    assert "2 lead to the living pod" in done.output
    assert "2 deleted, 0 left" in done.output
    shown = {line.split()[1]: line.split()[-1] for line in done.output.splitlines()[1:5]}
    assert {name: shown[rows[name]] for name in rows} == {
        "web": f"{it.ns}/web",
        "going": f"{it.ns}/going",
        "gone": "-",
        "other": "-",
    }
    assert {row["entry_id"] for row in it.rows()} == {rows["web"], rows["going"]}
    kept = run_gc(it, tmp_path, "--yes")
    assert kept.exit_code == 0, kept.output
    assert {row["entry_id"] for row in it.rows()} == {rows["web"], rows["going"]}
    done = run_gc(it, tmp_path, "--yes", "--living")
    assert "2 deleted, 0 left" in done.output
    assert it.rows() == []


def test_where_the_lease_cannot_say_what_rests_it_is_told_when_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, "hand_over")

    def refuse(write: Write) -> KubeFault | None:
        """Not before something rests: until then it has to lead."""
        if write.resource != LEASES or write.verb != "update":
            return None
        annotations = orjson.loads(write.body)["metadata"].get("annotations", {})
        return KubeFault(code=503) if annotations.get(HANDOVER) else None

    with stage(quarantine="600s") as it:
        orphan(it, 700)
        it.kube.faults.on_write = refuse
        done = run_gc(it, tmp_path, "--yes", "--timeout", "60")
        assert done.exit_code == 1
        assert "1 deleted, 0 left" in done.output
        (seconds,) = re.findall(r"(\d+) s from now at the earliest", done.output)
        assert 500 < int(seconds) <= 600


def test_a_clean_table_is_told(it: Stage, tmp_path: Path) -> None:
    assert run_gc(it, tmp_path).output == "no orphans\n"
