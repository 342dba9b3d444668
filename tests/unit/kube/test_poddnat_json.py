"""PodDNATs from and to JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.kube.poddnat_json import (
    READER,
    owners_json,
    protocols_json,
    spec_json,
    spec_patch,
    status_json,
)
from dnatctl.kube.source import Known
from dnatctl.model import MOST_PORTS, Endpoint, Protocol
from dnatctl.objects import (
    Condition,
    Key,
    Owner,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    PortMapping,
    StatusEntry,
)
from tests.support.kubejson import Json, event, listing, poddnat
from tests.support.steps import calls

EVERY: Known = lambda key, uid: True  # noqa: E731


def read(obj: Json) -> PodDNAT:
    return READER.answer(orjson.dumps(obj))


def read_spec(spec: object) -> PodDNAT:
    return read(poddnat(spec=spec))


def test_the_object_of_the_vendors_page() -> None:
    """https://www.alibabacloud.com/help/en/ack/ has this one, with its IDs blanked."""
    obj = {
        "apiVersion": "alibabacloud.com/v1",
        "kind": "PodDNAT",
        "metadata": {
            "creationTimestamp": "2026-09-20T03:26:44Z",
            "finalizers": ["natgw-controller"],
            "generation": 2,
            "name": "example-6cd498d7b-9abcd",
            "namespace": "default",
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "blockOwnerDeletion": True,
                    "kind": "Pod",
                    "name": "example-6cd498d7b-9abcd",
                    "uid": "7af54e1c",
                }
            ],
            "resourceVersion": "357150",
            "uid": "2fad9bb7",
        },
        "spec": {
            "eni": "eni-xxx",
            "externalIP": "114.55.1.1",
            "internalIP": "172.16.1.1",
            "portMapping": [{"externalPort": "512", "internalPort": "80"}],
            "protocol": "tcp",
            "tableId": "ngw-xxx",
            "vswitch": "vsw-xxx",
            "zoneID": "cn-hangzhou-k",
        },
        "status": {
            "entries": [
                {
                    "externalIP": "114.55.1.1",
                    "externalPort": "512",
                    "forwardEntryId": "fwd-xxx",
                    "internalIP": "172.16.1.1",
                    "internalPort": "80",
                    "ipProtocol": "tcp",
                }
            ]
        },
    }
    name = "example-6cd498d7b-9abcd"
    tcp = Protocol.TCP
    assert read(obj) == PodDNAT(
        key=Key("default", name),
        uid="2fad9bb7",
        resource_version="357150",
        generation=2,
        created="2026-09-20T03:26:44Z",
        finalizers=("natgw-controller",),
        owners=(Owner("v1", "Pod", name, "7af54e1c"),),
        spec=PodDNATSpec(
            gateway_id="ngw-xxx",
            external_ip="114.55.1.1",
            internal_ip="172.16.1.1",
            protocol=tcp,
            ports=(PortMapping(512, 80, tcp),),
            eni="eni-xxx",
            vswitch="vsw-xxx",
            zone_id="cn-hangzhou-k",
        ),
        status=PodDNATStatus(
            entries=(StatusEntry(Endpoint("114.55.1.1", 512, tcp), "172.16.1.1", 80, "fwd-xxx"),)
        ),
    )


def test_ports_take_the_protocol_of_the_spec_unless_they_have_their_own() -> None:
    found = read_spec(
        {
            "protocol": "UDP",
            "portMapping": [
                {"externalPort": "1", "internalPort": "2"},
                {"externalPort": "3", "internalPort": "4", "protocol": "tcp"},
            ],
        }
    )
    assert found.problem == ""
    assert found.spec.ports == (
        PortMapping(1, 2, Protocol.UDP),
        PortMapping(3, 4, Protocol.TCP),
    )


def test_numbers_are_understood_where_the_api_wants_text() -> None:
    found = read_spec({"portMapping": [{"externalPort": 512, "internalPort": 80}]})
    assert (found.problem, found.spec.ports) == ("", (PortMapping(512, 80, Protocol.TCP),))


def test_the_single_port_of_older_objects() -> None:
    old = {"externalPort": "512", "internalPort": "80", "protocol": "udp", "entryId": "fwd-1"}
    assert read_spec(old).spec.ports == (PortMapping(512, 80, Protocol.UDP),)
    newer = old | {"portMapping": [{"externalPort": "600", "internalPort": "90"}]}
    assert read_spec(newer).spec.ports == (PortMapping(600, 90, Protocol.UDP),)


def mapping(**fields: Any) -> Json:
    return {"portMapping": [{"externalPort": "512", "internalPort": "80"} | fields]}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (mapping(externalPort="http"), "portMapping[0].externalPort 'http' is no port"),
        (mapping(externalPort="0"), "'0' is no port"),
        (mapping(internalPort="65536"), "portMapping[0].internalPort '65536'"),
        (mapping(internalPort="9" * 5000), "is no port"),
        (mapping(internalPort="٣"), "is no port"),
        (mapping(internalPort=None), "internalPort '' is no port"),
        (mapping(protocol="sctp"), "portMapping[0].protocol 'sctp' is neither tcp nor udp"),
        ({"protocol": "any"}, "protocol 'any' is neither tcp nor udp"),
        ({"portMapping": "512:80"}, "portMapping is no list"),
        ({"portMapping": ["512:80"]}, "portMapping[0] is no object"),
        ("nothing", "spec is no object"),
    ],
)
def test_nonsense_is_a_problem_that_is_named(spec: object, says: str) -> None:
    found = read_spec(spec)
    assert says in found.problem
    assert found.spec.ports == ()


def test_what_makes_sense_is_read_beside_nonsense() -> None:
    found = read_spec(
        {
            "externalIP": "47.0.0.1",
            "portMapping": [{"externalPort": "x"}, {"externalPort": "5", "internalPort": "6"}],
        }
    )
    assert found.spec.external_ip == "47.0.0.1"
    assert found.spec.ports == (PortMapping(5, 6, Protocol.TCP),)


def annotated(obj: Json, noted: str | None) -> Json:
    """With that note of the protocols."""
    obj["metadata"]["annotations"] = {"dnatctl/protocols": noted} if noted else None
    return obj


def calls_to_read(obj: Json) -> int:
    """How many functions are called to read it: what it costs, on any machine."""
    body = orjson.dumps(obj)
    return calls(lambda: READER.answer(body))


@pytest.mark.parametrize("noted", [0, 1, MOST_PORTS, 5000])
def test_a_hoard_of_ports_is_read_as_cheaply_as_the_most_that_a_pod_may_have(noted: int) -> None:
    def hoard(ports: int, noted: int) -> Json:
        port = {"externalPort": "600", "internalPort": "80"}
        obj = poddnat(spec={"externalIP": "47.0.0.1", "portMapping": [port] * ports})
        return annotated(obj, ",".join(["600:80/udp"] * noted))

    most = calls_to_read(hoard(MOST_PORTS, MOST_PORTS))
    assert calls_to_read(hoard(5000, noted)) <= most


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["portMapping", "externalPort", "protocol", "entries", "conditions", "ipProtocol"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(spec=JUNK, status=JUNK, noted=st.text() | st.sampled_from([":", ":/x", "5:6/udp", ":/,:/"]))
def test_no_junk_is_an_error(spec: Any, status: Any, noted: str) -> None:
    found = read(annotated(poddnat(spec=spec, status=status), noted))
    assert found.key == Key("default", "web-0")


def test_entries_that_make_no_sense_differ_from_any_that_is_wanted() -> None:
    status = {"entries": [{"externalPort": "x"}, "y"], "conditions": ["z"]}
    entries = read(poddnat(status=status)).status.entries
    assert [entry.endpoint.port for entry in entries] == [0, 0]


TEXT = st.text("abc-123", max_size=6)
PORTS = st.integers(1, 65535)
PROTOCOLS = st.sampled_from(Protocol)
SPECS = st.builds(
    PodDNATSpec,
    gateway_id=TEXT,
    external_ip=TEXT,
    internal_ip=TEXT,
    protocol=PROTOCOLS,
    ports=st.lists(st.builds(PortMapping, PORTS, PORTS, PROTOCOLS), max_size=4).map(tuple),
    eni=TEXT,
    vswitch=TEXT,
    zone_id=TEXT,
)
STATUSES = st.builds(
    PodDNATStatus,
    entries=st.lists(
        st.builds(StatusEntry, st.builds(Endpoint, TEXT, PORTS, PROTOCOLS), TEXT, PORTS, TEXT),
        max_size=3,
    ).map(tuple),
    conditions=st.lists(
        st.builds(Condition, TEXT, TEXT, TEXT, TEXT, TEXT, st.integers(0, 9)), max_size=3
    ).map(tuple),
    observed_generation=st.integers(0, 9),
)


@given(spec=SPECS, status=STATUSES)
def test_what_is_written_is_read_back(spec: PodDNATSpec, status: PodDNATStatus) -> None:
    found = read(poddnat(spec=spec_json(spec), status=status_json(status)))
    assert (found.problem, found.spec, found.status) == ("", spec, status)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


@given(before=SPECS, after=SPECS)
def test_a_patched_spec_is_the_one_meant(before: PodDNATSpec, after: PodDNATSpec) -> None:
    legacy = {"externalPort": "1", "internalPort": "2", "entryId": "e", "unknown": "kept"}
    merged = merge(spec_json(before) | legacy, spec_patch(after))
    assert merged["unknown"] == "kept"
    assert read(poddnat(spec=merged)).spec == after


@given(spec=SPECS)
def test_what_an_older_definition_drops_is_read_from_the_note(spec: PodDNATSpec) -> None:
    stored: Any = spec_json(spec)
    for port in stored["portMapping"]:
        port.pop("protocol", None)
    assert read(annotated(poddnat(spec=stored), protocols_json(spec))).spec == spec


def test_a_note_that_does_not_fit_the_ports_says_nothing() -> None:
    ports = [{"externalPort": "512", "internalPort": "53"}]
    for noted in ("512:54/udp", "512:53/udp,513:54/udp", "512:53", ","):
        found = read(annotated(poddnat(spec={"portMapping": ports}), noted))
        assert found.spec.ports == (PortMapping(512, 53, Protocol.TCP),)
        assert found.problem == ""
    stated = [{"externalPort": "512", "internalPort": "53", "protocol": "tcp"}]
    found = read(annotated(poddnat(spec={"portMapping": stated}), "512:53/udp"))
    assert found.spec.ports == (PortMapping(512, 53, Protocol.TCP),)


@given(before=STATUSES, after=STATUSES)
def test_a_patched_status_is_the_one_meant(before: PodDNATStatus, after: PodDNATStatus) -> None:
    merged = merge(status_json(before), status_json(after))
    assert read(poddnat(status=merged)).status == after


def test_all_values_of_a_spec_are_text_and_a_protocol_is_named_once() -> None:
    spec = PodDNATSpec(
        gateway_id="ngw-1",
        external_ip="47.0.0.1",
        ports=(PortMapping(512, 80, Protocol.TCP), PortMapping(513, 90, Protocol.UDP)),
    )
    assert spec_json(spec) == {
        "tableId": "ngw-1",
        "externalIP": "47.0.0.1",
        "protocol": "tcp",
        "portMapping": [
            {"externalPort": "512", "internalPort": "80"},
            {"externalPort": "513", "internalPort": "90", "protocol": "udp"},
        ],
    }


def test_owners_block_their_deletion() -> None:
    owners = (Owner("v1", "Pod", "a", "1"), Owner("apps/v1", "StatefulSet", "b", "2", True))
    written = owners_json(owners)
    assert all(owner["blockOwnerDeletion"] for owner in written)
    assert read(poddnat(metadata={"ownerReferences": written})).owners == owners


def test_objects_are_read_in_lists_and_events() -> None:
    page = READER.page(listing(poddnat("a"), poddnat("b")), EVERY)
    assert [item.key.name for item in page.items] == ["a", "b"]
    found = READER.event(event("ADDED", poddnat("c")), EVERY).object
    assert found is not None
    assert found.key.name == "c"


def test_no_more_ports_are_read_than_we_would_ever_write() -> None:
    ports = [{"externalPort": str(p), "internalPort": "80"} for p in range(1, 1001)]
    found = read_spec({"portMapping": ports})
    assert [port.external for port in found.spec.ports] == list(range(1, 101))
    assert "portMapping has 1000 items, and only the first 100 count" in found.problem
    whole = read_spec({"portMapping": ports[:100]})
    assert (len(whole.spec.ports), whole.problem) == (100, "")


@pytest.mark.parametrize("others", [0, 15, 16, 17, 100, 5000])
def test_our_conditions_are_read_wherever_they_stand(others: int) -> None:
    def conditions(*names: str) -> list[Json]:
        return [{"type": name, "status": "True", "reason": name} for name in names]

    theirs = conditions(*(f"Audited{n}" for n in range(others)))
    listed = [*theirs, "nonsense", *conditions("Ready", "Retained", "Ready")]
    found = read(poddnat(status={"conditions": listed})).status
    assert [c.type for c in found.conditions[:2]] == ["Ready", "Retained"]
    assert found.condition("Audited0") is not None or not others
    assert len(found.conditions) <= 2 + 16


def test_what_others_say_in_a_condition_is_read_as_long_as_the_definition_lets_it_be() -> None:
    """Theirs are written back with ours: two types cut short would be one, and be refused."""
    first, second = "a" * 253 + "/" + "b" * 62, "a" * 253 + "/" + "c" * 62
    listed = [
        {"type": name, "status": "True", "reason": "r" * 1024, "message": "m" * 32768}
        for name in (first, second)
    ]
    found = read(poddnat(status={"conditions": listed})).status.conditions
    assert [c.type for c in found] == [first, second]
    assert {len(c.reason) for c in found} == {1024}
    assert {len(c.message) for c in found} == {32768}


@pytest.mark.parametrize("place", [0, 15, 16, 5000])
def test_our_finalizer_is_read_wherever_it_stands_among_those_that_are_held(place: int) -> None:
    listed = [f"example.com/{n}" for n in range(5000)]
    listed.insert(place, "natgw-controller")
    found = read(poddnat(metadata={"finalizers": listed})).finalizers
    assert found[:15] == tuple(listed[:15])
    assert "natgw-controller" in found
    assert len(found) <= 17
    listed.remove("natgw-controller")
    without = read(poddnat(metadata={"finalizers": listed})).finalizers
    assert without == tuple(listed[:16])


@pytest.mark.parametrize("field", ["apiVersion", "kind", "name", "uid"])
def test_an_owner_that_there_cannot_be_is_not_held(field: str) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1"}
    far = owner | {field: "x" * 9999}
    found = read(poddnat(metadata={"ownerReferences": [far, owner]}))
    assert found.owners == (Owner("v1", "Pod", "a", "1"),)


def test_no_number_of_finalizers_and_owners_fills_the_memory() -> None:
    """As many as etcd takes on one object."""
    owners = [
        {"apiVersion": "v1", "kind": f"K{n}", "name": "n" * 253, "uid": f"u{n}"}
        for n in range(5000)
    ]
    names = [f"{'x' * 253}/{n:05}" for n in range(5000)]
    hoard = poddnat(metadata={"finalizers": names, "ownerReferences": owners})
    assert len(orjson.dumps(hoard)) > 2_500_000
    assert len(msgspec.json.encode(read(hoard))) < 20_000


def test_nor_anything_else_without_end() -> None:
    status = {
        "entries": [{"externalIP": "x" * 9999}] * 1000,
        "conditions": [{"type": "x" * 9999, "message": "x" * 99_999}] * 1000,
    }
    found = read(poddnat(spec={"externalIP": "x" * 9999}, status=status))
    assert len(found.spec.external_ip) < 300
    assert len(found.status.entries) == 101, "that there are more than any of ours has can be told"
    assert len(found.status.conditions) < 20
    assert all(len(c.message) < 40_000 and len(c.type) < 400 for c in found.status.conditions)
