"""Watches: which changes a client still has to hear of, and the bytes that tell of them."""

from __future__ import annotations

import msgspec
import orjson

from dnatctl_sim.kube.core.collection import Change, ChangeType, Version
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType
from dnatctl_sim.kube.core.selectors import Selector
from dnatctl_sim.kube.core.store import Store
from dnatctl_sim.kube.wire.present import Form
from dnatctl_sim.kube.wire.watchfaults import WatchFaults

_BATCH = 500


class Watch:
    """One client's watch: what it follows and how far it has come. It does no I/O.

    `frozen`: nothing more is sent, the connection stays. `ending`: the connection is closed.
    """

    def __init__(
        self,
        store: Store,
        type_: ResourceType,
        namespace: str,
        *,
        version: str,
        selector: Selector,
        form: Form,
        faults: WatchFaults,
    ) -> None:
        self.type = type_
        self.frozen = False
        self.ending = False
        self.reset = False
        self.revision = 0
        self._store = store
        self._namespace = namespace
        self._version = version
        self._selector = selector
        self._form = form
        self._faults = faults

    def start_at(self, revision: int) -> bytes:
        """Tell of what changes after `revision`."""
        self.revision = revision
        return b""

    def start_with_state(self) -> bytes:
        """Tell of all objects there are, as added, then of what changes."""
        placed = self._store.list(self.type, self._namespace)
        self.revision = placed.revision
        return b"".join(
            self._line(ChangeType.ADDED, version)
            for version in placed.items
            if self._wants(version)
        )

    def next(self) -> bytes:
        """What is to be sent now; empty when there is nothing new.

        Raises ApiError 410 when the client has fallen behind what history holds.
        """
        with self._store.lock:
            changes = self._store.collection(self.type.collection).since(self.revision)
            current = self._store.revision
        batch = changes[:_BATCH]
        ordered, held = self._faults.filter(self.type.collection, batch)
        if held:
            self.revision = max((c.new.revision for c in ordered), default=self.revision)
        else:
            told = current if len(batch) == len(changes) else batch[-1].new.revision
            self.revision = max(self.revision, told)
        return b"".join(map(self._tell, ordered))

    def bookmark(self, *, initial_end: bool = False) -> bytes:
        """Tell only how far the watch has come."""
        meta: Object = {"resourceVersion": str(self.revision), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {
            "kind": self.type.kind,
            "apiVersion": self.type.api_version(self._version),
            "metadata": meta,
        }
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"

    def _tell(self, change: Change) -> bytes:
        """The change as this watch sees it: entering the selection adds, leaving it deletes."""
        if change.type is ChangeType.DELETED:
            return self._line(change.type, change.new) if self._wants(change.old) else b""
        before, after = self._wants(change.old), self._wants(change.new)
        if after:
            return self._line(ChangeType.MODIFIED if before else ChangeType.ADDED, change.new)
        if before and change.old is not None:
            return self._line(ChangeType.DELETED, _at(change.old, change.new.revision))
        return b""

    def _wants(self, version: Version | None) -> bool:
        if version is None or (self._namespace and version.namespace != self._namespace):
            return False
        return self._selector.everything or self._selector.matches(
            version.labels, version.selectable()
        )

    def _line(self, type_: ChangeType, version: Version) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (type_.encode(), self._form.one(version))


def error_line(error: ApiError) -> bytes:
    """An error in a watch that is already being answered."""
    return orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n"


def _at(version: Version, revision: int) -> Version:
    """That state under a later resourceVersion, as an object that left the selection is told."""
    obj = version.load()
    obj["metadata"]["resourceVersion"] = str(revision)
    return msgspec.structs.replace(version, revision=revision, raw=orjson.dumps(obj))
