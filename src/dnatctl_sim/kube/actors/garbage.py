"""The garbage collector: what happens to objects when their owners go.

Background, foreground and orphaning deletion as in
https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Callable

from dnatctl_sim.kube.actors.dependents import Dependents
from dnatctl_sim.kube.actors.edits import edit
from dnatctl_sim.kube.api.deletion import FOREGROUND, ORPHAN
from dnatctl_sim.kube.api.options import DeleteOptions, Target
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core.collection import Change, ChangeType, Version
from dnatctl_sim.kube.core.objects import Object, dig
from dnatctl_sim.kube.core.resources import ResourceType


class GarbageCollector:
    """Deletes what has lost its last owner, and carries out what `propagationPolicy` asks for."""

    def __init__(self, api: Api, dependents: Dependents) -> None:
        self._api = api
        self._dependents = dependents
        self._waiting: dict[str, tuple[ResourceType, Version]] = {}

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        if change.type is ChangeType.DELETED:
            self._waiting.pop(change.new.uid, None)
            for type_, version in self._dependents.of(change.new.uid):
                self._attend(type_, version)
            self._recheck(change.new)
            return
        try:
            type_ = self._api.registry.by_key(collection)
        except KeyError:  # its CRD is gone, and it with it
            return
        if change.new.owners:
            if change.old is None or change.old.owners != change.new.owners:
                self._attend(type_, change.new)
            self._recheck(change.new)
        if b'"deletionTimestamp":"' in change.new.raw:
            self._propagate(type_, change.new)

    def _attend(self, type_: ResourceType, version: Version) -> None:
        """Delete an object whose owners are all gone; cut it off from those that are."""
        present = self._api.store.get(type_, *version.key)
        if present is None or present.uid != version.uid:
            return
        obj = present.load()
        owners = dig(obj, "metadata", "ownerReferences") or []
        living = [owner for owner in owners if self._lives(owner, present.namespace)]
        if len(living) == len(owners):
            return
        if living:
            edit(self._api, type_, present.key, lambda o: _keep_owners(o, living), present.uid)
        elif "deletionTimestamp" not in obj["metadata"]:
            self._delete(type_, present)

    def _lives(self, owner: Object, namespace: str) -> bool:
        """Whether an owner exists. One of an unknown kind counts as existing."""
        type_ = self._api.registry.of_kind(owner["apiVersion"], owner["kind"])
        if type_ is None:
            return True
        place = namespace if type_.namespaced else ""
        found = self._api.store.get(type_, place, owner["name"])
        return found is not None and found.uid == owner["uid"]

    def _propagate(self, type_: ResourceType, version: Version) -> None:
        finalizers = dig(version.load(), "metadata", "finalizers") or []
        if ORPHAN in finalizers:
            for dependent_type, dependent in self._dependents.of(version.uid):
                change = _disown(version.uid)
                edit(self._api, dependent_type, dependent.key, change, dependent.uid)
            self._unblock(type_, version, ORPHAN)
        elif FOREGROUND in finalizers:
            self._waiting[version.uid] = (type_, version)
            self._foreground(type_, version)

    def _foreground(self, type_: ResourceType, owner: Version) -> None:
        """Delete the dependents; let the owner go when none is left that blocks it."""
        blocked = False
        for dependent_type, dependent in self._dependents.of(owner.uid):
            obj = dependent.load()
            references = dig(obj, "metadata", "ownerReferences") or ()
            blocked |= any(
                r["uid"] == owner.uid and r.get("blockOwnerDeletion") for r in references
            )
            if "deletionTimestamp" not in obj["metadata"]:
                deeper = bool(self._dependents.of(dependent.uid))
                self._delete(dependent_type, dependent, "Foreground" if deeper else "")
        if not blocked:
            self._waiting.pop(owner.uid, None)
            self._unblock(type_, owner, FOREGROUND)

    def _recheck(self, dependent: Version) -> None:
        """One that a foreground deletion may be waiting for has changed or gone."""
        for uid in dependent.owners:
            if uid in self._waiting:
                self._foreground(*self._waiting[uid])

    def _delete(self, type_: ResourceType, version: Version, policy: str = "") -> None:
        target = Target(type_, version.namespace, version.name)
        self._api.deletion.delete(target, DeleteOptions(uid=version.uid, policy=policy))

    def _unblock(self, type_: ResourceType, version: Version, finalizer: str) -> None:
        edit(self._api, type_, version.key, lambda obj: drop_finalizer(obj, finalizer), version.uid)


def drop_finalizer(obj: Object, finalizer: str) -> None:
    """Take one finalizer off an object."""
    left = [name for name in obj["metadata"].get("finalizers", ()) if name != finalizer]
    obj["metadata"]["finalizers"] = left
    if not left:
        del obj["metadata"]["finalizers"]


def _keep_owners(obj: Object, owners: list[Object]) -> None:
    obj["metadata"]["ownerReferences"] = owners
    if not owners:
        del obj["metadata"]["ownerReferences"]


def _disown(uid: str) -> Callable[[Object], None]:
    def change(obj: Object) -> None:
        references = obj["metadata"].get("ownerReferences", ())
        _keep_owners(obj, [owner for owner in references if owner["uid"] != uid])

    return change
