"""A namespace that is deleted and made anew, with pods of the same names, while rows still go."""

from __future__ import annotations

from contextlib import suppress

import pytest

from dnatctl_sim.cloud import Scenario, Settle
from dnatctl_sim.kube.core.errors import ApiError
from tests.support.stage import RECORDS, Stage, eventually, fast, stage
from tests.support.workloads import stateful

SLOW = Scenario.many(2, eips=1, knobs=fast(settle=Settle.all(0.2)))
NAMES = [f"web-{n}" for n in range(14)]


def fill(it: Stage) -> None:
    for name in NAMES:
        it.pod(name)
    it.kube.store.create("statefulsets.apps", stateful(it.ns, replicas=2))
    for name in (*NAMES, "db-0", "db-1"):
        it.ready(name)


@pytest.mark.parametrize("forced", [False, True])
def test_its_pods_are_served_and_nothing_of_the_old_ones_is_left(forced: bool) -> None:
    """`forced`: by somebody who takes off all finalizers, tired of waiting for the table."""
    with stage(SLOW, resync="2s") as it:
        it.start_controller()
        it.move_to("games")
        fill(it)
        for name in NAMES:
            it.delete_pod(name, grace=0)
        it.kube.store.delete("namespaces", "", "games")
        for record in it.records("games") if forced else []:
            with suppress(ApiError):  # it has gone
                name = record["metadata"]["name"]
                it.kube.store.patch(RECORDS, "games", name, {"metadata": {"finalizers": None}})
        eventually(lambda: it.kube.store.get("namespaces", "", "games") is None)
        if forced:
            it.referee.violations.clear()  # it takes that for the controller's doing
        it.namespace("games")
        fill(it)
        it.assert_at_rest()
