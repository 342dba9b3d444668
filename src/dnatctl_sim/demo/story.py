"""The story of `dnatctl demo`: what a user does, and what comes of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dnatctl_sim.demo.director import Director, NotHeldError
from dnatctl_sim.demo.scene import Exposure

STRANGER = "172.16.255.250"
"""An address of the pods' vSwitch that no pod of the story gets."""

# What the vendor's page shows of a PodDNAT:
# https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/configure-dnat-to-expose-a-pod
DOCUMENTED: Mapping[str, frozenset[str]] = {
    "metadata": frozenset(
        ("creationTimestamp", "finalizers", "generation", "name", "namespace", "ownerReferences",
         "resourceVersion", "uid")
    ),
    "spec": frozenset(
        ("eni", "externalIP", "internalIP", "portMapping", "protocol", "tableId", "vswitch",
         "zoneID")
    ),
    "entries": frozenset(
        ("externalIP", "externalPort", "forwardEntryId", "internalIP", "internalPort",
         "ipProtocol")
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """A part of the story. `play` raises NotHeldError where something is not as it ought to be."""

    title: str
    intro: str
    play: Callable[[Director], None]


def play(director: Director) -> bool:
    """Play the story to its end, or to the first thing that is not as it ought to be.

    Returns whether it came to its end. Raises InterruptError.
    """
    screen = director.screen
    screen.say("Starting the controller beside an emulated cluster and cloud.")
    screen.command(f"export KUBECONFIG={shlex.quote(str(director.stage.kubeconfig))}")
    try:
        director.wait("the controller is ready", lambda: director.controller.ready)
        for number, act in enumerate(STORY, start=1):
            screen.heading(f"{number}. {act.title}", act.intro)
            act.play(director)
    except NotHeldError as error:
        screen.check(str(error), held=False)
        return False
    return True


def deploy(director: Director) -> None:
    """The vendor's example: one pod, one port."""
    director.apply()
    seconds = director.watch("the pod gets an endpoint", lambda: director.settled(1))
    (pod,) = director.pods()
    text = f"{pod.endpoints[0]} leads to {pod.ip}:80, {seconds:.1f} s later"
    director.check(text, held=pod.reachable)


def read(director: Director) -> None:
    """The PodDNAT as others read it."""
    (pod,) = director.pods()
    director.wait(
        "the network interface is known", lambda: "eni" in director.scene.find(pod.name).spec
    )
    record = director.show_poddnat(pod.name)
    missing = missing_fields(record)
    lacks = f"; missing: {', '.join(missing)}" if missing else ""
    director.check(f"it has every field of the vendor's page{lacks}", held=not missing)
    text = f"{len(pod.listed)} of {pod.asked} entries: OpenKruiseGame would call it ready"
    director.check(text, held=pod.ready)


def scale(director: Director) -> None:
    """Up, one entry at a time, and down."""
    director.scale(6)
    seconds = director.watch("six pods are exposed", lambda: director.settled(6))
    endpoints = {endpoint for pod in director.pods() for endpoint in pod.endpoints}
    director.check(f"6 pods, {len(endpoints)} endpoints, {seconds:.1f} s", held=len(endpoints) == 6)
    director.scale(2)
    seconds = director.watch("four entries are gone", lambda: director.settled(2))
    left = len(director.scene.own_rows())
    director.check(f"2 pods, {left} entries, {seconds:.1f} s", held=left == 2)


def replace(director: Director) -> None:
    """A pod that is deleted gives way to another."""
    old, new = _succeed(director, force=False)
    text = f"the new pod has {new.endpoints[0]}; {old.endpoints[0]} leads nowhere and rests"
    director.check(text, held=new.endpoints != old.endpoints)


def mend(director: Director) -> None:
    """Somebody changes one entry in the console and deletes another."""
    changed, deleted = director.pods()
    told = len(director.scene.events("EntryRepaired"))
    director.edit_entry(changed.rows[0]["entry_id"], internal_ip=STRANGER)
    director.delete_entry(deleted.rows[0]["entry_id"])
    seconds = director.watch(
        "both entries are put right",
        lambda: director.settled(2) and len(director.scene.events("EntryRepaired")) >= told + 2,
        honest=False,  # what others do takes a reading of the table to be noticed
    )
    same = [pod.endpoints for pod in director.pods()] == [changed.endpoints, deleted.endpoints]
    director.check(f"both as before, {seconds:.1f} s later", held=same)
    director.show_events("EntryRepaired")


def recycle(director: Director) -> None:
    """A pod vanishes and the next one gets its IP while the old entry still leads there."""
    seen = director.stage.cloud.calls()[-1].seq
    old, new = _succeed(director, force=True)
    director.check(f"the new pod has the IP of the old one, {new.ip}", held=new.ip == old.ip)
    done = [call.api for call in director.stage.cloud.calls(seen) if call.committed]
    order = ["DeleteForwardEntry", "CreateForwardEntry"]
    director.check("the old entry went before the new one was made", held=done[-2:] == order)
    text = f"the new pod has {new.endpoints[0]}, not {old.endpoints[0]}"
    director.check(text, held=new.endpoints != old.endpoints)


def remove(director: Director) -> None:
    """All pods go."""
    director.delete_deployment()
    director.watch("everything is released", lambda: director.settled(0))
    director.check("no PodDNAT is left and the forward table is empty", held=director.settled(0))
    resting = director.metrics().total("dnatctl_pool_ports", state="quarantined")
    text = f"{resting:g} endpoints rest before another pod may get them (quarantine: 60s)"
    director.check(text, held=resting > 0)


def digest(director: Director) -> None:
    """What the metrics say, and whether the cloud saw the same."""
    director.screen.command(f"curl {director.controller.metrics_url}")
    metrics = director.metrics()
    done = metrics.total("dnatctl_table_writes_total", outcome="ok")
    refused = metrics.total("dnatctl_table_writes_total") - done
    reads = metrics.total("dnatctl_cloud_requests_total", operation="DescribeForwardTableEntries")
    pods = metrics.total("dnatctl_allocations_total")
    ready = metrics.total("dnatctl_pod_ready_seconds_count")
    waited = metrics.total("dnatctl_pod_ready_seconds_sum") / max(ready, 1)
    figures = {
        "endpoints allocated, released": (f"{pods:g}, {metrics.total('dnatctl_releases_total'):g}"),
        "writes to the table": f"{done:g}, tries that came while it was busy: {refused:g}",
        "readings of the table": f"{reads:g}, {reads / max(pods, 1):.1f} an endpoint",
        "repaired": f"{metrics.total('dnatctl_drift_repaired_total'):g} entries",
        "claim to reachable": f"{waited:.1f} s on average",
    }
    for name, figure in figures.items():
        director.screen.say(f"  {name:<30} {figure}")
    _compare_with_cloud(director, done)


def missing_fields(record: Mapping[str, Any]) -> Sequence[str]:
    """The documented fields that a PodDNAT lacks."""
    entries = record.get("status", {}).get("entries", [])
    parts = {
        "metadata": record["metadata"],
        "spec": record["spec"],
        "entries": entries[0] if entries else {},
    }
    return sorted(
        f"{part}.{name}" for part, names in DOCUMENTED.items() for name in names - set(parts[part])
    )


def _compare_with_cloud(director: Director, done: float) -> None:
    calls = director.stage.cloud.calls()
    committed = sum(call.committed for call in calls)
    director.check(f"the cloud counts the same {committed} writes", held=committed == done)
    overlaps = sum(call.overlapped for call in calls)
    director.check(f"{overlaps} writes met another at work on the table", held=not overlaps)
    text = f"no PodDNAT listed what did not reach its pod, in {director.looks} looks"
    director.check(text, held=not director.lies)


def _succeed(director: Director, *, force: bool) -> tuple[Exposure, Exposure]:
    """Delete one of two pods and wait for its successor; both."""
    old, other = director.pods()
    director.delete_pod(old.name, force=force)

    def successor() -> Exposure | None:
        others = (pod for pod in director.pods() if pod.name not in (old.name, other.name))
        return next(others, None)

    director.watch(
        "another pod takes its place", lambda: director.settled(2) and successor() is not None
    )
    new = successor()
    assert new is not None
    return old, new


STORY = (
    Act(
        "Expose a pod",
        "The Deployment of the vendor's page, unchanged: two annotations expose port 80.",
        deploy,
    ),
    Act("What others read", "The PodDNAT, named after the pod, holds its public address.", read),
    Act(
        "Scale up and down",
        "The table takes one write at a time and is busy after each: pods queue for it.",
        scale,
    ),
    Act(
        "Delete a pod",
        "Its entry goes when its containers have ended; the next pod gets another endpoint.",
        replace,
    ),
    Act(
        "Somebody touches the table",
        "One entry is changed by hand to lead elsewhere, one is deleted.",
        mend,
    ),
    Act(
        "A pod IP is used again",
        "A pod vanishes and the next gets its IP at once: the stale entry must go first.",
        recycle,
    ),
    Act("Delete the Deployment", "Nothing may be left behind.", remove),
    Act("The figures", "What the controller's metrics tell of all this.", digest),
)
