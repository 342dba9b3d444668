"""The refusals of the emulated cloud: codes, messages and HTTP statuses, typos kept.

Messages and statuses come from the error tables of the vendor's API pages, for example
https://help.aliyun.com/zh/document_detail/3029140.html (CreateForwardEntry), and from the code
of the vendor's Terraform provider where the pages are silent.
"""

from __future__ import annotations

from typing import NamedTuple


class ApiError(Exception):
    """A call that the cloud answers with an error.

    `transient` marks those that say nothing about the request itself (busy, conflict, throttled):
    by default a ClientToken does not remember them.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int,
        *,
        transient: bool = False,
        retry_after_ms: int = 0,
        detail: dict[str, object] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.transient = transient
        self.retry_after_ms = retry_after_ms
        self.detail = detail


class _Known(NamedTuple):
    status: int
    message: str
    transient: bool = False


_NO_ENTRY = "Specified forward entry ID does not exist."

_CATALOGUE = {
    # Every API.
    "MissingParameter": _Known(400, "A mandatory parameter is missing."),
    "InvalidParameter": _Known(400, "The specified parameter is not valid."),
    "InvalidAction.NotFound": _Known(404, "Specified api is not found."),
    "InvalidRegionId.NotFound": _Known(404, "The specified RegionId is not found in our record."),
    "InvalidRegionId.MalFormed": _Known(400, "The specified RegionId is not valid."),
    "InternalError": _Known(500, "The request processing has failed due to an unknown error."),
    "ServiceUnavailable": _Known(503, "The request has failed due to a temporary failure."),
    "DryRunOperation": _Known(400, "Request validation has been passed with DryRun flag set."),
    "Throttling.User": _Known(400, "Request was denied due to user flow control.", transient=True),
    "Throttling": _Known(400, "Request was denied due to request throttling.", transient=True),
    "Throttling.Api": _Known(400, "Request was denied due to api flow control.", transient=True),
    "SystemBusy": _Known(400, "The system is busy, try again later.", transient=True),
    "UnknownError": _Known(400, "The request processing has failed.", transient=True),
    # Who calls.
    "IncompleteSignature": _Known(400, "The request signature does not conform to the standards."),
    "SignatureDoesNotMatch": _Known(403, "Specified signature does not match our calculation."),
    "SignatureNonceUsed": _Known(400, "Specified signature nonce was used already."),
    "InvalidTimeStamp.Expired": _Known(400, "Specified time stamp or date value is expired."),
    "InvalidTimeStamp.Format": _Known(400, "Specified time stamp or date value is malformed."),
    "InvalidAccessKeyId.NotFound": _Known(404, "Specified access key is not found."),
    "InvalidSecurityToken.Expired": _Known(400, "Specified SecurityToken is expired."),
    "InvalidSecurityToken.Malformed": _Known(400, "Specified SecurityToken is malformed."),
    "InvalidSecurityToken.MismatchWithAccessKey": _Known(
        403, "Specified SecurityToken mismatch with the AccessKey."
    ),
    "MissingSecurityToken": _Known(400, "SecurityToken is mandatory for this action."),
    "Forbidden.RAM": _Known(403, "User not authorized to operate on the specified resource."),
    # Idempotence.
    "IdempotentParameterMismatch": _Known(
        400, "The request uses the same client token as a previous, but non-identical request."
    ),
    "LastTokenProcessing": _Known(400, "The last token request is processing.", transient=True),
    "InvalidClientToken.Malformed": _Known(400, "The specified ClientToken is not valid."),
    # A forward table and its gateway.
    "InvalidForwardTableId.NotFound": _Known(404, "Specified forward table does not exist."),
    "Invalid.natgwNotExist": _Known(400, "The NAT gateway does not exist."),
    "IncorrectStatus.NATGW": _Known(400, "The status of the NAT gateway is incorrect.", True),
    "IncorretForwardEntryStatus": _Known(
        400, "Some Forward entry status blocked this operation.", transient=True
    ),
    "OperationConflict": _Known(
        409, "Request was denied due to too frequent operations on this instance.", transient=True
    ),
    "TaskConflict": _Known(409, "Another task is running on the instance.", transient=True),
    "IncorrectStatus.ForwardEntry": _Known(400, "The forward entry is busy.", transient=True),
    "QuotaExceeded": _Known(400, "Forward entry quota exceeded in this forward table."),
    "DESCRIBE_FORWARD_PARAM_INVALID": _Known(
        400, "The parameters NatGatewayId and ForwardTableId cannot both be null."
    ),
    # A forward entry.
    "InvalidForwardEntryId.NotFound": _Known(404, _NO_ENTRY),
    "ResourceNotFound.ForwardEntry": _Known(404, _NO_ENTRY),
    "InvalidExternalIp.Malformed": _Known(400, "The specified ExternalIp is not a valid IP."),
    "InvalidInternalIp.Malformed": _Known(400, "The specified InternalIp is not a valid IP."),
    "InvalidExternalPort.Malformed": _Known(400, "The specified ExternalPort is not valid."),
    "InvalidInternalPort.Malformed": _Known(400, "The specified InternalPort is not valid."),
    "InvalidProtocal.ValueNotSupported": _Known(400, "The specified IpProtocol is not supported."),
    "InvalidParameter.Name.Malformed": _Known(400, "The specified Name is not valid."),
    "InvalidExternalIp.NotFound": _Known(
        404, "Specified External Ip address does not found on the VRouter"
    ),
    "InvalidIp.NotInNatgw": _Known(400, "The specified Ip is not bound to the NAT gateway.", True),
    "OperationUnsupported.EipInBinding": _Known(400, "The EIP is being bound.", transient=True),
    "Forbidden.ExternalIp.UsedInSnatTable": _Known(
        400, "The specified ExternalIp is used in a SNAT table."
    ),
    "Forbidden.DestnationIpOutOfVpcCIDR": _Known(
        400, "The specified Internal Ip is Out of VPC CIDR."
    ),
    "Forbidden.InternalIpOutOfVpcCIDR": _Known(
        400, "The specified Internal Ip is Out of VPC CIDR."
    ),
    "Forbindden": _Known(400, "The specified instance already has an elastic IP address."),
    "OperationUnsupported.ForwardEntry": _Known(
        400, "Duplicated destination ip port is unsupported."
    ),
    # EIPs.
    "InvalidIpStatus.HasBeenUsedByForwardEntry": _Known(
        400, "The specified EIP is used by a forward entry."
    ),
    "InvalidIAssociatedInstanceType.ValueNotSupported": _Known(
        400, "The specified AssociatedInstanceType is not supported."
    ),
}


def refusal(
    code: str,
    message: str = "",
    *,
    status: int = 0,
    retry_after_ms: int = 0,
    detail: dict[str, object] | None = None,
) -> ApiError:
    """The error with this code, with its usual message and status unless others are given.

    A code that no page lists becomes a 400.
    """
    known = _CATALOGUE.get(code, _Known(400, "The operation is not supported."))
    return ApiError(
        code,
        message or known.message,
        status or known.status,
        transient=known.transient,
        retry_after_ms=retry_after_ms,
        detail=detail,
    )


def missing(parameter: str) -> ApiError:
    """The answer to a mandatory parameter that is absent or empty."""
    return refusal(
        "MissingParameter",
        f'The input parameter "{parameter}" that is mandatory for processing this request '
        "is not supplied.",
    )
