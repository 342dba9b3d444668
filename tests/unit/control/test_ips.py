"""Which pods state which IP, and since when just those do."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.control.state.ips import StatedIPs
from dnatctl.objects import Key, Pod
from tests.support.clock import FakeClock

IP = "10.0.0.1"


def pod(name: str, *ips: str) -> Pod:
    return Pod(Key("games", name), f"uid-of-{name}", "1", {}, ips=ips)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def stated(clock: FakeClock) -> StatedIPs:
    return StatedIPs(threading.RLock(), clock)


def names_at(stated: StatedIPs, ip: str = IP) -> set[str]:
    return {key.name for key in stated.keys_at(ip)}


def test_who_states_an_ip_is_known_until_he_states_another(stated: StatedIPs) -> None:
    stated.pod_changed(None, pod("a", IP))
    stated.pod_changed(None, pod("b", IP))
    assert names_at(stated) == {"a", "b"}
    stated.pod_changed(pod("a", IP), pod("a", "10.0.0.2"))
    assert names_at(stated) == {"b"}
    stated.pod_changed(pod("b", IP), None)
    assert not stated.is_stated(IP)
    assert stated.is_stated("10.0.0.2")


@pytest.mark.parametrize("how", [{"ended": True}, {"host_network": True}])
def test_a_pod_without_an_ip_of_its_own_states_none(stated: StatedIPs, how: Any) -> None:
    """Finished pods keep the IP in their status by the thousand, while others get it."""
    before = pod("a", IP)
    assert stated.pod_changed(None, before) == set()
    without = replace(before, **how)
    assert stated.pod_changed(before, without) == {IP}
    assert not stated.is_stated(IP)
    assert stated.pod_changed(without, None) == set()


def test_which_ips_several_state(stated: StatedIPs) -> None:
    both = pod("a", IP, "fd00::1")
    for each in (both, both, pod("b", IP), pod("c", IP)):
        stated.pod_changed(None, each)
    assert stated.shared() == [IP]
    stated.pod_changed(pod("b", IP), pod("b", "fd00::1"))
    assert stated.shared() == [IP, "fd00::1"]
    stated.pod_changed(both, None)
    assert stated.shared() == []


def test_it_counts_from_the_last_that_came(stated: StatedIPs, clock: FakeClock) -> None:
    assert stated.stated_since(IP) == float("-inf")
    stated.pod_changed(None, pod("a", IP))
    clock.advance(5.0)
    stated.pod_changed(pod("a", IP), pod("a", IP))
    assert stated.stated_since(IP) == 100.0
    stated.pod_changed(None, pod("b", IP))
    assert stated.stated_since(IP) == 105.0
    stated.pod_changed(pod("b", IP), None)
    assert stated.stated_since(IP) == 100.0


def test_at_no_moment_is_an_ip_absent_that_another_pod_states(stated: StatedIPs) -> None:
    """`is_stated` is asked without the lock, of every pod there is, whether anybody minds it."""
    seen: list[bool] = []

    class Watched(dict[str, Any]):
        def pop(self, key: str, *default: Any) -> Any:
            popped = super().pop(key, *default)
            seen.append(stated.is_stated(IP))
            return popped

        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, value)
            seen.append(stated.is_stated(IP))

    stated._since = Watched()
    stated.pod_changed(None, pod("a", IP))
    stated.pod_changed(None, pod("b", IP))
    stated.pod_changed(pod("a", IP), None)
    assert seen
    assert all(seen)
