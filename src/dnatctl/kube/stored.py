"""What the API server says it has stored, held against what was written.

A webhook, or a CRD that is not dnatctl's, may change what it is given, and the write is accepted
all the same. Taken for done it would be wanted again at the next look, and so for ever.
Every function raises KubeError (INVALID), which names what is not as it was written.
"""

from __future__ import annotations

from collections.abc import Collection

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnat_json import spec_json
from dnatctl.objects import FINALIZER, Owner, PodDNAT, PodDNATSpec, PodDNATStatus


def claim(written: PodDNAT, meant: PodDNATSpec) -> PodDNAT:
    """What was written, if its spec is the claim that was meant."""
    if written.spec != meant:
        held = spec_json(written.spec)
        lost = [name for name, value in spec_json(meant).items() if held.get(name) != value]
        raise _changed("spec", lost or ["portMapping"])
    return written


def metadata(
    written: PodDNAT, finalizers: Collection[str] | None, owners: Collection[Owner] | None
) -> PodDNAT:
    """What was written, if it has our finalizer or not, and those owners, as was meant (None:
    whatever it has). What others add is theirs."""
    if finalizers is not None and (FINALIZER in finalizers) != (FINALIZER in written.finalizers):
        raise _changed("metadata", ["finalizers"])
    if {owner.uid for owner in owners or ()} - {owner.uid for owner in written.owners}:
        raise _changed("metadata", ["ownerReferences"])
    return written


def status(written: PodDNAT, meant: PodDNATStatus) -> PodDNAT:
    """What was written, if its status lists what was meant."""
    if written.status.entries != meant.entries:
        raise _changed("status", ["entries"])
    return written


def _changed(part: str, names: Collection[str]) -> KubeError:
    what = ", ".join(f"{part}.{name}" for name in names)
    text = (
        f"{what} is not stored as it was written: the CRD is not dnatctl's, or a webhook changes it"
    )
    return KubeError(Failure.INVALID, text)
