"""What an answer to a write that was not made says of the leave to make it."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from dnatctl.cloud.api import EntryPage
from dnatctl.cloud.codes import classify
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.config import parse
from dnatctl.control.tools.cloud_check import look_at_cloud
from dnatctl.model import Eni, Gateway, GatewayEip, NewEntry
from dnatctl.status.findings import Grade
from tests.unit.config.samples import MINIMAL


class Answering:
    """A cloud in which all is right but for what it answers to writes that are not made."""

    def __init__(self, code: str, *, usable: bool = True) -> None:
        self._code = code
        self._usable = usable
        self.rehearsed: list[NewEntry] = []

    def describe_gateways(self, wanted: Collection[str] = ()) -> list[Gateway]:
        eip = GatewayEip("47.1.2.3", usable=self._usable)
        return [Gateway(each, "ftb-1", "cn-hangzhou-j", "vpc-1", (eip,)) for each in wanted]

    def read_page(self, table_id: str, page_number: int) -> EntryPage:
        del table_id, page_number
        return EntryPage(0, ())

    def find_enis(self, ips: Collection[str]) -> dict[str, Eni]:
        del ips
        return {}

    def rehearse(self, operation: Operation, table_id: str, entry: NewEntry) -> CloudError:
        del table_id
        self.rehearsed.append(entry)
        kind = classify(operation, self._code) or ErrorKind.UNCLASSIFIED
        return CloudError(operation, kind, code=self._code, message="said so")


def test_no_address_is_led_to_itself_where_neither_an_eip_nor_a_network_is_known() -> None:
    """The cloud would refuse it for that, and nothing would be learned of RAM."""
    cloud = Answering("DryRunOperation", usable=False)
    list(look_at_cloud(cloud, parse(MINIMAL), "somebody"))
    assert cloud.rehearsed
    assert not [each for each in cloud.rehearsed if each.external_ip == each.internal_ip]


def grade(code: str, operation: Operation) -> Grade:
    """Of the line about that action."""
    found = look_at_cloud(Answering(code), parse(MINIMAL), "somebody", try_delete=True)
    return next(each.grade for each in found if operation in each.text)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("DryRunOperation", Grade.OK),
        ("OperationUnsupported.ForwardEntry", Grade.OK),
        ("IncorretForwardEntryStatus", Grade.OK),
        ("QuotaExceeded", Grade.OK),
        ("InvalidExternalIp.NotFound", Grade.OK),
        ("Forbidden.DestnationIpOutOfVpcCIDR", Grade.OK),
        ("Forbidden.RAM", Grade.FAIL),
        ("Forbbiden", Grade.FAIL),
        ("InvalidAccessKeyId.NotFound", Grade.FAIL),
        ("MissingParameter.InternalIp", Grade.NOTE),
        ("InvalidParameter", Grade.NOTE),
        ("Throttling.User", Grade.NOTE),
        ("ServiceUnavailable", Grade.NOTE),
        ("SomethingNew", Grade.NOTE),
    ],
)
def test_only_an_answer_that_ram_let_through_says_that_creating_is_granted(
    code: str, expected: Grade
) -> None:
    assert grade(code, Operation.CREATE) is expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [(Operation.MODIFY, Grade.NOTE), (Operation.DELETE, Grade.FAIL)],
)
def test_changing_may_be_done_without_and_deleting_may_not(
    operation: Operation, expected: Grade
) -> None:
    assert grade("Forbidden.RAM", operation) is expected
    assert grade("InvalidForwardEntryId.NotFound", operation) is Grade.OK
