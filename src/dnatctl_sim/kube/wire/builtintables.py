"""Tables of the built-in kinds, after k8s.io/kubernetes/pkg/printers/internalversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dnatctl.clock import Clock
from dnatctl_sim.kube.core import builtin, selectors
from dnatctl_sim.kube.core.objects import Object, dig
from dnatctl_sim.kube.core.resources import Column, ResourceType
from dnatctl_sim.kube.wire.podtable import POD_COLUMNS, pod_cells
from dnatctl_sim.kube.wire.tables import AGE, NAME, Table, Tables

Row = Callable[[Object, str], list[Any]]
"""The cells after the name, given the object and its age."""


def builtin_tables(clock: Clock) -> Tables:
    """The tables that people look at here; every other kind shows name and age."""
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


_ROWS: dict[ResourceType, tuple[tuple[Column, ...], Row]] = {
    builtin.PODS: (POD_COLUMNS, pod_cells),
    builtin.DEPLOYMENTS: (
        _columns(
            *("Ready", "Up-to-date", "Available", "Age"), wide=("Containers", "Images", "Selector")
        ),
        _deployment,
    ),
}
