"""Nodes, which are objects only."""

from __future__ import annotations

from collections.abc import Sequence

from dnatctl_sim.kube.api.options import Target, WriteOptions
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.objects import Object, set_condition, timestamp


def create_nodes(api: Api, count: int, zones: Sequence[str]) -> list[str]:
    """Create `count` ready nodes, spread over `zones`; their names."""
    names = [f"node-{number}" for number in range(1, count + 1)]
    with api.store.lock:
        for number, name in enumerate(names):
            node = _node(name, number, zones[number % len(zones)])
            target = Target(builtin.NODES, name=name)
            api.create(Target(builtin.NODES), node, WriteOptions())
            status = api.get(target).load()
            status["status"] = _status(number)
            now = timestamp(api.clock.now())
            set_condition(status, "Ready", "True", now, reason="KubeletReady")
            api.update(
                Target(builtin.NODES, name=name, subresource="status"), status, WriteOptions()
            )
    return names


def _node(name: str, number: int, zone: str) -> Object:
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "ecs.g7.2xlarge",
        "topology.kubernetes.io/region": zone.rpartition("-")[0],
        "topology.kubernetes.io/zone": zone,
    }
    region = zone.rpartition("-")[0]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": f"{region}.i-sim{number:08d}"},
    }


def _status(number: int) -> Object:
    capacity = {"cpu": "8", "memory": "32Gi", "pods": "256"}
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [{"type": "InternalIP", "address": f"192.168.{number >> 8}.{number & 255}"}],
        "nodeInfo": {
            "kubeletVersion": "v1.32.4-sim",
            "osImage": "dnatctl sim",
            "kernelVersion": "sim",
            "containerRuntimeVersion": "sim://1",
            "architecture": "amd64",
            "operatingSystem": "linux",
        },
    }
