"""A stand-in for OpenKruiseGame's NATGW plugin: it looks when and where the plugin looks, and gives
up when it does.

It runs in a mutating webhook for pods. At each write to a pod it reads the pod's PodDNAT and calls
the game server ready if that lists as many entries as the ports annotation has parts; a write to
`pods/status` or to a PodDNAT does not reach it. The GameServer controller touches a pod that is not
ready every few seconds, until so long after its creation, and then never again
(kruise-game `cloudprovider/alibabacloud/natgw.go`, `pkg/controllers/gameserver`).
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hack.controlplane.ports import LOOPBACK
from tests.e2e.kubeapi import KubeApi, Object

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
PORTS = "k8s.aliyun.com/pod-dnat-expose-port"


class Plugin:
    """The webhook and the controller behind it. Use as a context manager."""

    def __init__(self, api: KubeApi, namespace: str, folder: Path, *, gives_up: float) -> None:
        """`gives_up`: seconds after a pod's creation at which nobody touches it any more."""
        self._api = api
        self._namespace = namespace
        self._gives_up = gives_up
        self._every = gives_up / 12
        self.ready: dict[str, list[Object]] = {}
        """Game servers that are ready, with the entries that were seen."""
        self._began: dict[str, float] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._authority = _secure(self._server, folder)
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._touch_all, daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._api.create(WEBHOOKS, self._configuration())
        return self

    def __exit__(self, *_: object) -> None:
        self._api.delete(f"{WEBHOOKS}/okg")
        self._stopping.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def admit(self, request: Object) -> None:
        """A pod is being written."""
        if request.get("subResource") or request["operation"] not in ("CREATE", "UPDATE"):
            return
        name, pod = request["name"] or request["object"]["metadata"]["name"], request["object"]
        with self._lock:
            self._began.setdefault(name, time.monotonic())
        path = f"/apis/alibabacloud.com/v1beta1/namespaces/{self._namespace}/poddnats/{name}"
        entries = ((self._api.find(path) or {}).get("status") or {}).get("entries") or []
        if entries and len(entries) == len(pod["metadata"]["annotations"][PORTS].split(",")):
            with self._lock:
                self.ready[name] = entries

    def given_up(self) -> set[str]:
        """Those that nobody will look at again."""
        now = time.monotonic()
        with self._lock:
            late = {name for name, at in self._began.items() if now - at > self._gives_up}
            return late - self.ready.keys()

    def _touch_all(self) -> None:
        while not self._stopping.wait(self._every):
            now = time.monotonic()
            with self._lock:
                waiting = [
                    name
                    for name, at in self._began.items()
                    if name not in self.ready and now - at < self._gives_up
                ]
            for name in waiting:
                touched = {"metadata": {"annotations": {"game.kruise.io/touched": str(now)}}}
                self._api.patch(f"/api/v1/namespaces/{self._namespace}/pods/{name}", touched)

    def _configuration(self) -> Object:
        host, port = self._server.server_address[:2]
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["pods"],
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "okg"},
            "webhooks": [
                {
                    "name": "pods.okg.example",
                    "clientConfig": {
                        "url": f"https://{host!s}:{port}/",
                        "caBundle": base64.b64encode(self._authority).decode(),
                    },
                    "rules": [rule],
                    "namespaceSelector": {
                        "matchExpressions": [
                            {"key": "okg", "operator": "In", "values": [self._namespace]}
                        ]
                    },
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "failurePolicy": "Ignore",
                }
            ],
        }


def _handler(plugin: Plugin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            plugin.admit(review["request"])
            answer = {"uid": review["request"]["uid"], "allowed": True}
            body = json.dumps(
                {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler


def _secure(server: ThreadingHTTPServer, folder: Path) -> bytes:
    """Serve TLS with a certificate for the loopback address; the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "okg")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "okg.pem"
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return pem
