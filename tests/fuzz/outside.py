"""Inputs from elsewhere: what people write, what the cloud answers, who lends credentials."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any
from unittest import mock

import orjson

from dnatctl.cloud.client import Cloud
from dnatctl.cloud.credentials import AccessKey, CredentialError, Keys, RamRole
from dnatctl.cloud.errors import CloudError
from dnatctl.cloud.fetch import fetch_ram_role, read_addon_token
from dnatctl.cloud.providers import open_provider
from dnatctl.cloud.web import Answer, Web
from dnatctl.config import ConfigErrors, parse
from dnatctl.kube.pod_json import _near
from dnatctl.kube.source import Metadata
from dnatctl.model import NewEntry, PortRange, Protocol
from dnatctl.objects import Key, Owner, Pod
from dnatctl.plan.exposure import (
    FIXED,
    MAX_TEXT,
    PORTS,
    PROTOCOL,
    SWITCH,
    Ask,
    Rules,
    read_exposure,
)
from tests.fuzz.cluster import JSON_WORDS
from tests.fuzz.harness import Harness

OWNER = Owner("apps/v1", "StatefulSet", "web", "uid-set", controller=True)
RULES = Rules(denied_ports=(PortRange(22, 22),))


def read_annotations(data: bytes) -> None:
    texts = data.decode("utf-8", "replace").split("\x00", 4)
    annotations = dict(zip((SWITCH, PORTS, PROTOCOL, FIXED), texts, strict=False))
    meta = Metadata(annotations={"/".join(texts[4:]): texts[0]}, labels={texts[-1]: ""})
    near = _near(meta)
    pod = Pod(Key("a", "b"), "u", "1", annotations, ("10.0.0.1",), near=near, owner=OWNER)
    exposure = read_exposure(pod, RULES)
    assert len(set(exposure.ports)) == len(exposure.ports) <= RULES.max_ports
    assert all(1 <= port <= 65535 for port, _ in exposure.ports)
    assert (exposure.ask is Ask.KEEP) == (exposure.problem is not None)
    for told in (exposure.problem, *exposure.remarks):
        assert told is None or len(told.text) < 5 * MAX_TEXT


def read_configuration(data: bytes) -> None:
    told: ConfigErrors | None = None
    try:
        assert parse(data.decode("utf-8", "replace"), name="c").cluster_id
    except ConfigErrors as error:
        told = error
    assert told is None or (told.problems and len(str(told)) < 4096 + 50 * len(data))


NEW = NewEntry("1.2.3.4", PortRange(512, 512), "10.0.0.1", PortRange(80, 80), Protocol.TCP, "n")
CALLS: tuple[Callable[[Cloud], object], ...] = (
    lambda cloud: cloud.read_page("ftb-1", 1),
    lambda cloud: cloud.read_entry("ftb-1", "fwd-1"),
    lambda cloud: cloud.create_entry("ftb-1", NEW, "token"),
    lambda cloud: cloud.delete_entry("ftb-1", "fwd-1", "token"),
    lambda cloud: cloud.modify_entry("ftb-1", "fwd-1", NEW, "token"),
    lambda cloud: cloud.describe_gateways(),
    lambda cloud: cloud.find_enis(["10.0.0.1"]),
)
STATUSES = (200, 200, 200, 204, 302, 400, 403, 429, 500, 503, 999)
PAUSES = (None, "1", "-1", "x", "9" * 400, "0.5", "\u0663")


@cache
def _cloud() -> Any:
    keys = AccessKey(Keys("id", "secret"))
    cloud: Any = Cloud.connect(
        "r", "vpc-1", open_provider(keys), vpc_endpoint="x", ecs_endpoint="x"
    )
    cloud._sdk._limits.take = cloud._sdk._limits.throttled = lambda *_: None
    return cloud


def read_cloud(data: bytes) -> None:
    """The first three bytes say which call it answers, with which status and pause."""
    call, status, pause = (data + bytes(3))[:3]
    header = PAUSES[pause % len(PAUSES)]
    headers = {} if header is None else {"x-acs-retry-after": header}
    answer = Answer(STATUSES[status % len(STATUSES)], headers, data[3:])
    cloud = _cloud()
    cloud._sdk._web.send = lambda *_args, **_options: answer
    try:
        CALLS[call % len(CALLS)](cloud)
    except CloudError as error:
        told = error
    else:
        return
    assert len(str(told)) < 700
    assert str(told).isprintable()
    assert told.retry_after is None or 0 < told.retry_after <= 120


def read_credentials(data: bytes) -> None:
    with suppress(CredentialError):
        read_addon_token(data)
    with (
        mock.patch.object(Web, "send", return_value=Answer(200, {}, data)),
        suppress(CredentialError),
    ):
        fetch_ram_role(RamRole("role", "http://127.0.0.1:1"))


def _answer(call: int, status: int, pause: int, body: object) -> bytes:
    return bytes((call, status, pause)) + orjson.dumps(body)


ROW = {
    "ForwardEntryId": "fwd-1", "ExternalIp": "47.0.0.1", "ExternalPort": "512",
    "Status": "Available",
    "InternalIp": "10.0.0.1", "InternalPort": "80", "IpProtocol": "tcp", "ForwardEntryName": "n",
}  # fmt: skip
TABLE = {"TotalCount": 1, "ForwardTableEntries": {"ForwardTableEntry": [ROW]}}
GATEWAY = {
    "NatGatewayId": "ngw-1", "VpcId": "vpc-1", "Status": "Available", "BusinessStatus": "Normal",
    "ForwardTableIds": {"ForwardTableId": ["ftb-1"]},
    "IpLists": {"IpList": [{"IpAddress": "47.0.0.1", "UsingStatus": "Idle"}]},
}  # fmt: skip
GATEWAYS = {
    "TotalCount": 1,
    "NatGateways": {"NatGateway": [GATEWAY]},
    "EipAddresses": {"EipAddress": [{"IpAddress": "47.0.0.1", "InstanceId": "ngw-1"}]},
}
ENI = {
    "NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.0.0.1", "ZoneId": "z",
    "AssociatedPublicIp": {"PublicIpAddress": "8.8.8.8"},
    "PrivateIpSets": {"PrivateIpSet": [{"PrivateIpAddress": "10.0.0.1"}]},
}  # fmt: skip
ENIS = {"TotalCount": 1, "NetworkInterfaceSets": {"NetworkInterfaceSet": [ENI]}}
REFUSAL = {"Code": "IncorretForwardEntryStatus", "Message": "no", "RequestId": "A-1"}

CONFIGURATION = b"""clusterID: c1
regionID: cn-hangzhou
vpcID: vpc-1
enableControllers: [natgw]
networkController:
  natGwPool:
    - natgwId: ngw-1
      portRangeStart: 512
      portRangeEnd: 1024
      eips: [47.0.0.1]
quarantine: 60s
namespaces: {deny: ["kube-*"], quota: {games: 10}}
deniedPorts: [22, 2379-2380]
"""
YAML_WORDS = (
    b"credential: {accessKey: a, accessSecret: b}\n", b"takeOver: true\n", b"policy: sync\n",
    b"rateLimits: {CreateForwardEntry: 2}\n", b"vpcCIDRs: [10.0.0.0/8]\n", b"? ", b"- ", b": ",
    b"&a ", b"*a", b"!!int ", b"!x ", b"|\n", b">-\n", b"\t", b"\n", b"'", b'"', b"{", b"}", b"[",
    b"]", b"#", b"%YAML 1.1\n", b"---\n", b"...\n", b"<<: ", b"0b_", b"=", b"1:30", b"2024-13-45",
    b".nan", b".inf", b"~", b"9" * 5000, b"\xef\xbb\xbf", b"\x00", b"\xe2\x80\xa8", b"\\x",
)  # fmt: skip
PORT_WORDS = (
    b"\x00", b",", b"-", b"/tcp", b"/udp", b"80", b"65535", b"65536", b"1-65535", b"0", b"true",
    b"false", b"..", b":", b" ", b"tcp,udp", b"\xd9\xa3", b"\xe2\x80\x93", b"22",
    b"k8s.aliyun.com/",
    b"pod-dnat", b"9" * 1025,
)  # fmt: skip
TOKEN = {
    "access.key.id": "aWlpaWlpaWlpaWlpaWlpaQ==", "access.key.secret": "", "security.token": "",
    "keyring": "0123456789abcdef0123456789abcdef", "expiration": "2026-01-01T00:00:00Z",
}  # fmt: skip
LENT = {
    "Code": "Success", "AccessKeyId": "a", "AccessKeySecret": "b", "SecurityToken": "c",
    "Expiration": "2026-01-01T00:00:00Z",
}  # fmt: skip

HARNESSES = (
    Harness(
        "annotations",
        read_annotations,
        (b"true\x0080,443/udp\x00tcp\x00", b"\x007000-7003/udp\x00udp\x00true\x00k8s.aliyun.com"),
        PORT_WORDS,
        120,
    ),
    Harness("configuration", read_configuration, (CONFIGURATION,), YAML_WORDS, 5),
    Harness(
        "cloud",
        read_cloud,
        (
            *(_answer(call, 0, 0, TABLE) for call in (0, 1)),
            *(_answer(call, 0, 0, {"ForwardEntryId": "f", "RequestId": "r"}) for call in (2, 3, 4)),
            _answer(5, 0, 0, GATEWAYS),
            _answer(6, 0, 0, ENIS),
            _answer(2, 5, 1, REFUSAL),
        ),
        JSON_WORDS,
        15,
    ),
    Harness(
        "credentials", read_credentials, (orjson.dumps(TOKEN), orjson.dumps(LENT)), JSON_WORDS, 10
    ),
)
