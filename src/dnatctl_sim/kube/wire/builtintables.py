"""Tables of the built-in kinds, after k8s.io/kubernetes/pkg/printers/internalversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dnatctl.clock import Clock
from dnatctl_sim.kube.core import builtin, selectors
from dnatctl_sim.kube.core.objects import Object, condition, dig
from dnatctl_sim.kube.core.resources import Column, ResourceType
from dnatctl_sim.kube.wire.podtable import POD_COLUMNS, pod_cells
from dnatctl_sim.kube.wire.tables import AGE, NAME, Table, Tables

Row = Callable[[Object, str], list[Any]]
"""The cells after the name, given the object and its age."""


def builtin_tables(clock: Clock) -> Tables:
    """The tables of every built-in kind that has more columns than name and age."""
    tables = Tables(clock, {})
    for type_, (columns, row) in _ROWS.items():
        tables.builtin[type_.key] = _table(tables, columns, row)
    tables.builtin[builtin.EVENTS.key] = Table(_EVENT_COLUMNS, lambda e: _event(tables, e))
    return tables


def _table(tables: Tables, columns: tuple[Column, ...], row: Row) -> Table:
    return Table(
        (NAME, *columns), lambda obj: [obj["metadata"]["name"], *row(obj, tables.age(obj))]
    )


def _columns(*names: str, wide: tuple[str, ...] = ()) -> tuple[Column, ...]:
    shown = tuple(AGE if name == "Age" else Column(name) for name in names)
    return shown + tuple(Column(name, priority=1) for name in wide)


def _node(obj: Object, age: str) -> list[Any]:
    ready = (condition(obj, "Ready") or {}).get("status")
    status = {"True": "Ready", "False": "NotReady"}.get(ready or "", "Unknown")
    if dig(obj, "spec", "unschedulable"):
        status += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    labels = dig(obj, "metadata", "labels") or {}
    roles = [key.removeprefix(prefix) for key in labels if key.startswith(prefix)]
    info = dig(obj, "status", "nodeInfo") or {}
    addresses = {a["type"]: a["address"] for a in dig(obj, "status", "addresses") or ()}
    return [
        status,
        ",".join(sorted(roles)) or "<none>",
        age,
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage", "<unknown>"),
        info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
    ]


def _service(obj: Object, age: str) -> list[Any]:
    spec = obj["spec"]
    ports = [_port(port) for port in spec.get("ports") or ()]
    external = spec.get("externalName") or ",".join(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        external = external or "<pending>"
    return [
        spec.get("type"),
        spec.get("clusterIP") or "<none>",
        external or "<none>",
        ",".join(ports) or "<none>",
        age,
        selectors.to_text({"matchLabels": spec.get("selector") or {}}) or "<none>",
    ]


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"


def _images(obj: Object) -> list[str]:
    containers = dig(obj, "spec", "template", "spec", "containers") or ()
    return [
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
    ]


def _deployment(obj: Object, age: str) -> list[Any]:
    status = obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    selector = selectors.to_text(obj["spec"].get("selector"))
    return [ready, *counts, age, *_images(obj), selector]


def _replica_set(obj: Object, age: str) -> list[Any]:
    status = obj.get("status") or {}
    counts = [obj["spec"].get("replicas", 1), status.get("replicas", 0)]
    selector = selectors.to_text(obj["spec"].get("selector"))
    return [*counts, status.get("readyReplicas", 0), age, *_images(obj), selector]


def _stateful_set(obj: Object, age: str) -> list[Any]:
    ready = dig(obj, "status", "readyReplicas") or 0
    return [f"{ready}/{obj['spec'].get('replicas', 1)}", age, *_images(obj)]


def _budget(obj: Object, age: str) -> list[Any]:
    spec = obj.get("spec") or {}
    bounds = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [*bounds, dig(obj, "status", "disruptionsAllowed") or 0, age]


def _priority_class(obj: Object, age: str) -> list[Any]:
    default = str(obj.get("globalDefault", False)).lower()
    policy = obj.get("preemptionPolicy", "PreemptLowerPriority")
    return [obj.get("value", 0), default, age, policy]


def _binding(obj: Object, age: str) -> list[Any]:
    role = obj.get("roleRef") or {}
    return [f"{role.get('kind')}/{role.get('name')}", age]


_EVENT_COLUMNS = (
    Column("Last Seen"),
    Column("Type"),
    Column("Reason"),
    Column("Object"),
    Column("Subobject", priority=1),
    Column("Source", priority=1),
    Column("Message"),
    Column("First Seen", priority=1),
    Column("Count", priority=1),
    Column("Name", format="name", priority=1),
)


def _event(tables: Tables, obj: Object) -> list[Any]:
    involved = obj.get("involvedObject") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = dig(obj, "series", "lastObservedTime") or obj.get("lastTimestamp") or first
    now = {"at": {"first": first, "last": last}}
    source = dig(obj, "source", "component") or obj.get("reportingComponent", "")
    return [
        tables.age(now, "at", "last"),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        source,
        str(obj.get("message", "")).strip(),
        tables.age(now, "at", "first"),
        dig(obj, "series", "count") or obj.get("count") or 1,
        obj["metadata"]["name"],
    ]


_WORKLOAD_WIDE = ("Containers", "Images", "Selector")
_NODE_WIDE = ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime")
_ROWS: dict[ResourceType, tuple[tuple[Column, ...], Row]] = {
    builtin.PODS: (POD_COLUMNS, pod_cells),
    builtin.NODES: (_columns("Status", "Roles", "Age", "Version", wide=_NODE_WIDE), _node),
    builtin.NAMESPACES: (
        _columns("Status", "Age"),
        lambda obj, age: [dig(obj, "status", "phase") or "", age],
    ),
    builtin.CONFIG_MAPS: (
        _columns("Data", "Age"),
        lambda obj, age: [len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age],
    ),
    builtin.SECRETS: (
        _columns("Type", "Data", "Age"),
        lambda obj, age: [obj.get("type", ""), len(obj.get("data") or ()), age],
    ),
    builtin.SERVICE_ACCOUNTS: (
        _columns("Secrets", "Age"),
        lambda obj, age: [len(obj.get("secrets") or ()), age],
    ),
    builtin.SERVICES: (
        _columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", wide=("Selector",)),
        _service,
    ),
    builtin.DEPLOYMENTS: (
        _columns("Ready", "Up-to-date", "Available", "Age", wide=_WORKLOAD_WIDE),
        _deployment,
    ),
    builtin.REPLICA_SETS: (
        _columns("Desired", "Current", "Ready", "Age", wide=_WORKLOAD_WIDE),
        _replica_set,
    ),
    builtin.STATEFUL_SETS: (
        _columns("Ready", "Age", wide=("Containers", "Images")),
        _stateful_set,
    ),
    builtin.LEASES: (
        _columns("Holder", "Age"),
        lambda obj, age: [dig(obj, "spec", "holderIdentity") or "", age],
    ),
    builtin.BUDGETS: (
        _columns("Min Available", "Max Unavailable", "Allowed Disruptions", "Age"),
        _budget,
    ),
    builtin.PRIORITY_CLASSES: (
        _columns("Value", "Global-Default", "Age", "PreemptionPolicy"),
        _priority_class,
    ),
    builtin.CRDS: (
        _columns("Created At"),
        lambda obj, _: [dig(obj, "metadata", "creationTimestamp")],
    ),
    builtin.CLUSTER_ROLES: (
        _columns("Created At"),
        lambda obj, _: [dig(obj, "metadata", "creationTimestamp")],
    ),
    builtin.ROLES: (
        _columns("Created At"),
        lambda obj, _: [dig(obj, "metadata", "creationTimestamp")],
    ),
    builtin.CLUSTER_ROLE_BINDINGS: (_columns("Role", "Age"), _binding),
    builtin.ROLE_BINDINGS: (_columns("Role", "Age"), _binding),
}
