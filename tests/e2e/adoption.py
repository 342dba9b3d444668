"""What the older controller leaves in a cluster: PodDNATs, and entries without a mark."""

from dnatctl.sim.cloud.spec import GATEWAY_ID
from tests.e2e.arena import Arena, exposing, pods_path, records_path
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod

EXTERNAL_IP = "203.0.113.1"


def adopted_record(
    arena: Arena,
    kubelet: Kubelet,
    namespace: str,
    name: str,
    *,
    external: int = 600,
    version: str = "v1",
) -> str:
    """A running pod that exposes 80, its PodDNAT and its unnamed entry; returns the entry's ID.

    All as the older controller wrote them, before dnatctl came.
    """
    arena.api.create(pods_path(namespace), pod(name, annotations=exposing("80")))
    running = kubelet.wait_running(namespace, name)
    ip = running["status"]["podIP"]
    entry_id = arena.acts.create_entry(GATEWAY_ID, EXTERNAL_IP, str(external), ip, "80")
    path = records_path(namespace, version)
    created = arena.api.create(path, _record(running, external, version))
    status = {"status": {"entries": [_entry(ip, external, entry_id)]}}
    arena.api.patch(f"{path}/{created['metadata']['name']}/status", status)
    return entry_id


def _record(pod: Object, external: int, version: str) -> Object:
    metadata = pod["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": f"alibabacloud.com/{version}",
        "kind": "PodDNAT",
        "metadata": {
            "name": metadata["name"],
            "finalizers": ["natgw-controller"],
            "ownerReferences": [owner | {"blockOwnerDeletion": True}],
        },
        "spec": {
            "eni": "eni-bp1older",
            "externalIP": EXTERNAL_IP,
            "internalIP": pod["status"]["podIP"],
            "portMapping": [{"externalPort": str(external), "internalPort": "80"}],
            "protocol": "tcp",
            "tableId": GATEWAY_ID,
            "vswitch": "vsw-bp1pods0",
            "zoneID": "cn-hangzhou-j",
        },
    }


def _entry(ip: str, external: int, entry_id: str) -> Object:
    return {
        "externalIP": EXTERNAL_IP,
        "externalPort": str(external),
        "forwardEntryId": entry_id,
        "internalIP": ip,
        "internalPort": "80",
        "ipProtocol": "tcp",
    }
