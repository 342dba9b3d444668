"""What a pod asks for, read from its annotations and state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from dnatctl.amounts import amount
from dnatctl.model import USUAL_PORTS, PortRange, Protocol
from dnatctl.objects import Owner, Pod
from dnatctl.pool import Wanted

SWITCH = "k8s.aliyun.com/pod-dnat"
PORTS = f"{SWITCH}-expose-port"
PROTOCOL = f"{SWITCH}-expose-protocol"
FIXED = f"{SWITCH}-fixed"

MAX_TEXT = 1024
"""Longest value of an annotation that is read, in characters."""

MOST_PORT = 65535

_PAIR = re.compile(r"([0-9]{1,5})(?:/|:|~|_|\.\.+)([0-9]{1,5})")
"""Two numbers as others write a range, the cloud among them, or a port and where it leads."""

_SEVERAL = re.compile(r"\W*(?:(?:tcp|udp)\W*){2,}", re.IGNORECASE)


class Ask(StrEnum):
    """What a pod asks of the program."""

    ON = "on"
    """Expose these ports at this IP."""
    OFF = "off"
    """Expose nothing (any more)."""
    NO_ADDRESS = "no-address"
    """Expose, but the pod has no IP yet, or none any more."""
    KEEP = "keep"
    """What it asks cannot be done: create nothing, keep what exists."""
    REVOKED = "revoked"
    """What it asks it may not have, nor keep what it has."""
    ENDED = "ended"
    """The pod's containers have ended, or the pod is gone."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: a condition and event reason, and a sentence that says what to do.

    `detail`: what may be told besides, once: it changes by itself, and that is no news. `passing`:
    it is over in a moment, or turns out to be something worse, so nobody is told of it. `end`: what
    comes of it, and when: told besides; another end is news, and that it has come is none.
    """

    reason: str
    message: str
    detail: str = field(default="", compare=False)
    passing: bool = field(default=False, compare=False)
    end: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """All that is to be told."""
        besides = self.end or self.detail
        return f"{self.message} ({besides})" if besides else self.message

    def is_among(self, told: Iterable[Problem]) -> bool:
        """Whether those who were told of these know of it."""
        return any(each == self and self.end in ("", each.end) for each in told)

    def is_said_by(self, told: str) -> bool:
        """Whether that text says the same, but for a detail that may be another by now, or none."""
        if self.end or not self.detail:
            return told == self.text
        return told == self.message or told.startswith(f"{self.message} (")


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one pod asks for. `ports` are internal ports in the order of the annotation.

    `refused`: whatever is asked for, it may not be had. `banned`: nor may what there is be kept,
    but for the grace. `unfit`: nothing that does not lead to that IP yet may be led there.
    `remarks`: what its author may have meant otherwise, and what keeps nothing from being done.
    """

    ask: Ask
    ports: tuple[tuple[int, Protocol], ...] = ()
    ip: str = ""
    fixed: bool = False
    problem: Problem | None = None
    refused: bool = False
    remarks: tuple[Problem, ...] = ()
    banned: bool = False
    unfit: bool = False

    @property
    def displaced(self) -> Problem | None:
        """Why nothing may lead to the pod although it states an IP; see `tenancy`."""
        return self.problem if self.ask in (Ask.NO_ADDRESS, Ask.ENDED, Ask.REVOKED) else None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about which pods may be exposed.

    `denial` tells by which rule a namespace may not expose pods; empty if it may. `grace_s`: how
    long its pods keep what they have, in seconds. Empty `networks`: any address. `max_ports`: ports
    that one pod may expose. `denied_ports`: internal ones that none may.
    """

    denial: Callable[[str], str] = lambda _: ""
    grace_s: float = 0.0
    networks: tuple[IPv4Network, ...] = ()
    stateful_kinds: frozenset[str] = frozenset({"StatefulSet"})
    max_ports: int = USUAL_PORTS
    denied_ports: tuple[PortRange, ...] = ()


class InvalidAnnotationError(ValueError):
    """An annotation has a value that cannot be understood; the message is for its author."""


def read_exposure(pod: Pod | None, rules: Rules) -> Exposure:
    """What the pod asks for now; None is a pod that is gone.

    Nonsense is no way round a refusal: what it keeps would be repaired for it, and created.
    """
    if pod is None:
        return Exposure(Ask.ENDED)
    try:
        exposure = _read(pod, rules)
    except InvalidAnnotationError as error:
        problem = Problem("InvalidAnnotation", "; ".join((str(error), *pod.near)))
        keeps = Exposure(Ask.KEEP, ip=pod.ipv4, problem=problem)
        return _refused(pod, rules, ()) or keeps
    return replace(exposure, remarks=tuple(_remarks(pod, exposure, rules)))


def in_grace(exposure: Exposure, left_s: float, end: datetime) -> Exposure:
    """A banned exposure `left_s` seconds before the grace is over, or after; that is at `end`."""
    if exposure.ask is not Ask.KEEP or exposure.problem is None:
        return exposure
    if left_s <= 0:
        return replace(exposure, ask=Ask.REVOKED)
    told = f"what it has is released at {end:%H:%M:%S} UTC (namespaces.grace)"
    return replace(exposure, problem=replace(exposure.problem, end=told))


def owner_for(pod: Pod, exposure: Exposure) -> Owner:
    """Who the record is to belong to: the pod, or for a fixed exposure its workload."""
    if exposure.fixed and pod.owner is not None:
        return pod.owner
    return pod_itself(pod)


def pod_itself(pod: Pod) -> Owner:
    """The pod as an owner."""
    return Owner("v1", "Pod", pod.key.name, pod.uid)


def _read(pod: Pod, rules: Rules) -> Exposure:
    if pod.ended:
        return Exposure(Ask.ENDED)
    if not _flag(pod, SWITCH):
        return Exposure(Ask.OFF)
    _check_lengths(pod)
    ports = _ports(pod, rules.max_ports)
    fixed = _flag(pod, FIXED) and _is_stateful(pod, rules)
    asked = Exposure(Ask.ON if pod.ipv4 else Ask.NO_ADDRESS, ports, pod.ipv4, fixed)
    return _refused(pod, rules, ports) or asked


def _refused(pod: Pod, rules: Rules, ports: Wanted) -> Exposure | None:
    """What is left to a pod that may not have what it asks for; None where it may."""
    unfit = _unfit(pod, rules)
    denied = _denied_namespace(pod, rules)
    problem = denied or _denied_port(ports, rules) or unfit
    if problem is None:
        return None
    fixed = pod.annotations.get(FIXED) in ("", "true") and _is_stateful(pod, rules)
    return Exposure(
        Ask.KEEP,
        ports,
        pod.ipv4,
        fixed,
        problem,
        refused=True,
        banned=denied is not None,
        unfit=unfit is not None,
    )


def _remarks(pod: Pod, exposure: Exposure, rules: Rules) -> Iterator[Problem]:
    if exposure.ask is Ask.ENDED:
        return
    if pod.near:
        yield Problem("AnnotationIgnored", "; ".join(pod.near))
    if exposure.ask is Ask.OFF:
        return
    parts = pod.annotations[PORTS].split(",")
    if pod.counted and len(parts) < len(exposure.ports):
        text = (
            f"{PORTS} has {amount(len(parts), 'part')} and stands for {len(exposure.ports)} ports: "
            "OpenKruiseGame takes the game server for ready at as many entries as there are parts. "
            "Name each port, as in 7777,7778"
        )
        yield Problem("RangeMiscounted", text)
    if _flag(pod, FIXED) and not _is_stateful(pod, rules):
        whose = f"belongs to {pod.owner.kind} {pod.owner.name}" if pod.owner else "has no workload"
        kinds = ", ".join(sorted(rules.stateful_kinds))
        text = (
            f"{FIXED} has no effect: the pod {whose}, and endpoints are kept for pods of {kinds} "
            "(more kinds: customStatefulWorkloadKinds in the controller's configuration)"
        )
        yield Problem("FixedIgnored", text)


def _flag(pod: Pod, annotation: str) -> bool:
    value = pod.annotations.get(annotation)
    if value is None or value == "false":
        return False
    if value in ("", "true"):
        return True
    raise InvalidAnnotationError(f'{annotation}: "{_cut(value)}" is neither "", "true" nor "false"')


def _check_lengths(pod: Pod) -> None:
    for name in (PORTS, PROTOCOL, FIXED):
        if len(pod.annotations.get(name, "")) > MAX_TEXT:
            raise InvalidAnnotationError(f"{name} is longer than {MAX_TEXT} characters")


def _ports(pod: Pod, most: int) -> tuple[tuple[int, Protocol], ...]:
    default = _protocol(pod.annotations.get(PROTOCOL) or Protocol.TCP, PROTOCOL)
    text = pod.annotations.get(PORTS, "").strip()
    if not text:
        raise InvalidAnnotationError(
            f"{PORTS} is missing: name the ports to expose, such as 80,443"
        )
    parts = [_part(part.strip(), default) for part in text.split(",")]
    asked = sum(len(numbers) for numbers, _ in parts)
    ports: list[tuple[int, Protocol]] = []
    for port in ((number, protocol) for numbers, protocol in parts for number in numbers):
        if port in ports:
            raise InvalidAnnotationError(f"{PORTS}: {port[0]}/{port[1]} is named twice")
        ports.append(port)
        if len(ports) > most:
            raise InvalidAnnotationError(
                f"{PORTS}: {asked} ports are more than {most}, the most that maxPortsPerPod in the"
                " controller's configuration allows"
            )
    return tuple(ports)


def _part(text: str, default: Protocol) -> tuple[range, Protocol]:
    """The numbers that a part stands for, not listed: there may be many."""
    _check_written(text)
    span, slash, name = text.partition("/")
    protocol = _protocol(name, PORTS) if slash else default
    first, dash, last = span.partition("-")
    start = _number(first, text)
    end = _number(last, text) if dash else start
    if end < start:
        raise InvalidAnnotationError(f'{PORTS}: "{_cut(text)}" ends before it begins')
    return range(start, end + 1), protocol


def _check_written(text: str) -> None:
    """Name what is wrong with how a part is written, where more can be said than that it is no
    port."""
    if not text:
        raise InvalidAnnotationError(f"{PORTS}: a comma has no port beside it: take it out")
    if strange := next((c for c in text if not (c.isascii() and c.isprintable())), ""):
        raise InvalidAnnotationError(
            f'{PORTS}: "{_cut(text)}" has the character U+{ord(strange):04X}: use the plain digits '
            "0 to 9, and , - / between them"
        )
    numbers = _PAIR.fullmatch(text)
    if numbers and all(1 <= int(number) <= MOST_PORT for number in numbers.groups()):
        first, last = numbers.groups()
        as_range = f"a range is written {first}-{last}; " if int(first) < int(last) else ""
        raise InvalidAnnotationError(
            f'{PORTS}: "{_cut(text)}" is not a port: {as_range}a public port cannot be chosen'
        )


def _number(text: str, part: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MOST_PORT:
        return int(text)
    raise InvalidAnnotationError(
        f'{PORTS}: "{_cut(part)}" is not a port: use 1 to 65535, a range such as 7000-7003, '
        "and /tcp or /udp behind either"
    )


def _protocol(text: str, annotation: str) -> Protocol:
    try:
        return Protocol(text.strip().lower())
    except ValueError:
        both = f"; for both write each port twice in {PORTS}, such as 80/tcp,80/udp"
        mend = both if _SEVERAL.fullmatch(text) else ""
        raise InvalidAnnotationError(
            f'{annotation}: "{_cut(text)}" is neither tcp nor udp{mend}'
        ) from None


def _denied_namespace(pod: Pod, rules: Rules) -> Problem | None:
    rule = rules.denial(pod.key.namespace)
    if not rule:
        return None
    text = (
        f"namespace {pod.key.namespace} may not expose pods: {rule} in the controller's"
        " configuration"
    )
    return Problem("NamespaceDenied", text)


def _denied_port(ports: Wanted, rules: Rules) -> Problem | None:
    for port, protocol in ports:
        for denied in rules.denied_ports:
            if port in denied:
                text = (
                    f"{PORTS}: port {port}/{protocol} may not be exposed: deniedPorts in the"
                    f" controller's configuration has {denied.text}"
                )
                return Problem("PortDenied", text)
    return None


def _unfit(pod: Pod, rules: Rules) -> Problem | None:
    """Why nothing may lead to the address that the pod states."""
    ip = pod.ipv4
    if pod.host_network:
        text = "a hostNetwork pod has its node's address: DNAT cannot tell it from its neighbours"
        return Problem("HostNetwork", text)
    if pod.virtual:
        text = f"pods on ECI or virtual nodes cannot be reached through DNAT; {pod.virtual} says so"
        return Problem("VirtualNode", text)
    if pod.ips and not ip:
        return Problem("NoIPv4", "the pod has no IPv4 address, and DNAT is IPv4 only")
    if ip and rules.networks and not any(IPv4Address(ip) in net for net in rules.networks):
        networks = ", ".join(str(net) for net in rules.networks)
        return Problem("OutsideVPC", f"pod IP {ip} is not in vpcCIDRs ({networks})")
    return None


def _is_stateful(pod: Pod, rules: Rules) -> bool:
    return pod.owner is not None and pod.owner.kind in rules.stateful_kinds


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
