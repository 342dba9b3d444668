"""An owner's name is any text that a tenant writes: it leads the controller nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stage import Stage, eventually, stage

NAMES = [
    "../../../../../../api/v1/pods?watch=true&timeoutSeconds=3600&x=/../../../api/v1/pods",
    "../../../../../api/v1/pods?watch=true#",
    "..",
    "db?watch=true",
    "%2e%2e/%2e%2e",
    "db/../db",
    "x" * 2000,
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    with stage(fixed={"retain": "2s"}, resync="1s") as running:
        running.start_controller()
        yield running
        running.assert_at_rest()


def test_pods_with_such_owners_hold_up_nobody_and_end_like_others(it: Stage) -> None:
    for n, name in enumerate(NAMES):
        # The garbage collector does not know that version, so it leaves the pods alone.
        owner = {"apiVersion": "apps/v9", "kind": "StatefulSet", "name": name, "uid": "none"}
        it.pod(f"evil-{n}", owner=owner | {"controller": True}, fixed="")
    for n in range(len(NAMES)):
        it.ready(f"evil-{n}")
        it.delete_pod(f"evil-{n}", grace=0)
    it.pod("victim")
    it.ready("victim")
    for n in range(len(NAMES)):
        it.gone(f"evil-{n}")
    eventually(lambda: len(it.own_rows()) == 1)
    it.assert_at_rest()
