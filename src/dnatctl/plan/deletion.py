"""Who deletes the PodDNAT of a pod that runs: somebody, or the cluster cleaning up?

Somebody wants the endpoints released, and the pod is given others. The cluster cleans up behind a
pod, a workload, a namespace or the definition of PodDNATs that is going, in whatever order it
likes, and the entries are needed until the pod's containers have ended. What cannot be told cuts
nobody off. A PodDNAT that is being deleted is so for good, so where the pod lives on after all (its
workload was deleted without it) the PodDNAT serves it as it is, to the pod's end.
"""

from __future__ import annotations

from dataclasses import replace

from dnatctl.objects import FINALIZER, PodDNAT
from dnatctl.plan.exposure import Problem
from dnatctl.plan.rows import own_rows
from dnatctl.plan.values import Deletion, Seen

ASK_AGAIN_S = 15.0
"""How often to ask once more what could not be told."""

TELL_AFTER_S = 10.0
"""What is cleaned up is mostly gone by then, and not worth a word."""

WISHED = Deletion(wished=True, settled=True)
POD_IS_GOING = Deletion(settled=True)


def behind(what: str, now: float) -> Deletion:
    """The cluster cleans up behind that; `what` with its article, for people."""
    text = (
        f"the PodDNAT is being deleted along with {what}; its entries stay until the pod's "
        "containers have ended, and its endpoints go then"
    )
    return Deletion(
        settled=True, problem=Problem("ReleaseHeld", text), told_from=now + TELL_AFTER_S
    )


def unclear(missing: str) -> Deletion:
    """It cannot be told, because that may not be looked at."""
    text = (
        f"the PodDNAT is being deleted, and why cannot be told: the controller may not {missing}; "
        "its entries stay until the pod's containers have ended, or it may"
    )
    return Deletion(problem=Problem("ReleaseHeld", text))


def serves(seen: Seen, record: PodDNAT) -> bool:
    """Whether a record that is being deleted serves its running pod to the end.

    One that nothing is left of has nothing to serve with, and makes room for another.
    """
    left = bool(record.status.entries) or bool(own_rows(seen, record))
    return left and FINALIZER in record.finalizers and not seen.deletion.wished


def told(seen: Seen) -> tuple[Seen, float | None]:
    """With what is to be told of the deletion, and seconds until there is more to tell or ask."""
    deletion, exposure = seen.deletion, seen.exposure
    going = seen.pod is not None and seen.pod.deleting
    again = None if deletion.settled or going else ASK_AGAIN_S
    if deletion.problem is None or exposure.problem is not None or going:
        return seen, again
    wait = deletion.told_from - seen.now
    if wait > 0:
        return seen, wait
    return replace(seen, exposure=replace(exposure, problem=deletion.problem)), again
