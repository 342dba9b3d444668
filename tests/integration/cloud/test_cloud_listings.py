"""What interfaces list over real HTTP, and whose an address is by that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnatctl.cloud.api import Unsaid
from dnatctl.cloud.client import Cloud
from dnatctl.cloud.eni import EniCache
from dnatctl.model import Eni
from tests.integration.cloud.bench import Bench
from tests.support.clock import FakeClock

IP = "172.16.0.5"


class Interfaces:
    """Those of a VPC, as a test declares them."""

    def __init__(self, bench: Bench, cloud: Cloud) -> None:
        self.cloud = cloud
        self._bench = bench
        bench.emulated.set_knobs(synthesize_enis=False)

    def add(self, eni: str, *ips: str, status: str = "InUse", machine: str = "i-1") -> None:
        where = {"vswitch": "vsw-bp1pods0", "zone": "cn-hangzhou-j"}
        self._bench.acts.add_eni(id=eni, ips=list(ips), instance=machine, status=status, **where)

    def holder(self, *ips: str) -> str | None:
        """The ID of the interface that has the first of them, when all are asked for."""
        found = self.cloud.find_enis(ips).get(ips[0])
        return found.eni_id if isinstance(found, Eni) else found


@pytest.fixture
def it(bench: Bench, cloud: Cloud) -> Interfaces:
    return Interfaces(bench, cloud)


@pytest.fixture(params=[False, True], ids=["as named", "reversed"])
def backwards(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("status", ["Deleting", "Detaching", "Available", "Attaching", "Unheard"])
def test_of_several_interfaces_the_one_in_use_has_it(
    it: Interfaces, backwards: bool, status: str
) -> None:
    for eni in sorted(("eni-1", "eni-2"), reverse=backwards):
        if eni == "eni-1":
            it.add(eni, "172.16.1.1", IP, status=status, machine="i-gone")
        else:
            it.add(eni, "172.16.2.1", IP)
    assert it.holder(IP) == "eni-2"


def test_one_that_leaves_has_it_no_more_where_another_comes(
    it: Interfaces, backwards: bool
) -> None:
    for eni in sorted(("eni-1", "eni-2"), reverse=backwards):
        status = "Detaching" if eni == "eni-1" else "Attaching"
        it.add(eni, IP, status=status, machine=f"of-{eni}")
    assert it.holder(IP) == "eni-2"


def test_between_two_machines_it_is_unclear(it: Interfaces, backwards: bool) -> None:
    for eni in sorted(("eni-1", "eni-2"), reverse=backwards):
        it.add(eni, IP, machine=f"of-{eni}")
    assert it.holder(IP) is Unsaid.UNCLEAR


def test_of_two_on_one_machine_it_is_the_same_one_each_time(
    it: Interfaces, backwards: bool
) -> None:
    for eni in sorted(("eni-1", "eni-2"), reverse=backwards):
        it.add(eni, IP)
    assert it.holder(IP) == "eni-1"


def test_one_that_leaves_is_named_where_no_other_lists_it(it: Interfaces) -> None:
    it.add("eni-1", IP, status="Detaching")
    assert it.holder(IP) == "eni-1"


def test_a_neighbour_on_one_that_leaves_may_be_elsewhere_by_now(it: Interfaces) -> None:
    """Nobody asks for it just now, so that its new interface is not in the answer."""
    it.add("eni-1", "172.16.1.1", IP, status="Deleting", machine="i-gone")
    it.add("eni-2", "172.16.2.1", IP)
    it.add("eni-3", "172.16.3.1", "172.16.1.2", status="Deleting", machine="i-gone")
    it.add("eni-4", "172.16.1.2")
    found = it.cloud.find_enis(["172.16.1.1", IP])
    assert "172.16.1.2" not in found
    assert it.holder("172.16.1.2") == "eni-4"
    it.add("eni-5", "172.16.5.1", "172.16.5.2", status="Deleting", machine="i-gone")
    it.add("eni-6", "172.16.6.1", "172.16.5.2")
    assert "172.16.5.2" not in it.cloud.find_enis(["172.16.5.1"])


def test_a_primary_address_that_one_that_leaves_lists_too_is_asked_for_as_one(
    it: Interfaces, bench: Bench
) -> None:
    bench.emulated.set_knobs(filter_matches_primary=False)
    it.add("eni-1", "172.16.1.1", IP, status="Deleting", machine="i-gone")
    it.add("eni-2", IP)
    assert it.holder(IP) == "eni-2"


def test_one_without_its_id_is_nobodys_interface_and_the_address_not_missing(
    it: Interfaces,
) -> None:
    it.add("", IP)
    assert it.holder(IP) is Unsaid.UNCLEAR
    it.add("eni-1", IP)
    assert it.holder(IP) == "eni-1"


class TestOneByOne:
    """The filter for many addresses finds no primary ones: each has to be asked for alone."""

    IPS = tuple(f"172.16.9.{number}" for number in range(100))

    @pytest.fixture
    def run(self, it: Interfaces, bench: Bench) -> Callable[[int], int]:
        """Lets seconds pass, in which all are waited for; returns how often the cloud is asked."""
        bench.emulated.set_knobs(filter_matches_primary=False, limits={}, default_limit=0)
        it.add("eni-node", "172.16.250.1")
        clock = FakeClock()
        self.enis = EniCache(clock, lambda _ip: None)

        def run(seconds: int) -> int:
            before = bench.calls("DescribeNetworkInterfaces")
            for second in range(seconds):
                for ip in self.IPS if second % 300 == 0 else ():
                    self.enis.want(ip)
                while self.enis.wait_for_work(0):
                    self.enis.resolve_pending(it.cloud)
                clock.advance(1)
            return bench.calls("DescribeNetworkInterfaces") - before

        return run

    def test_those_who_wait_are_found_soon(self, it: Interfaces, run: Callable[[int], int]) -> None:
        for number, ip in enumerate(self.IPS):
            it.add(f"eni-{number}", ip)
        assert run(25) <= 130
        assert all(self.enis.want(ip) for ip in self.IPS)

    def test_they_do_not_wait_for_those_that_nobody_lists(
        self, it: Interfaces, run: Callable[[int], int]
    ) -> None:
        run(1000)
        it.add("eni-new", "172.16.10.1")
        self.enis.want("172.16.10.1")
        run(1)
        assert self.enis.want("172.16.10.1") is not None

    def test_those_that_nobody_lists_are_asked_for_seldom(self, run: Callable[[int], int]) -> None:
        assert run(35) <= 220, "six in a second at most"
        run(3600)
        assert run(600) <= 200
        assert all(self.enis.missing(ip) for ip in self.IPS)

    def test_nobody_is_missing_who_was_not_asked_for(self, run: Callable[[int], int]) -> None:
        run(10)
        assert sum(map(self.enis.missed_once, self.IPS)) == 50
