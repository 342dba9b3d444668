"""Manifests that the tests use as they are."""

from collections.abc import Mapping

from tests.e2e.kubeapi import Object


def pod(name: str, *, annotations: Mapping[str, str] | None = None, **spec: object) -> Object:
    """A pod with one container; keywords go into its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": {"containers": [{"name": "main", "image": "game"}], **spec},
    }


def deployment(name: str, replicas: int, *, annotations: Mapping[str, str] | None = None) -> Object:
    """A Deployment whose pods carry the label `app: <name>` and the annotations."""
    return _workload("Deployment", name, replicas, annotations)


def stateful_set(
    name: str, replicas: int, *, annotations: Mapping[str, str] | None = None
) -> Object:
    """A StatefulSet, started in parallel, likewise."""
    workload = _workload("StatefulSet", name, replicas, annotations)
    workload["spec"] |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return workload


def _workload(kind: str, name: str, replicas: int, annotations: Mapping[str, str] | None) -> Object:
    template = pod(name, annotations=annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}}
                | {"annotations": template["metadata"]["annotations"]},
                "spec": template["spec"],
            },
        },
    }
