"""Workloads as a user writes them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

PREFIX = "k8s.aliyun.com/pod-dnat"


def stateful(
    namespace: str, name: str = "db", *, ports: str = "80", fixed: str = "", replicas: int = 1
) -> Object:
    """A StatefulSet whose pods ask for fixed endpoints; `fixed` is the annotation's value."""
    notes = {PREFIX: "", f"{PREFIX}-expose-port": ports, f"{PREFIX}-fixed": fixed}
    labels = {"app": name}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": notes},
                "spec": {"containers": [{"name": "main", "image": "nginx"}]},
            },
        },
    }
