"""What can be turned on the emulated cloud while it runs: times, limits, and open questions.

The defaults are strict: wherever the vendor's documents disagree or leave a choice, the emulator
does what is harder on its client, except for times, which are short so that tests are fast.
"""

from __future__ import annotations

import random
from typing import Annotated, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Span = float | tuple[float, float]
"""A time in seconds: constant, or drawn evenly between two bounds."""
# No constraint inside a Span: msgspec 0.22 corrupts memory on a constrained float that shares a
# union with a tuple. `check_spans` is called instead.

Count = Annotated[int, msgspec.Meta(ge=0)]

# What the RAM policy of the vendor's page on DNAT for pods grants (it lacks ModifyForwardEntry):
# https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/configure-dnat-to-expose-a-pod
DOCUMENTED_POLICY = (
    "ecs:DescribeNetworkInterfaces",
    "vpc:CreateForwardEntry",
    "vpc:DeleteForwardEntry",
    "vpc:DescribeEipAddresses",
    "vpc:DescribeForwardTableEntries",
    "vpc:DescribeNatGateways",
    "vpc:DescribeRouteEntryList",
    "vpc:DescribeRouteTableList",
)


def draw(span: Span, rng: random.Random) -> float:
    """A time in seconds out of `span`."""
    return rng.uniform(*span) if isinstance(span, tuple) else span


def check_spans(*spans: Span) -> None:
    """Raise ValueError for a time below zero, or bounds in the wrong order."""
    for span in spans:
        low, high = span if isinstance(span, tuple) else (span, span)
        if not 0 <= low <= high:
            raise ValueError(f"not a time in seconds or two bounds of one: {span}")


class Settle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a row stays `Pending` or `Deleting` after each kind of write."""

    create: Span = 0.05
    modify: Span = 0.05
    delete: Span = 0.05

    def __post_init__(self) -> None:
        check_spans(self.create, self.modify, self.delete)

    @classmethod
    def all(cls, span: Span) -> Settle:
        """The same time for every kind of write."""
        return cls(create=span, modify=span, delete=span)


class Knobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the emulated cloud; change them with `Cloud.set_knobs`.

    Times are in seconds. Where a value stands for something that the vendor does not document,
    the comment says so; a client must be right under every setting of those.
    """

    seed: int = 0
    """Of every random choice, so that a run can be repeated."""

    settle: Settle = Settle()
    """Time a row takes to leave `Pending` or `Deleting`."""
    gateway_settle: dict[str, Settle] = {}
    """The same by gateway ID, for those that differ."""
    write_latency: Span = 0.0
    """Time the server works on a write before it answers; half of it before the effect."""
    read_latency: Span = 0.0
    """Time the server takes to answer a read; the answer is true of its middle."""
    read_lag: Span = 0.0
    """Time during which lists do not show a row just created (undocumented)."""
    read_lag_by_id: bool = True
    """Whether that holds for a question about one row as well."""
    backend_lag: Seconds = 0.0
    """Every other read of forward tables is answered by a backend so far behind (undocumented)."""
    delete_lag: Seconds = 0.0
    """Time during which lists go on showing a deleted row as `Available` (undocumented)."""
    total_error: int = 0
    """By how much `TotalCount` of forward tables is too high, or too low below zero."""
    lists_nothing: bool = False
    """Whether the lists of forward tables are empty, while `TotalCount` says how many there are."""

    mode: Literal["strict", "relaxed"] = "strict"
    """strict: a row in flux blocks every write to its table. relaxed: only a write under way."""
    deleting_blocks: bool = True
    """Whether `Deleting` rows block like `Pending` ones in strict mode (undocumented)."""
    quota: Count = 100
    """Rows a table may hold, those in flux included."""
    table_quota: dict[str, int] = {}
    """The same by table ID, for those that differ."""
    internal_scope: Literal["table", "vpc"] = "table"
    """Where an internal IP, port and protocol must be unique (undocumented)."""

    limits: dict[str, int] = {}
    """Calls in one window by API, 0 for no limit; the others get `default_limit`."""
    default_limit: Count = 300
    """The 300 calls in 60 s that most VPC APIs get."""
    window: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """Length of the window in which calls are counted."""
    sliding: bool = False
    """Whether they are counted over the last window, and not in fixed ones."""
    retry_after: bool = False
    """Whether a throttled answer carries `x-acs-retry-after` (milliseconds)."""

    duplicate_external_code: str = "OperationUnsupported.DuplicatedForwardEntry"
    """Answer to an endpoint already taken (undocumented: vary it)."""
    duplicate_internal_code: str = "OperationUnsupported.ForwardEntry"
    """Answer to an internal tuple already taken."""
    out_of_cidr_code: Literal[
        "Forbidden.DestnationIpOutOfVpcCIDR", "Forbidden.InternalIpOutOfVpcCIDR"
    ] = "Forbidden.DestnationIpOutOfVpcCIDR"
    """Answer to an internal IP outside the VPC: two pages, two codes."""
    port_break_code: str = "OperationUnsupported.PortBreak"
    """Answer to a port above 1024 on an EIP that serves SNAT, without PortBreak (undocumented)."""
    gone_code: Literal[
        "InvalidForwardEntryId.NotFound",
        "ResourceNotFound.ForwardEntry",
        "IncorretForwardEntryStatus",
    ] = "InvalidForwardEntryId.NotFound"
    """Answer to the ID of a row that is gone: three are documented."""
    mismatch_status: int = 400
    """HTTP status of `IdempotentParameterMismatch` (undocumented)."""

    token_ttl: Seconds = 3600.0
    """How long a ClientToken is remembered (undocumented for VPC)."""
    sticky: Literal["final", "all", "none"] = "final"
    """Which 4xx a ClientToken goes on answering: all but busy and conflict, all, none."""

    ports_as_numbers: bool = False
    """Whether lists show single ports as JSON numbers; the documents show both."""
    protocol_case: Literal["echo", "lower", "upper"] = "echo"
    """How lists write the protocol."""
    newest_first: bool = True
    """Order of lists (undocumented); newest first makes pages shift while rows are created."""

    verify_signature: bool = True
    """Whether signatures, dates and nonces are checked; off leaves more CPU to benchmarks."""
    clock_skew: Seconds = 900.0
    """How far `x-acs-date` may be from the server's time."""
    allowed: tuple[str, ...] = ("ecs:*", "vpc:*")
    """RAM policy of every caller: `product:Action`, `*` as the action for all."""
    sts_lifetime: Seconds = 3600.0
    """Most that STS and metadata keys live."""
    imds_v1: bool = True
    """Whether the metadata service answers without a token."""

    synthesize_enis: bool = True
    """Whether any IP of a pod vSwitch belongs to an ENI without being declared."""
    ips_per_eni: Annotated[int, msgspec.Meta(ge=1)] = 10
    """Consecutive IPs that share one synthesized ENI."""
    filter_matches_primary: bool = True
    """Whether the PrivateIpAddress filter finds primary IPs too (undocumented)."""

    log_size: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    """Calls kept in the call log."""

    def __post_init__(self) -> None:
        check_spans(self.write_latency, self.read_latency, self.read_lag)

    def settle_for(self, gateway_id: str) -> Settle:
        """The settle times of a gateway."""
        return self.gateway_settle.get(gateway_id, self.settle)

    def quota_of(self, table_id: str) -> int:
        """The most rows a table may hold."""
        return self.table_quota.get(table_id, self.quota)

    def limit_of(self, api: str) -> int:
        """Calls of `api` allowed in one window; 0 means no limit."""
        return self.limits.get(api, self.default_limit)

    def changed(self, **changes: object) -> Knobs:
        """A copy with `changes`.

        Raises msgspec.ValidationError for an unknown name or a value that does not fit.
        """
        return msgspec.convert(msgspec.to_builtins(self) | msgspec.to_builtins(changes), Knobs)
