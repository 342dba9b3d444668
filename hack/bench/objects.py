"""The objects that clusters are filled with: pods as kubelets report them, claims, and rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from dnatctl.table.marks import Marks
from dnatctl_sim.configuration import CLUSTER_ID

Object = dict[str, Any]
PREFIX = "k8s.aliyun.com/pod-dnat"
SINCE = "2026-01-01T00:00:00Z"
FIRST_PORT = 512


def asking(name: str, namespace: str, ports: str) -> Object:
    """A pod as a user writes it, asking for an address of those ports."""
    notes = {PREFIX: "", f"{PREFIX}-expose-port": ports}
    meta = {"name": name, "namespace": namespace, "annotations": notes}
    spec = {"containers": [{"name": "main", "image": "nginx"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def running(name: str, namespace: str, ip: str, annotations: Object) -> Object:
    """A pod as it is listed on a real node, 5 to 6 KB with managedFields."""
    container = {
        "name": "main",
        "image": "registry.example.com/team/service:v1.2.3",
        "env": [{"name": f"SETTING_{n}", "value": f"value-{n}" * 4} for n in range(12)],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}},
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}},
    }
    fields = {f"f:SETTING_{n}": {".": {}, "f:name": {}, "f:value": {}} for n in range(40)}
    managed = [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:spec": fields}}]
    state = {"running": {"startedAt": SINCE}}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": SINCE,
            "labels": {"app": "service", "pod-template-hash": "5d8f7c9b6"},
            "annotations": annotations,
            "managedFields": managed,
        },
        "spec": {"nodeName": "node-0", "containers": [container], "restartPolicy": "Always"},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": SINCE}
                for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ],
            "containerStatuses": [
                {
                    "name": "main",
                    "ready": True,
                    "restartCount": 0,
                    "state": state,
                    "image": container["image"],
                    "imageID": "sha256:0123",
                    "containerID": "cri://0",
                }
            ],
        },
    }


def hoard(number: int, namespace: str, ports: int) -> Object:
    """A PodDNAT of somebody who would like to have all ports, and has no pod."""
    mapping = [{"externalPort": str(1024 + port), "internalPort": "80"} for port in range(ports)]
    spec = {"externalIP": f"47.1.{number // 250}.{number % 250 + 1}", "tableId": "ngw-none",
            "internalIP": address(number), "protocol": "tcp", "portMapping": mapping}  # fmt: skip
    meta = {"name": f"hoard-{number}", "namespace": namespace, "uid": str(uuid.uuid4()),
            "creationTimestamp": SINCE, "generation": 1}  # fmt: skip
    return {"metadata": meta, "spec": spec}


def address(number: int, network: str = "172.16") -> str:
    """An IP of the emulated cloud's first pod vSwitch, or of another network (and, after 62,500,
    of those that follow it)."""
    first, second = network.split(".")
    more, rest = divmod(number, 62_500)
    return f"{first}.{int(second) + more}.{rest // 250}.{rest % 250 + 1}"


class Exposed:
    """Pods that have been exposed for long: claim, rows and status are all in place.

    `uids`: those of the PodDNATs. `gateways`: pairs of an ID and its EIP. The rows belong into the
    cloud's scenario.
    """

    def __init__(self, uids: list[str], gateways: list[tuple[str, str]]) -> None:
        self._gateways = gateways
        self._uids = uids
        self._marks = Marks(CLUSTER_ID)

    def rows(self, gateway_id: str) -> Iterator[Object]:
        """The rows of one gateway, as a scenario wants them."""
        for n, uid in enumerate(self._uids):
            owner, eip, port = self._endpoint(n)
            if owner == gateway_id:
                yield {
                    "external_ip": eip,
                    "external_port": str(port),
                    "internal_ip": address(n),
                    "internal_port": "80",
                    "name": self._marks.name(uid, f"game/pod-{n}"),
                }

    def objects(self, ids: dict[tuple[str, str], str]) -> Iterator[tuple[Object, Object]]:
        """Pods with their PodDNATs; `ids`: the rows' IDs by external IP and port."""
        notes = {PREFIX: "", f"{PREFIX}-expose-port": "80"}
        for n, uid in enumerate(self._uids):
            pod = running(f"pod-{n}", "game", address(n), dict(notes))
            ready = {"type": "Ready", "status": "True", "reason": "EntriesAvailable",
                     "message": "1 of 1 ports are reachable", "lastTransitionTime": SINCE,
                     "observedGeneration": 1}  # fmt: skip
            mark = {**ready, "type": f"{PREFIX}-ready"}
            mark["message"] = "1 of 1 ports are reachable"
            pod["status"]["conditions"].append(mark)
            yield pod, self._record(n, uid, pod, ready, ids)

    def _record(
        self, n: int, uid: str, pod: Object, ready: Object, ids: dict[tuple[str, str], str]
    ) -> Object:
        gateway_id, eip, port = self._endpoint(n)
        owner = {"apiVersion": "v1", "kind": "Pod", "name": f"pod-{n}", "controller": True,
                 "uid": pod["metadata"]["uid"], "blockOwnerDeletion": True}  # fmt: skip
        entry = {"externalIP": eip, "externalPort": str(port), "internalIP": address(n),
                 "internalPort": "80", "forwardEntryId": ids[eip, str(port)],
                 "ipProtocol": "tcp"}  # fmt: skip
        spec = {"eni": f"eni-{n}", "vswitch": "vsw-bp1pods0", "zoneID": "cn-hangzhou-j",
                "externalIP": eip, "internalIP": address(n), "protocol": "tcp",
                "tableId": gateway_id,
                "portMapping": [{"externalPort": str(port), "internalPort": "80"}]}  # fmt: skip
        return {
            "metadata": {
                "name": f"pod-{n}",
                "namespace": "game",
                "uid": uid,
                "generation": 1,
                "creationTimestamp": SINCE,
                "finalizers": ["natgw-controller"],
                "ownerReferences": [owner],
            },
            "spec": spec,
            "status": {"entries": [entry], "conditions": [ready], "observedGeneration": 1},
        }

    def _endpoint(self, n: int) -> tuple[str, str, int]:
        turn, gateway = divmod(n, len(self._gateways))
        gateway_id, eip = self._gateways[gateway]
        return gateway_id, eip, FIRST_PORT + turn
