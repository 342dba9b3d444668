"""The columns that `kubectl get` prints for each kind, and how a cell is worked out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dnatctl.clock import Clock
from dnatctl_sim.kube.core import jsonpath
from dnatctl_sim.kube.core.objects import Object, dig, parse_timestamp
from dnatctl_sim.kube.core.resources import Column, ResourceType

Cells = Callable[[Object], list[Any]]


@dataclass(frozen=True)
class Table:
    """The columns of one kind, and what stands in them for an object."""

    columns: Sequence[Column]
    cells: Cells


class Tables:
    """Tables by kind. `clock` tells how old things are."""

    def __init__(self, clock: Clock, builtin: dict[str, Table]) -> None:
        self.clock = clock
        self.builtin = builtin

    def age(self, obj: Object, *path: str) -> str:
        """How long ago the timestamp at `path` was, as kubectl writes it."""
        text = dig(obj, *(path or ("metadata", "creationTimestamp")))
        return since(text, self.clock.now()) if text else "<unknown>"


NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", description="How long ago the object was created.")


def table_of(tables: Tables, type_: ResourceType, version: str) -> Table:
    """The table for a type: the built-in one, the CRD's columns, or name and age."""
    if type_.base.key in tables.builtin:
        return tables.builtin[type_.base.key]
    columns = type_.columns.get(version) or (Column("Age", "date", ".metadata.creationTimestamp"),)
    return Table(
        (NAME, *columns),
        lambda obj: [obj["metadata"]["name"], *(_cell(tables, obj, c) for c in columns)],
    )


def since(text: str, now: datetime) -> str:
    """A duration as kubectl's HumanDuration writes it: `5s`, `2m10s`, `3h`, `2d3h`, `9d`."""
    seconds = max(0, int((now - parse_timestamp(text)).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def _cell(tables: Tables, obj: Object, column: Column) -> Any:
    values = jsonpath.find(obj, column.path)
    if not values:
        return "<unknown>" if column.type == "date" else None
    if column.type == "date":
        return since(str(values[0]), tables.clock.now())
    # A path that finds several values shows the first: measured on a 1.20.2 server.
    return values[0] if column.type in ("integer", "number", "boolean") else str(values[0])
