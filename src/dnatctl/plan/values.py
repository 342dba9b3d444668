"""What `plan` looks at, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from dnatctl.model import USUAL_PORTS, Endpoint, Eni, NewEntry, PortRange
from dnatctl.objects import (
    Adopted,
    Key,
    Owner,
    Pod,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    StatusEntry,
)
from dnatctl.plan.exposure import Exposure, Problem
from dnatctl.pool import GatewayPool
from dnatctl.table.marks import Marks
from dnatctl.table.view import Table
from dnatctl.table.writes import Refusal, Write
from dnatctl.times import parse_time

# --- input


class WorkloadAnswer(StrEnum):
    """What the workload that owns a fixed claim says of the pod's name."""

    WANTS = "wants"
    """The name is among its replicas."""
    SHED = "shed"
    """It exists, but the name is no longer among its replicas."""
    GONE = "gone"
    UNREADABLE = "unreadable"
    """Its kind may not be read."""
    UNKNOWN = "unknown"
    """It has not been asked."""


CHANGES_A_MINUTE = 6
"""Times that one name may take new endpoints within a minute: more than a person edits or a
workload replaces a pod."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Why the PodDNAT of a pod that runs is being deleted.

    `wished`: somebody wants its endpoints released. Else it is the cluster cleaning up behind
    something that is going, or it cannot be told. `settled`: it is known for good. `problem`: what
    to tell of it, from `told_from` (monotonic) on: by then what is cleaned up has mostly gone.
    """

    wished: bool = False
    settled: bool = False
    problem: Problem | None = None
    told_from: float = float("-inf")


UNASKED = Deletion()


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A migration from an older controller, while it lasts: `since` when it began, `offers` the
    pool of the configuration.
    """

    since: datetime
    offers: tuple[GatewayPool, ...]

    def believes(self, record: PodDNAT) -> bool:
        """Whether the PodDNAT is older than the migration: what came later is no legacy."""
        created = parse_time(record.created)
        return created is not None and created <= self.since

    def offered(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether the endpoint is of the pool: what is not was never an older controller's."""
        return any(
            offer.gateway_id == gateway_id
            and endpoint.port in offer.ports
            and (not offer.eips or endpoint.ip in offer.eips)
            for offer in self.offers
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings that change decisions. Durations in seconds.

    `keeps_conditions`: the cluster's CRD has conditions, so that what they date is not forgotten.
    `unmodifiable`: gateways on which the credentials allow no change of a row just now.
    `denied_ports`: internal ports that nothing new may lead to. `max_ports`: ports of one pod.
    """

    upsert_only: bool = False
    take_over: TakeOver | None = None
    unmodifiable: frozenset[str] = frozenset()
    keeps_conditions: bool = True
    retain_s: float = 86400.0
    gc_grace_s: float = 30.0
    denied_ports: tuple[PortRange, ...] = ()
    max_ports: int = USUAL_PORTS


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many endpoints a name may take now besides those it claims.

    `problem`: why there are no more. `retry_in`: seconds until there may be.
    """

    left: int
    problem: Problem
    retry_in: float | None = None


class Echo(NamedTuple):
    """A status as it was last meant, and as the API server has stored it, where that differs."""

    meant: PodDNATStatus
    stored: PodDNATStatus


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything a decision about one namespace and name rests on.

    `refusals` are by the row they were for; `unanswered`: a write for this record is on its way, or
    its outcome is unknown. `durable`: retired endpoints whose quarantine is noted where
    the next leader will find it. `absent`: gateways that the cloud says do not exist. `made_here`:
    this process created the record. `denied`: all that the record claims is beyond the quota of its
    namespace.
    `no_interface`: the cloud goes on saying that no interface of the VPC has the pod's IP.
    `names`: namespace and name of every PodDNAT, by UID. `stated_for`: seconds for which the pod's
    IP has been its. `retry_in`: seconds after which it may be known whose it is, if that is open.
    `deletion`: why the record is being deleted, if it is and its pod runs. `served`: the UID of the
    pod of its workload that a fixed record was last seen to be for; empty if none was seen.
    `hindrances`: by row ID, what the cloud answers to its delete where that is no. `outage`: why
    the external IP of the record's claim forwards nothing, empty if it does as far as is known.
    `paused`: by whose order nothing may be changed, empty if it may.
    `asked`: new endpoints that were asked for before, with no certain answer. `allowance`: None
    where any number may be taken. `mute`: the record's status was refused the last time, so that
    what it lists cannot be withdrawn for now. `echo`: the last one, where the API server stores it
    otherwise than it was meant. `trouble`: why the last write to the table of the
    record's claim did not get through, for no reason of its own; empty if it did. `unready`: what
    is answered to creates on its external IP while the table takes others; empty if it takes them.
    `going`: UIDs of PodDNATs that were seen to go before their rows, which are being released.
    `adopted`: for whom rows (by ID) were adopted.
    """

    key: Key
    exposure: Exposure
    pod: Pod | None
    record: PodDNAT | None
    tables: Mapping[str, Table]
    marks: Marks
    policy: Policy
    now: float
    wall: datetime
    refusals: Mapping[NewEntry, Refusal] = field(default_factory=dict)
    unanswered: bool = False
    durable: frozenset[Endpoint] = frozenset()
    absent: frozenset[str] = frozenset()
    made_here: bool = False
    workload: WorkloadAnswer = WorkloadAnswer.UNKNOWN
    deletion: Deletion = UNASKED
    served: str = ""
    eni: Eni | None = None
    zone_id: str = ""
    denied: bool = False
    names: Mapping[str, Key] = field(default_factory=dict)
    no_interface: bool = False
    stated_for: float = 0.0
    retry_in: float | None = None
    hindrances: Mapping[str, str] = field(default_factory=dict)
    outage: str = ""
    paused: str = ""
    asked: PodDNATSpec | None = None
    allowance: Allowance | None = None
    mute: bool = False
    echo: Echo | None = None
    trouble: str = ""
    unready: str = ""
    going: Set[str] = frozenset()
    adopted: Mapping[str, Adopted] = field(default_factory=dict)

    @property
    def withheld(self) -> Problem | None:
        """Why the name may have no more endpoints, if there is a reason."""
        return self.allowance.problem if self.allowance else None


def quota_used_up(namespace: str, limit: int, claimed: int, resting: int) -> Problem:
    """What is wrong where a namespace has as many endpoints as it may have."""
    text = (
        f"namespace {namespace} may have no more endpoints: namespaces.quota in the controller's"
        f" configuration is {limit}"
    )
    return Problem("NamespaceQuota", text, f"{claimed} are claimed, {resting} rest after use")


# --- output: one step on the Kubernetes side


@dataclass(frozen=True, slots=True)
class CreateRecord:
    """Store the claim: a new PodDNAT."""

    spec: PodDNATSpec
    owner: Owner


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Change what the PodDNAT claims. `refused`: why it leaves what it claimed, for people."""

    spec: PodDNATSpec
    refused: str = ""


@dataclass(frozen=True, slots=True)
class FixMetadata:
    """Put our finalizer on the PodDNAT and make `owner` its owner."""

    owner: Owner


@dataclass(frozen=True, slots=True)
class Publish:
    """Write the PodDNAT's status.

    `drifted`: entries that it no longer lists because somebody else changed or deleted their rows.
    """

    status: PodDNATStatus
    drifted: tuple[StatusEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Adopt:
    """Note these rows as the record's in the ledger: they are unmarked, or, with `lost`, were made
    for the pod's PodDNAT of before, which is lost."""

    gateway_id: str
    entry_ids: tuple[str, ...]
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Retire:
    """Begin the quarantine of endpoints whose rows are gone, and note it durably."""

    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class DeleteRecord:
    """Delete the PodDNAT; our finalizer holds it until it is done with."""


@dataclass(frozen=True, slots=True)
class DropFinalizer:
    """Let the PodDNAT go."""


Step = (
    CreateRecord | Reclaim | FixMetadata | Publish | Adopt | Retire | DeleteRecord | DropFinalizer
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now: one step, and all writes to tables.

    A step is taken once, and the world looked at again before there is another. `writes` are how it
    stands: all that the tables should be written for this record, in place of what was asked for it
    before. So a plan without writes takes back those that have not been sent.
    `blockers`: UIDs whose rows stand in this pod's way. `retry_in`: seconds after which to look
    again even if nothing is heard. `read`: the gateway whose table is to be read for that; empty if
    none is.
    """

    step: Step | None = None
    writes: tuple[Write, ...] = ()
    problem: Problem | None = None
    blockers: tuple[str, ...] = ()
    retry_in: float | None = None
    read: str = ""


def soonest(*waits: float | None) -> float | None:
    """The shortest of several waits (seconds); None where nothing is waited for."""
    return min((wait for wait in waits if wait is not None), default=None)
