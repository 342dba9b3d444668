"""What people are told of a write that the cloud refused: what it said, and what to do."""

from __future__ import annotations

from dnatctl.cloud.errors import CloudError, ErrorKind

LOSSES_UNTOLD = 3
"""Unanswered writes in a row that nobody is told of."""

_PASSING = frozenset(
    {
        ErrorKind.BUSY,
        ErrorKind.RETRY,
        ErrorKind.THROTTLED,
        ErrorKind.GONE,
        ErrorKind.GONE_OR_BUSY,
    }
)


def is_passing(kind: ErrorKind, failures: int) -> bool:
    """Whether an answer to a delete is over by itself, or means that it is done.

    `failures`: how often in a row it has failed before.
    """
    return kind in _PASSING or (kind is ErrorKind.UNKNOWN and failures < LOSSES_UNTOLD)


def hindrance(error: CloudError) -> str:
    """Why a call gets nowhere and what to do, the same at each try."""
    return error.text + mend(error)


def told(error: CloudError, before: str, gateway_id: str, rows: int | None) -> str:
    """What a row was refused for.

    `before`: what was told of it last: the same refusal once more is no news, although its request
    has another ID. `rows`: how many the gateway's table has, where it takes no more.
    """
    if said(error) in before:
        return before
    if rows is None or error.kind is not ErrorKind.QUOTA:
        return words(error) + mend(error)
    # Quota ID: https://help.aliyun.com/en/nat-gateway/user-guide/quotas/
    return (
        f"{gateway_id}: its table takes no more than the {rows} entries it has; have the quota "
        "natgw_quota_dnat_entry_num raised, or add a gateway to natGwPool; the cloud says "
        f"{words(error)}"
    )


def said(error: CloudError) -> str:
    """The vendor's code and words, as they are."""
    return f"{error.code}: {error.message}"


def words(error: CloudError) -> str:
    """The same, with the ID to ask the vendor about."""
    return f"{said(error)} (request {error.request_id})" if error.request_id else said(error)


def mend(error: CloudError) -> str:
    """What to do, to be put behind what the cloud says; empty where the text says it."""
    match error.kind:
        case ErrorKind.DENIED:
            return f"; grant the controller's credentials {error.operation.action}"
        case ErrorKind.AUTH:
            return "; the controller's credentials are refused: put them right"
        case ErrorKind.UNKNOWN:
            return "; it is tried again"
        case _:
            return ""
