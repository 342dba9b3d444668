"""Drains and pauses: what stands, for whom, and what people mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from dnatctl.objects import Key
from dnatctl.orders import Order, OrderKind, decode, encode, over, pod_of, target_of

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)
KEY = Key("games", "lobby-0")


def standing(*orders: Order):
    return decode(map(encode, orders), NOW)[0]


@pytest.mark.parametrize(
    ("until", "stands"),
    [
        ("", True),
        ("2026-11-27T12:00:01Z", True),
        ("2026-11-27T12:00:00Z", False),
        ("2026-11-27T11:00:00Z", False),
        ("2026-11-27T13:30:00+02:00", False),
        ("tomorrow", False),
    ],
)
def test_an_order_stands_until_its_time_is_over(until: str, stands: bool) -> None:
    order = Order(OrderKind.PAUSE, "all", until=until)

    assert order.stands(NOW) is stands
    assert (standing(order).paused() is not None) is stands


def test_a_pause_holds_for_all_for_a_gateway_or_for_a_pod() -> None:
    gateway = standing(Order(OrderKind.PAUSE, "gateway/ngw-1"))
    pod = standing(Order(OrderKind.PAUSE, "pod/games/lobby-0"))
    everything = standing(Order(OrderKind.PAUSE, "all"))

    assert gateway.paused("ngw-1", KEY)
    assert not gateway.paused("ngw-2", KEY)
    assert pod.paused("ngw-2", KEY)
    assert not pod.paused("ngw-2", Key("games", "lobby-1"))
    assert not pod.paused("ngw-2")
    assert everything.paused()
    assert not everything.drained("ngw-1")


def test_a_log_level_holds_for_what_it_names_and_never_without_an_end() -> None:
    until = "2026-11-27T12:10:00Z"
    orders = standing(
        Order(OrderKind.LOG, "pod/games/lobby-0", until=until, level="debug"),
        Order(OrderKind.LOG, "gateway/ngw-1", until=until, level="error"),
        Order(OrderKind.LOG, "all", until=until, level="warning"),
        Order(OrderKind.LOG, "pod/games/endless", level="debug"),
        Order(OrderKind.PAUSE, "pod/games/other"),
    )

    assert orders.levels == {"games/lobby-0": "debug", "ngw-1": "error", "all": "warning"}
    assert [order.kind for order in orders.acting] == [OrderKind.PAUSE]
    assert not orders.paused("ngw-1", KEY)


def test_a_level_that_is_none_is_not_heeded() -> None:
    good = encode(Order(OrderKind.LOG, "all", until="2026-11-27T13:00:00Z", level="debug"))
    orders, unreadable = decode([good.replace("debug", "loud")], NOW)

    assert (orders.levels, unreadable) == ({}, 1)


def test_a_drain_holds_for_an_ip_or_for_all_of_a_gateway() -> None:
    ip = standing(Order(OrderKind.DRAIN, "eip/47.1.2.3"))
    gateway = standing(Order(OrderKind.DRAIN, "gateway/ngw-1"))

    assert ip.drained("ngw-1", "47.1.2.3")
    assert not ip.drained("ngw-1", "47.1.2.4")
    assert not ip.drained("ngw-1")
    assert gateway.drained("ngw-1", "47.1.2.4")
    assert not gateway.drained("ngw-2", "47.1.2.4")
    assert not gateway.paused("ngw-1")


def test_what_cannot_be_read_is_counted_and_harms_no_other() -> None:
    good = encode(Order(OrderKind.DRAIN, "eip/47.1.2.3"))
    orders, unreadable = decode(
        ["", "{}", '{"kind": "explode", "target": "all"}', good, "[" * 9], NOW
    )

    assert unreadable == 4
    assert orders.drained("ngw-1", "47.1.2.3")


def test_what_cannot_be_understood_or_has_no_end_is_not_over():
    kept = {
        "nonsense": "nonsense",
        "newer": '{"kind": "freeze", "target": "all", "until": "2026-11-27T11:00:00Z"}',
        "odd": encode(Order(OrderKind.PAUSE, "all", until="tomorrow")),
        "endless": encode(Order(OrderKind.LOG, "all", level="debug")),
        "drain": encode(Order(OrderKind.DRAIN, "eip/47.1.2.3")),
        "stands": encode(Order(OrderKind.PAUSE, "all", until="2026-11-27T12:00:01Z")),
    }
    ended = {"ended": encode(Order(OrderKind.PAUSE, "all", until="2026-11-27T12:00:00Z"))}

    assert over(kept | ended, NOW) == {"ended"}


def test_one_order_of_a_kind_for_a_target() -> None:
    names = {
        Order(kind, target).name
        for kind in OrderKind
        for target in ("all", "gateway/ngw-1", "eip/1.2.3.4", "pod/a/b.c", "pod/a-b/c")
    }
    assert len(names) == 5 * len(OrderKind)


LONG = "p" * 253
ODD = ("pod/a/b c", "pod/a/b_c", f"pod/{'n' * 63}/{LONG}", f"pod/{'n' * 63}/{LONG[1:]}")


@pytest.mark.parametrize("kind", OrderKind)
def test_any_order_can_be_stored_under_a_name_of_its_own(kind: OrderKind) -> None:
    names = {Order(kind, target).name for target in ODD}

    assert len(names) == len(ODD)
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", name) for name in names)


def test_the_names_of_orders_that_have_been_given_stay() -> None:
    name = Order(OrderKind.LOG, f"pod/games/{LONG[:230]}").name

    assert name == f"log-level.pod.games.{LONG[:230]}"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("47.1.2.3", "eip/47.1.2.3"),
        ("ngw-bp1", "gateway/ngw-bp1"),
        ("lobby-0", "pod/default/lobby-0"),
        ("games/lobby-0", "pod/games/lobby-0"),
        ("pod/lobby-0", "pod/default/lobby-0"),
        ("pods/games/lobby-0", "pod/games/lobby-0"),
        ("ngw-games/lobby-0", "pod/ngw-games/lobby-0"),
        ("pod/ngw-0", "pod/default/ngw-0"),
        ("pod/gateway/envoy-0", "pod/gateway/envoy-0"),
        ("pod/jobs/a", "pod/jobs/a"),
    ],
)
def test_what_a_person_means(text: str, target: str) -> None:
    assert target_of(text, "default") == target


@pytest.mark.parametrize("target", ["eip/47.1.2.3", "gateway/ngw-bp1", "pod/games/lobby-0"])
def test_what_is_printed_is_understood(target: str) -> None:
    assert target_of(target, "default") == target


@pytest.mark.parametrize(
    "text",
    [
        *("", "a/b/c", "games/", "/lobby-0", "pod/", "pod//a", "pod/a/b/c"),
        *("a b", "Web", "a_b", "-a", "a..b", "a\n", "../a", "g.h/a", "ga mes/a", "pod/G/a"),
        *("p" * 254, f"{'n' * 64}/a"),
    ],
)
def test_what_nobody_can_mean(text: str) -> None:
    with pytest.raises(ValueError, match="no pod"):
        target_of(text, "default")


def test_who_has_a_namespace_that_is_called_like_a_kind_is_told_how_to_name_it():
    with pytest.raises(ValueError, match="for pod a of a namespace jobs: pod/jobs/a"):
        pod_of("jobs/a")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("gateway/envoy-0", "'envoy-0' is no ID of a gateway.* pod/gateway/NAME"),
        ("gateway/ngw-1/a", "'ngw-1/a' is no ID of a gateway"),
        ("ngw-x y", "'ngw-x y' is no ID of a gateway, such as ngw-bp1uewa15k4iy$"),
        ("ngw-x.y", "'ngw-x.y' is no ID of a gateway.* pod/ngw-x.y"),
        ("ngw-", "'ngw-' is no ID of a gateway"),
        ("gateway/ngw-x.y", "'ngw-x.y' is no ID of a gateway"),
        ("eip/47.1.2", "'47.1.2' is no IPv4 address.* pod/eip/NAME"),
    ],
)
def test_what_is_neither_a_gateway_nor_a_pod_of_that_namespace_for_sure_is_refused(text, what):
    with pytest.raises(ValueError, match=what):
        target_of(text, "default")


class TestBesides:
    """Which other orders hold what one is taken back from."""

    ALL = Order(OrderKind.PAUSE, "all")
    GATEWAY = Order(OrderKind.PAUSE, "gateway/ngw-1")
    POD = Order(OrderKind.PAUSE, "pod/games/lobby-0")
    DRAINED = Order(OrderKind.DRAIN, "gateway/ngw-1")
    EIP = Order(OrderKind.DRAIN, "eip/47.1.2.3")

    @pytest.mark.parametrize(
        ("ended", "around", "others"),
        [
            (POD, {"gateway/ngw-1"}, {ALL, GATEWAY}),
            (POD, {"gateway/ngw-2"}, {ALL}),
            (GATEWAY, {"eip/47.1.2.3"}, {ALL}),
            (ALL, set(), {GATEWAY, POD}),
            (EIP, {"gateway/ngw-1"}, {ALL, GATEWAY, DRAINED}),
            (EIP, {"gateway/ngw-2"}, {ALL}),
            (DRAINED, {"eip/47.1.2.3"}, {ALL, GATEWAY, EIP}),
            (DRAINED, {"eip/47.1.2.4"}, {ALL, GATEWAY}),
        ],
    )
    def test_those_of_the_same_of_what_it_is_in_and_of_its_parts(
        self, ended: Order, around: set[str], others: set[Order]
    ) -> None:
        level = Order(OrderKind.LOG, "all", until="2026-11-27T12:10:00Z", level="debug")
        orders = standing(self.ALL, self.GATEWAY, self.POD, self.DRAINED, self.EIP, level)

        assert set(orders.besides(ended, around)) == others


@pytest.mark.parametrize(
    ("order", "command"),
    [
        (Order(OrderKind.DRAIN, "eip/47.1.2.3"), "dnatctl undrain eip/47.1.2.3"),
        (Order(OrderKind.PAUSE, "all"), "dnatctl resume all"),
        (Order(OrderKind.LOG, "pod/a/b", level="debug"), "dnatctl log-level pod/a/b default"),
    ],
)
def test_the_command_that_ends_it_is_told_whole(order: Order, command: str) -> None:
    assert order.end == command
    assert f"{command} ends it" in str(order)
