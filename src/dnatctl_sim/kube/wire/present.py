"""The forms that objects are answered in: as they are, metadata only, or as rows of a Table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import orjson

from dnatctl_sim.kube.api.verbs import to_version
from dnatctl_sim.kube.core import errors
from dnatctl_sim.kube.core.collection import Version
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType
from dnatctl_sim.kube.wire.call import Call
from dnatctl_sim.kube.wire.tables import Tables, table_of


class Form(Protocol):
    """A way to write objects down."""

    def one(self, version: Version) -> bytes:
        """One object."""
        ...

    def many(self, versions: Sequence[Version], meta: Object) -> bytes:
        """A list with its list metadata."""
        ...


class Plain:
    """Objects in a served version of their type, made from the stored bytes."""

    def __init__(self, type_: ResourceType, version: str) -> None:
        self._type = type_
        self._version = version
        self._wanted = type_.prefix(version)

    def one(self, version: Version) -> bytes:
        """See `Form.one`."""
        if self._type.shape:
            return orjson.dumps(to_version(self._type, version.load(), self._version))
        if version.raw.startswith(self._wanted):
            return version.raw
        return self._wanted + version.raw[version.head :]

    def many(self, versions: Sequence[Version], meta: Object) -> bytes:
        """See `Form.many`."""
        head = {
            "kind": f"{self._type.kind}List",
            "apiVersion": self._type.api_version(self._version),
            "metadata": meta,
        }
        return orjson.dumps(head)[:-1] + b',"items":[' + b",".join(self._items(versions)) + b"]}"

    def _items(self, versions: Sequence[Version]) -> Iterable[bytes]:
        """Items of built-in lists carry no apiVersion and kind, as a real server's do not."""
        if self._type.custom:
            return (self.one(version) for version in versions)
        skip = len(self._wanted)
        return (b"{" + self.one(version)[skip:] for version in versions)


class MetadataOnly:
    """Objects cut to their metadata (PartialObjectMetadata), or lists of such."""

    def __init__(self, *, lists: bool) -> None:
        self._lists = lists

    def one(self, version: Version) -> bytes:
        """See `Form.one`. Raises ApiError where a list is wanted."""
        if self._lists:
            raise errors.not_acceptable("PartialObjectMetadataList", "not a list")
        return orjson.dumps(_partial(version))

    def many(self, versions: Sequence[Version], meta: Object) -> bytes:
        """See `Form.many`. Raises ApiError where one object is wanted."""
        if not self._lists:
            raise errors.not_acceptable("PartialObjectMetadata", "a list")
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        items = [_partial(version) for version in versions]
        return orjson.dumps({**kind, "metadata": meta, "items": items})


class Rows:
    """Objects as rows of a Table, which is what `kubectl get` prints."""

    def __init__(self, tables: Tables, type_: ResourceType, version: str, include: str) -> None:
        self._table = table_of(tables, type_, version)
        self._plain = Plain(type_, version)
        self._include = include
        self._named = False

    def one(self, version: Version) -> bytes:
        """See `Form.one`. Only the first table names its columns, as watches want it."""
        meta = {"resourceVersion": str(version.revision)}
        headed, self._named = not self._named, True
        return self._write([version], meta, headed=headed)

    def many(self, versions: Sequence[Version], meta: Object) -> bytes:
        """See `Form.many`."""
        return self._write(versions, meta, headed=True)

    def _write(self, versions: Sequence[Version], meta: Object, *, headed: bool) -> bytes:
        columns = [column.header() for column in self._table.columns] if headed else None
        return orjson.dumps(
            {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": meta,
                "columnDefinitions": columns,
                "rows": [self._row(version) for version in versions],
            }
        )

    def _row(self, version: Version) -> Object:
        row: Object = {"cells": self._table.cells(version.load())}
        if self._include == "Object":
            row["object"] = orjson.Fragment(self._plain.one(version))
        elif self._include != "None":
            row["object"] = _partial(version)
        return row


def form_for(call: Call, tables: Tables) -> Form:
    """The form that the client prefers among those the server writes."""
    type_, version = call.target.type, call.target.version
    wanted = call.headers.get("Accept", "").partition(",")[0]
    if "as=Table" in wanted:
        return Rows(tables, type_, version, call.query.get("includeObject", "Metadata"))
    if "as=PartialObjectMetadata" in wanted:
        return MetadataOnly(lists="as=PartialObjectMetadataList" in wanted)
    return Plain(type_, version)


def _partial(version: Version) -> Object:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": version.load()["metadata"],
    }
