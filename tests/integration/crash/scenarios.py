"""Short histories, told as steps: what is done, and what is to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.stage import RECORDS, Stage, eventually
from tests.support.workloads import stateful

SETTINGS = {"leader_elect": False}
"""The dead do not give their Lease back; their successor need not wait for it here."""

Act = Callable[[Stage], object]
Check = Callable[[Stage], object]


@dataclass(frozen=True, slots=True)
class Step:
    """Something happens; the controller has dealt with it when `until` holds.

    `offline`: it happens while no controller runs.
    """

    do: Act
    until: Check
    offline: bool = False


def listed(*ports: str) -> Check:
    """The pod `web` has these ports listed, at its present IP, and its claim is no wider."""

    def check(it: Stage) -> bool:
        pod, record = it.kube.store.get("pods", it.ns, "web"), it.record("web")
        if pod is None or record is None:
            return False
        ip = pod["status"].get("podIP")
        entries = it.entries("web")
        found = [f"{e['internalPort']}/{e['ipProtocol']}" for e in entries]
        return (
            found == list(ports)
            and {e["internalIP"] for e in entries} == {ip}
            and len(record["spec"]["portMapping"]) == len(ports)
        )

    return check


def gone(it: Stage) -> bool:
    """Nothing of ours is left."""
    return not it.records() and not it.own_rows()


def appear(ports: str) -> Act:
    """The pod `web` is created."""
    return lambda it: it.pod("web", ports)


def recreate(it: Stage) -> None:
    """The pod is deleted by force, and another one takes its name (and its IP) at once."""
    it.delete_pod("web", grace=0)
    it.pod("web", "80,53/udp")


def another(it: Stage) -> bool:
    """The pod that has the name now is the one exposed."""
    pod, record = it.kube.store.get("pods", it.ns, "web"), it.record("web")
    if pod is None or record is None:
        return False
    owners = [o["uid"] for o in record["metadata"]["ownerReferences"]]
    return owners == [pod["metadata"]["uid"]] and bool(listed("80/tcp", "53/udp")(it))


def tamper(it: Stage) -> None:
    """Somebody leads a row astray."""
    it.edit_row(it.own_rows()[0]["entry_id"], internal_ip="10.0.99.99")


def mended(it: Stage) -> bool:
    """The row leads where it should, and is listed again."""
    return not it.wrong() and bool(listed("80/tcp")(it))


def set_up(it: Stage) -> None:
    """A StatefulSet of one fixed pod."""
    it.kube.store.create("statefulsets.apps", stateful(it.ns, "web"))


def fixed_ready(it: Stage) -> bool:
    """The pod that the StatefulSet has now is exposed."""
    pod, record = it.kube.store.get("pods", it.ns, "web-0"), it.record("web-0")
    if pod is None or record is None or "deletionTimestamp" in pod["metadata"]:
        return False
    entries = it.entries("web-0")
    return [e["internalIP"] for e in entries] == [pod["status"].get("podIP")]


def rob_fixed(it: Stage) -> None:
    """The fixed pod is deleted, and somebody else gets its IP; its successor finds no node yet."""
    cordon(it, True)
    node = it.kube.store.get("pods", it.ns, "web-0")["spec"]["nodeName"]
    it.delete_pod("web-0", grace=0)
    it.pod("thief", switch="false", spec={"nodeName": node})


def robbed(it: Stage) -> bool:
    """Somebody else has the IP, and is not met at the fixed endpoint."""
    thief = it.kube.store.get("pods", it.ns, "thief")
    return bool(thief and thief["status"].get("podIP")) and not it.own_rows()


def cordon(it: Stage, on: bool) -> None:
    """No pod is placed while the nodes are cordoned off."""
    for node in it.kube.store.list("nodes"):
        name = node["metadata"]["name"]
        it.kube.store.patch("nodes", "", name, {"spec": {"unschedulable": on}})


def tear_down(it: Stage) -> None:
    """The StatefulSet is deleted, pods and all."""
    it.kube.store.delete("statefulsets.apps", it.ns, "web")


def older(it: Stage) -> None:
    """Ours takes over from an older controller: a PodDNAT, and a row without our mark."""
    it.pod("web", "80")
    pod = _with_ip(it)
    ip = pod["status"]["podIP"]
    gateway = it.cloud.scenario.gateways[0]
    row = it.acts.create_entry(gateway.id, "203.0.113.1", "700", ip, "80", name="old")
    it.referee.adopted.add(row)
    it.kube.store.create(RECORDS, older_record(it, pod))
    it.kube.store.patch(RECORDS, it.ns, "web", {"status": older_status(ip, row)}, "status")


def _with_ip(it: Stage) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        pod = it.kube.store.get("pods", it.ns, "web")
        return pod if pod and pod["status"].get("podIP") else None

    pod: dict[str, Any] = eventually(found)
    return pod


def older_record(it: Stage, pod: dict[str, Any]) -> dict[str, Any]:
    """As the older controller wrote it."""
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "alibabacloud.com/v1beta1",
        "kind": "PodDNAT",
        "metadata": {
            "name": pod["metadata"]["name"],
            "namespace": it.ns,
            "finalizers": ["natgw-controller"],
            "ownerReferences": [owner],
        },
        "spec": {
            "tableId": it.cloud.scenario.gateways[0].id,
            "externalIP": "203.0.113.1",
            "internalIP": pod["status"]["podIP"],
            "protocol": "tcp",
            "portMapping": [{"externalPort": "700", "internalPort": "80"}],
        },
    }


def older_status(ip: str, row: str) -> dict[str, Any]:
    """The row as the older controller listed it."""
    entry = {
        "externalIP": "203.0.113.1",
        "externalPort": "700",
        "internalIP": ip,
        "internalPort": "80",
        "forwardEntryId": row,
        "ipProtocol": "tcp",
    }
    return {"entries": [entry]}


def adopted(it: Stage) -> bool:
    """The ledger has the row."""
    ledgers = it.kube.store.list("configmaps", "dnatctl-system")
    return any(it.entries("web")[0]["forwardEntryId"] in str(m) for m in ledgers)


SCENARIOS: dict[str, tuple[Step, ...]] = {
    "life": (
        Step(appear("80,53/udp"), listed("80/tcp", "53/udp")),
        Step(lambda it: it.delete_pod("web"), gone),
    ),
    "turned off": (
        Step(appear("80"), listed("80/tcp")),
        Step(lambda it: it.annotate("web", switch="false"), gone),
    ),
    "ports changed": (
        Step(appear("80,443"), listed("80/tcp", "443/tcp")),
        Step(
            lambda it: it.annotate("web", **{"expose-port": "443,8080/udp"}),
            listed("443/tcp", "8080/udp"),
        ),
    ),
    "new ip": (
        Step(appear("80,53/udp"), listed("80/tcp", "53/udp")),
        Step(
            lambda it: it.kube.kubelet.restart(it.ns, "web"),
            listed("80/tcp", "53/udp"),
        ),
    ),
    "recreated": (
        Step(appear("80,53/udp"), listed("80/tcp", "53/udp")),
        Step(recreate, another),
    ),
    "tampered with": (
        Step(appear("80"), listed("80/tcp")),
        Step(tamper, mended),
    ),
    "fixed": (
        Step(set_up, fixed_ready),
        Step(rob_fixed, robbed),
        Step(lambda it: cordon(it, False), fixed_ready),
        Step(tear_down, gone),
    ),
    "adopted": (
        Step(older, adopted, offline=True),
        Step(lambda it: it.delete_pod("web"), lambda it: not it.records() and not it.rows()),
    ),
}
