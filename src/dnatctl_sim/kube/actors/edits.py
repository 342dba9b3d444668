"""Small writes that the actors share."""

from __future__ import annotations

from collections.abc import Callable

from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core.collection import Key, Version
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType


def edit(
    api: Api, type_: ResourceType, key: Key, change: Callable[[Object], None], uid: str = ""
) -> Version | None:
    """Let `change` alter the object and store what came of it; None when the object is gone.

    With `uid`, another object of the same name is left alone. Nothing altered, nothing written.
    """
    with api.store.lock:
        old = api.store.get(type_, *key)
        if old is None or (uid and old.uid != uid):
            return None
        obj = old.load()
        change(obj)
        return old if old.says(obj) else api.write_internal(type_, old, obj)
