"""The resource types that the server has without any CRD."""

from __future__ import annotations

from typing import Any

from dnatctl_sim.kube.core.eventshape import EVENTS_V1
from dnatctl_sim.kube.core.resources import ResourceType, Scale

_RBAC = "rbac.authorization.k8s.io"
_WORKLOAD_SCALE = Scale(selector=".status.selector")


def _core(plural: str, kind: str, *short: str, **more: Any) -> ResourceType:
    return ResourceType("", "v1", plural, kind, kind.lower(), short_names=short, **more)


def _grouped(group: str, plural: str, kind: str, *short: str, **more: Any) -> ResourceType:
    return ResourceType(group, "v1", plural, kind, kind.lower(), short_names=short, **more)


def _workload(plural: str, kind: str, short: str) -> ResourceType:
    return _grouped(
        "apps",
        plural,
        kind,
        short,
        categories=("all",),
        status=True,
        scale=_WORKLOAD_SCALE,
        generation=True,
        fields=(("status", "replicas"),) if plural == "replicasets" else (),
    )


PODS = _core(
    "pods",
    "Pod",
    "po",
    categories=("all",),
    status=True,
    returns_deleted=True,
    fields=(
        ("spec", "nodeName"),
        ("spec", "restartPolicy"),
        ("spec", "schedulerName"),
        ("spec", "serviceAccountName"),
        ("spec", "hostNetwork"),
        ("status", "phase"),
        ("status", "podIP"),
        ("status", "nominatedNodeName"),
    ),
)
NAMESPACES = _core(
    "namespaces",
    "Namespace",
    "ns",
    namespaced=False,
    status=True,
    returns_deleted=True,
    subresources=(("finalize", "Namespace", ""),),
    fields=(("status", "phase"),),
)
NODES = _core(
    "nodes",
    "Node",
    "no",
    namespaced=False,
    status=True,
    fields=(("spec", "unschedulable"),),
)
EVENTS = _core(
    "events",
    "Event",
    "ev",
    fields=(
        *(("involvedObject", part) for part in ("kind", "namespace", "name", "uid")),
        *(("involvedObject", part) for part in ("apiVersion", "resourceVersion", "fieldPath")),
        ("reason",),
        ("reportingComponent",),
        ("source", "component"),
        ("type",),
    ),
)
SERVICES = _core(
    "services",
    "Service",
    "svc",
    categories=("all",),
    status=True,
    returns_deleted=True,
    fields=(("spec", "clusterIP"), ("spec", "type")),
)
CONFIG_MAPS = _core("configmaps", "ConfigMap", "cm")
SECRETS = _core("secrets", "Secret", fields=(("type",),))
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", "sa", returns_deleted=True)
DEPLOYMENTS = _workload("deployments", "Deployment", "deploy")
REPLICA_SETS = _workload("replicasets", "ReplicaSet", "rs")
STATEFUL_SETS = _workload("statefulsets", "StatefulSet", "sts")
LEASES = _grouped("coordination.k8s.io", "leases", "Lease")
BUDGETS = _grouped(
    "policy",
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    "pdb",
    status=True,
    generation=True,
)
PRIORITY_CLASSES = _grouped(
    "scheduling.k8s.io",
    "priorityclasses",
    "PriorityClass",
    "pc",
    namespaced=False,
    generation=True,
)
CRDS = _grouped(
    "apiextensions.k8s.io",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "crd",
    "crds",
    categories=("api-extensions",),
    namespaced=False,
    status=True,
    generation=True,
)
CLUSTER_ROLES = _grouped(_RBAC, "clusterroles", "ClusterRole", namespaced=False, loose_names=True)
CLUSTER_ROLE_BINDINGS = _grouped(
    _RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False, loose_names=True
)
ROLES = _grouped(_RBAC, "roles", "Role", loose_names=True)
ROLE_BINDINGS = _grouped(_RBAC, "rolebindings", "RoleBinding", loose_names=True)
EVENTS_K8S_IO = _grouped(
    "events.k8s.io", "events", "Event", "ev", stored_as=EVENTS, shape=EVENTS_V1
)

BUILTIN = (
    CONFIG_MAPS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    DEPLOYMENTS,
    REPLICA_SETS,
    STATEFUL_SETS,
    LEASES,
    EVENTS_K8S_IO,
    BUDGETS,
    PRIORITY_CLASSES,
    CRDS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    ROLES,
    ROLE_BINDINGS,
)
"""In the order that discovery and `kubectl get all` show them."""
