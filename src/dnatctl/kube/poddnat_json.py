"""PodDNATs from and to JSON. v1 and v1beta1 have one schema.

People and other programs write these objects too, and clusters may hold a CRD without a schema:
whatever the JSON holds is read as far as it makes sense, and what does not is said in `problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from dnatctl.compact import shared
from dnatctl.decoding import text_of
from dnatctl.kube.source import Known, Metadata, Model, Reader
from dnatctl.model import MOST_PORTS, Endpoint, Protocol
from dnatctl.objects import (
    FINALIZER,
    OUR_CONDITIONS,
    Condition,
    Owner,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    PortMapping,
    StatusEntry,
)

_LONGEST_TEXT = 253
"""Of a text, in characters; what is longer names nothing there could be."""

_LONGEST_MESSAGE = 32768
"""Of the message of a condition: as long as Kubernetes lets one be."""

_MOST_INT = 1 << 63
"""What the API's integers hold; JSON has longer ones."""

_LONGEST_TYPE = 316
_LONGEST_REASON = 1024
"""Of a condition, as long as the CRD lets them be: what others wrote is written back with ours, and
two types cut short could be one, which the API server refuses."""

_MOST_OTHERS = 16
"""Conditions of others that are read; ours are besides, wherever they stand. A status is written
whole, so that what is not read here is lost when ours is written next."""

MOST_FINALIZERS = 16
"""More may be on an object than are held, where as many are. The API server bounds the length of
each, not their number: ValidateFinalizerName of k8s.io/apimachinery."""

_MOST_OWNERS = 16
"""Ours is one. What is written of owners replaces all of them, those too that are not read."""

PROTOCOLS = "dnatctl/protocols"
"""The annotation with what an older CRD drops from the spec: ports and their protocols in order, as
`512:53/tcp,512:53/udp`. It counts for ports that are still listed so and name no protocol."""

_LEGACY = ("externalPort", "internalPort", "entryId")
"""Of v1beta1 before portMapping: one port an object."""


class _PodDNATJson(Model):
    spec: Any = None
    status: Any = None


def _convert(read: _PodDNATJson, _known: Known) -> PodDNAT:
    meta = read.metadata
    problems: list[str] = []
    noted = (meta.annotations or {}).get(PROTOCOLS, "")
    spec = _spec(_with_protocols(_mapping(read.spec, "spec", problems), noted), problems)
    return PodDNAT(
        key=meta.key,
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation or 1,
        created=meta.creation_timestamp or "",
        deleting=meta.deletion_timestamp is not None,
        finalizers=_finalizers(meta.finalizers or []),
        owners=_owners(meta),
        spec=spec,
        status=_status(_mapping(read.status, "status", [])),
        problem="; ".join(problems),
    )


READER: Reader[_PodDNATJson, PodDNAT] = Reader(_PodDNATJson, _convert)
"""Reads pages, events and single objects."""


def spec_json(spec: PodDNATSpec) -> dict[str, object]:
    """The spec as the API has it: all values strings, what is empty left out."""
    texts = {
        "eni": spec.eni,
        "vswitch": spec.vswitch,
        "zoneID": spec.zone_id,
        "externalIP": spec.external_ip,
        "internalIP": spec.internal_ip,
        "protocol": str(spec.protocol),
        "tableId": spec.gateway_id,
    }
    given: dict[str, object] = {name: text for name, text in texts.items() if text}
    return given | {"portMapping": [_port_json(port, spec.protocol) for port in spec.ports]}


def protocols_json(spec: PodDNATSpec) -> str | None:
    """The value of PROTOCOLS; None where every port has the protocol of the spec."""
    if all(port.protocol is spec.protocol for port in spec.ports):
        return None
    return ",".join(f"{port.external}:{port.internal}/{port.protocol}" for port in spec.ports)


def spec_patch(spec: PodDNATSpec) -> dict[str, object]:
    """A merge patch that makes any spec this one; fields that are not ours stay.

    The fields of before portMapping go: they would be read again where `ports` is empty.
    """
    names = ("eni", "vswitch", "zoneID", "externalIP", "internalIP", "tableId", *_LEGACY)
    return dict.fromkeys(names) | spec_json(spec)


def status_json(status: PodDNATStatus) -> dict[str, object]:
    """The status as the API has it; also a merge patch, as its lists are written whole."""
    return {
        "entries": [_entry_json(entry) for entry in status.entries],
        "conditions": [_condition_json(condition) for condition in status.conditions],
        "observedGeneration": status.observed_generation,
    }


def owners_json(owners: Iterable[Owner]) -> list[dict[str, object]]:
    """metadata.ownerReferences; each blocks the foreground deletion of its owner."""
    return [
        {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
            "blockOwnerDeletion": True,
        }
        | ({"controller": True} if owner.controller else {})
        for owner in owners
    ]


def _port_json(port: PortMapping, default: Protocol) -> dict[str, str]:
    mapping = {"externalPort": str(port.external), "internalPort": str(port.internal)}
    return mapping if port.protocol is default else mapping | {"protocol": str(port.protocol)}


def _entry_json(entry: StatusEntry) -> dict[str, str]:
    return {
        "externalIP": entry.endpoint.ip,
        "externalPort": str(entry.endpoint.port),
        "internalIP": entry.internal_ip,
        "internalPort": str(entry.internal_port),
        "forwardEntryId": entry.entry_id,
        "ipProtocol": str(entry.endpoint.protocol),
    }


def _condition_json(condition: Condition) -> dict[str, object]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.since or None,
        "observedGeneration": condition.observed_generation,
    }


def _spec(spec: dict[str, Any], problems: list[str]) -> PodDNATSpec:
    protocol = _protocol(spec.get("protocol"), Protocol.TCP, "protocol", problems)
    return PodDNATSpec(
        gateway_id=_text(spec.get("tableId")),
        external_ip=_text(spec.get("externalIP")),
        internal_ip=_text(spec.get("internalIP")),
        protocol=protocol,
        ports=_ports(spec, protocol, problems),
        eni=_text(spec.get("eni")),
        vswitch=_text(spec.get("vswitch")),
        zone_id=_text(spec.get("zoneID")),
    )


def _ports(
    spec: dict[str, Any], protocol: Protocol, problems: list[str]
) -> tuple[PortMapping, ...]:
    listed = spec.get("portMapping")
    if not listed:
        listed = [spec] if _text(spec.get("externalPort")) else []
    if not isinstance(listed, list):
        problems.append("portMapping is no list")
        listed = []
    read = [
        _port_mapping(entry, protocol, f"portMapping[{i}]", problems)
        for i, entry in enumerate(_few(listed, "portMapping", problems))
    ]
    return tuple(port for port in read if port is not None)


def _with_protocols(spec: dict[str, Any], noted: str) -> dict[str, Any]:
    """The spec with the protocols that an older CRD dropped from its ports."""
    listed = spec.get("portMapping")
    # We note nothing of more: who lists or notes a thousand ports is not to be read at length.
    if not noted or not isinstance(listed, list) or len(listed) > MOST_PORTS:
        return spec
    pairs = [each.partition("/")[::2] for each in noted.split(",", MOST_PORTS)]
    if [ports for ports, _ in pairs] != [*map(_pair, listed)]:
        return spec
    named = [
        {"protocol": protocol} | port for port, (_, protocol) in zip(listed, pairs, strict=True)
    ]
    return spec | {"portMapping": named}


def _pair(port: object) -> str:
    read = _mapping(port, "", [])
    return f"{_text(read.get('externalPort'))}:{_text(read.get('internalPort'))}"


def _few(listed: list[Any], where: str, problems: list[str]) -> list[Any]:
    """As many as we would ever write: whoever may write PodDNATs is not to fill our memory."""
    if len(listed) > MOST_PORTS:
        problems.append(f"{where} has {len(listed)} items, and only the first {MOST_PORTS} count")
    return listed[:MOST_PORTS]


def _port_mapping(
    entry: object, default: Protocol, where: str, problems: list[str]
) -> PortMapping | None:
    mapping = _mapping(entry, where, problems)
    before = len(problems)
    ports = [_port(mapping.get(name), f"{where}.{name}", problems) for name in _LEGACY[:2]]
    protocol = _protocol(mapping.get("protocol"), default, f"{where}.protocol", problems)
    if len(problems) > before:
        return None
    return PortMapping(ports[0], ports[1], protocol)


def _status(status: dict[str, Any]) -> PodDNATStatus:
    entries, conditions = (
        listed if isinstance(listed := status.get(name), list) else []
        for name in ("entries", "conditions")
    )
    return PodDNATStatus(
        entries=tuple(map(_entry, entries[: MOST_PORTS + 1])),
        conditions=tuple(map(_condition, _ours_first(conditions))),
        observed_generation=_generation(status),
    )


def _ours_first(conditions: list[Any]) -> Iterator[Any]:
    """Ours, wherever they stand, each once; then the first of others."""
    types = [each.get("type") if isinstance(each, dict) else None for each in conditions]
    yield from (conditions[types.index(ours)] for ours in OUR_CONDITIONS if ours in types)
    others = (i for i, type_ in enumerate(types) if type_ not in OUR_CONDITIONS)
    yield from (conditions[i] for i in islice(others, _MOST_OTHERS))


def _entry(entry: object) -> StatusEntry:
    """An entry; one that makes no sense shows as one with port 0, and so as one to be replaced."""
    read = _mapping(entry, "", [])
    protocol = _protocol(read.get("ipProtocol"), Protocol.TCP, "", [])
    external = _port(read.get("externalPort"), "", [])
    return StatusEntry(
        endpoint=Endpoint(_text(read.get("externalIP")), external, protocol),
        internal_ip=_text(read.get("internalIP")),
        internal_port=_port(read.get("internalPort"), "", []),
        entry_id=_text(read.get("forwardEntryId")),
    )


def _condition(condition: object) -> Condition:
    read = _mapping(condition, "", [])
    return Condition(
        type=_text(read.get("type"), _LONGEST_TYPE),
        status=_text(read.get("status")),
        reason=_text(read.get("reason"), _LONGEST_REASON),
        message=_text(read.get("message"), _LONGEST_MESSAGE),
        since=_text(read.get("lastTransitionTime")),
        observed_generation=_generation(read),
    )


def _generation(of: dict[str, Any]) -> int:
    """The generation observed; 0 for none that could be written back."""
    value = of.get("observedGeneration")
    return value if isinstance(value, int) and 0 <= value < _MOST_INT else 0


def _finalizers(listed: list[str]) -> tuple[str, ...]:
    """The first ones, and ours wherever it stands."""
    kept = tuple(map(shared, listed[:MOST_FINALIZERS]))
    return kept if FINALIZER in kept or FINALIZER not in listed else (*kept, FINALIZER)


def _owners(meta: Metadata) -> tuple[Owner, ...]:
    plausible = (ref for ref in meta.owner_references or () if ref.plausible)
    return tuple(
        Owner(
            shared(ref.api_version),
            shared(ref.kind),
            meta.name if ref.name == meta.name else shared(ref.name),
            ref.uid,
            controller=bool(ref.controller),
        )
        for ref in islice(plausible, _MOST_OWNERS)
    )


def _mapping(value: object, where: str, problems: list[str]) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if value is not None:
        problems.append(f"{where} is no object")
    return {}


def _text(value: object, most: int = _LONGEST_TEXT) -> str:
    return "" if value is None else shared(text_of(value)[:most].strip())


def _port(value: object, where: str, problems: list[str]) -> int:
    text = _text(value)
    if text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    problems.append(f"{where} {text!r} is no port")
    return 0


def _protocol(value: object, default: Protocol, where: str, problems: list[str]) -> Protocol:
    text = _text(value).lower()
    if not text:
        return default
    try:
        return Protocol(text)
    except ValueError:
        problems.append(f"{where} {text!r} is neither tcp nor udp")
        return default
