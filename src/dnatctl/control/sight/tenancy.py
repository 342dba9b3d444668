"""Whose the IP is that a pod states: asked of other pods, of nodes, and of the cloud.

`plan.tenancy` decides; here is found out what it decides on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from dnatctl.clock import Clock
from dnatctl.cloud.eni import EniCache
from dnatctl.compact import Multimap
from dnatctl.control.state.views import Views
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.nodes import Node
from dnatctl.objects import Key, Pod
from dnatctl.plan.exposure import Exposure
from dnatctl.plan.tenancy import Claimant, at_node, at_stranger, is_open, led_nowhere, tenant

CLOUD_WAITED_FOR_S = 5.0
"""How long the cloud's word on two living pods is waited for; then the later one has the IP."""


FOREIGN_BELIEVED_S = 10.0
"""For how long the cloud has to name a machine that is no node's: an address that has just moved
may be listed where it was."""
FOREIGN_AGAIN_S = 60.0
"""How often it is asked again after that."""


class Nodes:
    """The nodes, by name and by address. `listed`: whether all are known."""

    def __init__(self, store: Cache[Node], listed: Callable[[], bool] = lambda: False) -> None:
        self._store = store
        self._listed = listed
        self._by_address: dict[str, tuple[str, ...]] = {}
        """Those that live; several where a successor has come and the former one is not gone."""
        self._machines: Multimap[str] = Multimap()
        """By the ID of a machine: it may have two nodes for a while, registered anew by another
        name."""
        store.on_change(self._changed)

    def _changed(self, old: Node | None, new: Node | None) -> None:
        if old is not None:
            self._forget(old.key.name, old.addresses)
            self._machines.discard(old.instance, old.key.name)
        if new is not None:
            for address in new.addresses if new.ready else ():
                self._by_address[address] = (*self._by_address.get(address, ()), new.key.name)
            if new.instance:
                self._machines.add(new.instance, new.key.name)

    def _forget(self, name: str, addresses: tuple[str, ...]) -> None:
        for address in addresses:
            rest = tuple(each for each in self._by_address.get(address, ()) if each != name)
            if rest:
                self._by_address[address] = rest
            else:
                self._by_address.pop(address, None)

    def at(self, ip: str) -> tuple[str, ...]:
        """The names of the living nodes whose own address that is, the latest last: a machine that
        was released leaves its node behind, and its address is others' to have."""
        return self._by_address.get(ip, ())

    def address_of(self, name: str) -> str:
        """The node's own IPv4 address; empty if it is not known."""
        node = self._store.get(Key("", name))
        addresses = node.addresses if node is not None else ()
        return next((address for address in addresses if ":" not in address), "")

    def has_machine(self, instance: str) -> bool | None:
        """Whether that is a node's; None if that cannot be said, as not all are known."""
        return True if instance in self._machines else False if self._listed() else None

    def zone_of(self, name: str) -> str:
        """The zone that the node is in; empty if it is not known."""
        node = self._store.get(Key("", name))
        return node.zone if node is not None else ""

    def machine_of(self, name: str) -> str:
        """The ID of the node's machine; empty if it is not known."""
        node = self._store.get(Key("", name))
        return node.instance if node is not None else ""

    def claimant(self, pod: Pod) -> Claimant:
        """The pod, with what its node says of its life."""
        node = self._store.get(Key("", pod.node))
        if node is None:
            gone = bool(pod.node) and self._listed()
            return Claimant(pod, f"its node {pod.node} is gone" if gone else "")
        trouble = "" if node.ready else f"its node {pod.node} is not ready"
        return Claimant(pod, trouble, node.instance)


class Verdict(NamedTuple):
    """What a pod may ask for, seen who has its IP; `retry_in`: when to look again, in seconds.

    `doubtful`: what the cloud says of the IP is not believed yet, nor to be noted.
    """

    exposure: Exposure
    retry_in: float | None = None
    doubtful: bool = False


class Tenancy:
    """Judges pods by the IP they state."""

    def __init__(
        self,
        views: Views,
        pods: Cache[Pod],
        nodes: Nodes,
        neighbours: Neighbours,
        *,
        pod_now: Callable[[Key], Pod | None],
        enis: EniCache,
        clock: Clock,
    ) -> None:
        self._views = views
        self._pods = pods
        self._nodes = nodes
        self._neighbours = neighbours
        self._pod_now = pod_now
        self._enis = enis
        self._clock = clock
        self._cloud_names_nodes = False
        """Whether the cloud has ever named a node's machine: only then its names say anything. In
        other clouds and emulators they may be of another kind."""
        self._unnamed: set[str] = set()
        """Addresses of nodes of which it was asked, and that did not show it."""
        self._witness: tuple[str, str] | None = None
        """Address and machine of the node of which it is asked now."""

    def judge(self, pod: Pod | None, exposure: Exposure) -> Verdict:
        """What the pod may ask for, as far as is known: see `unknown`."""
        if pod is None or not exposure.ip or pod.host_network:
            return Verdict(exposure)
        nodes = self._nodes.at(exposure.ip)
        if nodes and not self._has_passed_on(nodes, pod, exposure.ip):
            return Verdict(at_node(exposure, nodes[-1]))
        others = self._others(pod, exposure.ip)
        if others:
            return self._between(pod, others, exposure)
        return self._of_cluster(pod, exposure)

    def _has_passed_on(self, nodes: Collection[str], pod: Pod, ip: str) -> bool:
        """Whether the cloud says that the pod's machine has the address which those nodes state: it
        is stated until its node is seen to be dead. Asked again, as other doubts are."""
        instance = self._nodes.machine_of(pod.node)
        if pod.node in nodes or not instance:
            return False
        since = self._views.ips.stated_by(pod.key, ip)
        eni = self._enis.latest(ip, since)
        if (held := self._enis.held(ip, since)) is not None:
            self._doubt(ip, held[1])
        return eni is not None and eni.instance_id == instance

    def _of_cluster(self, pod: Pod, exposure: Exposure) -> Verdict:
        """Whether the interface that has the IP is a machine's of this cluster, as far as it is
        known; asked again until it was said for long enough, and now and then afterwards."""
        ip, instance = exposure.ip, self._nodes.claimant(pod).instance
        if not instance:
            return Verdict(exposure)
        means_something = self._names_nodes(pod.node, instance)
        held = self._enis.held(ip, self._views.ips.stated_by(pod.key, ip), pod.node)
        eni, said_for = held if held is not None else (None, 0.0)
        if eni is None or not eni.instance_id:
            return Verdict(exposure)
        ours = self._nodes.has_machine(eni.instance_id)
        self._cloud_names_nodes = self._cloud_names_nodes or ours is True
        if ours is not False or means_something is False:
            return Verdict(exposure)
        self._doubt(ip, said_for)
        if means_something is None or said_for < FOREIGN_BELIEVED_S:
            return Verdict(exposure, doubtful=True)
        return Verdict(at_stranger(exposure, eni))

    def _names_nodes(self, node: str, instance: str) -> bool | None:
        """Whether the cloud names machines as nodes do; None if it has not been found out yet.

        Of pods that are in place nobody asks, so that it would not come up by itself after a start:
        it is asked for the addresses of nodes, of one after the other until one of them shows it,
        and each time before it is asked for a pod's. Until then the first answer counts.
        """
        address = self._nodes.address_of(node)
        if not (self._cloud_names_nodes or self._witness or address in self._unnamed):
            self._witness = (address, instance) if address else None
        if self._witness is not None:
            self._hear(*self._witness)
        undecided = self._witness is not None and not self._unnamed
        return self._cloud_names_nodes or (None if undecided else False)

    def _hear(self, address: str, instance: str) -> None:
        """Take in what the cloud says of the node that has that address and that machine."""
        eni = self._enis.want(address)
        if eni is None and not self._enis.missed_once(address):
            return
        self._enis.forget(address)
        self._witness = None
        if eni is not None and eni.instance_id == instance:
            self._cloud_names_nodes = True
        else:
            self._unnamed.add(address)

    def _doubt(self, ip: str, said_for: float) -> None:
        """Ask the cloud again for what it has said for so long, in seconds."""
        believed = said_for >= FOREIGN_BELIEVED_S
        self._enis.ask_again(ip, FOREIGN_AGAIN_S if believed else FOREIGN_BELIEVED_S)

    def _between(self, pod: Pod, others: list[Pod], exposure: Exposure) -> Verdict:
        me = self._nodes.claimant(pod)
        claimants = [me, *map(self._nodes.claimant, others)]
        instance = ""
        if is_open(claimants):
            since = self._views.ips.stated_since(exposure.ip)
            eni = self._enis.latest(exposure.ip, since)
            wait = since + CLOUD_WAITED_FOR_S - self._clock.monotonic()
            if eni is None and wait > 0:
                return Verdict(exposure, wait)
            instance = eni.instance_id if eni is not None else ""
            if (held := self._enis.held(exposure.ip, since)) is not None:
                self._doubt(exposure.ip, held[1])  # as long as it decides
        winner = tenant(claimants, instance)
        if winner is me:  # of those who state a stranger's IP too, one is the latest
            return self._of_cluster(pod, exposure)
        return Verdict(led_nowhere(exposure, me, winner))

    def unknown(self, pod: Pod | None, ip: str) -> set[Key]:
        """Pods that are said to state the IP as well, and that are not held: look them up first."""
        if pod is None or pod.host_network:
            return set()
        said = self._neighbours.at(ip)
        return {key for key in said if key != pod.key and self._pods.get(key) is None}

    def call_on(self, key: Key, ip: str) -> None:
        """Hold the pod that asks for nothing and is said to state the IP, if it still does.

        Raises KubeError.
        """
        found = self._pod_now(key)
        if found is None or found.ipv4 != ip or found.ended:
            self._neighbours.drop(ip, key)
            return
        self._pods.hold(found)
        if key not in self._neighbours.at(ip):
            # Between the look and now its end was told, when it was not held yet; or others took
            # its place among the names, and it lives.
            self._pods.unhold(found)

    def _others(self, pod: Pod, ip: str) -> list[Pod]:
        """Other pods that state the IP and may be alive."""
        held = (self._pods.get(key) for key in self._views.ips.keys_at(ip) if key != pod.key)
        return [
            other
            for other in held
            if other is not None and other.ipv4 == ip and not other.ended and not other.host_network
        ]
