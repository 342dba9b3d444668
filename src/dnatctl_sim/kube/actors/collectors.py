"""Namespaces and CRDs that are deleted take their contents with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dnatctl_sim.kube.actors.edits import edit
from dnatctl_sim.kube.actors.garbage import drop_finalizer
from dnatctl_sim.kube.actors.troupe import Timers
from dnatctl_sim.kube.api.crdkind import CLEANUP
from dnatctl_sim.kube.api.options import DeleteOptions, Target, WriteOptions
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.collection import Change, ChangeType, Version
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.core.objects import Object, dig, set_condition, timestamp
from dnatctl_sim.kube.core.resources import ResourceType

_PAUSE = 0.02


class Emptier:
    """Empties things until nothing is left in them, looking again whenever something has gone.

    `look` does one round for the thing of that name, and says whether it is empty and done with.
    """

    def __init__(self, timers: Timers, look: Callable[[str], bool]) -> None:
        self._timers = timers
        self._look = look
        self._names: set[str] = set()
        self._due: set[str] = set()

    def begin(self, name: str) -> None:
        """Empty the thing of that name."""
        if name not in self._names:
            self._names.add(name)
            self.again(name)

    def again(self, name: str) -> None:
        """Something in it has gone."""
        if name in self._names and name not in self._due:
            self._due.add(name)
            self._timers.call_later(_PAUSE, lambda: self._round(name))

    def _round(self, name: str) -> None:
        self._due.discard(name)
        if self._look(name):
            self._names.discard(name)


class NamespaceCollector:
    """Gives every namespace its default ServiceAccount; empties and removes deleted ones."""

    def __init__(self, api: Api, timers: Timers) -> None:
        self._api = api
        self._emptier = Emptier(timers, self._look)

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        if collection == builtin.NAMESPACES.key:
            if change.new.fields.get("status.phase") == "Terminating":
                self._emptier.begin(change.new.name)
            elif change.type is ChangeType.ADDED:
                self._equip(change.new.name)
        elif change.type is ChangeType.DELETED:
            self._emptier.again(change.new.namespace)

    def _equip(self, namespace: str) -> None:
        target = Target(builtin.SERVICE_ACCOUNTS, namespace)
        self._api.create(target, {"metadata": {"name": "default"}}, WriteOptions())

    def _look(self, namespace: str) -> bool:
        found = self._api.store.get(builtin.NAMESPACES, "", namespace)
        if found is None or found.fields.get("status.phase") != "Terminating":
            return True  # it is gone, and there may be another one of its name by now
        left = {
            type_.key: contents
            for type_ in self._api.registry.all()
            if type_.namespaced and not type_.stored_as
            if (contents := delete_all(self._api, type_, namespace))
        }
        edit(self._api, builtin.NAMESPACES, found.key, lambda obj: self._report(obj, left))
        if not left:
            edit(self._api, builtin.NAMESPACES, found.key, _release)
        return not left

    def _report(self, namespace: Object, left: dict[str, list[Version]]) -> None:
        now = timestamp(self._api.clock.now())
        counts = ", ".join(
            f"{key} has {len(found)} resource instances" for key, found in left.items()
        )
        finalizers = sorted({name for found in left.values() for name in _finalizers(found)})
        for type_, what, reason in (
            ("NamespaceContentRemaining", counts, "SomeResourcesRemain"),
            ("NamespaceFinalizersRemaining", ", ".join(finalizers), "SomeFinalizersRemain"),
        ):
            status = "True" if what else "False"
            text = f"Some resources are remaining: {what}" if what else "All content removed"
            why = reason if what else "ContentRemoved"
            set_condition(namespace, type_, status, now, reason=why, message=text)


class CRDCollector:
    """Removes the objects of a deleted CRD, then the CRD."""

    def __init__(self, api: Api, timers: Timers) -> None:
        self._api = api
        self._emptier = Emptier(timers, self._look)

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        if collection == builtin.CRDS.key:
            if change.type is not ChangeType.DELETED and _is_deleted(change.new):
                self._emptier.begin(change.new.name)
        elif change.type is ChangeType.DELETED:
            self._emptier.again(collection)

    def _look(self, name: str) -> bool:
        if self._api.store.get(builtin.CRDS, "", name) is None:
            return True
        if delete_all(self._api, self._api.registry.by_key(name)):
            return False
        edit(self._api, builtin.CRDS, ("", name), lambda obj: drop_finalizer(obj, CLEANUP))
        return True


def delete_all(api: Api, type_: ResourceType, namespace: str = "") -> list[Version]:
    """Ask for the deletion of every object of a type; those that are still there afterwards."""
    for version in list(api.store.list(type_, namespace).items):
        if not _is_deleted(version):
            try:
                api.deletion.delete(
                    Target(type_, version.namespace, version.name), DeleteOptions(uid=version.uid)
                )
            except ApiError:  # it went by itself
                continue
    return list(api.store.list(type_, namespace).items)


def _is_deleted(version: Version) -> bool:
    return b'"deletionTimestamp":"' in version.raw


def _finalizers(versions: Iterable[Version]) -> set[str]:
    found = (dig(version.load(), "metadata", "finalizers") or () for version in versions)
    return {name for names in found for name in names}


def _release(namespace: Object) -> None:
    namespace["spec"]["finalizers"] = []
