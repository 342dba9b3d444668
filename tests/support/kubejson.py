"""Kubernetes objects as JSON, for tests that need some."""

from __future__ import annotations

from typing import Any

import orjson

Json = dict[str, Any]


def pod(name: str = "web-0", version: int = 5, uid: str = "", **parts: Any) -> Json:
    """A running pod of one container that asks to be exposed. `parts` replace whole sections."""
    metadata: Json = {
        "name": name,
        "namespace": "default",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "annotations": parts.pop("annotations", {"k8s.aliyun.com/pod-dnat": ""}),
    }
    metadata |= parts.pop("metadata", {})
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": metadata,
        "spec": parts.pop("spec", {"nodeName": "node-1", "containers": [{"name": "main"}]}),
        "status": parts.pop(
            "status",
            {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "podIPs": [{"ip": "10.0.0.1"}],
                "containerStatuses": [{"name": "main", "state": {"running": {}}}],
            },
        ),
        **parts,
    }


def poddnat(name: str = "web-0", version: int = 7, **parts: Any) -> Json:
    """The PodDNAT of a pod with one port. `parts` replace whole sections."""
    metadata: Json = {
        "name": name,
        "namespace": "default",
        "uid": f"dnat-{name}",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["natgw-controller"],
    }
    metadata |= parts.pop("metadata", {})
    spec = {
        "tableId": "ngw-1",
        "externalIP": "47.0.0.1",
        "internalIP": "10.0.0.1",
        "protocol": "tcp",
        "portMapping": [{"externalPort": "512", "internalPort": "80"}],
    }
    return {
        "kind": "PodDNAT",
        "apiVersion": "alibabacloud.com/v1",
        "metadata": metadata,
        "spec": parts.pop("spec", spec),
        **parts,
    }


def listing(*items: Json, version: int = 10, next_page: str = "") -> bytes:
    """A page of a list."""
    metadata = {"resourceVersion": str(version), "continue": next_page}
    return orjson.dumps({"kind": "List", "metadata": metadata, "items": list(items)})


def event(type_: str, obj: Json) -> bytes:
    """A line of a watch."""
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


def bookmark(version: int) -> bytes:
    """A bookmark."""
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    return event("BOOKMARK", {"kind": "Pod", "metadata": metadata})


def status(code: int, reason: str, message: str = "", **details: Any) -> Json:
    """A Status that tells of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }
