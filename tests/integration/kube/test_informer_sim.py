"""The informer on the emulated API server: whatever happens, the copy becomes true again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from dnatctl.clock import SystemClock
from dnatctl.kube.client import KubeClient
from dnatctl.kube.informer import Informer, InformerSettings
from dnatctl.kube.nodes import Node, NodeSource
from dnatctl.kube.pods import PodApi, PodSource
from dnatctl.objects import Key, Pod
from dnatctl_sim.kube import Fault, KubeServer, Match, Settings
from tests.integration.kube.conftest import client_of

# A connection that is accepted while the emulator goes down is neither served nor closed: as good
# as any half-open one to the client, but asyncio complains when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Until = Callable[[Callable[[], object]], None]

HASTY = InformerSettings(
    page_size=7,
    list_timeout=2.0,
    look_timeout=1.0,
    backoff=(0.01, 0.05),
    silence=2.0,
)
OURS = {"k8s.aliyun.com/pod-dnat": ""}


@pytest.fixture
def kube(no_leaked_threads: None) -> Iterator[KubeServer]:
    settings = Settings(actors=False, bookmarks=0.2, history=200)
    with KubeServer(settings=settings) as server:
        yield server


@pytest.fixture
def wire(kube: KubeServer) -> Iterator[KubeClient]:
    client = client_of(kube.url)
    yield client
    client.close()


class Copy:
    """An informer of pods, with what its handlers were told."""

    def __init__(self, kube: KubeServer, wire: KubeClient) -> None:
        self.kube = kube
        self.told: dict[Key, Pod] = {}
        self.informer = Informer(wire, PodSource(), clock=SystemClock(), settings=HASTY)
        self.informer.on_change(self._note)

    def _note(self, old: Pod | None, new: Pod | None) -> None:
        key = (new or old).key  # type: ignore[union-attr]
        assert self.told.get(key) == old
        if new is None:
            del self.told[key]
        else:
            self.told[key] = new

    def true(self) -> bool:
        """Whether the copy holds exactly the annotated pods, as they are."""
        wanted = {
            (pod["metadata"]["uid"], pod["metadata"]["resourceVersion"])
            for pod in self.kube.store.list("pods")
            if OURS.keys() & pod["metadata"].get("annotations", {}).keys()
        }
        held = {(pod.uid, pod.resource_version) for pod in self.informer.values()}
        return held == wanted and self.told == {pod.key: pod for pod in self.informer.values()}


@pytest.fixture
def copy(kube: KubeServer, wire: KubeClient) -> Iterator[Copy]:
    made = Copy(kube, wire)
    yield made
    made.informer.stop()
    assert made.informer.join(60)


def add(kube: KubeServer, name: str, **annotations: str) -> None:
    kube.store.create(
        "pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "default",
                "annotations": annotations or OURS,
            },
            "spec": {"containers": [{"name": "main", "image": "x"}]},
        },
    )


def churn(kube: KubeServer, random: Random, changes: int) -> None:
    """Random creations, edits and deletions; names come again."""
    for _ in range(changes):
        name = f"pod-{random.randrange(20)}"
        held = kube.store.get("pods", "default", name)
        if held is None:
            add(kube, name, **({} if random.random() < 0.7 else {"other": "x"}))
        elif random.random() < 0.4:
            kube.store.delete("pods", "default", name, grace=0)
        else:
            labels = {"metadata": {"labels": {"n": str(random.randrange(1000))}}}
            kube.store.patch("pods", "default", name, labels)


def test_more_pods_than_a_page_and_whatever_comes_after(
    kube: KubeServer, copy: Copy, until: Until
) -> None:
    for n in range(30):
        add(kube, f"start-{n}")
    copy.informer.start()
    until(copy.true)
    churn(kube, Random(1), 150)
    until(copy.true)


def restart(kube: KubeServer) -> None:
    kube.go_offline()
    kube.go_online()


def expire(kube: KubeServer) -> None:
    kube.faults.expire_watches("pods", times=2)
    kube.watches.close("pods")


TROUBLES: dict[str, Callable[[KubeServer], Any]] = {
    "closed": lambda kube: kube.watches.close("pods"),
    "reset": lambda kube: kube.watches.close("pods", reset=True),
    "expired": expire,
    "frozen": lambda kube: kube.watches.freeze("pods"),
    "restarted": restart,
    "lists-fail": lambda kube: (
        kube.faults.add(Fault(code=503), Match(verb="list"), times=3),
        expire(kube),
    ),
    "pages-expire": lambda kube: (kube.faults.expire_pages(2), expire(kube)),
    "watches-refused": lambda kube: (
        kube.faults.add(Fault(code=403), Match(verb="watch"), times=3),
        kube.watches.close("pods"),
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_copy_becomes_true_again(
    kube: KubeServer, copy: Copy, until: Until, trouble: str
) -> None:
    random = Random(trouble)
    churn(kube, random, 50)
    copy.informer.start()
    until(copy.true)
    for _ in range(3):
        churn(kube, random, 20)
        TROUBLES[trouble](kube)
        churn(kube, random, 20)
    until(copy.true)


def test_after_more_changes_than_the_server_remembers(
    kube: KubeServer, copy: Copy, until: Until
) -> None:
    add(kube, "a")
    copy.informer.start()
    until(copy.true)
    kube.go_offline()
    churn(kube, Random(3), 400)
    kube.go_online()
    until(copy.true)


def test_after_etcd_was_restored_from_a_backup(kube: KubeServer, copy: Copy, until: Until) -> None:
    churn(kube, Random(4), 40)
    backup = kube.backup()
    churn(kube, Random(5), 100)
    copy.informer.start()
    until(copy.true)
    kube.restore(backup)
    until(copy.true)
    churn(kube, Random(6), 30)
    until(copy.true)


def test_a_lagging_first_list_is_made_up_for(kube: KubeServer, copy: Copy, until: Until) -> None:
    add(kube, "old")
    kube.pin_lists("pods")
    add(kube, "new")
    kube.store.delete("pods", "default", "old", grace=0)
    copy.informer.start()
    until(copy.true)


def test_a_list_asked_for_is_not_of_a_lagging_cache(
    kube: KubeServer, copy: Copy, until: Until
) -> None:
    add(kube, "old")
    copy.informer.start()
    until(copy.true)
    kube.watches.freeze("pods", coming=True)
    add(kube, "new")
    until(copy.informer.relist())
    assert copy.true()


def test_own_writes_are_seen_at_once_and_once(
    kube: KubeServer, copy: Copy, wire: KubeClient, until: Until
) -> None:
    add(kube, "a")
    copy.informer.start()
    until(copy.true)
    kube.watches.freeze("pods", coming=True)
    api = PodApi(wire)
    pod = copy.informer.get(Key("default", "a"))
    assert pod is not None
    for n in range(5):
        pod = api.patch_annotation(pod, "k8s.aliyun.com/pod-dnat-note", str(n))
        copy.informer.note_written(pod)
        assert copy.true()
    kube.watches.thaw()
    add(kube, "b")
    until(copy.true)


def test_a_pod_that_lost_its_annotation_is_kept_until_it_is_gone(
    kube: KubeServer, copy: Copy, until: Until
) -> None:
    add(kube, "a")
    copy.informer.start()
    until(copy.true)
    off = {"metadata": {"annotations": {"k8s.aliyun.com/pod-dnat": None}}}
    kube.store.patch("pods", "default", "a", off)
    until(lambda: [pod.annotations for pod in copy.informer.values()] == [{}])
    expire(kube)
    kube.store.delete("pods", "default", "a", grace=0)
    until(lambda: len(copy.informer) == 0)


def test_nodes_come_with_their_zones_only(kube: KubeServer, wire: KubeClient, until: Until) -> None:
    informer: Informer[Node] = Informer(wire, NodeSource(), clock=SystemClock(), settings=HASTY)
    informer.start()
    try:
        until(lambda: {node.zone for node in informer.values()} == set(kube.settings.zones))
        name = informer.values()[0].key.name
        moved = {"metadata": {"labels": {"topology.kubernetes.io/zone": "elsewhere"}}}
        kube.store.patch("nodes", "", name, moved)
        until(lambda: informer.get(Key("", name)).zone == "elsewhere")  # type: ignore[union-attr]
    finally:
        informer.stop()
        assert informer.join(60)
