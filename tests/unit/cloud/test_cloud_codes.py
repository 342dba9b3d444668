"""Every error that the vendor documents, or that real accounts answer, has its meaning."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from dnatctl.cloud.codes import RULES, classify
from dnatctl.cloud.errors import ErrorKind as Kind
from dnatctl.cloud.operation import Operation as Op

CREATE, DELETE, MODIFY = Op.CREATE, Op.DELETE, Op.MODIFY
WRITES = (CREATE, DELETE, MODIFY)
CHANGES = (CREATE, MODIFY)
READS = (Op.READ_TABLE, Op.READ_GATEWAYS, Op.READ_EIPS, Op.READ_ENIS)
ALL = (*WRITES, *READS)

TABLE: list[tuple[tuple[Op, ...], str, Kind]] = [
    (CHANGES, "IncorretForwardEntryStatus", Kind.BUSY),
    ((DELETE,), "IncorretForwardEntryStatus", Kind.GONE_OR_BUSY),
    (READS, "IncorretForwardEntryStatus", Kind.RETRY),
    (WRITES, "OperationConflict", Kind.BUSY),
    (WRITES, "TaskConflict", Kind.BUSY),
    (WRITES, "OperationUnsupported.EipInBinding", Kind.BUSY),
    (WRITES, "IncorrectStatus", Kind.BUSY),
    (WRITES, "IncorrectStatus.NATGW", Kind.BUSY),
    (WRITES, "IncorrectStatus.ForwardEntry", Kind.BUSY),
    ((CREATE,), "InvalidIp.NotInNatgw", Kind.GATEWAY),
    ((CREATE,), "InvalidExternalIp.NotFound", Kind.GATEWAY),
    ((CREATE,), "Forbidden.ExternalIp.UsedInSnatTable", Kind.GATEWAY),
    ((CREATE,), "Invalid.natgwNotExist", Kind.GATEWAY),
    (WRITES, "InvalidForwardTableId.NotFound", Kind.GATEWAY),
    ((Op.READ_TABLE,), "InvalidForwardTableId.NotFound", Kind.GATEWAY),
    ((Op.READ_GATEWAYS,), "InvalidNatGatewayId.NotFound", Kind.GONE),
    ((CREATE,), "OperationUnsupported.ForwardEntry", Kind.CONFLICT),
    ((MODIFY,), "Forbidden.Already.Bounded", Kind.CONFLICT),
    (CHANGES, "QuotaExceeded", Kind.QUOTA),
    (CHANGES, "QuotaExceeded.ForwardEntry", Kind.QUOTA),
    (CHANGES, "InvalidExternalIp.Malformed", Kind.REJECTED),
    (CHANGES, "InvalidInternalIp.Malformed", Kind.REJECTED),
    (CHANGES, "InvalidExternalPort.Malformed", Kind.REJECTED),
    (CHANGES, "InvalidInternalPort.Malformed", Kind.REJECTED),
    (CHANGES, "InvalidProtocal.ValueNotSupported", Kind.REJECTED),
    (CHANGES, "Forbidden.DestnationIpOutOfVpcCIDR", Kind.REJECTED),
    (CHANGES, "Forbidden.InternalIpOutOfVpcCIDR", Kind.REJECTED),
    ((CREATE,), "Forbindden", Kind.REJECTED),
    ((CREATE,), "InvalidParameter.Name.Malformed", Kind.REJECTED),
    (ALL, "MissingParameter", Kind.REJECTED),
    (ALL, "InvalidRegionId.NotFound", Kind.REJECTED),
    ((*WRITES, Op.READ_TABLE), "InvalidForwardEntryId.NotFound", Kind.GONE),
    ((*WRITES, Op.READ_TABLE), "ResourceNotFound.ForwardEntry", Kind.GONE),
    ((Op.READ_TABLE,), "DESCRIBE_FORWARD_PARAM_INVALID", Kind.REJECTED),
    ((Op.READ_EIPS,), "Forbidden.RegionNotFound", Kind.REJECTED),
    ((Op.READ_EIPS,), "InvalidLockReason.NotFound", Kind.REJECTED),
    ((Op.READ_EIPS,), "InvalidIAssociatedInstanceType.ValueNotSupported", Kind.REJECTED),
    ((Op.READ_EIPS,), "InvalidChargeType.ValueNotSupported", Kind.REJECTED),
    ((Op.READ_EIPS,), "InvalidResourceGroupId", Kind.REJECTED),
    ((Op.READ_EIPS,), "OperationUnsupported.ResourceGroupId", Kind.REJECTED),
    ((Op.READ_ENIS,), "UnsupportedParameter", Kind.REJECTED),
    ((Op.READ_ENIS,), "InvalidParameter", Kind.REJECTED),
    ((Op.READ_ENIS,), "InvalidInstanceID.Malformed", Kind.REJECTED),
    ((Op.READ_ENIS,), "Forbidden.RegionId", Kind.REJECTED),
    ((Op.READ_ENIS,), "InvalidRegionId.MalFormed", Kind.REJECTED),
    ((Op.READ_ENIS,), "InvalidOperation.InvalidEniState", Kind.REJECTED),
    ((Op.READ_ENIS,), "InvalidEcsId.NotFound", Kind.GONE),
    ((Op.READ_ENIS,), "InvalidEniId.NotFound", Kind.GONE),
    ((Op.READ_ENIS,), "InvalidVSwitchId.NotFound", Kind.GONE),
    ((Op.READ_ENIS,), "InvalidSecurityGroupId.NotFound", Kind.GONE),
    ((Op.READ_ENIS,), "Forbidden.SubUser", Kind.DENIED),
    ((Op.READ_ENIS,), "Forbidden.NotSupportRAM", Kind.DENIED),
    ((Op.READ_ENIS,), "Abs.InvalidAccount.NotFound", Kind.DENIED),
    ((Op.READ_ENIS,), "InvalidUserType.NotSupported", Kind.DENIED),
    (ALL, "Abs.Whatever", Kind.REJECTED),
    (ALL, "Forbbiden", Kind.DENIED),
    (ALL, "Forbidden", Kind.DENIED),
    (ALL, "Forbidden.RAM", Kind.DENIED),
    (ALL, "IdempotentParameterMismatch", Kind.MISMATCH),
    (ALL, "LastTokenProcessing", Kind.RETRY),
    (ALL, "OperationFailed.LastTokenProcessing", Kind.RETRY),
    (ALL, "SystemBusy", Kind.RETRY),
    (ALL, "Throttling", Kind.THROTTLED),
    (ALL, "Throttling.User", Kind.THROTTLED),
    (ALL, "Throttling.Api", Kind.THROTTLED),
    (ALL, "Rejected.Throttling", Kind.THROTTLED),
    (ALL, "OperationFailed.Throttling", Kind.THROTTLED),
    (WRITES, "InternalError", Kind.UNKNOWN),
    (WRITES, "ServiceUnavailable", Kind.UNKNOWN),
    (WRITES, "UnknownError", Kind.UNKNOWN),
    (READS, "InternalError", Kind.RETRY),
    (READS, "ServiceUnavailable", Kind.RETRY),
    (READS, "UnknownError", Kind.RETRY),
    (ALL, "DryRunOperation", Kind.DRY_RUN),
    (ALL, "InvalidAccessKeyId.NotFound", Kind.AUTH),
    (ALL, "SignatureDoesNotMatch", Kind.AUTH),
    (ALL, "IncompleteSignature", Kind.AUTH),
    (ALL, "InvalidTimeStamp.Expired", Kind.AUTH),
    (ALL, "InvalidTimeStamp.Format", Kind.AUTH),
    (ALL, "SignatureNonceUsed", Kind.AUTH),
    (ALL, "InvalidSecurityToken.Expired", Kind.AUTH),
    (ALL, "InvalidSecurityToken.MismatchWithAccessKey", Kind.AUTH),
]  # fmt: skip

CASES = [pytest.param(op, code, kind, id=f"{op}-{code}") for ops, code, kind in TABLE for op in ops]


@pytest.mark.parametrize(("operation", "code", "kind"), CASES)
def test_a_code_means_what_the_vendor_documents(operation: Op, code: str, kind: Kind) -> None:
    assert classify(operation, code) is kind


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize("code", ["", "Never.Heard.Of", "OperationUnsupported.Something"])
def test_an_unheard_of_code_is_in_no_table(operation: Op, code: str) -> None:
    assert classify(operation, code) is None


def test_every_rule_is_needed_by_some_documented_code() -> None:
    used = {
        (index, pattern)
        for ops, code, _ in TABLE
        for op in ops
        for index, pattern in [
            next(
                (i, p)
                for i, rule in enumerate(RULES)
                if op in rule.operations
                for p in rule.codes
                if fnmatchcase(code, p)
            )
        ]
    }
    assert used == {(i, pattern) for i, rule in enumerate(RULES) for pattern in rule.codes}


def test_a_bad_access_key_is_never_taken_for_a_row_that_is_gone() -> None:
    # It comes with 404, as an absent row does.
    assert classify(DELETE, "InvalidAccessKeyId.NotFound") is Kind.AUTH


def test_only_what_may_have_happened_or_was_put_off_keeps_its_token() -> None:
    assert {kind for kind in Kind if kind.keeps_token} == {
        Kind.RETRY, Kind.THROTTLED, Kind.UNKNOWN, Kind.AUTH, Kind.DENIED,
    }  # fmt: skip
