"""The kubelet's stand-in: gives placed pods an IP, runs them, ends them when deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dnatctl_sim.kube.actors import podstatus
from dnatctl_sim.kube.actors.addresses import Addresses, Recycling
from dnatctl_sim.kube.actors.edits import edit
from dnatctl_sim.kube.actors.troupe import Timers
from dnatctl_sim.kube.api.options import DeleteOptions, Target
from dnatctl_sim.kube.api.podkind import FINAL_PHASES
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.collection import Change, ChangeType, Key, Version
from dnatctl_sim.kube.core.objects import Object, dig, timestamp


@dataclass
class KubeletSettings:
    """How the kubelet's stand-in behaves. All times are in seconds and may be changed any time.

    `start`: from being placed to running. `termination`: from the request to delete to the end of
    the containers (the pod's grace period bounds it). `removal`: from there to the object's end.
    `recycling`, `addresses_by_node`: see `Addresses`.
    """

    start: float = 0.0
    termination: float = 0.0
    removal: float = 0.0
    pod_cidr: str = "10.0.0.0/16"
    recycling: Recycling = Recycling.LIFO
    addresses_by_node: bool = False


class Kubelet:
    """Runs every placed pod, on whichever node. Its hooks are safe to call from any thread."""

    def __init__(self, api: Api, timers: Timers, settings: KubeletSettings) -> None:
        self.settings = settings
        self._api = api
        self._timers = timers
        self._addresses = Addresses(
            settings.pod_cidr, settings.recycling, by_node=settings.addresses_by_node
        )
        self._running: dict[str, str] = {}
        self._starting: set[str] = set()
        self._ending: set[str] = set()
        self._held: set[Key] = set()
        self._hold_all = False

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        if collection != builtin.PODS.key:
            return
        pod = change.new
        with self._api.store.lock:
            if change.type is ChangeType.DELETED:
                self._forget(pod.uid)
            elif pod.fields.get("spec.nodeName"):
                self._sync(pod)

    def hold(self, namespace: str = "", name: str = "") -> None:
        """Keep this pod's containers (with no name: all pods') running although it is deleted."""
        with self._api.store.lock:
            self._hold_all = self._hold_all or not name
            self._held.add((namespace, name))

    def release(self, namespace: str = "", name: str = "") -> None:
        """Let this pod (with no name: all pods) end."""
        with self._api.store.lock:
            self._hold_all = self._hold_all and bool(name)
            self._held = self._held - {(namespace, name)} if name else set()
            for pod in list(self._api.store.list(builtin.PODS).items):
                if pod.fields.get("spec.nodeName"):
                    self._sync(pod)

    def restart(self, namespace: str, name: str) -> str:
        """Let the pod's sandbox die and start anew, with another IP; the IP.

        Raises KeyError for a pod that does not run.
        """
        with self._api.store.lock:
            uid = self._uid(namespace, name)
            before = self._running[uid]
            pod = self._api.store.get(builtin.PODS, namespace, name)
            self._running[uid] = self._addresses.take(pod.load()["spec"]["nodeName"] if pod else "")
            self._addresses.give_back(before)
            self._edit((namespace, name), uid, lambda pod: self._run(pod, restarted=True))
            return self._running[uid]

    def finish(self, namespace: str, name: str, *, succeeded: bool = True) -> None:
        """Let the pod's containers end by themselves, for good, as a job's do."""
        code = 0 if succeeded else 1
        with self._api.store.lock:
            uid = self._uid(namespace, name)
            self._edit((namespace, name), uid, lambda pod: podstatus.end(pod, self._now(), code))
            self._free(uid)

    def set_ready(self, namespace: str, name: str, *, ready: bool) -> None:
        """Let the readiness probes of the pod's containers succeed or fail."""
        uid = self._uid(namespace, name)
        now = self._now()
        self._edit((namespace, name), uid, lambda pod: podstatus.set_ready(pod, now, ready=ready))

    def _sync(self, pod: Version) -> None:
        phase = pod.fields.get("status.phase")
        if pod.uid in self._ending or pod.uid in self._starting:
            return
        if pod.uid not in self._running and phase == "Pending":
            self._starting.add(pod.uid)
            self._later(self.settings.start, pod, self._start)
            return
        obj = pod.load()
        if "deletionTimestamp" in obj["metadata"]:
            self._terminate(pod, obj)
        elif phase not in FINAL_PHASES:
            now = self._now()
            podstatus.refresh_ready(obj, now)
            if not pod.says(obj):
                self._edit(pod.key, pod.uid, lambda o: podstatus.refresh_ready(o, now))
        else:
            self._free(pod.uid)

    def _start(self, pod: Version) -> None:
        self._starting.discard(pod.uid)
        present = self._api.store.get(builtin.PODS, *pod.key)
        if present is None or present.uid != pod.uid:
            return
        obj = present.load()
        if "deletionTimestamp" in obj["metadata"]:
            self._terminate(present, obj)
            return
        if present.fields.get("status.phase") in FINAL_PHASES:
            return  # it has finished before it was started: it never runs
        if not obj["spec"].get("hostNetwork"):
            self._running[pod.uid] = self._addresses.take(obj["spec"]["nodeName"])
        self._edit(pod.key, pod.uid, self._run)

    def _run(self, pod: Object, *, restarted: bool = False) -> None:
        node = self._api.store.get(builtin.NODES, "", pod["spec"]["nodeName"])
        host = dig(node.load(), "status", "addresses", 0, "address") if node else None
        address = self._running.get(pod["metadata"]["uid"]) or host or ""
        podstatus.run(pod, self._now(), address, host or "", restarted=restarted)

    def _terminate(self, pod: Version, obj: Object) -> None:
        if self._hold_all or pod.key in self._held:
            return
        self._ending.add(pod.uid)
        runs = dig(obj, "status", "phase") == "Running"
        grace = obj["metadata"].get("deletionGracePeriodSeconds") or 0
        wait = min(self.settings.termination, grace) if runs else 0.0
        self._later(wait, pod, self._end)

    def _end(self, pod: Version) -> None:
        self._edit(pod.key, pod.uid, lambda obj: podstatus.end(obj, self._now(), 0))
        self._free(pod.uid)
        self._later(self.settings.removal, pod, self._remove)

    def _remove(self, pod: Version) -> None:
        target = Target(builtin.PODS, pod.namespace, pod.name)
        self._api.deletion.delete(target, DeleteOptions(grace=0, uid=pod.uid))

    def _forget(self, uid: str) -> None:
        self._free(uid)
        self._ending.discard(uid)
        self._starting.discard(uid)

    def _free(self, uid: str) -> None:
        address = self._running.pop(uid, None)
        if address is not None:
            self._addresses.give_back(address)

    def _later(self, seconds: float, pod: Version, action: Callable[[Version], None]) -> None:
        def act() -> None:
            with self._api.store.lock:
                action(pod)

        self._timers.call_later(seconds, act)

    def _edit(self, key: Key, uid: str, change: Callable[[Object], None]) -> None:
        edit(self._api, builtin.PODS, key, change, uid)

    def _uid(self, namespace: str, name: str) -> str:
        return self._api.get(Target(builtin.PODS, namespace, name)).uid

    def _now(self) -> str:
        return timestamp(self._api.clock.now())
