"""Signals: who is put on the queue for what, who stands for a name, and what is urgent."""

from __future__ import annotations

from operator import attrgetter

import msgspec
import pytest
from msgspec.structs import replace

from dnatctl.cloud.api import Stopped
from dnatctl.control.state.queue import WorkQueue
from dnatctl.control.state.signals import PULSE_S, Signals
from dnatctl.control.state.views import Views
from dnatctl.kube.cache import Cache
from dnatctl.kube.namespaces import Namespace
from dnatctl.kube.nodes import Node
from dnatctl.objects import POD_READY, Condition, Key, Owner, Pod, PodDNAT, PodRef
from tests.support.clock import FakeClock
from tests.support.steps import steps
from tests.unit.pool.made import eip, offer, spec
from tests.unit.table.made import GATEWAY, MARKS, uid

LOBBY, ARENA = Key("games", "lobby-0"), Key("games", "arena-0")


class Told:
    """Signals with all that they listen to and lead to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.views = Views(MARKS, [offer()], 60.0, self.clock)
        self.views.pool.describe(GATEWAY, [eip()], "")
        self.queue: WorkQueue[PodRef] = WorkQueue(clock=self.clock, lane=attrgetter("key"))
        self.pods: Cache[Pod] = Cache()
        self.records: Cache[PodDNAT] = Cache()
        self.signals = Signals(self.views, self.queue, self.pods, self.records)

    def heard(self) -> list[PodRef]:
        """All that is on the queue now, in its order."""
        found = []
        while (ref := self.queue.get(timeout=0.0)) is not None:
            found.append(ref)
            self.queue.done(ref)
        return found


@pytest.fixture
def it() -> Told:
    it = Told()
    it.signals.begin()
    return it


def pod(key: Key = LOBBY, ip: str = "10.0.0.1", number: int = 1, node: str = "") -> Pod:
    return Pod(key, f"pod-{number}", str(number), {}, ips=(ip,), node=node)


def record(key: Key = LOBBY, number: int = 1, owners: tuple[Owner, ...] = ()) -> PodDNAT:
    return PodDNAT(key, uid(number), str(number), spec=spec(600 + number), owners=owners)


def test_pods_of_a_namespace_are_looked_at_when_its_labels_change(it):
    it.pods.apply(pod())
    it.pods.apply(pod(Key("shop", "web"), "10.0.0.2", 2))
    it.heard()
    bare = Namespace(Key("", "games"), "n1", "1", {})
    labelled = Namespace(Key("", "games"), "n1", "2", {"dnat": "allowed"})
    it.signals.namespace_changed(bare, Namespace(Key("", "games"), "n1", "3", {}))
    assert it.heard() == []
    for old, new in ((None, bare), (bare, labelled), (labelled, None)):
        it.signals.namespace_changed(old, new)
        assert it.heard() == [PodRef("pod-1", LOBBY)]


class TestWhoStandsForAName:
    def test_its_pod_if_there_is_one(self, it):
        it.pods.apply(pod())
        it.records.apply(record())
        assert it.signals.ref(LOBBY) == PodRef("pod-1", LOBBY)

    def test_else_the_pod_that_its_poddnat_was_made_for(self, it):
        it.records.apply(record(owners=(Owner("v1", "Pod", "lobby-0", "pod-7"),)))
        assert it.signals.ref(LOBBY) == PodRef("pod-7", LOBBY)

    def test_else_its_poddnat(self, it):
        it.records.apply(record())
        assert it.signals.ref(LOBBY) == PodRef(uid(1), LOBBY)

    def test_a_pod_whose_name_is_anothers_by_now_is_not_looked_at(self, it):
        it.pods.apply(pod(number=2))
        assert not it.signals.looking(PodRef("pod-1", LOBBY))
        assert it.signals.successor(PodRef("pod-1", LOBBY)) == PodRef("pod-2", LOBBY)
        assert it.signals.looking(PodRef("pod-2", LOBBY))

    def test_where_nobody_stands_for_it_any_more_it_is(self, it):
        assert it.signals.looking(PodRef("pod-1", LOBBY))


class TestCaches:
    def test_a_pod_that_changes_is_looked_at(self, it):
        it.pods.apply(pod())
        assert it.heard() == [PodRef("pod-1", LOBBY)]

    def test_so_is_a_poddnat(self, it):
        it.records.apply(record())
        assert it.heard() == [PodRef(uid(1), LOBBY)]

    def test_what_changes_in_nothing_that_is_read_is_no_news(self, it):
        it.pods.apply(pod())
        it.records.apply(record(ARENA))
        it.heard()
        it.pods.apply(msgspec.structs.replace(pod(), resource_version="7"))
        it.records.apply(msgspec.structs.replace(record(ARENA), resource_version="7"))
        assert it.heard() == []
        assert it.pods.get(LOBBY).resource_version == "7"
        assert it.records.get(ARENA).resource_version == "7"

    @pytest.mark.parametrize(
        "change", [{"phase": "Failed"}, {"deleting": True}, {"condition": None}, {"uid": "pod-7"}]
    )
    def test_whatever_is_read_is_news(self, it, change):
        told = msgspec.structs.replace(pod(), condition=REACHED)
        it.pods.apply(told)
        it.heard()
        it.pods.apply(msgspec.structs.replace(told, resource_version="7", **change))
        assert [ref.key for ref in it.heard()][-1] == LOBBY

    def test_what_was_heard_until_a_look_is_settled_by_it(self, it):
        it.pods.apply(pod())
        ref = it.queue.get(timeout=0.0)
        it.pods.apply(pod(number=1, ip="10.0.0.2"))
        it.signals.looking(ref)
        it.queue.done(ref)
        assert it.heard() == []

    def test_that_nobody_is_left_of_a_name_is_settled_by_a_look_at_the_last_one(self, it):
        it.records.apply(record(owners=(Owner("v1", "Pod", "lobby-0", "pod-1"),)))
        ref = it.queue.get(timeout=0.0)
        it.records.remove(LOBBY, uid(1), "5")
        assert it.signals.looking(ref)
        it.queue.done(ref)
        assert it.heard() == []

    def test_and_is_heard_of_after_that_look(self, it):
        it.records.apply(record(owners=(Owner("v1", "Pod", "lobby-0", "pod-1"),)))
        ref = it.queue.get(timeout=0.0)
        it.signals.looking(ref)
        it.records.remove(LOBBY, uid(1), "5")
        it.queue.done(ref)
        assert it.heard() == [PodRef("", LOBBY)]

    def test_all_who_state_an_ip_are_looked_at_when_one_more_does(self, it):
        it.pods.apply(pod())
        it.heard()
        it.pods.apply(pod(ARENA, number=2))
        assert {ref.key for ref in it.heard()} == {LOBBY, ARENA}

    def test_those_on_a_node_that_died_are_looked_at_if_their_ip_is_anothers(self, it):
        it.pods.apply(pod(node="dead"))
        it.pods.apply(pod(ARENA, number=2, node="fine"))
        it.pods.apply(pod(Key("games", "alone"), "10.0.0.9", 3, node="dead"))
        it.heard()
        alive = Node(Key("", "dead"), "uid-of-node", "1", "", ready=True)
        it.signals.node_changed(alive, Node(alive.key, alive.uid, "2", "", ready=False))
        assert {ref.key for ref in it.heard()} == {LOBBY, ARENA}

    def test_what_a_node_costs_does_not_grow_with_the_pods_of_others(self, it):
        """There are as many such news at a start as there are nodes."""
        node = Node(Key("", "dead"), "uid-of-node", "1", "", ready=False)
        it.pods.apply(pod(node="dead"))
        it.pods.apply(pod(ARENA, number=2, node="fine"))
        few = steps(lambda: it.signals.node_changed(None, node))
        for number in range(3, 1000):
            ip = f"10.1.{number // 250}.{number % 250}"
            it.pods.apply(pod(Key("games", f"n-{number}"), ip, number, node="fine"))
        assert steps(lambda: it.signals.node_changed(None, node)) == few

    def test_a_node_that_changes_in_what_nobody_asks_for_is_no_news(self, it):
        it.pods.apply(pod(node="fine"))
        it.pods.apply(pod(ARENA, number=2, node="fine"))
        it.heard()
        node = Node(Key("", "fine"), "uid-of-node", "1", "", ready=True)
        it.signals.node_changed(node, Node(node.key, node.uid, "2", "", ready=True))
        assert it.heard() == []


REACHED = Condition(POD_READY, "True", "EntriesAvailable", "1 of 1 ports are reachable")


class TestWhatAPodIsTold:
    def told(self, it: Told, **also: object) -> list[PodRef]:
        """Who is to be looked at when a pod has been told, which has changed besides."""
        it.pods.apply(pod())
        it.heard()
        with it.signals.telling(LOBBY, REACHED):
            since = msgspec.structs.replace(REACHED, since="2026-11-27T10:00:00Z")
            after = msgspec.structs.replace(
                pod(), resource_version="2", **{"condition": since, **also}
            )
            it.pods.note_written(after)
        return it.heard()

    def test_is_no_news_of_it(self, it):
        assert self.told(it) == []

    @pytest.mark.parametrize(
        "also", [{"phase": "Failed"}, {"ips": ("10.0.0.2",)}, {"annotations": {"a": "b"}}]
    )
    def test_but_what_has_changed_with_it_is(self, it, also):
        assert self.told(it, **also) == [PodRef("pod-1", LOBBY)]

    @pytest.mark.parametrize("other", [None, Condition(POD_READY, "False", "Nonsense", "")])
    def test_and_what_somebody_else_tells_it(self, it, other):
        assert self.told(it, condition=other) == [PodRef("pod-1", LOBBY)]

    def test_is_news_again_afterwards(self, it):
        self.told(it)
        changed = msgspec.structs.replace(pod(), resource_version="3")
        it.pods.apply(changed)
        assert it.heard() == [PodRef("pod-1", LOBBY)]


class TestUrgency:
    def test_what_is_found_before_this_replica_leads_lets_news_go_first(self):
        it = Told()
        it.pods.apply(pod())
        it.signals.begin()
        it.pods.apply(pod(ARENA, "10.0.0.2", 2))
        assert [ref.key for ref in it.heard()] == [ARENA, LOBBY]

    def test_whoever_comes_and_goes_while_it_stands_by_is_not_kept(self):
        it = Told()
        for number in range(1, 100):
            it.pods.apply(pod(number=number))
            it.records.apply(record(number=number))
            it.records.remove(LOBBY, uid(number), str(number))
            it.pods.remove(LOBBY, f"pod-{number}", str(number))
        it.pods.apply(pod(ARENA, "10.0.0.2", 200))
        assert len(it.queue) == 0
        it.signals.begin()
        assert it.heard() == [PodRef("pod-200", ARENA)]

    def test_so_does_a_resync(self, it):
        it.pods.apply(pod())
        it.records.apply(record(ARENA, 2))
        it.heard()
        it.signals.resync()
        it.pods.apply(pod(Key("games", "new"), "10.0.0.2", 3))
        heard = [ref.key for ref in it.heard()]
        assert heard[0] == Key("games", "new")
        assert set(heard[1:]) == {LOBBY, ARENA}

    def test_a_resync_comes_with_time(self, it):
        it.pods.apply(pod())
        it.heard()
        it.signals.pulse(resync=300.0)
        assert it.heard() == []
        it.clock.advance(300.0)
        it.signals.pulse(resync=300.0)
        assert [ref.key for ref in it.heard()] == [LOBBY]

    def test_a_resync_does_not_look_at_thousands_at_once(self, it):
        keys = {Key("games", f"pod-{n}") for n in range(3000)}
        for n, key in enumerate(keys):
            it.pods.apply(pod(key, f"10.0.{n // 250}.{n % 250 + 1}", n + 1))
        it.heard()
        it.clock.advance(300.0)
        looks = []
        for _ in range(150):
            it.signals.pulse(resync=300.0)
            looks.append([ref.key for ref in it.heard()])
            it.clock.advance(PULSE_S)
        assert max(map(len, looks)) == 20
        assert sorted(key for each in looks for key in each) == sorted(keys)

    def test_one_that_is_soon_due_again_looks_at_all_in_time(self, it):
        it.pods.apply(pod())
        it.pods.apply(pod(ARENA, "10.0.0.2", 2))
        it.heard()
        it.clock.advance(1.0)
        it.signals.pulse(resync=1.0)
        assert {ref.key for ref in it.heard()} == {LOBBY, ARENA}


class TestGateways:
    def test_those_with_a_claim_on_it_are_looked_at(self, it):
        it.records.apply(record())
        it.heard()
        it.signals.gateway_changed("ngw-other")
        assert it.heard() == []
        it.signals.gateway_changed(GATEWAY)
        assert [ref.key for ref in it.heard()] == [LOBBY]


def test_nobody_looks_any_more_when_the_queue_is_closed(it):
    """A worker's chain of requests ends with the one in hand: the Lease waits for it."""
    assert it.signals.looking(PodRef("pod-1", LOBBY))
    it.queue.shutdown()
    with pytest.raises(Stopped):
        it.signals.looking(PodRef("pod-1", LOBBY))


@pytest.mark.parametrize("how", ["gone", "ended", "elsewhere"])
def test_whoever_is_left_with_an_ip_is_looked_at(it, how):
    """He was told that it is another pod's."""
    other = pod(ARENA, "10.0.0.1", 2)
    it.pods.apply(pod())
    it.pods.apply(other)
    it.heard()
    match how:
        case "gone":
            it.pods.remove(ARENA, other.uid, "3")
        case "ended":
            it.pods.apply(replace(other, ended=True, resource_version="3"))
        case "elsewhere":
            it.pods.apply(replace(other, ips=("10.0.0.2",), resource_version="3"))
    assert PodRef("pod-1", LOBBY) in it.heard()
