"""A client for the emulated API server that hides nothing: raw HTTP, JSON in and out."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import urllib3

from dnatctl_sim.kube import KubeServer
from tests.support.programs import KUBECTL

GROUP = "alibabacloud.com"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
T = TypeVar("T")


class Reply:
    """Status, headers and parsed body; that of plain text as it is."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.code = response.status
        self.headers = response.headers
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        parse = bytes.decode if plain else json.loads
        self.body = parse(response.data) if response.data else None

    def __getitem__(self, path: str) -> Any:
        value = self.body
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
        return value


class Http:
    """Requests to one server."""

    def __init__(self, url: str, user_agent: str = "raw") -> None:
        self.url = url
        self.pool = urllib3.PoolManager(retries=False, timeout=60, maxsize=8)
        self.agent = user_agent

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        media: str = "application/json",
        **query: Any,
    ) -> Reply:
        headers = {"User-Agent": self.agent, "Content-Type": media, "Accept": "application/json"}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = self.url + path + _query(query)
        return Reply(self.pool.request(method, url, body=data, headers=headers))

    @contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Stream]:
        """An open watch."""
        url = self.url + path + _query({"watch": "1", **query})
        response = self.pool.request("GET", url, preload_content=False, timeout=60)
        try:
            yield Stream(response)
        finally:
            response.close()


class Stream:
    """The events of a watch, one by one."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.code = response.status
        self._response = response
        self._lines = self._read()

    def next(self) -> tuple[str, Any]:
        """The next event's type and object; fails after five seconds of silence."""
        event = json.loads(next(self._lines))
        return event["type"], event["object"]

    def take(self, count: int) -> list[tuple[str, str]]:
        """The types of the next events, with their objects' names."""
        events = [self.next() for _ in range(count)]
        return [(kind, obj["metadata"]["name"]) for kind, obj in events]

    def rest(self) -> list[Any]:
        """Everything up to the end of the stream."""
        return [json.loads(line) for line in self._lines]

    def _read(self) -> Iterator[bytes]:
        buffer = b""
        for chunk in self._response.stream(65536):
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from lines


def _query(query: dict[str, Any]) -> str:
    return f"?{urlencode(query)}" if query else ""


def eventually(probe: Callable[[], T], seconds: float = 60.0) -> T:
    """What `probe` gives once it is true; fails when that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"{probe} stayed {value!r}"
        time.sleep(0.005)
    return value


def pod(name: str, **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **meta},
        "spec": {"containers": [{"name": "main", "image": "game:1"}]},
    }


def config_map(name: str, **meta: Any) -> dict[str, Any]:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    return {**kind, "metadata": {"name": name, **meta}, "data": {"k": "v"}}


def pod_dnat(name: str, version: str = "v1beta1", **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "PodDNAT",
        "metadata": {"name": name, **meta},
        "spec": {"externalIP": "203.0.113.1", "portMapping": [{"externalPort": "512"}]},
    }


def crd(**spec: Any) -> dict[str, Any]:
    """A CRD in the manner of PodDNAT: two versions, one schema."""
    mapping = {
        "type": "object",
        "required": ["externalPort"],
        "properties": {
            "externalPort": {"type": "string", "pattern": r"^\d{1,5}$"},
            "internalPort": {"type": "string"},
        },
    }
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "externalIP": {"type": "string", "maxLength": 40},
                    "protocol": {"type": "string", "enum": ["tcp", "udp"], "default": "tcp"},
                    "replicas": {"type": "integer", "minimum": 0, "maximum": 9},
                    "portMapping": {
                        "type": "array",
                        "items": mapping,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["externalPort"],
                    },
                },
            },
            "status": {
                "type": "object",
                "properties": {"entries": {"type": "array", "items": {"type": "string"}}},
            },
        },
    }
    columns = [
        {"name": "IP", "type": "string", "jsonPath": ".spec.externalIP"},
        {"name": "Protocol", "type": "string", "jsonPath": ".spec.protocol", "priority": 1},
        {"name": "Port", "type": "string", "jsonPath": ".spec.portMapping[*].externalPort"},
    ]
    version = {
        "served": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"poddnats.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "poddnats", "kind": "PodDNAT", "shortNames": ["pd"]},
            "versions": [
                {"name": "v1beta1", "storage": True, **version},
                {"name": "v1", "storage": False, **version},
            ],
            **spec,
        },
    }


class Kubectl:
    """Stock kubectl, pointed at one server."""

    def __init__(self, server: KubeServer, folder: Path) -> None:
        self.config = server.write_kubeconfig(str(folder / "kubeconfig"))
        self._folder = folder

    def __call__(self, *args: str, stdin: str = "", code: int = 0) -> str:
        """Run it; what it printed, errors last. Fails when it ends otherwise than `code`."""
        env = {**os.environ, "KUBECONFIG": self.config, "HOME": str(self._folder)}
        done = subprocess.run(
            [KUBECTL, *args],
            input=stdin,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == code, f"kubectl {' '.join(args)}: {done.returncode}\n{printed}"
        return printed
