"""What is noted of answers that are missing."""

from __future__ import annotations

from typing import Any

from dnatctl.control.sight.lookups import MOST_NOTED, KubeLookups
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Key, Owner
from dnatctl.plan.values import WorkloadAnswer

NAME = Key("games", "lobby-0")


class Client:
    """An API server that grants nothing."""

    def request(self, *_: object, **__: object) -> bytes:
        raise KubeError(Failure.FORBIDDEN, "no")


def test_memory_does_not_grow_with_kinds_of_owners_that_came_and_went() -> None:
    """Whoever may write a PodDNAT names owners of any kind."""
    client: Any = Client()
    pods: Any = None
    lookups = KubeLookups(client, pods, lambda: None, Cache())
    for number in range(2 * MOST_NOTED):
        owner = Owner("example.com/v1", f"Kind{number}", "lobby", "uid")
        assert lookups.keeps(NAME, owner) is WorkloadAnswer.UNREADABLE
    assert len(lookups._missing) == MOST_NOTED
    assert f"Kind{2 * MOST_NOTED - 1} " in lookups.notes()[-1], "the latest are noted"
