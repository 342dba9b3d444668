"""A cluster as the older controller leaves it: its CRD, its PodDNATs, entries without a mark."""

from collections.abc import Sequence

from dnatctl_sim.cloud.spec import GATEWAY_ID
from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod

EXTERNAL_IP = "203.0.113.1"

_TEXT = {"type": "string"}


def older_crd() -> Object:
    """A CRD that serves `v1beta1` alone, and drops what that version does not name.

    Its fields are those that OpenKruiseGame reads and writes:
    https://github.com/openkruise/kruise-game/tree/master/cloudprovider/alibabacloud/apis/v1beta1
    """
    names = {"kind": "PodDNAT", "listKind": "PodDNATList", "plural": "poddnats"}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "poddnats.alibabacloud.com"},
        "spec": {
            "group": "alibabacloud.com",
            "scope": "Namespaced",
            "names": names | {"singular": "poddnat"},
            "versions": [version],
        },
    }


def _schema() -> Object:
    ports = _object("externalPort", "internalPort")
    entry = _object(
        "externalIP", "externalPort", "internalIP", "internalPort", "ipProtocol", "forwardEntryId"
    )
    spec = _object(
        "eni", "vswitch", "zoneID", "externalIP", "externalPort", "internalIP", "internalPort",
        "protocol", "tableId", "entryId",
    )  # fmt: skip
    spec["properties"]["portMapping"] = {"type": "array", "items": ports}
    status = _object("created")
    status["properties"]["entries"] = {"type": "array", "items": entry}
    root = _object("apiVersion", "kind")
    root["properties"] |= {"metadata": {"type": "object"}, "spec": spec, "status": status}
    return root


def _object(*texts: str) -> Object:
    return {"type": "object", "properties": dict.fromkeys(texts, _TEXT)}


def exposed_before(
    arena: Arena,
    kubelet: Kubelet,
    namespace: str,
    name: str,
    *ports: tuple[int, int],
    entries: int | None = None,
) -> list[str]:
    """A running pod that exposes internal ports, and its PodDNAT with the external ones.

    The first `entries` of them (all by default) are in the table, and listed in the status.
    Returns the IDs of the entries.
    """
    annotations = exposing(",".join(str(internal) for _, internal in ports))
    arena.api.create(pods_path(namespace), pod(name, annotations=annotations))
    running = kubelet.wait_running(namespace, name)
    path = arena.records_path(namespace)
    arena.api.create(path, _record(running, ports, arena.version))
    ip = running["status"]["podIP"]
    made = [_entry(arena, ip, *mapping) for mapping in ports[:entries]]
    if made:
        arena.api.patch(f"{path}/{name}/status", {"status": {"entries": made}})
    return [entry["forwardEntryId"] for entry in made]


def _record(pod: Object, ports: Sequence[tuple[int, int]], version: str) -> Object:
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
            "portMapping": [
                {"externalPort": str(external), "internalPort": str(internal)}
                for external, internal in ports
            ],
            "protocol": "tcp",
            "tableId": GATEWAY_ID,
            "vswitch": "vsw-bp1pods0",
            "zoneID": "cn-hangzhou-j",
        },
    }


def _entry(arena: Arena, ip: str, external: int, internal: int) -> Object:
    mapping = (EXTERNAL_IP, str(external), ip, str(internal))
    return {
        "externalIP": EXTERNAL_IP,
        "externalPort": str(external),
        "forwardEntryId": arena.acts.create_entry(GATEWAY_ID, *mapping),
        "internalIP": ip,
        "internalPort": str(internal),
        "ipProtocol": "tcp",
    }
