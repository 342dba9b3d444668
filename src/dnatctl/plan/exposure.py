"""What a pod asks for, read from its annotations and state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from dnatctl.model import USUAL_PORTS, Protocol
from dnatctl.objects import Owner, Pod

SWITCH = "k8s.aliyun.com/pod-dnat"
PORTS = f"{SWITCH}-expose-port"
PROTOCOL = f"{SWITCH}-expose-protocol"
FIXED = f"{SWITCH}-fixed"

MAX_TEXT = 1024
"""Longest value of an annotation that is read, in characters."""


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
    ENDED = "ended"
    """The pod's containers have ended, or the pod is gone."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: a condition and event reason, and a sentence that says what to do.

    `detail`: what may be told besides, once: it changes by itself, and that is no news.
    """

    reason: str
    message: str
    detail: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """All that is to be told."""
        return f"{self.message} ({self.detail})" if self.detail else self.message


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one pod asks for. `ports` are internal ports in the order of the annotation.

    `refused`: it is clear what is asked for, and it may not be had.
    """

    ask: Ask
    ports: tuple[tuple[int, Protocol], ...] = ()
    ip: str = ""
    fixed: bool = False
    problem: Problem | None = None
    refused: bool = False

    @property
    def displaced(self) -> Problem | None:
        """Why nothing may lead to the pod although it states an IP; see `tenancy`."""
        return self.problem if self.ask in (Ask.NO_ADDRESS, Ask.ENDED) else None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about which pods may be exposed.

    `admits` tells whether a namespace may expose pods. Empty `networks`: any address. `max_ports`:
    ports that one pod may expose.
    """

    admits: Callable[[str], bool] = lambda _: True
    networks: tuple[IPv4Network, ...] = ()
    stateful_kinds: frozenset[str] = frozenset({"StatefulSet"})
    max_ports: int = USUAL_PORTS


class InvalidAnnotationError(ValueError):
    """An annotation has a value that cannot be understood; the message is for its author."""


def read_exposure(pod: Pod | None, rules: Rules) -> Exposure:
    """What the pod asks for now; None is a pod that is gone."""
    if pod is None:
        return Exposure(Ask.ENDED)
    try:
        return _read(pod, rules)
    except InvalidAnnotationError as error:
        problem = Problem("InvalidAnnotation", str(error))
        return Exposure(Ask.KEEP, ip=pod.ipv4, problem=problem)


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
    ip = pod.ipv4
    if problem := _refusal(pod, ip, rules):
        return Exposure(Ask.KEEP, ports, ip, fixed, problem, refused=True)
    return Exposure(Ask.ON if ip else Ask.NO_ADDRESS, ports, ip, fixed)


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
    ports: list[tuple[int, Protocol]] = []
    for part in text.split(","):
        for port in _part(part.strip(), default):
            if port in ports:
                raise InvalidAnnotationError(f"{PORTS}: {port[0]}/{port[1]} is named twice")
            ports.append(port)
            if len(ports) > most:
                raise InvalidAnnotationError(
                    f"{PORTS}: more than {most} ports, the most that maxPortsPerPod in the"
                    " controller's configuration allows"
                )
    return tuple(ports)


def _part(text: str, default: Protocol) -> Iterator[tuple[int, Protocol]]:
    span, slash, name = text.partition("/")
    protocol = _protocol(name, PORTS) if slash else default
    first, dash, last = span.partition("-")
    start = _number(first, text)
    end = _number(last, text) if dash else start
    if end < start:
        raise InvalidAnnotationError(f'{PORTS}: "{_cut(text)}" ends before it begins')
    yield from ((port, protocol) for port in range(start, end + 1))


def _number(text: str, part: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    raise InvalidAnnotationError(
        f'{PORTS}: "{_cut(part)}" is not a port: use 1 to 65535, a range such as 7000-7003, '
        "and /tcp or /udp behind either"
    )


def _protocol(text: str, annotation: str) -> Protocol:
    try:
        return Protocol(text.strip().lower())
    except ValueError:
        raise InvalidAnnotationError(
            f'{annotation}: "{_cut(text)}" is neither tcp nor udp'
        ) from None


def _refusal(pod: Pod, ip: str, rules: Rules) -> Problem | None:
    namespace = pod.key.namespace
    if not rules.admits(namespace):
        text = (
            f"namespace {namespace} may not expose pods: the controller's configuration denies it"
        )
        return Problem("NamespaceDenied", text)
    if pod.host_network:
        text = "a hostNetwork pod has its node's address: DNAT cannot tell it from its neighbours"
        return Problem("HostNetwork", text)
    if pod.virtual:
        return Problem("VirtualNode", "pods on ECI or virtual nodes cannot be reached through DNAT")
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
