"""Whose a record is: its pod's, or for a fixed exposure its workload's."""

from __future__ import annotations

from dnatctl.objects import FINALIZER, Owner, Pod, PodDNAT
from dnatctl.plan.exposure import Ask, owner_for, pod_itself
from dnatctl.plan.values import FixMetadata, Seen, WorkloadAnswer


def is_fixed(record: PodDNAT) -> bool:
    """Whether the claim belongs to the name (its owner is the workload), not to one pod."""
    return bool(record.owners) and all(owner.kind != "Pod" for owner in record.owners)


def pod_of(record: PodDNAT | None) -> str:
    """The UID of the one pod that the claim belongs to; empty where it belongs to a workload, or
    where that is not told."""
    owners = record.owners if record is not None else ()
    return owners[0].uid if len(owners) == 1 and owners[0].kind == "Pod" else ""


def is_for(seen: Seen, record: PodDNAT, pod: Pod) -> bool:
    """Whether the record is this pod's: a pod of the same name may be another one.

    A workload lets go of a pod (it is deleted and its pods are not, a label is changed) and perhaps
    another one takes it: the pod is still the one that the record was for. Where a restart has
    forgotten which one that was, the address tells.
    """
    if not is_fixed(record):
        return not record.owners or any(owner.uid == pod.uid for owner in record.owners)
    if not was_let_go(record, pod):
        return True
    if seen.served:
        return seen.served == pod.uid
    return seen.exposure.ip in ("", record.spec.internal_ip)


def was_let_go(record: PodDNAT, pod: Pod) -> bool:
    """Whether the pod is none of the workload's that the record belongs to."""
    return is_fixed(record) and (pod.owner is None or not _owns(record, pod.owner))


def fix_metadata(seen: Seen, record: PodDNAT) -> FixMetadata | None:
    """What the record lacks of our finalizer and its owner."""
    if seen.exposure.ask is not Ask.ON or seen.pod is None:
        return None
    if record.deleting:
        return None  # takes no finalizer any more, and its owners tell why it is being deleted
    owner = _rightful_owner(seen, record, seen.pod)
    if FINALIZER in record.finalizers and _owns(record, owner):
        return None
    return FixMetadata(owner)


def workload_to_ask(seen: Seen) -> Owner | None:
    """The workload on whose word it depends what happens to the record; None to ask nobody."""
    record, pod = seen.record, seen.pod
    if record is None or record.deleting:
        return None
    if seen.exposure.ask is Ask.ENDED:
        return record.owners[0] if is_fixed(record) else None
    if pod is None or seen.exposure.ask is not Ask.ON:
        return None
    if seen.exposure.fixed:
        return pod.owner if pod.owner is not None and not _owns(record, pod.owner) else None
    return record.owners[0] if was_let_go(record, pod) else None


def _rightful_owner(seen: Seen, record: PodDNAT, pod: Pod) -> Owner:
    """Never a workload that is going: the garbage collector would take the record along.

    What a living workload has let go of stays its own: the claim belongs to a name that it wants.
    """
    if seen.exposure.fixed and seen.workload is WorkloadAnswer.GONE:
        return pod_itself(pod)
    if (
        not seen.exposure.fixed
        and was_let_go(record, pod)
        and seen.workload is not WorkloadAnswer.GONE
    ):
        return record.owners[0]
    return owner_for(pod, seen.exposure)


def _owns(record: PodDNAT, owner: Owner) -> bool:
    return any(each.uid == owner.uid for each in record.owners)
