"""Plays a case on a server and tells what was not as the case says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3

from tests.conformance.cases import Case, Step

_PATIENCE_S = 60.0
_CORE = "/api/v1/namespaces/{ns}/"
_PLACES = {
    "configmaps": _CORE,
    "pods": _CORE,
    "secrets": _CORE,
    "events": _CORE,
    "services": _CORE,
    "deployments": "/apis/apps/v1/namespaces/{ns}/",
    "leases": "/apis/coordination.k8s.io/v1/namespaces/{ns}/",
    "lamps": "/apis/conformance.example/v1/namespaces/{ns}/",
}
_PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "none": "application/octet-stream",
}
_ABSENT = "<absent>"

LAMPS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "lamps.conformance.example"},
    "spec": {
        "group": "conformance.example",
        "scope": "Namespaced",
        "names": {"plural": "lamps", "kind": "Lamp"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["watts"],
                                "properties": {
                                    "watts": {"type": "integer", "minimum": 1},
                                    "socket": {"type": "string", "default": "E27"},
                                    "colour": {"type": "string", "enum": ["red", "blue"]},
                                    "until": {"type": "string", "format": "date-time"},
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {"lit": {"type": "boolean"}},
                            },
                        },
                    }
                },
            }
        ],
    },
}
"""The custom resource of the cases."""


class Server:
    """One server: `url`, headers that let in, a certificate to trust; how to make it forget.

    `later`: it is newer than the one whose answers the cases tell.
    """

    def __init__(
        self,
        url: str,
        compact: Callable[[], object],
        *,
        headers: Mapping[str, str] | None = None,
        authority: str | None = None,
        later: bool = False,
    ) -> None:
        self._url = url
        self._headers = {**(headers or {}), "Accept": "application/json"}
        self._pool = urllib3.PoolManager(ca_certs=authority, retries=False, timeout=_PATIENCE_S)
        self.compact = compact
        self.later = later

    def send(
        self, method: str, path: str, body: bytes | None, media: str, form: str = ""
    ) -> tuple[int, Any]:
        """Code and body of the answer; the body as text where it is no JSON."""
        headers = {**self._headers, **_wanting(form), "Content-Type": media}
        answer = self._pool.request(method, self._url + path, body=body, headers=headers)
        try:
            return answer.status, json.loads(answer.data)
        except json.JSONDecodeError:
            return answer.status, answer.data.decode()

    def watch(self, path: str, form: str = "") -> tuple[int, Any]:
        """Code and events of a watch; see `Step`."""
        answer = self._pool.request(
            "GET",
            f"{self._url}{path}{'&' if '?' in path else '?'}watch=1",
            headers={**self._headers, **_wanting(form)},
            preload_content=False,
        )
        try:
            if answer.status != 200:
                return answer.status, json.loads(answer.read())
            return 200, list(_until_end(_lines(answer)))
        finally:
            answer.close()

    def install(self) -> None:
        """Have the cases' custom resource served."""
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.send("POST", crds, json.dumps(LAMPS).encode(), "application/json")
        _await(lambda: self.send("GET", "/apis/conformance.example/v1/lamps", None, "")[0] == 200)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _wanting(form: str) -> dict[str, str]:
    return {"Accept": f"application/json;as={form};g=meta.k8s.io;v=v1"} if form else {}


def play(case: Case, server: Server, namespace: str) -> list[str]:
    """What was not as the case says, in words; empty if all was."""
    kept = {"ns": namespace}
    wrong: list[str] = []
    for number, step in enumerate(case.steps, start=1):
        complaints = _play(step, server, kept)
        wrong += [f"step {number}, {step.send}: {complaint}" for complaint in complaints]
    return wrong


def _play(step: Step, server: Server, kept: dict[str, str]) -> list[str]:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        code, found = _ask(step, server, kept)
        complaints = list(_compare(step, code, found, kept, later=server.later))
        if not complaints or not step.until or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for name, path in step.keep.items():
        kept[name] = str(_dig(found, path.split(".")))
    return complaints


def _ask(step: Step, server: Server, kept: Mapping[str, str]) -> tuple[int, Any]:
    method, _, path = _fill(step.send, kept).partition(" ")
    if method == "COMPACT":
        server.compact()
        return 200, {}
    plural = re.split(r"[/?]", path)[0]
    path = path if path.startswith("/") else _fill(_PLACES[plural], kept) + path
    if method == "WATCH":
        return server.watch(path, step.form)
    body: bytes | None = None
    if step.raw is not None:
        body = step.raw.encode()
    elif step.body is not None:
        body = json.dumps(_fill(step.body, kept)).encode()
    media = _PATCHES[step.patch] if method == "PATCH" else "application/json"
    return server.send(method, path, body, media, step.form)


def _compare(
    step: Step, code: int, found: Any, kept: Mapping[str, str], *, later: bool
) -> Iterator[str]:
    allowed = {str(step.answers), str(step.or_later) if later else str(step.answers)}
    if (answer := _outcome(code, found)) not in allowed:
        yield f"{answer} instead of {step.answers}: {_message(found)}"
    for path, value in step.shows.items():
        wanted, seen = _fill(value, kept), _dig(found, path.split("."))
        seen = sorted(seen) if step.sorted and isinstance(seen, list) else seen
        if not _fits(wanted, seen):
            yield f"{path} is {seen!r} instead of {wanted!r}"
    if step.events is not None:
        events = sorted(_told(found)) if step.sorted else _told(found)
        if events != step.events:
            yield f"events {events} instead of {step.events}"


def _outcome(code: int, found: Any) -> str:
    if code < 400 or not isinstance(found, dict):
        return str(code)
    causes = (found.get("details") or {}).get("causes") or () if code == 422 else ()
    fields = sorted({cause.get("field", "") for cause in causes})
    return " ".join([str(code), found.get("reason", ""), *fields]).strip()


def _message(found: Any) -> str:
    return str(found.get("message", "") if isinstance(found, dict) else found)[:200]


def _told(events: Any) -> list[str]:
    if not isinstance(events, list):
        return []
    return [
        f"ERROR {_outcome(event['object']['code'], event['object'])}"
        if event["type"] == "ERROR"
        else f"{event['type']} {event['object']['metadata'].get('name', '')}".strip()
        for event in events
    ]


def _fits(wanted: Any, seen: Any) -> bool:
    if wanted == "<present>":
        return bool(seen != _ABSENT)
    if isinstance(wanted, str) and (match := re.fullmatch(r"<not (.+)>", wanted)):
        return bool(str(seen) != match[1])
    return bool(wanted == seen)


def _dig(value: Any, path: list[str]) -> Any:
    for at, name in enumerate(path):
        if name == "*" and isinstance(value, list):
            return [_dig(item, path[at + 1 :]) for item in value]
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return _ABSENT
    return value


def _fill(value: Any, kept: Mapping[str, str]) -> Any:
    """The value with what its placeholders stand for."""
    if isinstance(value, dict):
        return {_fill(name, kept): _fill(item, kept) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, kept) for item in value]
    if not isinstance(value, str):
        return value
    for name, text in kept.items():
        value = value.replace(f"{{{name}}}", text)
    return re.sub(r"\{(.)\*(\d+)\}", lambda match: match[1] * int(match[2]), value)


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[Any]:
    rest = b""
    for chunk in answer.stream():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if event["object"].get("metadata", {}).get("name") == "end":
            return
        yield event


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
