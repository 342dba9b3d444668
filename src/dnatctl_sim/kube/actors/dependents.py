"""Who is owned by whom, by UID, kept up to date from changes."""

from __future__ import annotations

from dnatctl_sim.kube.core.collection import Change, ChangeType, Key, Version
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.core.resources import ResourceType
from dnatctl_sim.kube.core.store import Store

_Place = tuple[str, Key]


class Dependents:
    """The objects that name an owner. The first actor, so that the others see it current."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._owned: dict[str, set[_Place]] = {}

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        place = (collection, change.new.key)
        present = () if change.type is ChangeType.DELETED else change.new.owners
        for uid in change.old.owners if change.old else ():
            if uid not in present:
                self._discard(uid, place)
        for uid in present:
            self._owned.setdefault(uid, set()).add(place)

    def of(self, uid: str) -> list[tuple[ResourceType, Version]]:
        """The objects, as they are now, that name the owner with that UID."""
        found = []
        for collection, key in sorted(self._owned.get(uid, ())):
            try:
                type_ = self._registry.by_key(collection)
            except KeyError:  # its CRD is gone, and it with it
                continue
            version = self._store.get(type_, *key)
            if version is not None and uid in version.owners:
                found.append((type_, version))
        return found

    def versions(self, uid: str, type_: ResourceType) -> list[Version]:
        """Those of one type."""
        return [version for found, version in self.of(uid) if found is type_]

    def _discard(self, uid: str, place: _Place) -> None:
        places = self._owned.get(uid, set())
        places.discard(place)
        if not places:
            self._owned.pop(uid, None)
