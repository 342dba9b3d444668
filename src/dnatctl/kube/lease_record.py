"""A Lease object (coordination.k8s.io/v1) as a value: what it says, and what it is changed to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import msgspec

from dnatctl.decoding import decode
from dnatctl.times import parse_time

_MOST_TRANSITIONS = 2**31 - 1
"""What the field can hold: a Lease that says more is refused, whoever would take it."""

HANDOVER = "dnatctl/handover"
"""The annotation with what the leader tells its successor."""

_GIVEN_BACK_S = 1
"""The duration of a Lease that its holder gave back, as client-go writes it."""

_USUAL_S = 15.0
"""What a Lease that does not say its duration is taken to mean: the usual one of client-go."""


class _LeaseJson(msgspec.Struct):
    metadata: dict[str, Any]
    spec: dict[str, Any] | None = None


_LEASE = msgspec.json.Decoder(_LeaseJson)


class _LeaseMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _LeaseSpec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease. What is in it besides our own fields is kept as it was.

    `spec` is all that its holder renews: a Lease that was only annotated has the same.
    """

    metadata: dict[str, Any]
    spec: dict[str, Any]

    @classmethod
    def read(cls, answer: bytes) -> LeaseRecord:
        """Read the server's answer. Raises ValueError if it is no Lease."""
        lease = decode(_LEASE, answer)
        spec = lease.spec or {}
        # Raises where a field in use is of another type than it should be.
        msgspec.convert(lease.metadata, _LeaseMetadata)
        msgspec.convert(spec, _LeaseSpec)
        return cls(lease.metadata, spec)

    @classmethod
    def new(cls, namespace: str, name: str, spec: dict[str, Any] | None = None) -> LeaseRecord:
        """A Lease that does not exist yet."""
        return cls({"namespace": namespace, "name": name}, spec or {})

    @property
    def body(self) -> dict[str, object]:
        """What to send."""
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": self.metadata,
            "spec": self.spec,
        }

    @property
    def exists(self) -> bool:
        """Whether the server has it."""
        return "resourceVersion" in self.metadata

    @property
    def holder(self) -> str:
        """Who holds it; "" where nobody does."""
        return self.spec.get("holderIdentity") or ""

    @property
    def duration(self) -> float | None:
        """For how many seconds without a change the holder keeps it, if it says so."""
        return self.spec.get("leaseDurationSeconds")

    @property
    def is_free(self) -> bool:
        """Whether nobody had it, or who had it gave it back. One whose holder somebody took out by
        hand is held still: its holder learns so no sooner than at its next renewal."""
        return not self.holder and self.duration in (None, _GIVEN_BACK_S)

    @property
    def renew_time(self) -> str:
        """When the holder last renewed it, by the holder's clock; "" where it does not say."""
        return str(self.spec.get("renewTime") or "")

    def silent(self, now: datetime) -> bool:
        """Whether the holder is taken to be dead by somebody who sees the Lease once, and so has to
        trust both clocks: they may differ by as much as the Lease's duration."""
        renewed = parse_time(self.renew_time)
        return renewed is None or now - renewed > timedelta(seconds=2 * (self.duration or _USUAL_S))

    @property
    def state(self) -> str:
        """What the leader last told its successor."""
        annotations: dict[str, str] = self.metadata.get("annotations") or {}
        return annotations.get(HANDOVER, "")

    def taken(self, identity: str, duration: float, now: datetime) -> LeaseRecord:
        """Held by `identity` from now on; the state of the one before stays to be read."""
        moved = self.exists and self.holder != identity
        return self._with_spec(
            holderIdentity=identity,
            leaseDurationSeconds=ceil(duration),
            acquireTime=_micro_time(now),
            renewTime=_micro_time(now),
            leaseTransitions=min(
                (self.spec.get("leaseTransitions") or 0) + moved, _MOST_TRANSITIONS
            ),
        )

    def renewed(self, state: str | None, duration: float, now: datetime) -> LeaseRecord:
        """Held on, with this state; None leaves that as it is. The duration is said anew, as
        somebody may have changed it."""
        renewed = self._with_spec(leaseDurationSeconds=ceil(duration), renewTime=_micro_time(now))
        return replace(renewed, metadata=self._annotated(state))

    def released(self, state: str | None, now: datetime) -> LeaseRecord:
        """Held by nobody, so that the next may take it at once; with state as in `renewed`."""
        released = self._with_spec(
            holderIdentity="", leaseDurationSeconds=_GIVEN_BACK_S, renewTime=_micro_time(now)
        )
        return replace(released, metadata=self._annotated(state))

    def _with_spec(self, **changes: object) -> LeaseRecord:
        return replace(self, spec=self.spec | changes)

    def _annotated(self, state: str | None) -> dict[str, Any]:
        if state is None:
            return self.metadata
        annotations = (self.metadata.get("annotations") or {}) | {HANDOVER: state}
        return self.metadata | {"annotations": annotations}


def _micro_time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
