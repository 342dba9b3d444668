"""Interfaces are looked up in batches, believed for a while, and looked for with patience."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest

from dnatctl.cloud.eni import TTL, EniCache
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.model import Eni
from tests.unit.cloud.clocks import FakeClock


class Vpc:
    """The part of the cloud that knows interfaces."""

    def __init__(self) -> None:
        self.enis: dict[str, Eni] = {}
        self.asked: list[list[str]] = []
        self.down = False

    def add(self, eni_id: str, *ips: str) -> None:
        for ip in ips:
            self.enis[ip] = Eni(eni_id, "vsw-1", "zone-1", ips)

    def find_enis(self, ips: Collection[str]) -> dict[str, Eni]:
        self.asked.append(list(ips))
        if self.down:
            raise CloudError(Operation.READ_ENIS, ErrorKind.UNKNOWN)
        found = [self.enis[ip] for ip in ips if ip in self.enis]
        return {ip: self.enis[ip] for eni in found for ip in eni.ips}


class World:
    def __init__(self, capacity: int = 1000) -> None:
        self.clock = FakeClock()
        self.vpc = Vpc()
        self.found: list[str] = []
        self.cache = EniCache(self.clock, self.found.append, capacity)

    def resolve(self) -> int:
        return self.cache.resolve_pending(self.vpc)  # type: ignore[arg-type]

    def resolve_all(self) -> None:
        while self.cache.wait_for_work(0):
            self.resolve()


@pytest.fixture
def world() -> World:
    return World()


def test_an_address_is_answered_once_it_was_looked_up(world: World) -> None:
    world.vpc.add("eni-1", "10.0.0.1")
    assert world.cache.want("10.0.0.1") is None
    assert world.resolve() == 1
    assert world.found == ["10.0.0.1"]
    eni = world.cache.want("10.0.0.1")
    assert eni is not None
    assert eni.eni_id == "eni-1"


def test_many_addresses_share_a_call(world: World) -> None:
    ips = [f"10.0.{i}.{j}" for i in range(3) for j in range(80)]
    for ip in ips:
        world.vpc.add(f"eni-{ip}", ip)
        world.cache.want(ip)
        world.cache.want(ip)
    world.resolve_all()
    assert [len(batch) for batch in world.vpc.asked] == [100, 100, 40]
    assert sorted(world.found) == sorted(ips)


def test_neighbours_are_learned_and_those_who_wait_for_them_told(world: World) -> None:
    ips = [f"10.0.0.{i}" for i in range(150)]
    world.vpc.add("eni-1", *ips)
    for ip in ips:
        world.cache.want(ip)
    world.resolve()
    assert sorted(world.found) == sorted(ips)
    assert not world.cache.wait_for_work(0)
    assert len(world.vpc.asked) == 1


def test_an_answer_is_not_believed_for_ever(world: World) -> None:
    world.vpc.add("eni-1", "10.0.0.1")
    world.cache.want("10.0.0.1")
    world.resolve()
    world.vpc.add("eni-2", "10.0.0.1")
    world.clock.advance(TTL - 1)
    assert world.cache.want("10.0.0.1") is not None
    world.clock.advance(2)
    assert world.cache.want("10.0.0.1") is None
    world.resolve()
    eni = world.cache.want("10.0.0.1")
    assert eni is not None
    assert eni.eni_id == "eni-2"


def test_what_was_learned_of_an_earlier_holder_counts_for_nothing(world: World) -> None:
    world.vpc.add("eni-1", "10.0.0.1")
    world.cache.want("10.0.0.1")
    world.resolve()
    world.clock.advance(60)
    since = world.clock.monotonic()
    world.vpc.add("eni-2", "10.0.0.1")
    assert world.cache.want("10.0.0.1", since) is None
    world.resolve()
    eni = world.cache.want("10.0.0.1", since)
    assert eni is not None
    assert eni.eni_id == "eni-2"


@pytest.mark.parametrize("node", ["", "node-2"])
def test_an_answer_on_its_way_says_nothing_of_a_pod_that_comes_meanwhile(
    world: World, node: str
) -> None:
    """The IP is another pod's by the time that the answer arrives, on another node."""
    world.vpc.add("eni-1", "10.0.0.1")
    world.cache.want("10.0.0.1", node="node-1" if node else "")
    asks, came = world.vpc.find_enis, []

    def find_enis(ips: Collection[str]) -> dict[str, Eni]:
        answer = asks(ips)
        assert world.cache.asking
        world.clock.advance(0.1)
        came.append(world.clock.monotonic())
        world.cache.forget("10.0.0.1")
        assert world.cache.want("10.0.0.1", came[0], node) is None
        world.vpc.add("eni-2", "10.0.0.1")
        world.clock.advance(0.1)
        return answer

    world.vpc.find_enis = find_enis  # type: ignore[method-assign]
    world.resolve()
    assert not world.cache.asking
    world.vpc.find_enis = asks  # type: ignore[method-assign]
    assert world.found == ["10.0.0.1"], "who waits looks again"
    assert world.cache.held("10.0.0.1", came[0]) is None
    assert world.cache.latest("10.0.0.1", came[0]) is None
    assert world.cache.want("10.0.0.1", came[0], node) is None
    world.resolve()
    eni = world.cache.want("10.0.0.1", came[0], node)
    assert eni is not None
    assert eni.eni_id == "eni-2"


def test_an_unknown_address_is_asked_for_less_and_less_often(world: World) -> None:
    world.cache.want("10.0.0.1")
    asked_at = []
    while world.clock.seconds < 1000 + TTL - 1:
        if world.cache.wait_for_work(0):
            world.resolve()
            asked_at.append(world.clock.seconds - 1000)
        world.clock.advance(1)
    assert asked_at[:8] == [0, 1, 3, 7, 15, 31, 63, 127]
    assert asked_at[8:] == [127 + 64 * i for i in range(1, 8)]
    assert world.found == ["10.0.0.1"], "told once that it is missing"


def test_that_no_interface_has_it_is_believed_after_a_while(world: World) -> None:
    world.cache.want("10.0.0.1")
    for seconds in (1, 2, 4, 8):
        world.resolve()
        assert not world.cache.missing("10.0.0.1")
        world.clock.advance(seconds)
    world.vpc.down = True
    with pytest.raises(CloudError):
        world.resolve()
    assert not world.cache.missing("10.0.0.1"), "no answer says nothing"
    world.vpc.down = False
    world.clock.advance(16)
    world.resolve()
    assert world.cache.missing("10.0.0.1")
    world.vpc.add("eni-1", "10.0.0.1")
    world.clock.advance(64)
    world.resolve()
    assert not world.cache.missing("10.0.0.1")
    assert world.found == ["10.0.0.1", "10.0.0.1"]


def test_an_unknown_address_does_not_slow_the_others(world: World) -> None:
    world.cache.want("10.0.0.1")
    world.resolve()
    world.vpc.add("eni-2", "10.0.0.2")
    world.cache.want("10.0.0.2")
    world.resolve()
    assert world.found == ["10.0.0.2"]
    assert world.vpc.asked[-1] == ["10.0.0.2"]


def test_an_address_that_nobody_asks_for_any_more_is_given_up(world: World) -> None:
    world.cache.want("10.0.0.1")
    for _ in range(20):
        world.clock.advance(100)
        world.resolve()
    asked = len(world.vpc.asked)
    world.clock.advance(10 * TTL)
    assert world.resolve() == 0
    assert len(world.vpc.asked) == asked


def test_a_forgotten_address_is_neither_looked_for_nor_told(world: World) -> None:
    world.vpc.add("eni-1", "10.0.0.1", "10.0.0.2")
    world.cache.want("10.0.0.1")
    world.cache.forget("10.0.0.1")
    world.resolve_all()
    assert (world.vpc.asked, world.found) == ([], [])


def test_what_is_thought_to_be_known_is_asked_for_behind_what_is_waited_for(world: World) -> None:
    for i in range(150):
        world.vpc.add(f"eni-{i}", f"10.0.1.{i}")
        assert world.cache.confirm(f"10.0.1.{i}", 0.0, "node-1", "i-1")
    world.cache.want("10.0.0.1")
    world.cache.want("10.0.1.149")
    world.resolve()
    assert {"10.0.0.1", "10.0.1.149"} <= set(world.vpc.asked[0])
    world.resolve_all()
    assert [len(batch) for batch in world.vpc.asked] == [100, 51]


def test_of_what_is_thought_to_be_known_only_another_machine_is_news(world: World) -> None:
    for i in range(3):
        ip = f"10.0.0.{i}"
        world.vpc.enis[ip] = Eni(f"eni-{i}", "vsw-1", "zone-1", (ip,), instance_id=f"i-{i}")
        world.cache.confirm(ip, 0.0, "node-1", "i-1")
    world.cache.confirm("10.0.0.9", 0.0, "node-1", "i-1")
    world.resolve_all()
    world.clock.advance(1000)
    world.resolve_all()
    assert sorted(world.found) == ["10.0.0.0", "10.0.0.1", "10.0.0.2"], "and the first that is not"
    assert len(world.vpc.asked) == 1, "asked once, answered or not"
    world.found.clear()
    for ip, machine in (("10.0.0.4", "i-1"), ("10.0.0.5", "i-2")):
        world.vpc.enis[ip] = Eni(f"eni-{ip}", "vsw-1", "zone-1", (ip,), instance_id=machine)
        world.cache.confirm(ip, 0.0, "node-1", "i-1")
    world.resolve_all()
    assert world.found == ["10.0.0.5"]


def test_what_is_thought_to_be_known_displaces_nothing_from_the_queue() -> None:
    world = World(capacity=4)
    assert [world.cache.confirm(f"10.0.0.{i}", 0.0, "", "i-1") for i in range(3)] == [
        True,
        True,
        False,
    ]


class TestEarlierPods:
    """What was learned of an address before a pod had it."""

    @pytest.fixture
    def later(self, world: World) -> float:
        world.vpc.add("eni-1", "10.0.0.1", "10.0.0.2")
        world.cache.want("10.0.0.1", node="node-1")
        world.resolve()
        world.clock.advance(10)
        return world.clock.monotonic()

    def test_counts_on_the_same_node(self, world: World, later: float) -> None:
        found = world.cache.want("10.0.0.1", later, "node-1")
        assert found is not None
        assert found.eni_id == "eni-1"

    @pytest.mark.parametrize("node", ["", "node-2"])
    def test_counts_for_nothing_elsewhere(self, world: World, later: float, node: str) -> None:
        assert world.cache.want("10.0.0.1", later, node) is None

    def test_the_interfaces_other_addresses_are_learned_with_it(
        self, world: World, later: float
    ) -> None:
        asked = len(world.vpc.asked)
        assert world.cache.want("10.0.0.2", later, "node-1") is not None
        assert world.cache.want("10.0.0.2", later, "node-2") is None
        assert len(world.vpc.asked) == asked

    def test_is_believed_for_a_while(self, world: World, later: float) -> None:
        world.clock.advance(TTL)
        assert world.cache.want("10.0.0.1", later, "node-1") is None


def test_a_failed_call_is_repeated_after_a_pause(world: World) -> None:
    world.vpc.add("eni-1", "10.0.0.1")
    world.vpc.down = True
    world.cache.want("10.0.0.1")
    with pytest.raises(CloudError):
        world.resolve()
    assert not world.cache.wait_for_work(0)
    world.vpc.down = False
    world.clock.advance(1)
    assert world.resolve() == 1


def test_memory_is_bounded() -> None:
    world = World(capacity=100)
    for i in range(3):
        for j in range(100):
            world.vpc.add(f"eni-{i}-{j}", f"10.0.{i}.{j}")
            world.cache.want(f"10.0.{i}.{j}")
        world.resolve_all()
    assert len(world.cache._known) <= 100
    for i in range(300):
        world.cache.want(f"10.1.{i}.1")
    assert len(world.cache._wanted) <= 100


def test_a_waiting_thread_is_woken_by_a_new_wish(world: World) -> None:
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(world.cache.wait_for_work(30)))
    thread.start()
    world.cache.want("10.0.0.1")
    thread.join(60)
    assert woken == [True]
