"""What is found out of who has an IP: from nodes, from other pods, from the cloud."""

from __future__ import annotations

from typing import Any

from dnatctl.cloud.eni import TTL, EniCache
from dnatctl.control.sight.tenancy import CLOUD_WAITED_FOR_S, Nodes, Tenancy
from dnatctl.control.state.views import Views
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.nodes import Node
from dnatctl.model import Eni
from dnatctl.objects import Key, Pod
from dnatctl.plan.exposure import Ask, Exposure
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
    assert nodes.at("192.168.0.1") == "new"
    cache.remove(Key("", "new"), "new", "4")
    assert nodes.at("192.168.0.1") == ""


class Stated:
    """Two living pods on two machines that state one IP; the cloud knows it to be `holder`'s."""

    def __init__(self, holder: str) -> None:
        self.clock = FakeClock()
        self.holder = holder
        self.enis = EniCache(self.clock, lambda ip: None)
        views = Views(Marks("c1"), [], 60.0, self.clock)
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


def test_where_the_cloud_does_not_answer_the_later_one_has_it() -> None:
    it = Stated("early")
    it.has_it()
    it.clock.advance(CLOUD_WAITED_FOR_S)
    assert it.has_it() == {"late"}
