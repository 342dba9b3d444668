"""The policy upsert-only: of the writes that are decided, those that delete are left out."""

from __future__ import annotations

from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Policy
from dnatctl.table.writes import DeleteRow, Write

DELETION_HELD = Problem(
    "DeletionHeldByPolicy",
    "policy upsert-only keeps entries that are to be deleted; set policy: sync to let go of them",
)
"""What is wrong where only the policy keeps rows from being deleted."""


def permitted(
    policy: Policy, writes: tuple[Write, ...]
) -> tuple[tuple[Write, ...], Problem | None]:
    """The writes that may be made, and what is wrong if they are not all."""
    if not policy.upsert_only:
        return writes, None
    left = tuple(write for write in writes if not isinstance(write, DeleteRow))
    return left, None if left == writes else DELETION_HELD
