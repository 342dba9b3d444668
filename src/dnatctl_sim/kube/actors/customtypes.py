"""Serving what CRDs define, as soon as they exist and for as long as they do."""

from __future__ import annotations

from dnatctl_sim.kube.api.crdkind import resource_type
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.collection import Change, ChangeType
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.core.store import Store


class CustomTypes:
    """Keeps the registry in step with the CRDs in the store. Runs within the write itself."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def observe(self, collection: str, change: Change) -> None:
        """See `Listener` in core/store.py."""
        if collection != builtin.CRDS.key:
            return
        if change.type is ChangeType.DELETED:
            self._registry.discard(change.new.name)
        else:
            self._registry.add(resource_type(change.new.load()))

    def reload(self, store: Store) -> None:
        """Serve what the CRDs now in `store` define, and nothing else beside the built-in types."""
        for type_ in self._registry.all():
            if type_.custom:
                self._registry.discard(type_.key)
        for crd in store.list(builtin.CRDS).items:
            self._registry.add(resource_type(crd.load()))
