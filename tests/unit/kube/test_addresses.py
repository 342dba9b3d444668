"""Of pods that are none of our business, only who has which IP is kept."""

from __future__ import annotations

from typing import Any

from dnatctl.kube.addresses import MOST_NAMES, Neighbours
from dnatctl.kube.pods import PodSource
from dnatctl.objects import Key, Pod
from tests.support.kubejson import event, listing, pod
from tests.support.memory import weighed


class Watched:
    """A source of pods, with IPs that are of interest."""

    def __init__(self, *concerns: str) -> None:
        self.neighbours = Neighbours()
        self.source = PodSource(neighbours=self.neighbours, concerns=set(concerns).__contains__)

    def told(self, type_: str, name: str, **status: Any) -> Pod | None:
        spec = status.pop("spec", {"nodeName": "n"})
        state = {"phase": "Running", "podIP": "10.0.0.1"} | status
        obj = pod(name, annotations={}, spec=spec, status=state)
        return self.source.event(event(type_, obj), lambda key, uid: False).object


def key(name: str) -> Key:
    return Key("default", name)


def test_all_that_state_an_ip_are_known_by_it() -> None:
    it = Watched()
    assert it.told("ADDED", "a") is None
    assert it.neighbours.at("10.0.0.1") == (key("a"),)
    it.told("ADDED", "b")
    it.told("MODIFIED", "a")
    assert it.neighbours.at("10.0.0.1") == (key("a"), key("b"))
    it.told("DELETED", "a")
    assert it.neighbours.at("10.0.0.1") == (key("b"),)
    it.told("DELETED", "a")
    it.told("DELETED", "b")
    assert (it.neighbours.at("10.0.0.1"), len(it.neighbours)) == ((), 0)


def test_who_states_an_ip_drives_none_out_that_stated_it_before() -> None:
    it = Watched()
    for number in range(3 * MOST_NAMES):
        it.told("ADDED", f"p{number}")
    names = it.neighbours.at("10.0.0.1")
    assert len(names) == MOST_NAMES
    assert {key("p0"), key(f"p{3 * MOST_NAMES - 1}")} < set(names), "the first, and the last"


def test_of_each_pod_little_is_kept() -> None:
    pods = 20_000
    keys = [(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", key(f"web-{n}")) for n in range(pods)]
    neighbours = Neighbours()
    with weighed() as weight:
        for ip, each in keys:
            neighbours.note(ip, each)
    assert weight.kept / pods < 150


def test_a_list_tells_as_well() -> None:
    it = Watched()
    page = it.source.page(listing(pod("a", annotations={})), lambda key, uid: False)
    assert page.items == []
    assert it.neighbours.at("10.0.0.1") == (key("a"),)


def test_one_with_an_ip_of_interest_is_kept() -> None:
    it = Watched("10.0.0.1")
    kept = it.told("MODIFIED", "a")
    assert kept is not None
    assert (kept.annotations, kept.ips) == ({}, ("10.0.0.1",))
    assert it.told("MODIFIED", "b", podIP="10.0.0.2") is None


def test_who_has_no_ip_of_its_own_is_not_noted() -> None:
    it = Watched("10.0.0.1", "")
    assert it.told("ADDED", "a", spec={"hostNetwork": True}) is None
    assert it.told("ADDED", "b", podIP="") is None
    it.told("ADDED", "c")
    assert it.told("MODIFIED", "c", phase="Succeeded") is None
    assert len(it.neighbours) == 0


def test_of_two_families_ipv4_counts() -> None:
    it = Watched()
    both = [{"ip": "fd00::1"}, {"ip": "10.0.0.7"}]
    it.told("ADDED", "a", podIP="fd00::1", podIPs=both)
    assert it.neighbours.at("10.0.0.7") == (key("a"),)
