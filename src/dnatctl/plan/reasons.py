"""Every reason that people are told, in one table: where it is told, what it means, what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class ToldOn(StrEnum):
    """Where a reason is told."""

    POD = "pod"
    """The condition on the pod, and a Warning event of it; of its PodDNAT where the pod is gone."""
    POD_CONDITION = "pod condition"
    RECORD = "PodDNAT"
    """The condition Ready of the PodDNAT."""
    EVENT = "event"
    """An event of the pod; of its PodDNAT where the pod is gone."""
    LEASE = "event of the Lease"
    """About the controller itself: a Warning event of its Lease."""


class Reason(NamedTuple):
    """`where` it is told, what it means, and what to do about it: "" where there is nothing."""

    where: tuple[ToldOn, ...]
    meaning: str
    mend: str = ""


_BOTH: Final = (ToldOn.POD, ToldOn.RECORD)
_STANDS: Final = (ToldOn.POD_CONDITION, ToldOn.RECORD)
_POD: Final = (ToldOn.POD,)
_EVENT: Final = (ToldOn.EVENT,)
_LEASE: Final = (ToldOn.LEASE,)

REASONS: Final[dict[str, Reason]] = {
    # what somebody asks for
    "InvalidAnnotation": Reason(
        _BOTH,
        "An annotation has a value that cannot be understood. What there was stays.",
        "Put right the value that the text quotes.",
    ),
    "AnnotationIgnored": Reason(
        _EVENT,
        "An annotation or a label is nearly one of ours, so that somebody may have meant it.",
        "Give it the key that the text names, or take it off.",
    ),
    "FixedIgnored": Reason(
        _EVENT,
        "The pod is to keep its endpoints, and its workload gives its pods no lasting names.",
        "Use a StatefulSet, name the kind in `customStatefulWorkloadKinds`, or take the annotation"
        " off.",
    ),
    "ReadinessGateShut": Reason(
        _EVENT,
        "The pod's readiness gate waits for `k8s.aliyun.com/pod-dnat-ready`, and nobody sets that:"
        " the pod does not become ready. The leave to set it is not given by default.",
        "Give the leave (manifests/pod-condition; the chart's podCondition.enabled), unless"
        " `publish.condition` is false, or take the gate off the pod's readinessGates.",
    ),
    "RangeMiscounted": Reason(
        _EVENT,
        "A game server of OpenKruiseGame exposes a range; its plugin waits for one entry for each"
        " part of the annotation, and never takes the server for ready.",
        "Name each port.",
    ),
    "NamespaceDenied": Reason(
        _BOTH,
        "Pods of this namespace may not be exposed. What they have is released after"
        " `namespaces.grace`.",
        "Use another namespace, or change `namespaces` in the configuration.",
    ),
    "PortDenied": Reason(
        _BOTH,
        "The port may not be exposed, in no namespace. What leads to it already stays.",
        "Expose another port, or change `deniedPorts` in the configuration.",
    ),
    "NamespaceQuota": Reason(
        _BOTH,
        "The namespace has as many endpoints as it may have.",
        "Expose less in it, or raise `namespaces.quota`.",
    ),
    "HostNetwork": Reason(
        _BOTH,
        "The pod has its node's address, which it shares.",
        "Take `hostNetwork` off the pod.",
    ),
    "VirtualNode": Reason(
        _BOTH,
        "The pod runs on ECI or a virtual node, by the sign that the text names.",
        "Run it on a node of its own VPC, or give it an EIP of its own.",
    ),
    "NoIPv4": Reason(
        _BOTH, "The pod has IPv6 addresses only; DNAT is IPv4.", "Give the pod an IPv4 address."
    ),
    "OutsideVPC": Reason(
        _BOTH,
        "The pod's IP is in none of the networks of `vpcCIDRs`.",
        "Put `vpcCIDRs` right; use a network plugin that gives pods addresses of the VPC (Terway).",
    ),
    "NoInterface": Reason(
        _BOTH,
        "The cloud knows no network interface with the pod's IP in this VPC. Only told.",
        "If nothing reaches the pod: check `vpcID`, and that the pod's address is the VPC's.",
    ),
    "NodeAddress": Reason(
        _BOTH, "The pod states its node's address as its own.", "Look at the network plugin."
    ),
    "ForeignInterface": Reason(
        _BOTH,
        "The IP that the pod states is a machine's that is no node of this cluster.",
        "Look at who wrote the pod's status, and at the network plugin. It is asked about again"
        " every minute.",
    ),
    "AddressTaken": Reason(
        _BOTH,
        "Two pods state one IP, and it is the other's by now.",
        "Remove the pod that is dead: the text has the command.",
    ),
    "NameTaken": Reason(
        _POD,
        "The PodDNAT of the pod that had the name before is still there; the text says what keeps"
        " it. Told after 10 s.",
        "Do what the text says: see to the finalizer, or to the entry, that it names.",
    ),
    "ChangesTooOften": Reason(
        _BOTH,
        "The pod asks for other endpoints more often than is allowed.",
        "Find out who changes its annotations; it gets its endpoints a little later.",
    ),
    # what is in the way
    "PoolExhausted": Reason(
        _BOTH,
        "No gateway has an endpoint for the pod; the text says why for each.",
        "Where ports are used up: widen the range of ports, bind an EIP, add a gateway, or wait for"
        " what rests. Else end what the text names.",
    ),
    "GatewayUnusable": Reason(
        _BOTH,
        "The gateway, its EIP or its table cannot be used; the text says why.",
        "Put right what the text names; entries stay and are listed again afterwards.",
    ),
    "QuotaExceeded": Reason(
        _BOTH,
        "The gateway's table takes no more entries.",
        "Have `natgw_quota_dnat_entry_num` raised, or add a gateway.",
    ),
    "TupleConflict": Reason(
        _BOTH,
        "Another entry leads to the pod's address and port already.",
        "Delete the entry that the text names, or stop exposing the port.",
    ),
    "CloudRejected": Reason(
        _BOTH,
        "The cloud refuses the entry, or accepts it again and again and does not make it; the text"
        " quotes it.",
        "Do what the text says: grant the RAM action it names; where the pod's IP is outside the"
        " VPC, DNAT cannot reach it.",
    ),
    "PodDNATRefused": Reason(
        _BOTH,
        "The API server does not store the PodDNAT: a quota, a webhook, missing leave.",
        "Put right what the text names; it is tried again.",
    ),
    "LookupFailed": Reason(
        _BOTH,
        "The API server does not say what the end of a PodDNAT depends on: nothing is done.",
        "Look at the API server, and at the API service or conversion webhook of what it names.",
    ),
    "Paused": Reason(
        _POD,
        "Somebody has ordered that nothing be changed.",
        "Run the command that the text names, or wait.",
    ),
    # how it stands
    "EntriesAvailable": Reason(_STANDS, "All entries are there."),
    "EntriesAwaited": Reason(
        _STANDS,
        "Claimed, and not reachable yet; the text says what it waits for, and `dnatctl status` for"
        " how long. Told after 10 s.",
    ),
    "EntriesPending": Reason(
        _STANDS,
        "Some entries are being made or changed, or the cloud does not call them Available: the"
        " text says which.",
        "An entry that stays in a state other than Available may be deleted: it is made anew.",
    ),
    "EntriesChanged": Reason(
        _STANDS,
        "Somebody else changed or deleted entries; they are put right.",
        "Find out who: the events of ActionTrail, or another program with the same table.",
    ),
    "AddressChanged": Reason(_STANDS, "The pod has another IP; its entries follow."),
    "PortsChanged": Reason(_STANDS, "The annotation names other ports; entries follow."),
    "NoAddress": Reason(
        (ToldOn.POD_CONDITION,), "The pod has no IP yet.", "See `kubectl describe pod`."
    ),
    "NotExposed": Reason((ToldOn.POD_CONDITION,), "The pod does not ask to be exposed any more."),
    "PodEnded": Reason((ToldOn.POD_CONDITION,), "The pod's containers have ended."),
    "PodAway": Reason(
        _STANDS,
        "A fixed pod is away, or a pod has no IP: its claim is kept, its entries are deleted.",
        "To have its endpoints sooner, delete the PodDNAT.",
    ),
    "NotAmongReplicas": Reason(
        (ToldOn.RECORD,),
        "Condition `Retained`: the workload wants the fixed pod no more; its claim is kept for"
        " `fixed.retain`.",
        "Delete the PodDNAT to have its endpoints sooner.",
    ),
    # what is going
    "Releasing": Reason(_STANDS, "The entries are being deleted."),
    "EntriesUnmarked": Reason(
        _BOTH,
        "The PodDNAT goes, and entries that it lists are nobody's as far as can be told, though the"
        " cloud has them: they stay.",
        "Delete by hand those that the text names; of a whole cluster, see `takeOver` in the guide"
        " to migrating.",
    ),
    "Released": Reason(
        (ToldOn.RECORD,),
        "The entries are gone; the PodDNAT is kept by another program's finalizer.",
        "Ask whoever set the finalizer that the text names.",
    ),
    "ReleaseHeld": Reason(
        _BOTH,
        "The PodDNAT is being deleted while its pod runs, by the cluster or for an unknown cause.",
        "To release it all the same, delete the pod or turn its exposure off.",
    ),
    "DeletionHeld": Reason(
        _BOTH,
        "The cloud does not delete the entries, though it may say that it does; the text says why.",
        "Do what the text says, often: grant `vpc:DeleteForwardEntry`.",
    ),
    "DeletionHeldByPolicy": Reason(
        _BOTH, "`policy: upsert-only` keeps the entries.", "Set `policy: sync`."
    ),
    "WorkloadUnreadable": Reason(
        (ToldOn.EVENT, ToldOn.RECORD),
        "A fixed pod is away, and its workload may not be read: the claim is kept.",
        "Grant `get` on the kind that the text names, or delete the PodDNAT.",
    ),
    # what was done
    "PortAllocated": Reason(_EVENT, "Endpoints are claimed for the pod."),
    "EntryReady": Reason(_EVENT, "The pod is reachable at its endpoints."),
    "EntryReleased": Reason(_EVENT, "The endpoints are given back."),
    "EntriesAdopted": Reason(
        _EVENT,
        "Entries of an older controller, or of a lost PodDNAT, are this one's as they are.",
    ),
    "ClaimMoved": Reason(
        _EVENT,
        "The cloud refuses the endpoints, or their gateway is gone: others are claimed, or none"
        " until there is room. A pod that was reachable loses its address where its gateway was"
        " deleted.",
        "Whoever was told the former endpoints needs the new ones; the text names both.",
    ),
    "EntryRepaired": Reason(
        _EVENT,
        "Somebody else changed or deleted entries; they are put right.",
        "Find out who works on the same table.",
    ),
    # the controller itself
    "NotWorking": Reason(
        _LEASE,
        "The controller leads and must not work: another cluster has this `clusterID`, or had.",
        "Do what the text says.",
    ),
    "OrphansHeld": Reason(
        _LEASE,
        "Too many entries carry this cluster's mark and no claim: none is deleted.",
        "Look whether another cluster has the same `clusterID`; else `dnatctl gc`.",
    ),
    "ClusterIDShared": Reason(
        _LEASE,
        "Another cluster marks entries with the same `clusterID`.",
        "Give each cluster a `clusterID` of its own.",
    ),
    "ConfigRefused": Reason(
        _LEASE,
        "The configuration file has changed and cannot be used: the former one stays in force.",
        "Put right what the text names; `dnatctl check --config FILE` names all of it.",
    ),
    "DefinitionGoes": Reason(
        _LEASE, "The definition of PodDNATs is being deleted.", "Install it again when it is gone."
    ),
    "DefinitionGone": Reason(_LEASE, "The definition of PodDNATs is gone.", "Install it."),
    "DefinitionOlder": Reason(
        _LEASE,
        "Another program's definition of PodDNATs is in place, and lacks fields.",
        "Put ours back: the text has the command.",
    ),
}
"""By the word that conditions and events carry."""
