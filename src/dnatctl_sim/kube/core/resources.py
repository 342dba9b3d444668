"""What a resource type is: its names, its versions, and which parts of it behave how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object


@dataclass(frozen=True)
class Column:
    """A column that `kubectl get` prints.

    `path` is a JSONPath into the object; `priority` above 0 shows with `-o wide` only.
    """

    name: str
    type: str = "string"
    path: str = ""
    priority: int = 0
    format: str = ""
    description: str = ""

    def header(self) -> Object:
        """The column as a Table announces it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True)
class Scale:
    """Where the `scale` subresource finds its three values, as JSONPaths."""

    spec_replicas: str = ".spec.replicas"
    status_replicas: str = ".status.replicas"
    selector: str = ""


@dataclass(frozen=True)
class Shape:
    """One served version of a type that differs from the stored one in more than its name.

    `encode` turns a stored object into this version, `decode` the other way; both may change
    their argument. `check` tells what is wrong with a stored object that was created as this
    version, besides what is wrong in any.
    """

    encode: Callable[[Object], Object]
    decode: Callable[[Object], Object]
    check: Callable[[Object], list[Cause]]


@dataclass(frozen=True, eq=False)
class ResourceType:
    """A kind of object that the server keeps, at `/apis/<group>/<version>/<plural>`.

    `version` is the one objects are stored as, `served` those they are answered as. `stored_as`:
    the type whose objects these are in another API (events have two); `shape` converts between.
    `generation`: whether metadata.generation counts changes of the spec. `fields`: paths that
    field selectors can use besides metadata.name and metadata.namespace. `schemas` and `columns`
    are by served version.
    `loose_names`: names are path segments (RBAC) instead of DNS subdomains.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    status: bool = False
    scale: Scale | None = None
    subresources: tuple[tuple[str, str, str], ...] = ()
    generation: bool = False
    fields: tuple[tuple[str, ...], ...] = ()
    custom: bool = False
    loose_names: bool = False
    returns_deleted: bool = False
    stored_as: ResourceType | None = None
    shape: Shape | None = None
    schemas: Mapping[str, Object] = field(default_factory=dict)
    columns: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """The name used for this type everywhere: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def base(self) -> ResourceType:
        """The type that objects are stored as: this one, unless `stored_as` says otherwise."""
        return self.stored_as or self

    @cached_property
    def collection(self) -> str:
        """The collection its objects are stored in."""
        return self.base.key

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The served versions, most preferred first."""
        return self.served or (self.version,)

    def api_version(self, version: str = "") -> str:
        """The apiVersion of an object of this type, e.g. `v1` or `apps/v1`."""
        version = version or self.version
        return f"{self.group}/{version}" if self.group else version

    @cached_property
    def field_names(self) -> frozenset[str]:
        """The names that a field selector may use."""
        paths = {".".join(path) for path in self.base.fields}
        return frozenset(paths | {"metadata.name", "metadata.namespace"})

    def prefix(self, version: str = "") -> bytes:
        """How every serialized object of this type begins."""
        return f'{{"apiVersion":"{self.api_version(version)}","kind":"{self.kind}",'.encode()
