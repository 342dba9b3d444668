"""What is found out of who has an IP: from nodes, from other pods, from the cloud."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.cloud.api import Unsaid
from dnatctl.cloud.eni import TTL, EniCache
from dnatctl.control.sight.resolver import forgetting
from dnatctl.control.sight.tenancy import (
    CLOUD_WAITED_FOR_S,
    FOREIGN_AGAIN_S,
    FOREIGN_BELIEVED_S,
    Nodes,
    Tenancy,
    Verdict,
)
from dnatctl.control.state.views import Views
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.nodes import Node
from dnatctl.model import Eni
from dnatctl.objects import Key, Pod
from dnatctl.plan.exposure import SWITCH, Ask, Exposure
from dnatctl.table.marks import Marks
from tests.support.clock import FakeClock

IP = "10.0.0.1"


def node(name: str, *addresses: str, instance: str = "", version: str = "1") -> Node:
    return Node(Key("", name), name, version, "", addresses=addresses, instance=instance)


def test_an_address_goes_with_its_node_unless_a_successor_has_it() -> None:
    cache: Cache[Node] = Cache()
    nodes = Nodes(cache)
    cache.apply(node("old", "192.168.0.1", version="1"))
    cache.apply(node("new", "192.168.0.1", version="2"))
    cache.remove(Key("", "old"), "old", "3")
    assert nodes.at("192.168.0.1") == ("new",)
    cache.remove(Key("", "new"), "new", "4")
    assert nodes.at("192.168.0.1") == ()


@pytest.mark.parametrize("names", [("old", "new"), ("new", "old")])
def test_a_machine_is_a_nodes_while_one_of_its_nodes_is_there(names: tuple[str, str]) -> None:
    """It was registered anew by another name, and the former node is deleted: its pods live on."""
    cache: Cache[Node] = Cache()
    nodes = Nodes(cache, listed=lambda: True)
    for version, name in enumerate(names, 1):
        cache.apply(node(name, instance="i-1", version=str(version)))
    cache.remove(Key("", "old"), "old", "3")
    assert nodes.has_machine("i-1")
    cache.remove(Key("", "new"), "new", "4")
    assert not nodes.has_machine("i-1")


def test_an_address_is_a_nodes_while_that_lives() -> None:
    """Its machine was released, and the node stays behind."""
    cache: Cache[Node] = Cache()
    nodes = Nodes(cache)
    alive = node("old", "192.168.0.1", version="1")
    cache.apply(alive)
    cache.apply(replace(alive, resource_version="2", ready=False))
    assert nodes.at("192.168.0.1") == ()
    cache.apply(node("new", "192.168.0.1", version="3"))
    assert nodes.at("192.168.0.1") == ("new",)
    cache.apply(replace(alive, resource_version="4"))
    cache.apply(replace(alive, resource_version="5", ready=False))
    assert nodes.at("192.168.0.1") == ("new",), "though the other came back for a moment"


class Stated:
    """Two living pods on two machines that state one IP; the cloud knows it to be `holder`'s."""

    def __init__(self, holder: str) -> None:
        self.clock = FakeClock()
        self.holder = holder
        self.enis = EniCache(self.clock, lambda ip: None)
        views = self.views = Views(Marks("c1"), [], 60.0, self.clock)
        nodes: Cache[Node] = Cache()
        self.pods: Cache[Pod] = Cache()
        self.pods.on_change(views.ips.pod_changed)
        for number, name in enumerate(("early", "late"), 1):
            nodes.apply(node(f"node-{name}", instance=f"i-{name}", version=str(number)))
            key, alive = Key("games", name), f"2026-01-01T0{number}:00:00Z"
            pod = Pod(key, name, str(number), {}, (IP,), node=f"node-{name}", alive=alive)
            self.pods.apply(pod)
        self.tenancy = Tenancy(
            views,
            self.pods,
            Nodes(nodes),
            Neighbours(),
            pod_now=lambda key: None,
            enis=self.enis,
            clock=self.clock,
        )

    def find_enis(self, ips: Any) -> dict[str, Eni]:
        return {IP: Eni("eni-1", "", "", (IP,), instance_id=f"i-{self.holder}")}

    def resolve(self) -> None:
        self.enis.resolve_pending(self)  # type: ignore[arg-type]

    def has_it(self) -> set[str]:
        """The pods that are led to."""
        asks = Exposure(Ask.ON, ip=IP)
        return {
            pod.key.name for pod in self.pods.values() if self.tenancy.judge(pod, asks).exposure.ip
        }


def test_the_cloud_is_waited_for_and_then_decides() -> None:
    it = Stated("early")
    assert it.has_it() == {"early", "late"}
    it.resolve()
    assert it.has_it() == {"early"}


def test_the_clouds_word_stands_until_it_says_otherwise() -> None:
    it = Stated("early")
    it.has_it()
    it.resolve()
    it.clock.advance(TTL + 1)
    assert it.has_it() == {"early"}
    it.holder = "late"
    it.resolve()
    assert it.has_it() == {"late"}


def test_what_decides_is_asked_again_soon_and_now_and_then() -> None:
    """An address that has just moved may be listed where it was."""
    it = Stated("early")
    it.has_it()
    it.resolve()
    assert it.has_it() == {"early"}
    it.holder = "late"
    it.clock.advance(FOREIGN_BELIEVED_S)
    it.resolve()
    assert it.has_it() == {"late"}
    it.clock.advance(FOREIGN_BELIEVED_S)
    it.resolve()
    assert it.has_it() == {"late"}
    it.holder = "early"
    it.clock.advance(FOREIGN_AGAIN_S)
    it.resolve()
    assert it.has_it() == {"early"}


def test_where_the_cloud_does_not_answer_the_later_one_has_it() -> None:
    it = Stated("early")
    it.has_it()
    it.clock.advance(CLOUD_WAITED_FOR_S)
    assert it.has_it() == {"late"}


def test_a_neighbour_whose_ip_another_takes_just_then_is_held_as_soon_as_it_asks() -> None:
    """It lives: what is heard of it later counts, unlike of one that has ended."""
    it, neighbours, key = Stated("early"), Neighbours(), Key("games", "plain")
    plain = Pod(key, "u", "10", {}, (IP,))

    def pod_now(_: Key) -> Pod:
        neighbours.note(IP, Key("games", "successor"))
        return plain

    it.tenancy = Tenancy(
        it.views, it.pods, Nodes(Cache()), neighbours, pod_now=pod_now, enis=it.enis, clock=it.clock
    )
    it.tenancy.call_on(key, IP)
    assert it.pods.get(key) is None

    asking = replace(plain, resource_version="20", annotations={SWITCH: ""})
    it.pods.apply(asking)
    assert it.pods.get(key) == asking


class Interfaces:
    """A pod on a node, and what the cloud says whose its IP's interface is."""

    def __init__(self, *, listed: bool = True, instance: str = "i-node", address: str = "") -> None:
        self.clock = FakeClock()
        self.enis = EniCache(self.clock, lambda ip: None)
        views = Views(Marks("c1"), [], 60.0, self.clock)
        nodes = self.nodes = Cache[Node]()
        index = Nodes(nodes, listed=lambda: listed)
        nodes.apply(node("node", *filter(None, [address]), instance=instance))
        self.pods: Cache[Pod] = Cache()
        self.pods.on_change(views.ips.pod_changed)
        self.pods.on_change(forgetting(self.enis))
        self.answers: dict[str, str] = {}
        self.unclear: set[str] = set()
        self.asked: list[str] = []
        self.tenancy = Tenancy(
            views,
            self.pods,
            index,
            Neighbours(),
            pod_now=lambda key: None,
            enis=self.enis,
            clock=self.clock,
        )

    def find_enis(self, ips: Any) -> dict[str, Eni | Unsaid]:
        self.asked += ips
        return {
            ip: Unsaid.UNCLEAR
            if ip in self.unclear
            else Eni(f"eni-{machine}", "", "", (ip,), instance_id=machine)
            for ip, machine in self.answers.items()
            if ip in ips
        }

    def says(self, ip: str, machine: str) -> Verdict:
        """What is held of a pod with that IP once the cloud has named the machine."""
        self.answers[ip] = machine
        if self.pods.get(Key("games", ip)) is None:
            number = str(len(self.pods) + 1)
            self.pods.apply(Pod(Key("games", ip), ip, number, {}, (ip,), node="node"))
            self.enis.want(ip, self.clock.monotonic(), "node")
        return self.again(ip)

    def again(self, ip: str) -> Verdict:
        self.enis.resolve_pending(self)  # type: ignore[arg-type]
        pod = self.pods.get(Key("games", ip))
        return self.tenancy.judge(pod, Exposure(Ask.ON, ip=ip))


def test_an_ip_on_a_machine_that_is_no_node_is_no_pods() -> None:
    it = Interfaces()
    assert it.says("10.0.0.1", "i-node").exposure.ask is Ask.ON
    first = it.says("10.0.0.9", "i-database")
    assert first.exposure.ask is Ask.ON, "it may be listed where it was"
    assert first.doubtful
    it.clock.advance(FOREIGN_BELIEVED_S)
    found = it.again("10.0.0.9").exposure
    assert (found.ask, found.ip) == (Ask.NO_ADDRESS, "")
    assert found.problem is not None
    assert found.problem.reason == "ForeignInterface"
    assert "machine i-database" in found.problem.message
    assert it.again("10.0.0.1").exposure.ask is Ask.ON


def test_an_address_that_has_just_moved_is_believed_as_soon_as_it_is_listed_there() -> None:
    it = Interfaces()
    it.says("10.0.0.1", "i-node")
    it.says("10.0.0.9", "i-gone")
    it.clock.advance(FOREIGN_BELIEVED_S)
    found = it.says("10.0.0.9", "i-node")
    assert found == Verdict(found.exposure)
    assert found.exposure.ask is Ask.ON


def test_an_ip_that_a_strangers_interface_and_another_list_is_refused_to_nobody() -> None:
    it = Interfaces()
    it.says("10.0.0.1", "i-node")
    it.says("10.0.0.9", "i-database")
    it.clock.advance(FOREIGN_BELIEVED_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.NO_ADDRESS
    it.unclear.add("10.0.0.9")
    it.clock.advance(FOREIGN_AGAIN_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.ON
    assert it.enis.want("10.0.0.9") is None, "no interface is noted"


def test_what_was_refused_is_asked_about_again_and_heals() -> None:
    it = Interfaces()
    it.says("10.0.0.1", "i-node")
    it.says("10.0.0.9", "i-database")
    it.clock.advance(FOREIGN_BELIEVED_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.NO_ADDRESS
    it.answers["10.0.0.9"] = "i-node"
    it.clock.advance(FOREIGN_AGAIN_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.ON


def test_names_that_are_none_of_nodes_say_nothing() -> None:
    """In another cloud, before all nodes are listed, and where the node's machine is not known."""
    for it in (Interfaces(), Interfaces(listed=False), Interfaces(instance="")):
        it.says("10.0.0.1", "m-1")
        it.says("10.0.0.9", "m-2")
        it.clock.advance(FOREIGN_BELIEVED_S)
        assert it.again("10.0.0.9").exposure.ask is Ask.ON


NODE_IP = "192.168.0.1"


def test_after_a_start_it_is_found_out_whether_the_cloud_names_nodes() -> None:
    """No pod that is in place is asked about, so none shows it."""
    it = Interfaces(address=NODE_IP)
    first = it.says("10.0.0.9", "i-database")
    assert first.doubtful, "or it would be noted"
    it.answers[NODE_IP] = "i-node"
    it.clock.advance(FOREIGN_BELIEVED_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.NO_ADDRESS


@pytest.mark.parametrize("says", ["m-1", ""], ids=["another kind of name", "not listed"])
def test_a_node_that_the_cloud_does_not_name_refuses_nobody_and_is_asked_for_once(
    says: str,
) -> None:
    it = Interfaces(address=NODE_IP)
    if says:
        it.answers[NODE_IP] = says
    it.says("10.0.0.9", "m-2")
    for _ in range(3):
        it.clock.advance(FOREIGN_BELIEVED_S)
        found = it.again("10.0.0.9")
        assert found == Verdict(found.exposure)
        assert found.exposure.ask is Ask.ON
    assert it.asked.count(NODE_IP) == 1


def test_who_states_a_foreign_address_again_is_found_out_again() -> None:
    """The answer of before is believed on that node, so that nothing else would be asked."""
    it = Interfaces()
    it.says("10.0.0.1", "i-node")
    it.says("10.0.0.9", "i-database")
    it.clock.advance(FOREIGN_BELIEVED_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.NO_ADDRESS
    thief = it.pods.get(Key("games", "10.0.0.9"))
    assert thief is not None
    it.pods.apply(replace(thief, resource_version="21", ips=("10.0.0.7",)))
    it.clock.advance(1.0)
    it.pods.apply(replace(thief, resource_version="22"))
    assert it.again("10.0.0.9").doubtful
    it.again("10.0.0.9")
    it.clock.advance(FOREIGN_BELIEVED_S)
    assert it.again("10.0.0.9").exposure.ask is Ask.NO_ADDRESS


class AtNode(Interfaces):
    """A pod that states the address of a node: of `other`, which lives unless it is made not to."""

    def __init__(self) -> None:
        super().__init__(address="192.168.0.9")
        self.other = node("other", NODE_IP, instance="i-other", version="2")
        self.nodes.apply(self.other)

    def refused(self, ip: str = NODE_IP) -> str:
        """Why nothing leads to the pod; empty if it is exposed."""
        problem = self.again(ip).exposure.problem
        return problem.reason if problem else ""


def test_a_living_nodes_address_is_no_pods() -> None:
    it = AtNode()
    it.says(NODE_IP, "i-other")
    assert it.refused() == "NodeAddress"
    it.says("192.168.0.9", "i-node")
    assert it.refused("192.168.0.9") == "NodeAddress", "its own machine's, its own node's"


def test_a_dead_nodes_address_is_the_living_pods() -> None:
    """The machine was released, the VPC has given its address away, and the node stays behind."""
    it = AtNode()
    it.says(NODE_IP, "")
    assert it.refused() == "NodeAddress"
    it.nodes.apply(replace(it.other, resource_version="3", ready=False))
    assert it.refused() == ""


def test_a_node_that_is_not_seen_to_be_dead_yet_loses_to_the_clouds_word() -> None:
    it = AtNode()
    it.says(NODE_IP, "i-other")
    assert it.refused() == "NodeAddress"
    it.answers[NODE_IP] = "i-node"
    it.clock.advance(FOREIGN_BELIEVED_S)
    assert it.refused() == ""
