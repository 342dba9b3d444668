"""`dnatctl drain`, `undrain`, `pause`, `resume`, `log-level`: orders to a controller at work."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, cast, get_args

import click

from dnatctl.cli.asking import LIKELY, Asking, aside, asking, say
from dnatctl.cli.draining import watch
from dnatctl.cli.options import F
from dnatctl.config.types import parse_duration
from dnatctl.kube.errors import KubeError
from dnatctl.orders import (
    ALL,
    EIP,
    GATEWAY,
    POD,
    READ_EVERY_S,
    Level,
    Order,
    OrderKind,
    Orders,
    target_of,
)
from dnatctl.times import format_time

if TYPE_CHECKING:
    from dnatctl.kube.orders import OrdersApi

HEEDED: Final = f"(a controller at work heeds it within {READ_EVERY_S:.0f} s)"
LONGEST_S: Final = 86400.0
USUAL: Final = "default"
"""In place of a level: that which all else is logged from."""


class _TargetType(click.ParamType[str]):
    name = "target"

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click. A pod keeps an empty namespace until it is known."""
        if value == ALL and ALL in self._kinds:
            return ALL
        try:
            target = target_of(value, "")
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if target.partition("/")[0] not in self._kinds:
            self.fail(f"{value!r}: write {_written(self._kinds)}", param, ctx)
        return target


_EXAMPLES = {EIP: "an IP", GATEWAY: "ngw-...", POD: "the name of a pod", ALL: "all"}


def _written(kinds: Sequence[str]) -> str:
    """How targets of these kinds are named, for people."""
    *some, last = (_EXAMPLES[kind] for kind in kinds)
    return f"{', '.join(some)} or {last}" if some else last


class _Period(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click."""
        try:
            seconds = parse_duration(value) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"{value!r}: write a duration such as 30s, 5m or 1h30m", param, ctx)
        if not seconds:
            self.fail(f"{value!r}: at least a moment", param, ctx)
        if seconds > LONGEST_S:
            self.fail(f"{value!r}: at most 24h; give the order again when it is over", param, ctx)
        return seconds


def _for(usual: str) -> Callable[[F], F]:
    return click.option(
        "--for",
        "seconds",
        type=_Period(),
        default=usual,
        show_default=True,
        help="For how long, such as 30m; at most 24h. It goes on by itself afterwards.",
    )


@click.command()
@click.argument("target", type=_TargetType(EIP, GATEWAY))
@click.option("--wait/--no-wait", default=True, help="Wait until nobody is there any more.")
@asking(all_namespaces=False, answers=False)
def drain(it: Asking, target: str, wait: bool) -> None:
    """Put no new endpoint on an EIP or a gateway (TARGET: its IP, or ngw-...).

    Who is there stays until the pods end. It says who, and ends when there is nobody and the leader
    knows of the order, so that nobody comes any more; Ctrl-C ends the waiting alone.
    `dnatctl undrain` takes the order back.
    """
    api = _api(it)
    order = Order(OrderKind.DRAIN, target, format_time(_now(it)), by=_me())
    api.give(order)
    say(f"{target}: nothing new is put there")
    aside(HEEDED)
    _say_doubt(it, order)
    try:
        with _standing(order):
            watch(it, order, wait=wait)
    except KeyboardInterrupt:
        aside("it goes on being drained")
        sys.exit(130)


@click.command()
@click.argument("target", type=_TargetType(EIP, GATEWAY))
@asking(all_namespaces=False, answers=False)
def undrain(it: Asking, target: str) -> None:
    """Take back a drain: new endpoints may be put there again.

    Exits with 1 if another order keeps them off all the same, from it or from a part of it, or may:
    the leader knows which EIP is where. It says which, and what ends that.
    """
    _take_back(it, Order(OrderKind.DRAIN, target), _UNDRAINED)


@click.command()
@click.argument("target", type=_TargetType(GATEWAY, POD, ALL), required=False)
@click.option("--all", "everything", is_flag=True, help="All that the controller does.")
@_for("1h")
@asking(all_namespaces=False, answers=False)
def pause(it: Asking, target: str | None, everything: bool, seconds: float) -> None:
    """Change nothing of a pod's (TARGET: its name), on a gateway (ngw-...), or at all (all).

    What is there stays as it is, also where it is wrong by now: an entry of a pod that has ended
    leads to whoever gets its IP. So it has an end. `dnatctl resume` ends it sooner.
    """
    chosen = _one_of(it, target, everything=everything)
    order = _give(it, OrderKind.PAUSE, chosen, seconds)
    say(str(order))
    aside(HEEDED)
    _say_doubt(it, order)


@click.command()
@click.argument("target", type=_TargetType(GATEWAY, POD, ALL), required=False)
@click.option("--all", "everything", is_flag=True, help="End the pause of everything.")
@asking(all_namespaces=False, answers=False)
def resume(it: Asking, target: str | None, everything: bool) -> None:
    """End a pause.

    Exits with 1 if another pause holds the same or a part of it; it says which, and what ends that.
    """
    chosen = _one_of(it, target, everything=everything)
    _take_back(it, Order(OrderKind.PAUSE, chosen), _RESUMED)


@click.command("log-level")
@click.argument("target", type=_TargetType(GATEWAY, POD, ALL))
@click.argument("level", type=click.Choice([*get_args(Level), USUAL]))
@_for("10m")
@asking(all_namespaces=False, answers=False)
def log_level(it: Asking, target: str, level: str, seconds: float) -> None:
    """Have the leader log what it does for a pod (TARGET: its name), on a gateway (ngw-...), or at
    all (TARGET: all) from another LEVEL on, without a restart.

    That of a pod goes before that of its gateway, and that before all. `default` ends it sooner.
    """
    chosen = _in_namespace(it, target)
    if level == USUAL:
        _api(it).take_back(Order(OrderKind.LOG, chosen))
        say(f"{chosen}: logged as all else")
        return
    order = _give(it, OrderKind.LOG, chosen, seconds, cast("Level", level))
    say(str(order))
    _say_doubt(it, order)


class _Ended(NamedTuple):
    """What is said of a target whose order is taken back: how it is `now`; what, where the leader
    knows `no_such` target; and where it was `never` given."""

    now: str
    no_such: str
    never: str


_UNDRAINED = _Ended("in use again", "not drained any more", "was not being drained")
_RESUMED = _Ended("goes on", "not paused any more", "was not paused")


def _take_back(it: Asking, order: Order, ended: _Ended) -> None:
    """End an order, and say what holds afterwards: nothing, or which other one.

    They are read first: the answer to a write does not tell what it took away.
    """
    api = _api(it)
    before, _ = api.read(_now(it))
    api.take_back(order)
    names = {each.name for each in before.each}
    given, more = order.name in names, names - {order.name}
    others = before.besides(order, _around(it, order.target, before)) if more else ()
    if not others:
        doubt = _doubt(it, order.target) if given else ""
        so = ended.no_such if doubt else ended.now
        say(f"{order.target}: {so if given else ended.never}")
        if doubt:
            aside(doubt)
        if given:
            aside(HEEDED)
        return
    done = "that order is taken back" if given else "there was no such order"
    say(f"{order.target}: {done}; what stands besides:")
    for other in others:
        say(f"  {other}")
    sys.exit(1)


def _around(it: Asking, target: str, orders: Orders) -> set[str]:
    """The targets that this one is in, and the EIPs that are in it. Where the leader does not tell,
    all that may be, of those that the orders name."""
    kind, _, name = target.partition("/")
    if kind == POD:
        namespace = name.partition("/")[0]
        records = replace(it, namespace=namespace).records()
        return {f"{GATEWAY}/{r.spec.gateway_id}" for r in records if str(r.key) == name}
    if kind not in (EIP, GATEWAY):
        return set()
    status = it.status_if_told("what is ordered")
    if status is None:
        other = EIP if kind == GATEWAY else GATEWAY
        return {o.target for o in orders.each if o.target.startswith(f"{other}/")}
    pairs = [(gateway.id, eip.ip) for gateway in status.gateways for eip in gateway.eips]
    if kind == EIP:
        return {f"{GATEWAY}/{gateway_id}" for gateway_id, ip in pairs if ip == name}
    return {f"{EIP}/{ip}" for gateway_id, ip in pairs if gateway_id == name}


def _give(
    it: Asking, kind: OrderKind, target: str, seconds: float, level: Level | None = None
) -> Order:
    """Give an order that holds from now on, for so long."""
    api = _api(it)
    begin = _now(it)
    end = begin + timedelta(seconds=seconds)
    order = Order(kind, target, format_time(begin), format_time(end), _me(), level)
    api.give(order)
    return order


def _now(it: Asking) -> datetime:
    """The time by which the order is heeded: the cluster's, as soon as that has answered."""
    return it.client.clock.now()


def _one_of(it: Asking, target: str | None, *, everything: bool) -> str:
    if everything is (target is not None):
        raise click.UsageError("name one pod or one gateway, or give --all")
    if target is None:
        return ALL
    return _in_namespace(it, target)


def _in_namespace(it: Asking, target: str) -> str:
    kind, _, rest = target.partition("/")
    return f"{POD}/{it.namespace}{rest}" if kind == POD and rest.startswith("/") else target


def _say_doubt(it: Asking, order: Order) -> None:
    with _standing(order):
        if doubt := _doubt(it, order.target):
            aside(doubt)


@contextmanager
def _standing(order: Order) -> Iterator[None]:
    """What fails once the order is given ends the command, and not the order: that is said."""
    try:
        yield
    except KubeError as error:
        raise KubeError(error.failure, f"{error.message} ({order}: that stands)") from error


def _doubt(it: Asking, target: str) -> str:
    """What to say where the leader answers and knows no such EIP or gateway, or where there is no
    such PodDNAT; empty if there is. Raises KubeError where PodDNATs cannot be read."""
    kind, _, name = target.partition("/")
    if kind == POD:
        known = {str(record.key) for record in it.all_records()}
        return "" if name in known else f"(there is no PodDNAT {name} at present)"
    if kind not in (EIP, GATEWAY):
        return ""
    try:
        gateways = it.status().gateways
    except KubeError:
        return ""
    ids = {gateway.id for gateway in gateways}
    known = ids if kind == GATEWAY else {eip.ip for each in gateways for eip in each.eips}
    if name in known:
        return ""
    others = ", ".join(sorted(known)) or "none"
    return f"(dnatctl uses no {kind} {name} at present; there are {others})"


def _api(it: Asking) -> OrdersApi:
    from dnatctl.kube.orders import OrdersApi

    namespace, _ = it.lease()
    return OrdersApi(it.client, namespace or it.controller or LIKELY[0])


def _me() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
