"""Starts and stops etcd, the API server and the controller manager of one state folder."""

import json
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

from . import files
from .assets import SERVERS, Assets
from .ports import LOOPBACK, free_ports
from .process import Process, ProcessError, polls

READY_WITHIN = 60.0
"""Seconds a server may take to become ready on a busy machine; an idle one needs under 5."""


class Cluster:
    """A control plane whose whole state (data, keys, logs, pids) lies in one folder.

    Every server listens on the loopback interface alone, on ports that are drawn at the first
    start and then kept.
    """

    def __init__(self, state: Path, assets: Assets | None = None) -> None:
        self.state = state
        self.assets = assets or Assets.from_environment()
        self.audit_log = state / "audit.log"
        self.admin_kubeconfig = state / "admin.kubeconfig"
        self.dnatctl_kubeconfig = state / "dnatctl.kubeconfig"
        self.authority = state / "certificates" / "apiserver.crt"

    @property
    def url(self) -> str:
        """Base URL of the API server."""
        return f"https://{LOOPBACK}:{self._ports()['kube-apiserver']}"

    @property
    def etcd_url(self) -> str:
        """Base URL of etcd's client interface."""
        return f"http://{LOOPBACK}:{self._ports()['etcd']}"

    @property
    def tokens(self) -> dict[str, str]:
        """Bearer tokens: `admin`, and `dnatctl` for the controller's service account."""
        return files.read_tokens(self.state / "tokens.csv")

    def up(self) -> None:
        """Start what is not running and return when the API server is ready.

        Raises:
            MissingProgramError: a program is not there.
            ProcessError: a server did not become ready.
        """
        self._prepare()
        self.start("etcd")
        self.start("kube-apiserver")
        self._write_kubeconfigs()
        self.start("kube-controller-manager")

    def down(self, *, purge: bool = False) -> None:
        """Stop every server; with `purge`, remove the state folder as well."""
        for name in reversed(SERVERS):
            self.process(name).stop()
        if purge:
            shutil.rmtree(self.state, ignore_errors=True)

    def status(self) -> dict[str, int | None]:
        """Process IDs by server, None for one that is not running."""
        return {name: self.process(name).pid for name in SERVERS}

    def process(self, name: str) -> Process:
        """The process of one server."""
        return Process(self.state, name)

    def start(self, name: str) -> None:
        """Start one server, unless it runs, and wait until it is ready.

        Raises:
            MissingProgramError: its program is not there.
            ProcessError: it did not become ready.
        """
        process = self.process(name)
        if process.pid is None:
            process.start([str(self.assets.path(name)), *self._arguments(name)])
        probe = self._probes()[name]
        for _ in polls(READY_WITHIN):
            process.check_alive()
            if probe():
                return
        raise ProcessError(f"{name} not ready in {READY_WITHIN:.0f} s\n{process.log_tail()}")

    def _prepare(self) -> None:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.state / "ports.json").exists():
            files.write_audit_policy(self.state / "audit-policy.json")
            files.write_tokens(self.state / "tokens.csv")
            names = ("etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager")
            ports = dict(zip(names, free_ports(len(names)), strict=True))
            (self.state / "ports.json").write_text(json.dumps(ports))

    def _write_kubeconfigs(self) -> None:
        paths = {"admin": self.admin_kubeconfig, "dnatctl": self.dnatctl_kubeconfig}
        for identity, token in self.tokens.items():
            files.write_kubeconfig(
                paths[identity], server=self.url, authority=self.authority, token=token
            )

    def _ports(self) -> dict[str, int]:
        ports: dict[str, int] = json.loads((self.state / "ports.json").read_text())
        return ports

    def _arguments(self, name: str) -> list[str]:
        flags = {
            "etcd": self._etcd_flags,
            "kube-apiserver": self._apiserver_flags,
            "kube-controller-manager": self._manager_flags,
        }[name]()
        return [f"--{flag}={value}" for flag, value in flags.items()]

    def _etcd_flags(self) -> dict[str, object]:
        peer = f"http://{LOOPBACK}:{self._ports()['etcd-peer']}"
        return {
            "data-dir": self.state / "etcd",
            "listen-client-urls": self.etcd_url,
            "advertise-client-urls": self.etcd_url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            # A crash of the machine may cost a test cluster its data; waiting for the disk costs
            # every write.
            "unsafe-no-fsync": "true",
        }

    def _apiserver_flags(self) -> dict[str, object]:
        certificates = self.authority.parent
        # The server makes this key beside its own certificate before it reads any key.
        key = certificates / "apiserver.key"
        return {
            "bind-address": LOOPBACK,
            "advertise-address": LOOPBACK,
            "secure-port": self._ports()["kube-apiserver"],
            "cert-dir": certificates,
            "etcd-servers": self.etcd_url,
            "etcd-compaction-interval": 0,  # history ends when a test says so
            "service-cluster-ip-range": "10.96.0.0/16",
            "authorization-mode": "RBAC",
            "token-auth-file": self.state / "tokens.csv",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-signing-key-file": key,
            "service-account-key-file": key,
            # Pods need no mounted token here: no kubelet would mount it.
            "disable-admission-plugins": "ServiceAccount",
            # Off by default and on in some clusters: owner references need permission then.
            "enable-admission-plugins": "OwnerReferencesPermissionEnforcement",
            "endpoint-reconciler-type": "none",
            "audit-policy-file": self.state / "audit-policy.json",
            "audit-log-path": self.audit_log,
            "audit-log-maxsize": 10_000,
        }

    def _manager_flags(self) -> dict[str, object]:
        flags: dict[str, object] = {
            "kubeconfig": self.admin_kubeconfig,
            "bind-address": LOOPBACK,
            "secure-port": self._ports()["kube-controller-manager"],
            "cert-dir": self.authority.parent,
            "leader-elect": "false",
            # Measured: at the default of 20 requests a second, 300 pods of a deleted workload take
            # 29 s to go, and without that limit 4 s.
            "kube-api-qps": 500,
            "kube-api-burst": 1000,
            "controllers": "deployment,replicaset,statefulset,garbagecollector,namespace",
        }
        if self.minor("kube-controller-manager") < 24:
            flags["port"] = 0  # else the same fixed port is opened on every interface
        return flags

    def version_of(self, name: str) -> str:
        """What a Kubernetes server's program says: `Kubernetes v1.36.0`."""
        command = [str(self.assets.path(name)), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def minor(self, name: str) -> int:
        """The minor version of a Kubernetes server's program."""
        return int(self.version_of(name).split(".")[1])

    def _probes(self) -> dict[str, Callable[[], bool]]:
        manager = f"https://{LOOPBACK}:{self._ports()['kube-controller-manager']}"
        certificates = self.authority.parent
        return {
            "etcd": lambda: _answers(f"{self.etcd_url}/health", None),
            "kube-apiserver": lambda: _answers(f"{self.url}/readyz", self.authority),
            "kube-controller-manager": lambda: _answers(
                f"{manager}/healthz", certificates / "kube-controller-manager.crt"
            ),
        }


def _answers(url: str, authority: Path | None) -> bool:
    """Whether a GET succeeds, without a proxy in between."""
    try:
        context = ssl.create_default_context(cafile=authority) if authority else None
        handlers = [urllib.request.HTTPSHandler(context=context)] if context else []
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
        with opener.open(url, timeout=5):
            return True
    except OSError:
        return False
