"""What a world at rest must look like: pods, PodDNATs and rows agree. Knows nothing of `plan`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]
Port = tuple[int, str]

SWITCH = "k8s.aliyun.com/pod-dnat"


def key_of(obj: Object) -> Key:
    """Namespace and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def wanted_ports(pod: Object) -> list[Port]:
    """The ports that a pod asks for; none for a pod that asks for nothing, or has ended."""
    notes = pod["metadata"].get("annotations", {})
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if notes.get(SWITCH) not in ("", "true") or ended:
        return []
    default = notes.get(f"{SWITCH}-expose-protocol") or "tcp"
    ports: list[Port] = []
    for part in notes.get(f"{SWITCH}-expose-port", "").split(","):
        span, _, protocol = part.strip().partition("/")
        first, _, last = span.partition("-")
        ports += [(n, protocol or default) for n in range(int(first), int(last or first) + 1)]
    return ports


def discrepancies(
    pods: list[Object],
    records: list[Object],
    rows: list[Object],
    owner_of: Callable[[Object], str],
    but: Collection[Key] = (),
) -> list[str]:
    """What is not as it ought to be.

    `owner_of`: the UID of the PodDNAT that a row belongs to, empty for a foreign one. `but`: names
    whose exposure is known to be impossible now.
    """
    by_owner: dict[str, list[Object]] = defaultdict(list)
    for row in rows:
        if owner := owner_of(row):
            by_owner[owner].append(row)
    known = {key_of(record): record for record in records}
    found: list[str] = []
    for pod in pods:
        if key_of(pod) not in but:
            found += _of_pod(pod, known.get(key_of(pod)), by_owner)
    living = {key_of(pod) for pod in pods}
    for key, record in known.items():
        if key not in living and key not in but:
            found += _of_absent_pod(record, by_owner)
    uids = {record["metadata"]["uid"] for record in records}
    found += [f"left over: {row}" for uid in by_owner.keys() - uids for row in by_owner[uid]]
    return found


def _of_pod(pod: Object, record: Object | None, by_owner: dict[str, list[Object]]) -> Iterator[str]:
    name, ports = "/".join(key_of(pod)), wanted_ports(pod)
    ip = pod.get("status", {}).get("podIP", "")
    if not ports or not ip:
        if record is not None and not _is_fixed(record):
            yield f"{name} asks for nothing, but has a PodDNAT: {record}"
        return
    if record is None:
        yield f"{name} has no PodDNAT"
        return
    owners = {owner["uid"] for owner in record["metadata"].get("ownerReferences", [])}
    if not _is_fixed(record) and owners != {pod["metadata"]["uid"]}:
        yield f"the PodDNAT of {name} is owned by {owners}"
    mine = by_owner.get(record["metadata"]["uid"], [])
    listed = record.get("status", {}).get("entries", [])
    if sorted((int(e["internalPort"]), e["ipProtocol"]) for e in listed) != sorted(ports):
        yield f"{name} asks for {ports}, listed are {listed}"
    yield from _of_rows(name, ip, listed, mine)


def _of_rows(name: str, ip: str, listed: list[Object], rows: list[Object]) -> Iterator[str]:
    ids = {row["entry_id"] for row in rows}
    if {entry["forwardEntryId"] for entry in listed} != ids:
        yield f"{name} lists {listed}, its rows are {rows}"
    for row in rows:
        if not row["works"] or row["internal_ip"] != ip:
            yield f"{name} has IP {ip}, its row is {row}"
    if len({row["external_ip"] for row in rows}) > 1:
        yield f"{name} is on several external IPs: {rows}"


def _of_absent_pod(record: Object, by_owner: dict[str, list[Object]]) -> Iterator[str]:
    name = "/".join(key_of(record))
    if not _is_fixed(record):
        yield f"the PodDNAT of {name} has outlived its pod: {record}"
    if left := by_owner.get(record["metadata"]["uid"]):
        yield f"rows of {name} have outlived its pod: {left}"


def _is_fixed(record: Object) -> bool:
    owners = record["metadata"].get("ownerReferences", [])
    return bool(owners) and all(owner["kind"] != "Pod" for owner in owners)
