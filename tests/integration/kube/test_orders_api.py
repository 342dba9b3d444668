"""The ConfigMap with what people have ordered, whoever else writes to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dnatctl.kube.client import KubeClient
from dnatctl.kube.orders import NAME, OrdersApi
from dnatctl.orders import Order, OrderKind, encode
from dnatctl.times import format_time
from dnatctl_sim.kube import KubeServer
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.integration.kube.conftest import client_of


@pytest.fixture
def api(wire: KubeClient) -> OrdersApi:
    return OrdersApi(wire, "default")


@pytest.fixture
def in_between(
    kube: KubeServer, wire: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[OrdersApi], None]], None]:
    """Have somebody else do something once `api` has read what stands there."""

    def arrange(act: Callable[[OrdersApi], None]) -> None:
        request, acts = wire.request, [act]

        def read_and_then(method: str, *args: Any, **more: Any) -> bytes:
            try:
                return request(method, *args, **more)
            finally:
                if method == "GET" and acts:
                    act, other = acts.pop(), client_of(kube.url)
                    act(OrdersApi(other, "default"))
                    other.close()

        monkeypatch.setattr(wire, "request", read_and_then)

    return arrange


def pause(wire: KubeClient, name: str, seconds: float) -> Order:
    end = wire.clock.now() + timedelta(seconds=seconds)
    return Order(OrderKind.PAUSE, f"pod/games/{name}", until=format_time(end), by="ops")


def put(kube: KubeServer, data: dict[str, str]) -> None:
    metadata = {"name": NAME, "namespace": "default"}
    kube.store.create("configmaps", {"metadata": metadata, "data": data})


def held(kube: KubeServer) -> dict[str, str]:
    return dict((kube.store.get("configmaps", "default", NAME) or {})["data"])


def standing(api: OrdersApi, wire: KubeClient) -> list[str]:
    return [order.target for order in api.read(wire.clock.now())[0].each]


def test_what_is_over_goes_with_the_next_that_is_given_and_nothing_else(
    kube: KubeServer, wire: KubeClient, api: OrdersApi
) -> None:
    lasts, just_over = pause(wire, "lasts", 600), pause(wire, "just-over", -1)
    kept = {o.name: encode(o) for o in (lasts, just_over)} | {"notes": "of somebody"}
    ended = [pause(wire, f"ended-{number}", -3600) for number in range(50)]
    put(kube, kept | {o.name: encode(o) for o in ended})

    api.give(Order(OrderKind.DRAIN, "eip/203.0.113.1"))

    assert held(kube).keys() == kept.keys() | {"drain.eip.203.0.113.1"}
    assert standing(api, wire) == ["eip/203.0.113.1", "pod/games/lasts"]


def test_one_that_somebody_gives_anew_meanwhile_stands(
    kube: KubeServer, wire: KubeClient, api: OrdersApi, in_between: Any
) -> None:
    ended = pause(wire, "web", -3600)
    put(kube, {ended.name: encode(ended)})
    in_between(lambda other: other.give(pause(wire, "web", 600)))

    api.give(pause(wire, "db", 600))

    assert standing(api, wire) == ["pod/games/db", "pod/games/web"]


def test_the_first_two_that_are_given_at_once_both_stand(
    wire: KubeClient, api: OrdersApi, in_between: Any
) -> None:
    in_between(lambda other: other.give(pause(wire, "web", 600)))

    api.give(pause(wire, "db", 600))

    assert standing(api, wire) == ["pod/games/db", "pod/games/web"]


def test_to_give_and_take_back_one_it_need_not_be_read(
    kube: KubeServer, wire: KubeClient, api: OrdersApi
) -> None:
    rule = kube.faults.add(Fault(403), Match(verb="get", resource="configmaps"), None)
    for name in ("web", "db"):
        api.give(pause(wire, name, 600))
    api.take_back(pause(wire, "web", 600))
    rule.cancel()

    assert standing(api, wire) == ["pod/games/db"]


def test_one_ends_whatever_it_stands_under(
    kube: KubeServer, wire: KubeClient, api: OrdersApi
) -> None:
    web, db = pause(wire, "web", 600), pause(wire, "db", 600)
    put(kube, {"maintenance": encode(web), web.name: encode(db), "notes": "of somebody"})

    api.take_back(web)

    assert held(kube) == {web.name: encode(db), "notes": "of somebody"}


def test_one_that_is_given_anew_takes_the_place_of_what_stands_elsewhere(
    kube: KubeServer, wire: KubeClient, api: OrdersApi
) -> None:
    put(kube, {"maintenance": encode(pause(wire, "web", 3600))})
    shorter = pause(wire, "web", 60)

    api.give(shorter)

    assert held(kube) == {shorter.name: encode(shorter)}
