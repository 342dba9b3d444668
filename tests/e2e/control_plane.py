"""A real control plane under a test's thumb: started, restarted, paused, made to forget."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from hack.controlplane.cluster import Cluster
from hack.controlplane.files import CONTROLLER_NAMESPACE
from tests.e2e.audit import AuditLog
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import ApiError, KubeApi, Object
from tests.e2e.kubectl import Kubectl

_COMMAND = Path(__file__).parents[2] / "hack" / "control-plane"
_SNAPSHOTS = 33
"""The minor version of Kubernetes since when lists may be served from the server's memory."""
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class ControlPlane:
    """etcd, kube-apiserver and kube-controller-manager with a state folder of their own.

    There are two identities: `admin`, who may do anything, and `dnatctl`, the controller's service
    account, who may do what the manifests under test grant it.
    """

    def __init__(self, state: Path) -> None:
        self._cluster = Cluster(state)
        self._guard: subprocess.Popen[bytes] | None = None

    # Life

    def start(self) -> None:
        """Start everything and create the controller's namespace.

        Raises:
            MissingProgramError: run `hack/control-plane build` first.
            ProcessError: a server did not become ready.
        """
        self._guard = _guard(self._cluster.state)
        self._cluster.up()
        self.api.create("/api/v1/namespaces", {"metadata": {"name": CONTROLLER_NAMESPACE}})

    def stop(self) -> None:
        """Stop everything and remove the state folder."""
        self.api.close()
        self._cluster.down(purge=True)
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()

    # Access

    @property
    def url(self) -> str:
        """Base URL of the API server."""
        return self._cluster.url

    @property
    def authority(self) -> Path:
        """Certificate that the API server's own can be verified by."""
        return self._cluster.authority

    @property
    def admin_kubeconfig(self) -> Path:
        """Kubeconfig of a cluster administrator."""
        return self._cluster.admin_kubeconfig

    @property
    def dnatctl_kubeconfig(self) -> Path:
        """Kubeconfig of the controller's service account."""
        return self._cluster.dnatctl_kubeconfig

    @property
    def tokens(self) -> dict[str, str]:
        """Bearer tokens by identity."""
        return self._cluster.tokens

    @cached_property
    def api(self) -> KubeApi:
        """A client of the administrator; `stop` closes it."""
        return self.api_as("admin")

    @cached_property
    def audit(self) -> AuditLog:
        """What the API server was asked for."""
        return AuditLog(self._cluster.audit_log)

    def api_as(self, identity: str, *, patience: float = 30) -> KubeApi:
        """A client of `admin` or `dnatctl`, the caller's to close."""
        return KubeApi(self.url, self.authority, self.tokens[identity], patience=patience)

    def kubectl_as(self, identity: str) -> Kubectl:
        """Stock kubectl for `admin` or `dnatctl`."""
        kubeconfig = {"admin": self.admin_kubeconfig, "dnatctl": self.dnatctl_kubeconfig}[identity]
        return Kubectl(self._cluster.assets.path("kubectl"), kubeconfig)

    def version_of(self, server: str) -> str:
        """What the program of `kube-apiserver` or `kube-controller-manager` says of itself."""
        return self._cluster.version_of(server)

    def log(self, server: str) -> str:
        """The last of what `kube-apiserver`, `etcd` or `kube-controller-manager` logged."""
        return self._cluster.process(server).log_tail(20_000)

    def install(self, manifests: Path) -> None:
        """Apply manifests as the administrator and wait until their CRDs are served.

        The garbage collector learns of new resources every 30 seconds, so it is started anew
        where there are some.
        """
        before = self._served_crds()
        self.kubectl_as("admin").apply(manifests)
        eventually(lambda: self._served_crds() == {crd["metadata"]["name"] for crd in self._crds()})
        if self._served_crds() != before:
            self.kubectl_as("admin").forget_discovery()
            self.restart_controller_manager()

    # Trouble

    def restart_apiserver(self, *, kill: bool = True) -> None:
        """Stop the API server as `stop_apiserver` does, and return when it is back."""
        self.stop_apiserver(kill=kill)
        self.start_apiserver()

    def stop_apiserver(self, *, kill: bool = True) -> None:
        """Stop the API server: connections break and new ones are refused.

        With `kill=False` it gets three seconds to end well. Version 1.20 takes longer where
        watches are open, since it waits for those, and is killed then.
        """
        self._cluster.process("kube-apiserver").stop(kill=kill, grace=3)

    def start_apiserver(self) -> None:
        """Start the API server on the same port and wait until it is ready.

        The built-in controllers are started anew: each refused connection doubles the time that
        their watches wait for the next, up to a minute, and they forget it after two, so that tests
        which come after would find them asleep.
        """
        self._cluster.start("kube-apiserver")
        self.restart_controller_manager()

    def restart_controller_manager(self) -> None:
        """Stop and start the built-in controllers, and return when they are healthy."""
        self._cluster.process("kube-controller-manager").stop(kill=True)
        self._cluster.start("kube-controller-manager")

    def pause(self, server: str = "kube-apiserver") -> None:
        """Freeze a server: connections stay open and nothing is answered from now on."""
        self._cluster.process(server).freeze()

    def resume(self, server: str = "kube-apiserver") -> None:
        """Undo `pause`."""
        self._cluster.process(server).signal(signal.SIGCONT)

    @contextmanager
    def paused(self, server: str = "kube-apiserver") -> Iterator[None]:
        """A server is frozen as long as the block runs."""
        self.pause(server)
        try:
            yield
        finally:
            self.resume(server)

    def compact_etcd(self) -> int:
        """Forget all history and return the revision it now begins with.

        Lists that go on by an older `continue` token get 410. Watches do not: the API server
        serves those from its own memory, see `expire_watches`. Servers that also serve lists from
        there (ListFromCacheSnapshot, on by default since 1.34) are started anew, without memory.
        https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/
        """
        header = self._etcd("kv/range", {"key": "AA=="})["header"]
        self._etcd("kv/compaction", {"revision": header["revision"], "physical": True})
        if self._cluster.minor("kube-apiserver") >= _SNAPSHOTS:
            self.restart_apiserver(kill=True)
        return int(header["revision"])

    def expire_watches(self) -> None:
        """Make every resource version seen so far too old to watch from.

        A write makes the newest version newer than any that was seen; etcd then forgets what was
        before, and the API server, killed and started anew, holds no events of its own. Running
        watches break, and taking them up again gets 410.
        """
        for value in ("true", None):
            annotation = {"metadata": {"annotations": {"dnatctl.test/expired": value}}}
            self.api.patch(f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}", annotation)
        self.compact_etcd()
        self.restart_apiserver(kill=True)

    # Cleaning

    def clear_namespace(self, namespace: str) -> None:
        """Delete a namespace and, at once, every pod and custom resource in it.

        Finalizers are taken off custom resources and nobody's grace is waited for: what one test
        leaves behind must not meet the next one. The namespace itself goes some seconds later.
        """
        with suppress(ApiError):  # the test has deleted it
            self.api.delete(f"/api/v1/namespaces/{namespace}")  # from now on, nothing new gets in
        self.api.delete(f"/api/v1/namespaces/{namespace}/pods", gracePeriodSeconds=0)
        for crd in self._crds():
            spec = crd["spec"]
            if spec["scope"] == "Namespaced":
                version = next(version["name"] for version in spec["versions"] if version["served"])
                group_path = f"/apis/{spec['group']}/{version}"
                self._clear(f"{group_path}/namespaces/{namespace}/{spec['names']['plural']}")

    def _clear(self, collection: str) -> None:
        self.api.delete(collection)
        for item in self.api.items(collection):
            if item["metadata"].get("finalizers"):
                path = f"{collection}/{item['metadata']['name']}"
                with suppress(ApiError):  # its controller was faster
                    self.api.patch(path, {"metadata": {"finalizers": None}})

    def _crds(self) -> list[Object]:
        return self.api.items(_CRDS)

    def _served_crds(self) -> set[str]:
        return {crd["metadata"]["name"] for crd in self._crds() if _is_established(crd)}

    def _etcd(self, call: str, body: Object) -> Any:
        request = urllib.request.Request(
            f"{self._cluster.etcd_url}/v3/{call}", json.dumps(body).encode()
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            return json.load(response)


def _is_established(crd: Object) -> bool:
    conditions = crd.get("status", {}).get("conditions") or ()  # null in one just created
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _guard(state: Path) -> subprocess.Popen[bytes]:
    """A process that purges `state` once this one has ended without doing so, however it ended."""
    script = 'read -r _; exec "$0" --state "$1" purge'
    return subprocess.Popen(
        ["sh", "-c", script, _COMMAND, state], stdin=subprocess.PIPE, start_new_session=True
    )
