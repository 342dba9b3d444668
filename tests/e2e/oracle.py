"""What must be true of the world once it has settled: pods, PodDNATs and tables agree.

Written against the documents alone: it shares no code with the program under test.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.e2e.kubeapi import Object

Row = Mapping[str, Any]
Tuple = tuple[str, str, str, str, str]
"""External IP and port, internal IP and port, protocol."""

SWITCH = "k8s.aliyun.com/pod-dnat"
PORTS = f"{SWITCH}-expose-port"
PROTOCOL = f"{SWITCH}-expose-protocol"


def differences(
    pods: Iterable[Object], records: Iterable[Object], rows: Iterable[Row], cluster: str
) -> list[str]:
    """What is not as it should be, in words; empty once everything is settled and true."""
    own = [row for row in rows if str(row["name"]).startswith(f"dnatctl_{cluster}_")]
    by_name = {_name(record): record for record in records}
    exposed = {_name(pod): pod for pod in pods if is_exposed(pod)}
    return [
        *_missing(exposed, by_name),
        *_surplus(exposed, by_name),
        *_rows_at_odds(by_name.values(), own),
        *_doubles(own),
    ]


def is_exposed(pod: Object) -> bool:
    """Whether a pod asks for endpoints, and runs so that it can have them."""
    return (
        pod["metadata"].get("annotations", {}).get(SWITCH) in ("", "true")
        and pod["status"].get("phase") == "Running"
        and "podIP" in pod["status"]
    )


def entries_of(record: Object) -> list[Object]:
    """The usable entries that a PodDNAT lists."""
    entries: list[Object] = record.get("status", {}).get("entries") or []
    return entries


def _missing(exposed: Mapping[str, Object], records: Mapping[str, Object]) -> Iterator[str]:
    for name, pod in exposed.items():
        listed = entries_of(records.get(name, {}))
        asked = asked_ports(pod["metadata"]["annotations"])
        if [(entry["internalPort"], entry["ipProtocol"]) for entry in listed] != asked:
            yield f"{name}: asks for {asked}, lists {listed}"
        if any(entry["internalIP"] != pod["status"]["podIP"] for entry in listed):
            yield f"{name}: has {pod['status']['podIP']}, lists {listed}"
        if len({entry["externalIP"] for entry in listed}) > 1:
            yield f"{name}: more than one external IP, lists {listed}"


def asked_ports(annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """Port and protocol of each endpoint that annotations ask for, such as `80,7000-7003/udp`."""
    usual = annotations.get(PROTOCOL, "tcp")
    return [
        (str(port), protocol or usual)
        for ports, _, protocol in (part.partition("/") for part in annotations[PORTS].split(","))
        for port in _range(ports)
    ]


def _range(ports: str) -> range:
    first, _, last = ports.partition("-")
    return range(int(first), int(last or first) + 1)


def _surplus(exposed: Mapping[str, Object], records: Mapping[str, Object]) -> Iterator[str]:
    for name in records.keys() - exposed.keys():
        owners = records[name]["metadata"].get("ownerReferences", [])
        is_kept = any(owner["kind"] != "Pod" for owner in owners)
        if not is_kept or entries_of(records[name]):
            yield f"{name}: a PodDNAT without a pod that asks for it"


def _rows_at_odds(records: Iterable[Object], own: Iterable[Row]) -> Iterator[str]:
    listed = {
        entry["forwardEntryId"]: _listed(entry)
        for record in records
        for entry in entries_of(record)
    }
    held = {row["entry_id"]: row_tuple(row) for row in own}
    for entry_id in listed.keys() | held.keys():
        if listed.get(entry_id) != held.get(entry_id):
            yield f"{entry_id}: listed {listed.get(entry_id)}, held {held.get(entry_id)}"
    yield from (f"{row['entry_id']}: {row['why_not']}" for row in own if not row["works"])


def _doubles(own: Iterable[Row]) -> Iterator[str]:
    taken = Counter((row["external_ip"], row["external_port"], row["protocol"]) for row in own)
    yield from (f"{endpoint} is taken {n} times" for endpoint, n in taken.items() if n > 1)


def row_tuple(row: Row) -> Tuple:
    """The mapping that a row of a table is."""
    return (
        row["external_ip"],
        row["external_port"],
        row["internal_ip"],
        row["internal_port"],
        row["protocol"],
    )


def _listed(entry: Object) -> Tuple:
    return (
        entry["externalIP"],
        entry["externalPort"],
        entry["internalIP"],
        entry["internalPort"],
        entry["ipProtocol"],
    )


def _name(item: Object) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
