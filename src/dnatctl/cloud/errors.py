"""What a failed call to the cloud means to its caller.

`codes` holds the table from the vendor's codes to these kinds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from dnatctl.cloud.operation import Operation


class ErrorKind(StrEnum):
    """What a failure asks of the caller.

    Wherever a write was refused for sure, nothing was done. `keeps_token` says which kinds may be
    (and, for UNKNOWN, must be) tried again with the same ClientToken.
    """

    RETRY = "retry"
    """The server is busy and says to come back: the same call again, after a pause."""
    THROTTLED = "throttled"
    """The account's rate limit for this API: slow down; the limiter of `Cloud` already does."""
    BUSY = "busy"
    """The table or its gateway is in flux: wait for it, hold nothing against the entry."""
    UNKNOWN = "unknown"
    """No answer, or one that cannot be read. A write may have been done or may still be, and no
    later refusal of the same write settles that: only its success or a look at the table does."""
    CONFLICT = "conflict"
    """One of the two address tuples of the entry is taken: the table tells by whom."""
    GONE = "gone"
    """What the call names is absent: a delete has reached its goal, a modify must create."""
    GONE_OR_BUSY = "gone-or-busy"
    """The vendor uses one code for both here: the table tells which."""
    QUOTA = "quota"
    """The table is full: another gateway, or wait until the quota is raised."""
    REJECTED = "rejected"
    """The entry as asked is not possible, on any gateway: only a changed request helps."""
    GATEWAY = "gateway"
    """This table, gateway or EIP cannot be used: another one can; read the gateways again."""
    AUTH = "auth"
    """The credentials are absent, wrong or expired: every call fails alike."""
    DENIED = "denied"
    """The credentials are good but RAM does not allow them this operation."""
    DRY_RUN = "dry-run"
    """A dry run passed: the call would have been accepted."""
    MISMATCH = "mismatch"
    """The ClientToken was used before with other parameters: read the table, take a new token."""
    UNCLASSIFIED = "unclassified"
    """Refused with a code that is in no table: read the table, then retry slowly, new token."""

    @property
    def keeps_token(self) -> bool:
        """Whether a retry should carry the same ClientToken.

        After any other refusal the vendor answers a repeated token with the same refusal
        (https://help.aliyun.com/knowledge_detail/36569.html), so a new attempt needs a new one.
        """
        return self in _KEEPS_TOKEN

    @property
    def leaves_doubt(self) -> bool:
        """Whether after a create that was answered so there may be a row for it all the same."""
        return self in _LEAVES_DOUBT


_KEEPS_TOKEN: Final = frozenset(
    {ErrorKind.RETRY, ErrorKind.THROTTLED, ErrorKind.UNKNOWN, ErrorKind.AUTH, ErrorKind.DENIED}
)

_LEAVES_DOUBT: Final = frozenset(
    {ErrorKind.UNKNOWN, ErrorKind.CONFLICT, ErrorKind.MISMATCH, ErrorKind.UNCLASSIFIED}
)


class CloudError(Exception):
    """A call to the cloud that did not succeed.

    `code`, `message` and `request_id` are the vendor's, empty if there was no readable answer.
    `retry_after` is the server's hint in seconds, None without one. None of them holds a secret
    or a URL, so `str()` may be logged and shown.
    """

    def __init__(
        self,
        operation: Operation,
        kind: ErrorKind,
        *,
        code: str = "",
        message: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(operation, kind, code, message, request_id)
        self.operation = operation
        self.kind = kind
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def may_be_of_one(self) -> bool:
        """Whether the cloud, asked about something else, may answer otherwise, and soon."""
        return bool(self.code) and self.kind not in (ErrorKind.THROTTLED, ErrorKind.AUTH)

    @property
    def text(self) -> str:
        """What failed and why, the same at each try: without the request's ID."""
        reason = ": ".join(part for part in (self.code, self.message) if part) or self.kind.value
        return f"{self.operation}: {reason}"

    def __str__(self) -> str:
        return f"{self.text} (request {self.request_id})" if self.request_id else self.text
