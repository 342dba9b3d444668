"""Taking over from an older controller: its PodDNATs, and rows that carry no mark of ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from dnatctl_sim.kube.wire.faults import Fault, Write
from tests.integration.control.test_regained import lose
from tests.integration.control.test_who_deletes import DEFINITIONS
from tests.support.stage import CRD, RECORDS, Object, Stage, eventually, stage

TABLE = "ngw-bp1emulated0001"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(resync="1s") as running:
        yield running


def running_pod(it: Stage, name: str, ports: str = "80", **annotations: str) -> Object:
    """A pod that has its IP."""
    it.pod(name, ports, **annotations)

    def found() -> Object | None:
        pod = it.kube.store.get("pods", it.ns, name)
        return pod if pod and pod["status"].get("podIP") else None

    pod: Object = eventually(found)
    return pod


def row_of(it: Stage, ip: str, port: int = 700, internal: int = 80, protocol: str = "tcp") -> str:
    """A row as the older controller named it: not like ours."""
    where = (TABLE, "203.0.113.1", str(port), ip, str(internal))
    return it.acts.create_entry(*where, protocol=protocol, name="ack-pod-dnat")


def record_of(it: Stage, pod: Object, rows: dict[str, tuple[int, int]], **changes: Any) -> Object:
    """The older controller's PodDNAT: rows by ID, with external and internal port."""
    meta = pod["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    ip = changes.pop("ip", pod["status"]["podIP"])
    spec = {
        "tableId": TABLE,
        "externalIP": "203.0.113.1",
        "internalIP": ip,
        "protocol": "tcp",
        "portMapping": [
            {"externalPort": str(external), "internalPort": str(internal)}
            for external, internal in rows.values()
        ],
    }
    entries = [
        {
            "externalIP": "203.0.113.1",
            "externalPort": str(external),
            "internalIP": ip,
            "internalPort": str(internal),
            "forwardEntryId": row,
            "ipProtocol": "tcp",
        }
        for row, (external, internal) in rows.items()
    ]
    it.referee.forged.add((it.ns, meta["name"]))
    whole = {
        "apiVersion": "alibabacloud.com/v1beta1",
        "kind": "PodDNAT",
        "metadata": {
            "name": meta["name"],
            "namespace": it.ns,
            "finalizers": ["natgw-controller"],
            "ownerReferences": [owner],
        },
        "spec": spec | changes,
    }
    it.kube.store.create(RECORDS, whole)
    return it.kube.store.patch(
        RECORDS, it.ns, meta["name"], {"status": {"entries": entries}}, "status"
    )


def ledger(it: Stage) -> str:
    """What is written down of adopted rows."""
    return str([c.get("data") for c in it.kube.store.list("configmaps", "dnatctl-system")])


def test_a_running_pods_rows_are_adopted_and_not_touched(it: Stage) -> None:
    pod = running_pod(it, "web", "80,443")
    ip = pod["status"]["podIP"]
    rows = {row_of(it, ip, 700, 80): (700, 80), row_of(it, ip, 701, 443): (701, 443)}
    record_of(it, pod, rows)
    before = it.rows()
    it.referee.adopted |= set(rows)
    it.start_controller()
    eventually(lambda: all(row in ledger(it) for row in rows))
    it.assert_at_rest()
    assert it.rows() == before
    assert it.writes()[1] == 0
    assert {e["forwardEntryId"] for e in it.entries("web")} == set(rows)


def test_adopted_rows_go_with_their_pod_also_after_a_restart(it: Stage) -> None:
    pod = running_pod(it, "web")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.referee.adopted.add(row)
    it.start_controller()
    eventually(lambda: row in ledger(it))
    it.stop_controllers()
    it.delete_pod("web", grace=0)
    it.start_controller()
    it.gone("web")
    assert it.rows() == []
    eventually(lambda: row not in ledger(it))
    it.assert_at_rest()


@pytest.mark.parametrize("taken_later", [False, True])
def test_rows_that_cannot_be_noted_are_told_of_and_go_with_their_pod(
    it: Stage, taken_later: bool
) -> None:
    """A quota for ConfigMaps may be used up; and an IP has a next holder."""
    pod = running_pod(it, "web")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.referee.adopted.add(row)
    quota = Fault(403, "configmaps is forbidden: exceeded quota: small")

    def refuse(write: Write) -> Fault | None:
        ledgers = write.resource == "configmaps" and b"dnatctl-adopted" in write.body
        return quota if ledgers else it.gate.on_kube_write(write)

    it.kube.faults.on_write = refuse
    it.start_controller()
    assert quota.message in it.told("web", "PodDNATRefused")
    it.ready("web")
    if taken_later:
        it.heal()
        eventually(lambda: row in ledger(it))
        it.assert_at_rest()
    it.delete_pod("web", grace=0)
    it.gone("web")
    assert not it.rows()


def test_what_goes_while_nobody_looks_leaves_the_ledger(it: Stage) -> None:
    """Else it is full one day."""
    pods = {name: running_pod(it, name) for name in ("web", "stays")}
    rows = {
        name: row_of(it, pod["status"]["podIP"], 700 + n)
        for n, (name, pod) in enumerate(pods.items())
    }
    for n, (name, pod) in enumerate(pods.items()):
        record_of(it, pod, {rows[name]: (700 + n, 80)})
    it.referee.adopted |= set(rows.values())
    it.start_controller()
    eventually(lambda: all(row in ledger(it) for row in rows.values()))
    it.stop_controllers()
    it.delete_row(rows["web"])
    it.start_controller()
    eventually(lambda: rows["web"] not in ledger(it))
    it.ready("web")
    it.assert_at_rest()
    assert rows["stays"] in ledger(it)


@pytest.mark.parametrize("restart", [False, True])
def test_a_pod_keeps_its_adopted_row_where_its_poddnat_is_lost(it: Stage, restart: bool) -> None:
    pod = running_pod(it, "web")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.referee.adopted.add(row)
    it.start_controller(sweep_s=0.1)
    eventually(lambda: row in ledger(it))
    before = it.ready("web")
    if restart:
        it.stop_controllers()
    else:
        it.kube.store.delete(DEFINITIONS, "", RECORDS)
        eventually(it.running[0].controller.parts.definition.undefined)
    lose(it, "web")
    if restart:
        it.start_controller(sweep_s=0.1)
    else:
        eventually(lambda: it.kube.store.get(DEFINITIONS, "", RECORDS) is None)
        it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
    eventually(lambda: "EntriesAdopted" in it.events("web") and it.record("web") is not None)
    assert it.ready("web") == before
    assert [each["entry_id"] for each in it.rows()] == [row]
    it.assert_at_rest()


def test_an_adopted_row_follows_its_pod_to_a_new_ip(it: Stage) -> None:
    pod = running_pod(it, "web")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.referee.adopted.add(row)
    it.start_controller()
    eventually(lambda: row in ledger(it))
    ip = it.kube.kubelet.restart("default", "web")
    eventually(lambda: [e["internalIP"] for e in it.entries("web")] == [ip])
    assert [e["externalPort"] for e in it.entries("web")] == ["700"]


FORGERIES = {
    "somebody else's row": {"internal_ip": "10.0.88.88"},
    "another port of it": {"external_port": "701"},
    "another internal port": {"internal_port": "81"},
    "another protocol": {"protocol": "udp"},
}


@pytest.mark.parametrize("take_over", [False, True])
@pytest.mark.parametrize("case", FORGERIES)
def test_a_poddnat_that_names_a_row_it_does_not_describe_gets_nothing(
    it: Stage, case: str, take_over: bool
) -> None:
    it.config["takeOver"] = take_over
    pod = running_pod(it, "web")
    ip = pod["status"]["podIP"]
    row = row_of(it, ip)
    it.acts.edit_entry(row, **FORGERIES[case])
    before = it.rows()
    record_of(it, pod, {row: (700, 80)})
    it.start_controller()
    eventually(lambda: row not in str(it.entries("web")))
    it.delete_pod("web")
    it.gone("web")
    it.quiet()
    assert it.rows() == before
    assert row not in ledger(it)


def test_a_forged_poddnat_for_a_pod_that_asks_nothing_moves_no_row(it: Stage) -> None:
    pod = running_pod(it, "web", switch="false")
    foreign = row_of(it, "10.0.88.88")
    record_of(it, pod, {foreign: (700, 80)}, ip="10.0.88.88")
    before = it.rows()
    it.start_controller()
    it.gone("web")
    it.quiet()
    assert it.rows() == before


def test_a_forged_poddnat_without_a_pod_moves_no_row(it: Stage) -> None:
    pod = running_pod(it, "web")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.delete_pod("web", grace=0)
    before = it.rows()
    it.start_controller()
    it.gone("web")
    it.quiet()
    assert it.rows() == before


def test_take_over_releases_the_rows_of_pods_that_are_gone(it: Stage) -> None:
    it.config["takeOver"] = True
    pod = running_pod(it, "web")
    row = row_of(it, pod["status"]["podIP"])
    record_of(it, pod, {row: (700, 80)})
    it.referee.adopted.add(row)
    it.delete_pod("web", grace=0)
    it.start_controller()
    it.gone("web")
    assert it.rows() == []


def since(it: Stage, **fact: str) -> None:
    """What the ledger says of a migration that began earlier."""
    it.kube.store.create(
        "configmaps",
        {"metadata": {"name": "dnatctl-ledger", "namespace": "dnatctl-system"}, "data": fact},
    )


@pytest.mark.parametrize(
    "began", ["2020-01-01T00:00:00Z", "over", "unconfigured"], ids=["before", "over", "other"]
)
def test_take_over_is_for_what_an_older_controller_left_while_it_lasts(
    it: Stage, began: str
) -> None:
    """Not for PodDNATs of later, nor for ever, nor beyond the pool."""
    it.config["takeOver"] = True
    pod = running_pod(it, "web")
    port = 443 if began == "unconfigured" else 700
    row = row_of(it, pod["status"]["podIP"], port)
    record_of(it, pod, {row: (port, 80)})
    it.delete_pod("web", grace=0)
    if began == "over":
        since(it, takeOverSince=f"{datetime.now(UTC) - timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}")
    elif began != "unconfigured":
        since(it, takeOverSince=began)
    before = it.rows()
    it.start_controller()
    it.gone("web")
    it.quiet()
    assert it.rows() == before
    assert row not in ledger(it)


def test_a_migration_begins_anew_only_after_a_start_without(it: Stage) -> None:
    it.config["takeOver"] = True
    since(it, takeOverSince="2020-01-01T00:00:00Z")
    it.start_controller()
    assert "2020-01-01T00:00:00Z" in ledger(it)
    it.stop_controllers()
    it.config["takeOver"] = False
    it.start_controller()
    assert "takeOverSince" not in ledger(it)


def test_a_claim_on_an_endpoint_that_a_foreign_row_has_moves_elsewhere(it: Stage) -> None:
    pod = running_pod(it, "web")
    foreign = row_of(it, "10.0.88.88", port=600)
    record_of(it, pod, {"fwd-never": (600, 80)})
    it.start_controller()
    entry = eventually(
        lambda: (e := it.entries("web")) and e[0]["forwardEntryId"] != "fwd-never" and e
    )
    assert entry[0]["externalPort"] != "600"
    assert foreign in {row["entry_id"] for row in it.rows()}


def test_two_poddnats_that_claim_one_endpoint_end_with_one_each(it: Stage) -> None:
    first, second = running_pod(it, "one"), running_pod(it, "two")
    record_of(it, first, {"fwd-a": (600, 80)})
    record_of(it, second, {"fwd-b": (600, 80)})
    it.start_controller()
    eventually(lambda: not it.wrong())
    taken = [it.entries(name)[0]["externalPort"] for name in ("one", "two")]
    assert len(set(taken)) == 2
    it.assert_at_rest()


def test_a_poddnat_full_of_nonsense_stops_nobody_else(it: Stage) -> None:
    pod = running_pod(it, "odd")
    bad = {"portMapping": [{"externalPort": "99999", "internalPort": ""}], "zoneID": "?"}
    record_of(it, pod, {"fwd-a": (600, 80)}, **bad)
    it.start_controller()
    it.pod("web")
    it.ready("web")
    it.ready("odd")
    it.assert_at_rest()
