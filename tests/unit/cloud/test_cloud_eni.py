"""Interfaces are looked up in batches, believed for a while, and looked for with patience."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress

import pytest

from dnatctl.cloud.api import Unsaid
from dnatctl.cloud.eni import TTL, EniCache
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.model import Eni
from tests.unit.cloud.clocks import FakeClock


class Vpc:
    """The part of the cloud that knows interfaces."""

    def __init__(self) -> None:
        self.enis: dict[str, Eni | Unsaid] = {}
        self.asked: list[list[str]] = []
        self.down = False
        self.refused: set[str] = set()
        self.refusal = ErrorKind.REJECTED

    def add(self, eni_id: str, *ips: str) -> None:
        for ip in ips:
            self.enis[ip] = Eni(eni_id, "vsw-1", "zone-1", ips)

    def find_enis(self, ips: Collection[str]) -> dict[str, Eni | Unsaid]:
        self.asked.append(list(ips))
        if self.down:
            raise CloudError(Operation.READ_ENIS, ErrorKind.UNKNOWN)
        if self.refused.intersection(ips):
            raise CloudError(Operation.READ_ENIS, self.refusal, code="InvalidParameter")
        found = {ip: self.enis[ip] for ip in ips if ip in self.enis}
        enis = [eni for eni in found.values() if isinstance(eni, Eni)]
        return found | {ip: self.enis[ip] for eni in enis for ip in eni.ips}


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

    def run(self, seconds: int, *ips: str) -> None:
        """Let time pass, each of these addresses wanted every five minutes."""
        for second in range(seconds):
            for ip in ips if second % 300 == 0 else ():
                self.cache.want(ip)
            while self.cache.wait_for_work(0):
                with suppress(CloudError):
                    self.resolve()
            self.clock.advance(1)

    def asked_at(self, seconds: int, since: float = float("-inf")) -> list[float]:
        """When the cloud is asked in that time, of an address that is wanted again and again."""
        start, asked_at = self.clock.seconds, []
        for _ in range(seconds):
            if (self.clock.seconds - start) % 300 == 0:
                self.cache.want("10.0.0.1", since)
            if self.cache.wait_for_work(0):
                with suppress(CloudError):
                    self.resolve()
                asked_at.append(self.clock.seconds - start)
            self.clock.advance(1)
        return asked_at


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
    assert world.asked_at(3000) == [
        *(0, 1, 3, 7, 15, 31, 63, 127, 255, 511),
        *range(800, 3000, 300),
    ]
    assert world.found == ["10.0.0.1"], "told once that it is missing"


def test_while_the_cloud_does_not_answer_it_is_asked_every_minute(world: World) -> None:
    world.vpc.down = True
    assert world.asked_at(400)[-5:] == [63 + 64 * i for i in range(1, 6)]


def test_an_address_of_which_something_was_learned_is_asked_for_every_minute(world: World) -> None:
    """What was learned decides until something newer is."""
    world.vpc.add("eni-1", "10.0.0.1")
    world.cache.want("10.0.0.1")
    world.resolve()
    world.vpc.enis.clear()
    world.clock.advance(TTL)
    assert world.asked_at(1000)[-5:] == [127 + 64 * i for i in range(9, 14)]


def test_an_address_that_turned_up_is_looked_for_at_the_first_pace_when_it_is_lost(
    world: World,
) -> None:
    world.asked_at(2000)
    world.vpc.add("eni-1", "10.0.0.1")
    world.asked_at(300)
    assert world.cache.want("10.0.0.1") is not None
    world.vpc.enis.clear()
    world.clock.advance(TTL)
    assert world.asked_at(16) == [0, 1, 3, 7, 15]


class TestLaterPods:
    """An address is missing for long when another pod gets it."""

    @pytest.fixture
    def later(self, world: World) -> float:
        world.asked_at(2100)
        assert world.cache.missing("10.0.0.1")
        return world.clock.monotonic()

    def test_it_is_looked_for_afresh(self, world: World, later: float) -> None:
        assert world.asked_at(64, since=later) == [0, 1, 3, 7, 15, 31, 63]
        assert world.found == ["10.0.0.1", "10.0.0.1"], "told of each that it is missing"

    def test_answers_of_before_say_nothing_of_it(self, world: World, later: float) -> None:
        world.cache.want("10.0.0.1", later)
        assert not world.cache.missing("10.0.0.1")
        assert not world.cache.missed_once("10.0.0.1")

    def test_nor_does_one_that_was_on_its_way(self, world: World) -> None:
        world.cache.want("10.0.0.1")
        asks = world.vpc.find_enis

        def find_enis(ips: Collection[str]) -> dict[str, Eni]:
            world.clock.advance(0.1)
            world.cache.want("10.0.0.1", world.clock.monotonic())
            return asks(ips)

        world.vpc.find_enis = find_enis  # type: ignore[method-assign]
        world.resolve()
        assert not world.cache.missed_once("10.0.0.1")
        assert world.cache.wait_for_work(0), "asked again at once"

    def test_a_look_at_the_same_one_changes_nothing(self, world: World, later: float) -> None:
        world.asked_at(1000, since=later)
        world.cache.want("10.0.0.1", later)
        world.cache.want("10.0.0.1", later - 1000)
        assert not world.cache.wait_for_work(0)
        assert world.cache.missing("10.0.0.1")

    def test_one_that_is_asked_again_for_an_earlier_pod_is_asked_at_once(
        self, world: World
    ) -> None:
        world.vpc.add("eni-1", "10.0.0.1")
        world.cache.want("10.0.0.1")
        world.resolve()
        world.cache.ask_again("10.0.0.1", 60)
        world.clock.advance(1)
        world.cache.want("10.0.0.1", world.clock.monotonic())
        assert world.cache.wait_for_work(0)

    def test_one_that_had_it_when_it_was_asked_for_waits(self, world: World) -> None:
        world.vpc.add("eni-1", "10.0.0.1")
        since = world.clock.monotonic()
        world.cache.want("10.0.0.1", since)
        world.resolve()
        world.clock.advance(TTL)
        world.cache.ask_again("10.0.0.1", TTL + 60)
        world.cache.want("10.0.0.1", since)
        assert not world.cache.wait_for_work(0)


def test_addresses_that_are_missing_for_long_are_asked_for_together(world: World) -> None:
    """Their pods came one by one."""
    ips = [f"10.0.0.{i}" for i in range(200)]
    for ip in ips:
        world.cache.want(ip)
        world.resolve_all()
        world.clock.advance(1.7)
    world.vpc.asked.clear()
    for second in range(3600):
        if second % 300 == 0:
            for ip in ips:
                world.cache.want(ip)
        if second == 1800:
            world.vpc.asked.clear()
        world.resolve_all()
        world.clock.advance(1)
    assert len(world.vpc.asked) <= 30, "once a minute"
    asked = [ip for batch in world.vpc.asked for ip in batch]
    assert sorted(asked) == sorted(6 * ips)


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


class TestRefusals:
    """The cloud refuses a question for one of the addresses in it, or for all."""

    IPS = tuple(f"10.0.0.{i}" for i in range(100))

    @pytest.fixture
    def refusing(self, world: World) -> World:
        for ip in self.IPS:
            world.vpc.add(f"eni-{ip}", ip)
        return world

    @pytest.mark.parametrize("kind", [ErrorKind.REJECTED, ErrorKind.UNCLASSIFIED, ErrorKind.GONE])
    @pytest.mark.parametrize("which", [0, 37, 99])
    def test_the_others_are_answered_with_few_more_calls(
        self, refusing: World, kind: ErrorKind, which: int
    ) -> None:
        bad = self.IPS[which]
        refusing.vpc.refused, refusing.vpc.refusal = {bad}, kind
        refusing.run(1, *self.IPS)
        assert sorted(refusing.found) == sorted(set(self.IPS) - {bad})
        assert len(refusing.vpc.asked) <= 15
        refusing.vpc.asked.clear()
        refusing.run(3600, bad)
        assert {tuple(ips) for ips in refusing.vpc.asked} == {(bad,)}
        assert len(refusing.vpc.asked) <= 20, "seldom, after a while"

    def test_it_stands_in_nobodys_way_who_comes_later(self, refusing: World) -> None:
        refusing.vpc.refused = {"10.0.1.1"}
        refusing.run(100, "10.0.1.1", "10.0.0.1")
        refusing.vpc.asked.clear()
        for ip in self.IPS[2:]:
            refusing.run(1, ip)
            assert refusing.found[-1] == ip
        assert len(refusing.vpc.asked) <= 100

    def test_it_is_found_once_it_is_refused_no_more(self, refusing: World) -> None:
        bad = self.IPS[5]
        refusing.vpc.refused = {bad}
        refusing.run(1000, *self.IPS)
        refusing.vpc.refused = set()
        refusing.run(301, bad)
        assert refusing.found[-1] == bad

    def test_many_of_them_are_found_one_by_one(self, refusing: World) -> None:
        bad = set(self.IPS[::9])
        refusing.vpc.refused = bad
        refusing.run(30, *self.IPS)
        assert sorted(refusing.found) == sorted(set(self.IPS) - bad)
        assert len(refusing.vpc.asked) <= 15 * len(bad)

    def test_where_all_are_refused_it_is_about_none(self, refusing: World) -> None:
        refusing.vpc.refused = set(self.IPS)
        refusing.run(600, *self.IPS)
        assert len(refusing.vpc.asked) <= 15 * 10 + 20, "divided once a minute"
        refusing.vpc.refused, refusing.vpc.asked = set(), []
        refusing.run(65)
        assert sorted(refusing.found) == sorted(self.IPS)
        assert len(refusing.vpc.asked) <= 5, "all together"

    @pytest.mark.parametrize("kind", [ErrorKind.THROTTLED, ErrorKind.AUTH, ErrorKind.DENIED])
    def test_what_is_about_all_is_not_divided(self, refusing: World, kind: ErrorKind) -> None:
        refusing.vpc.refused, refusing.vpc.refusal = {self.IPS[0]}, kind
        refusing.run(1, *self.IPS)
        assert len(refusing.vpc.asked) == 1


class TestUnclear:
    """Interfaces of several machines list an address."""

    @pytest.fixture
    def unclear(self, world: World) -> World:
        world.vpc.enis["10.0.0.1"] = Unsaid.UNCLEAR
        return world

    def test_it_is_neither_known_nor_missing_and_asked_for_less_and_less_often(
        self, unclear: World
    ) -> None:
        assert unclear.asked_at(200) == [0, 1, 3, 7, 15, 31, 63, 127, 191]
        assert unclear.cache.want("10.0.0.1") is None
        assert not unclear.cache.missing("10.0.0.1")
        assert unclear.cache.missed_once("10.0.0.1")
        assert unclear.found == []

    def test_it_is_told_once_it_is_clear(self, unclear: World) -> None:
        unclear.run(100, "10.0.0.1")
        unclear.vpc.add("eni-1", "10.0.0.1")
        unclear.run(65)
        assert unclear.found == ["10.0.0.1"]

    def test_what_was_known_is_no_more_and_that_is_told(self, world: World) -> None:
        world.vpc.add("eni-1", "10.0.0.1")
        world.cache.want("10.0.0.1")
        world.resolve()
        world.vpc.enis["10.0.0.1"] = Unsaid.UNCLEAR
        world.cache.ask_again("10.0.0.1", 10)
        world.clock.advance(10)
        world.resolve()
        assert world.found == ["10.0.0.1", "10.0.0.1"]
        assert world.cache.held("10.0.0.1", 0.0) is None
        world.run(600, "10.0.0.1")
        assert len(world.found) == 2, "once"
