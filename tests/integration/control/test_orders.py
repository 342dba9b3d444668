"""What people order is heeded, told, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from dnatctl.control.gateway.sweeper import FOLLOW_S
from dnatctl.kube.client import KubeClient
from dnatctl.kube.orders import NAME, OrdersApi
from dnatctl.orders import Order, OrderKind, encode
from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.integration.control.test_vanished import strip
from tests.support.stage import NAMESPACE, Stage, eventually, fast, stage

GATEWAY, OTHER = "ngw-bp1emulated0001", "ngw-bp1emulated0002"
FIRST, SECOND = "203.0.113.1", "203.0.113.2"


class Person:
    """Gives orders, and has the controller look at them now instead of in a few seconds."""

    def __init__(self, it: Stage) -> None:
        self._it = it
        self._client = KubeClient.connect(it.folder / "kubeconfig", 1)
        self._api = OrdersApi(self._client, NAMESPACE)
        self._given: list[Order] = []

    def gives(self, kind: OrderKind, target: str, until: str = "") -> None:
        order = Order(kind, target, until=until, by="ops")
        self._given.append(order)
        self._api.give(order)
        self._look()

    def takes_all_back(self) -> None:
        for order in self._given:
            self._api.take_back(order)
        self._given.clear()
        self._look()

    def close(self) -> None:
        self.takes_all_back()
        self._client.close()

    def _look(self) -> None:
        for running in self._it.running:
            running.controller.parts.orders.look()


@pytest.fixture
def person(it: Stage) -> Iterator[Person]:
    ops = Person(it)
    yield ops
    ops.close()


def ip_of(it: Stage, name: str) -> str:
    return str(it.entries(name)[0]["externalIP"])


def exposed(it: Stage, *names: str) -> set[str]:
    for name in names:
        it.pod(name)
    for name in names:
        it.ready(name)
    return {ip_of(it, name) for name in names}


def names(it: Stage) -> list[str]:
    return [pod["metadata"]["name"] for pod in it.kube.store.list("pods", it.ns)]


class TestDrain:
    def test_nothing_new_is_put_there_and_who_is_there_stays(
        self, it: Stage, person: Person
    ) -> None:
        exposed(it, "a", "b", "c", "d")
        before = {name: it.entries(name) for name in "abcd"}
        drained = ip_of(it, "a")

        person.gives(OrderKind.DRAIN, f"eip/{drained}")

        assert exposed(it, "e", "f", "g") == {FIRST, SECOND} - {drained}
        assert {name: it.entries(name) for name in "abcd"} == before

    def test_where_all_is_drained_the_pod_is_told_by_whom_and_what_ends_it(
        self, it: Stage, person: Person
    ) -> None:
        person.gives(OrderKind.DRAIN, f"gateway/{GATEWAY}")
        it.pod("web")

        said = it.told("web", "PoolExhausted")

        assert (
            f"{GATEWAY}: is being drained (by ops; dnatctl undrain gateway/{GATEWAY} ends it)"
            in said
        )
        person.takes_all_back()
        it.ready("web")

    def test_what_is_shown_of_it_is_that_it_takes_nothing(self, it: Stage, person: Person) -> None:
        person.gives(OrderKind.DRAIN, f"eip/{FIRST}")

        first, second = it.running[0].controller.parts.board.status().gateways[0].eips

        assert first.problem == f"it is being drained (by ops; dnatctl undrain eip/{FIRST} ends it)"
        assert set(first.free.values()) == {0}
        assert second.problem == ""
        assert min(second.free.values()) > 0

    @pytest.mark.parametrize(("kind", "back"), [("drain", "undrain"), ("pause", "resume")])
    def test_of_a_gateway_as_well_that_it_takes_nothing(
        self, it: Stage, person: Person, kind: str, back: str
    ) -> None:
        person.gives(OrderKind(kind), f"gateway/{GATEWAY}")

        gateway = it.running[0].controller.parts.board.status().gateways[0]

        assert gateway.problem.endswith(f"(by ops; dnatctl {back} gateway/{GATEWAY} ends it)")

    def test_a_pod_that_is_there_may_have_another_port_there(
        self, it: Stage, person: Person
    ) -> None:
        it.pod("web", "80")
        ip = it.ready("web")[0]["externalIP"]
        person.gives(OrderKind.DRAIN, f"eip/{ip}")

        it.annotate("web", expose_port="80,81")

        assert {entry["externalIP"] for entry in it.ready("web", 2)} == {ip}


def test_who_is_on_a_drained_eip_goes_with_it_to_another_gateway() -> None:
    with stage(Scenario.many(2, eips=1, knobs=fast()), resync="1s") as it:
        it.start_controller()
        ops = Person(it)
        try:
            exposed(it, "a", "b")
            name = next(name for name in "ab" if ip_of(it, name) == FIRST)
            port = it.entries(name)[0]["externalPort"]
            ops.gives(OrderKind.DRAIN, f"eip/{FIRST}")

            it.acts.unbind_eip(FIRST, force=True)
            it.acts.bind_eip(FIRST, OTHER)

            eventually(lambda: {row["gateway"] for row in it.own_rows()} == {OTHER})
            (entry,) = it.ready(name)
            assert (entry["externalIP"], entry["externalPort"]) == (FIRST, port)
        finally:
            ops.close()


class TestPause:
    def test_what_is_paused_is_left_as_it_is_and_told_and_goes_on_afterwards(
        self, it: Stage, person: Person
    ) -> None:
        exposed(it, "still", "other")
        person.gives(OrderKind.PAUSE, f"pod/{it.ns}/still")
        assert "nothing is changed" in it.told("still", "Paused")

        for name in ("still", "other"):
            it.annotate(name, expose_port="80,81")
        it.ready("other", 2)

        assert len(it.entries("still")) == 1
        person.takes_all_back()
        it.ready("still", 2)

    def test_of_a_paused_gateway_no_table_is_written_to(self, it: Stage, person: Person) -> None:
        exposed(it, "there")
        person.gives(OrderKind.PAUSE, f"gateway/{GATEWAY}")
        rows = it.own_rows()

        it.pod("new")
        assert "is paused" in it.told("new", "PoolExhausted")
        it.delete_pod("there", grace=0)

        eventually(
            lambda: (
                "there" not in [p["metadata"]["name"] for p in it.kube.store.list("pods", it.ns)]
            )
        )
        assert it.own_rows() == rows
        person.takes_all_back()
        it.ready("new")
        eventually(lambda: len(it.own_rows()) == 1)

    def test_a_pause_of_all_ends_with_its_time(self, it: Stage, person: Person) -> None:
        person.gives(OrderKind.PAUSE, "all", _from_now(3600))
        it.pod("web")
        assert "all is paused until" in it.told("web", "Paused")

        person.gives(OrderKind.PAUSE, "all", _from_now(-1))

        it.ready("web")

    def test_a_paused_pod_keeps_its_address_though_its_poddnat_is_removed_by_force(
        self, it: Stage, person: Person
    ) -> None:
        exposed(it, "web")
        rows = it.own_rows()
        person.gives(OrderKind.PAUSE, f"pod/{it.ns}/web")
        it.told("web", "Paused")
        sweeper, clock = (
            it.running[0].controller.parts.sweeper,
            it.running[0].controller.parts.clock,
        )

        strip(it, "web")
        for _ in range(3):
            at = clock.monotonic()
            eventually(lambda at=at: clock.monotonic() > at + FOLLOW_S)
            sweeper.sweep()
        it.quiet()

        assert it.own_rows() == rows
        person.takes_all_back()
        it.ready("web")
        it.assert_at_rest()


def _from_now(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_stands_is_shown_to_who_looks(it: Stage, person: Person) -> None:
    person.gives(OrderKind.DRAIN, f"eip/{FIRST}")
    parts = it.running[0].controller.parts

    assert any(f"eip/{FIRST} is being drained" in note for note in parts.standing.notes())
    assert any(f"eip/{FIRST}" in note for note in parts.board.status().notes)


def test_nonsense_in_the_configmap_is_told_and_harms_nothing(it: Stage, person: Person) -> None:
    person.gives(OrderKind.DRAIN, f"eip/{FIRST}")
    it.kube.store.patch("configmaps", NAMESPACE, NAME, {"data": {"x": "nonsense"}})
    parts = it.running[0].controller.parts
    parts.orders.look()

    assert any("1 cannot be understood" in note for note in parts.standing.notes())
    assert exposed(it, "a", "b") == {SECOND}
    it.kube.store.patch("configmaps", NAMESPACE, NAME, {"data": {"x": None}})


def test_where_they_cannot_be_read_those_known_before_stand(it: Stage, person: Person) -> None:
    person.gives(OrderKind.DRAIN, f"eip/{FIRST}")
    rule = it.kube.faults.add(Fault(403), Match(verb="get", resource="configmaps"), None)
    it.running[0].controller.parts.orders.look()
    rule.cancel()

    assert exposed(it, "a", "b") == {SECOND}


class TestStored:
    """In the ConfigMap."""

    @staticmethod
    def keys(it: Stage) -> set[str]:
        held = it.kube.store.get("configmaps", NAMESPACE, NAME)
        return set((held or {}).get("data") or {})

    def test_one_under_another_key_is_taken_back_as_well(self, it: Stage) -> None:
        """It was said that the pod goes on, and the pause stood."""
        order = Order(OrderKind.PAUSE, "pod/games/web", by="ops")
        with closing(KubeClient.connect(it.folder / "kubeconfig", 1)) as client:
            api = OrdersApi(client, NAMESPACE)
            api.give(order)
            moved = {"data": {"by-hand": encode(order), order.name: None}}
            it.kube.store.patch("configmaps", NAMESPACE, NAME, moved)
            api.take_back(order)
        assert self.keys(it).isdisjoint({"by-hand", order.name})
