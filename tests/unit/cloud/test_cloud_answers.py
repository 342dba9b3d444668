"""An answer may have any shape: reading it ends with a value or with a `CloudError`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from unittest import mock

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnatctl.cloud.client import Cloud
from dnatctl.cloud.credentials import AccessKey, CredentialError, Keys, RamRole
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.fetch import fetch_ram_role, read_addon_token
from dnatctl.cloud.providers import open_provider
from dnatctl.cloud.web import Answer, Web
from dnatctl.model import NewEntry, PortRange, Protocol

SECRET = "the-secret-of-this-test"
NEW = NewEntry("1.2.3.4", PortRange(512, 512), "10.0.0.1", PortRange(80, 80), Protocol.TCP, "n")

CALLS: dict[str, Callable[[Cloud], object]] = {
    "gateways": lambda cloud: cloud.describe_gateways(),
    "gateway": lambda cloud: cloud.describe_gateways(["ngw-1"]),
    "page": lambda cloud: cloud.read_page("ftb-1", 1),
    "entry": lambda cloud: cloud.read_entry("ftb-1", "fwd-1"),
    "create": lambda cloud: cloud.create_entry("ftb-1", NEW, "token"),
    "delete": lambda cloud: cloud.delete_entry("ftb-1", "fwd-1", "token"),
    "enis": lambda cloud: cloud.find_enis(["10.0.0.1"]),
}

_NAMES = """
    Code Message RequestId TotalCount PageNumber PageSize NextToken ForwardTableEntries
    ForwardTableEntry ForwardEntryId ForwardEntryName ExternalIp ExternalPort InternalIp
    InternalPort IpProtocol Status NatGateways NatGateway NatGatewayId ForwardTableIds
    ForwardTableId IpLists IpList IpAddress VpcId BusinessStatus NatGatewayPrivateInfo
    EipAddresses EipAddress InstanceId OperationLocks LockReason NetworkInterfaceSets
    NetworkInterfaceSet PrivateIpSets PrivateIpSet PrivateIpAddress AssociatedPublicIp
    NetworkInterfaceId SnatEntryEnabled UsingStatus
"""
NAMES = st.sampled_from(_NAMES.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "0", "1", "-1", "9" * 5000, "x" * 500, "Available", "ngw-1", "any", "1/0"]
    )
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=30,
)
SHAPES = {
    "gateways": {"TotalCount": 1, "NatGateways": {"NatGateway": [{"NatGatewayId": "ngw-1"}]}},
    "page": {"TotalCount": 1, "ForwardTableEntries": {"ForwardTableEntry": [{}]}},
    "enis": {"NetworkInterfaceSets": {"NetworkInterfaceSet": [{"PrivateIpSets": {}}]}},
}
BODIES = (
    st.dictionaries(NAMES, JSON).map(orjson.dumps)
    | JSON.map(orjson.dumps)
    | st.builds(
        lambda shape, more: orjson.dumps(SHAPES[shape] | more),
        st.sampled_from(sorted(SHAPES)),
        st.dictionaries(NAMES, JSON, max_size=2),
    )
    | st.binary()
    | st.sampled_from([b"", b"[" * 100_000, b'{"a":' * 100_000, b"<xml/>", b"null", b"\xff"])
)
STATUSES = st.sampled_from([200, 200, 200, 204, 302, 400, 403, 404, 429, 500, 502, 503, 999])
HEADERS = st.dictionaries(
    st.just("x-acs-retry-after"), st.sampled_from(["", "1", "-1", "x", "9" * 400, "9" * 5000])
)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud.connect(
        "r", "vpc-1", open_provider(AccessKey(Keys("LTAI-of-this-test", SECRET))), vpc_endpoint="x"
    )


@pytest.mark.parametrize("name", sorted(CALLS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=STATUSES, headers=HEADERS, body=BODIES)
def test_calls(cloud: Cloud, name: str, status: int, headers: dict[str, str], body: bytes) -> None:
    # In place of the network only: the limits must not make this slow.
    cloud._sdk._limits.take = lambda _operation: None  # type: ignore[method-assign]
    with mock.patch.object(Web, "send", return_value=Answer(status, headers, body)):
        try:
            CALLS[name](cloud)
        except CloudError as error:
            told = error
        else:
            return
    assert len(str(told)) < 600
    assert str(told).isprintable()
    assert told.retry_after is None or 0 < told.retry_after <= 120


@given(status=STATUSES, body=BODIES)
def test_credentials(status: int, body: bytes) -> None:
    with (
        mock.patch.object(Web, "send", return_value=Answer(status, {}, body)),
        suppress(CredentialError),
    ):
        fetch_ram_role(RamRole("role"))
    with suppress(CredentialError):
        read_addon_token(body)


def test_a_message_that_repeats_a_secret_shows_none(cloud: Cloud) -> None:
    body = orjson.dumps(
        {"Code": f"Bad.{SECRET}", "Message": f"I got {SECRET} from id", "RequestId": SECRET}
    )
    with (
        mock.patch.object(Web, "send", return_value=Answer(400, {}, body)),
        pytest.raises(CloudError) as caught,
    ):
        cloud.read_page("ftb-1", 1)
    assert SECRET not in str(caught.value)
    assert "I got <redacted> from" in str(caught.value)


def test_lists_that_go_on_for_ever_are_given_up(cloud: Cloud) -> None:
    full = {"TotalCount": 50, "NatGateways": {"NatGateway": [{"NatGatewayId": "n"}] * 50}}
    enis = {"TotalCount": 0, "NextToken": "again", "NetworkInterfaceSets": {}}
    for name, body in (("gateways", full), ("enis", enis)):
        answer = Answer(200, {}, orjson.dumps(body))
        with (
            mock.patch.object(Web, "send", return_value=answer),
            pytest.raises(CloudError) as caught,
        ):
            CALLS[name](cloud)
        assert caught.value.kind is ErrorKind.UNKNOWN


def test_pages_that_lead_back_to_one_that_was_read_are_given_up_at_once(cloud: Cloud) -> None:
    tokens = iter(["a", "b", "a", *map(str, range(500))])

    def send(*_args: object, **_more: object) -> Answer:
        body = {"TotalCount": 0, "NextToken": next(tokens), "NetworkInterfaceSets": {}}
        return Answer(200, {}, orjson.dumps(body))

    with mock.patch.object(Web, "send", side_effect=send), pytest.raises(CloudError) as caught:
        CALLS["enis"](cloud)
    assert caught.value.kind is ErrorKind.UNKNOWN
    assert next(tokens) == "0", "no further page was asked for"


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize(
    ("code", "kind"),
    [("Throttling.User", ErrorKind.THROTTLED), ("Nobody.Foresaw", ErrorKind.UNCLASSIFIED)],
)
def test_an_error_is_one_whatever_the_http_status(
    cloud: Cloud, name: str, code: str, kind: ErrorKind
) -> None:
    """Else a delete that was refused would count as done."""
    body = orjson.dumps({"Code": code, "Message": "no", "RequestId": "1", "TotalCount": 0})
    with (
        mock.patch.object(Web, "send", return_value=Answer(200, {}, body)),
        pytest.raises(CloudError) as caught,
    ):
        CALLS[name](cloud)
    assert (caught.value.kind, caught.value.code) == (kind, code)


def about_gateways(code: str) -> Callable[..., Answer]:
    """A VPC with ngw-1; asked for another gateway by its ID, the cloud answers with that code."""

    def send(_method: str, url: str, _headers: object, **_more: object) -> Answer:
        if "NatGatewayId=" in url:
            return Answer(400, {}, orjson.dumps({"Code": code, "Message": "no", "RequestId": "1"}))
        if "DescribeEipAddresses" in str(_headers):
            return Answer(200, {}, orjson.dumps({"TotalCount": 0, "EipAddresses": {}}))
        return Answer(200, {}, orjson.dumps(gateways(Status="Available")))

    return send


@pytest.mark.parametrize(
    ("code", "absent"), [("InvalidNatGatewayId.NotFound", True), ("Nobody.Foresaw", False)]
)
def test_what_is_answered_about_one_gateway_is_not_about_the_others(
    cloud: Cloud, code: str, absent: bool
) -> None:
    """Anybody who may write PodDNATs may name a gateway that there is not."""
    with mock.patch.object(Web, "send", side_effect=about_gateways(code)):
        other, ours = cloud.describe_gateways(["ngw-2", "ngw-1"])
    assert (ours.gateway_id, ours.unread) == ("ngw-1", "")
    assert other.absent is absent
    assert (code in other.unread) is not absent


@pytest.mark.parametrize(
    ("code", "kind"),
    [("Nobody.Foresaw", ErrorKind.UNCLASSIFIED), ("Throttling.User", ErrorKind.THROTTLED)],
)
def test_what_is_answered_about_all_gateways_is_about_none(
    cloud: Cloud, code: str, kind: ErrorKind
) -> None:
    wanted = ["ngw-2", "ngw-1"] if kind is ErrorKind.THROTTLED else ["ngw-2"]
    with (
        mock.patch.object(Web, "send", side_effect=about_gateways(code)),
        pytest.raises(CloudError) as caught,
    ):
        cloud.describe_gateways(wanted)
    assert caught.value.kind is kind


def test_gateways_without_an_id_are_none(cloud: Cloud) -> None:
    nameless = {"NatGateway": [{"VpcId": "vpc-1"}, {"NatGatewayId": "", "VpcId": "vpc-1"}]}
    body = {"TotalCount": 2, "NatGateways": nameless, "EipAddresses": {}}
    with mock.patch.object(Web, "send", return_value=Answer(200, {}, orjson.dumps(body))):
        assert cloud.describe_gateways() == []


@pytest.mark.parametrize("nameless", [None, ""])
def test_a_gateway_is_not_gone_where_the_answer_about_it_lacks_its_id(
    cloud: Cloud, nameless: str | None
) -> None:
    body = orjson.dumps(gateways(NatGatewayId=nameless))
    with (
        mock.patch.object(Web, "send", return_value=Answer(200, {}, body)),
        pytest.raises(CloudError) as caught,
    ):
        cloud.describe_gateways(["ngw-1"])
    assert caught.value.kind is ErrorKind.UNKNOWN


@pytest.mark.parametrize("code", ["", "200", 200, "OK", "Success", None])
def test_a_code_that_says_yes_is_none(cloud: Cloud, code: object) -> None:
    body = orjson.dumps({"Code": code, "RequestId": "1"})
    with mock.patch.object(Web, "send", return_value=Answer(200, {}, body)):
        CALLS["delete"](cloud)


def gateways(**row: object) -> dict[str, object]:
    return {"TotalCount": 1, "NatGateways": {"NatGateway": [{"NatGatewayId": "ngw-1", **row}]}}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gateways", gateways(NatGatewayId=["a"])),
        ("gateways", gateways(NatGatewayId={"a": 1})),
        ("gateways", gateways(ForwardTableIds={"ForwardTableId": 7})),
        ("gateways", {"TotalCount": "9" * 5000, "NatGateways": {}}),
        ("gateways", {"TotalCount": 1, "NatGateways": {"NatGateway": ["a"]}}),
        ("page", {"TotalCount": "9" * 5000, "ForwardTableEntries": {}}),
        ("page", {"TotalCount": 1, "ForwardTableEntries": {"ForwardTableEntry": 7}}),
        ("page", {"TotalCount": 1, "ForwardTableEntries": [{}]}),
        ("page", ["TotalCount"]),
        ("create", ["ForwardEntryId"]),
        ("delete", ["RequestId"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_another_shape_than_documented_is_an_unknown_answer(
    cloud: Cloud, name: str, body: object
) -> None:
    with (
        mock.patch.object(Web, "send", return_value=Answer(200, {}, orjson.dumps(body))),
        pytest.raises(CloudError) as caught,
    ):
        CALLS[name](cloud)
    assert caught.value.kind is ErrorKind.UNKNOWN
