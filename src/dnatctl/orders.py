"""What people have ordered besides the configuration: drains, pauses, log levels. Values only.

An order stands in a ConfigMap beside the controller until it is taken back or its time is over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from dnatctl import decoding
from dnatctl.model import is_ipv4
from dnatctl.names import LONGEST_LABEL, LONGEST_NAME, is_label, is_subdomain
from dnatctl.objects import Key
from dnatctl.times import parse_time

ALL = "all"
EIP = "eip"
GATEWAY = "gateway"
POD = "pod"

READ_EVERY_S = 5.0
"""Between two readings by the leader: so long after it was given at most an order is heeded."""

_GATEWAY_IDS = "ngw-"
"""What the IDs of NAT gateways begin with."""

_GATEWAY_ID = re.compile(f"{_GATEWAY_IDS}[A-Za-z0-9-]+")

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""Keys of a ConfigMap (IsConfigMapKey of k8s.io/apimachinery)."""

_NOT_IN_KEYS = re.compile(r"[^-._a-zA-Z0-9]")

_SHOWN = 200
"""Characters of a target that stay in a key which is too long otherwise."""

_PODS = ("po", "pod", "pods")
_WORKLOADS = {
    *("deploy", "deployment", "deployments", "rs", "replicaset", "replicasets"),
    *("sts", "statefulset", "statefulsets", "ds", "daemonset", "daemonsets", "job", "jobs"),
}
"""As kubectl takes them before a slash, where we take a namespace."""

Level = Literal["debug", "info", "warning", "error"]


class OrderKind(StrEnum):
    """What is ordered."""

    DRAIN = "drain"
    """Put nothing new on an EIP or a gateway; who is there stays."""
    PAUSE = "pause"
    """Change nothing of a pod's, on a gateway, or at all."""
    LOG = "log-level"
    """Log what is done for a pod, on a gateway, or at all, from another level on."""


class Order(Struct, frozen=True, omit_defaults=True):
    """One order. `target`: `all`, `gateway/ID`, `eip/IP` or `pod/NAMESPACE/NAME`.

    `since` and `until` are RFC 3339; no `until`: until it is taken back. `by`: who gave it.
    `level`: of `LOG`, which always has an end.
    """

    kind: OrderKind
    target: str
    since: str = ""
    until: str = ""
    by: str = ""
    level: Level | None = None

    @property
    def name(self) -> str:
        """What it is stored under: one order of a kind for a target. What a ConfigMap takes for no
        key is cut, and told apart by a digest."""
        whole = f"{self.kind}.{self.target.replace('/', '.')}"
        if _KEY.fullmatch(whole):
            return whole
        return f"{_NOT_IN_KEYS.sub('_', whole)[:_SHOWN]}.{sha256(whole.encode()).hexdigest()[:16]}"

    def stands(self, now: datetime) -> bool:
        """Whether its time is not over. One whose end makes no sense is over."""
        if not self.until:
            return self.kind is not OrderKind.LOG
        end = parse_time(self.until)
        return end is not None and now < end

    @property
    def what(self) -> str:
        """What is so of its target, as a sentence goes on, with who ordered it and how it ends."""
        end = f" until {self.until}" if self.until else ""
        by = f"by {self.by}; " if self.by else ""
        match self.kind:
            case OrderKind.PAUSE:
                how = "paused"
            case OrderKind.DRAIN:
                how = "being drained"
            case OrderKind.LOG:
                how = f"logged from {self.level} on"
        return f"is {how}{end} ({by}{self.end} ends it)"

    @property
    def end(self) -> str:
        """The command that ends it."""
        match self.kind:
            case OrderKind.PAUSE:
                return f"dnatctl resume {self.target}"
            case OrderKind.DRAIN:
                return f"dnatctl undrain {self.target}"
            case OrderKind.LOG:
                return f"dnatctl log-level {self.target} default"

    def __str__(self) -> str:
        return f"{self.target} {self.what}"


@dataclass(frozen=True, slots=True)
class Orders:
    """Those that stand."""

    each: tuple[Order, ...] = ()

    def drained(self, gateway_id: str, ip: str = "") -> Order | None:
        """The order to put nothing new on that gateway, or on that external IP of it."""
        targets = {f"{GATEWAY}/{gateway_id}"} | ({f"{EIP}/{ip}"} if ip else set())
        return self._find(OrderKind.DRAIN, targets)

    def paused(self, gateway_id: str = "", key: Key | None = None) -> Order | None:
        """The order to change nothing: of that pod, on that gateway, or at all."""
        targets = {ALL}
        if gateway_id:
            targets.add(f"{GATEWAY}/{gateway_id}")
        if key is not None:
            targets.add(f"{POD}/{key.namespace}/{key.name}")
        return self._find(OrderKind.PAUSE, targets)

    def besides(self, ended: Order, around: Iterable[str]) -> tuple[Order, ...]:
        """Those that hold what another one held, or a part of it. `around`: the targets that its
        target is in, and those that are in it; `all` besides.

        A pause keeps off what is new as well as a drain does.
        """
        kinds = {OrderKind.PAUSE, ended.kind}
        return tuple(
            order
            for order in self.each
            if order.kind in kinds
            and order.name != ended.name
            and (ALL in (order.target, ended.target) or order.target in {ended.target, *around})
        )

    @property
    def acting(self) -> tuple[Order, ...]:
        """Those that change what is done, not only what is told of it."""
        return tuple(order for order in self.each if order.kind is not OrderKind.LOG)

    @property
    def levels(self) -> dict[str, Level]:
        """From which level on is logged: of `namespace/name`, of a gateway's ID, of `all`."""
        logged = (o for o in self.each if o.kind is OrderKind.LOG and o.level)
        return {o.target.partition("/")[2] or ALL: o.level for o in logged if o.level}

    def standing(self, now: datetime) -> Orders:
        """Those of them whose time is not over."""
        return Orders(tuple(order for order in self.each if order.stands(now)))

    def _find(self, kind: OrderKind, targets: set[str]) -> Order | None:
        return next((o for o in self.each if o.kind is kind and o.target in targets), None)


_DECODER = msgspec.json.Decoder(Order)


def encode(order: Order) -> str:
    """As it is stored."""
    return msgspec.json.encode(order).decode()


def decode(stored: Iterable[str], now: datetime) -> tuple[Orders, int]:
    """The orders that stand, and how many cannot be read: anybody may have written them."""
    found = [_read(text) for text in stored]
    standing = sorted((o for o in found if o and o.stands(now)), key=lambda o: o.name)
    return Orders(tuple(standing)), found.count(None)


def over(stored: Mapping[str, str], now: datetime) -> set[str]:
    """The names of those whose time was over by then; none of what cannot be understood."""
    return {
        name
        for name, text in stored.items()
        if (order := _read(text)) and parse_time(order.until) and not order.stands(now)
    }


def names_of(stored: Mapping[str, str], order: Order) -> set[str]:
    """The names that orders of that kind for that target stand under: its own, unless that is
    another's, and any that somebody else has chosen."""
    found = {name: read for name, text in stored.items() if (read := _read(text))}
    same = {n for n, o in found.items() if (o.kind, o.target) == (order.kind, order.target)}
    return same if order.name in found else same | {order.name}


def _read(text: str) -> Order | None:
    try:
        return decoding.decode(_DECODER, text.encode())
    except msgspec.DecodeError:
        return None


def target_of(text: str, namespace: str) -> str:
    """The target that a person means: an IP, a gateway's ID, a pod's name or NAMESPACE/NAME; or any
    target as it is printed.

    Raises ValueError where it is none.
    """
    kind, slash, name = text.partition("/")
    if slash and kind in (EIP, GATEWAY):
        return _printed(kind, name)
    if is_ipv4(text):
        return f"{EIP}/{text}"
    if text.startswith(_GATEWAY_IDS) and not slash:
        if not _GATEWAY_ID.fullmatch(text):
            or_pod = f"; a pod of that name is written {POD}/{text}" if is_subdomain(text) else ""
            raise ValueError(_no_gateway(text) + or_pod)
        return f"{GATEWAY}/{text}"
    where, name = pod_of(text)
    return f"{POD}/{where or namespace}/{name}"


def pod_of(text: str) -> tuple[str, str]:
    """Namespace, "" if none is named, and name of the pod that a person means: NAME, pod/NAME,
    NAMESPACE/NAME or pod/NAMESPACE/NAME.

    Raises ValueError where it is none.
    """
    first, slash, rest = text.partition("/")
    if slash and first in _PODS:
        where, between, name = rest.rpartition("/")
        return _pod(text, where, name, named=bool(between))
    where, between, name = text.rpartition("/")
    if where in _WORKLOADS:
        raise ValueError(
            f"{text!r} is a workload: name one of its pods (kubectl get pods); for pod {name} of a"
            f" namespace {where}: {POD}/{where}/{name}"
        )
    return _pod(text, where, name, named=bool(between))


def _pod(text: str, where: str, name: str, *, named: bool) -> tuple[str, str]:
    if not is_subdomain(name) or not (is_label(where) if named else not where):
        raise ValueError(
            f"{text!r} is no IP, no gateway (ngw-...) and no pod: write NAME or NAMESPACE/NAME, at"
            f" most {LONGEST_NAME} and {LONGEST_LABEL} of a-z, 0-9 and '-', in NAME '.' as well"
        )
    return where, name


def _printed(kind: str, name: str) -> str:
    """`eip/IP` or `gateway/ID`. A namespace may be called like either."""
    if kind == EIP and not is_ipv4(name):
        what = f"{name!r} is no IPv4 address"
    elif kind == GATEWAY and not _GATEWAY_ID.fullmatch(name):
        what = _no_gateway(name)
    else:
        return f"{kind}/{name}"
    raise ValueError(f"{what}; a pod of a namespace {kind} is written {POD}/{kind}/NAME")


def _no_gateway(name: str) -> str:
    return f"{name!r} is no ID of a gateway, such as ngw-bp1uewa15k4iy"
