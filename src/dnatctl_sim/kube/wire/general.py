"""Everything that is no resource: discovery, OpenAPI, health, version, access reviews."""

from __future__ import annotations

import orjson

from dnatctl_sim.kube.core.errors import ApiError, no_such_path
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.wire import discovery, openapi
from dnatctl_sim.kube.wire.call import Answer, json_answer

_HEALTH = frozenset({"healthz", "livez", "readyz"})
_REVIEWS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


class General:
    """Answers those paths."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def is_resource(self, path: str) -> bool:
        """Whether `path` names a resource."""
        parts = _parts(path)
        if not parts or parts[0] not in ("api", "apis") or parts[1:2] in ([g] for g in _REVIEWS):
            return False
        return len(parts) > (2 if parts[0] == "api" else 3)

    def answer(self, method: str, path: str, host: str) -> Answer:
        """Answer anything else. Raises ApiError 404."""
        parts = _parts(path)
        if parts and parts[0] in _HEALTH:
            return Answer(200, b"ok", content_type="text/plain")
        if parts == ["openapi", "v2"]:
            return Answer(200, openapi.V2, content_type=openapi.V2_TYPE)
        if method == "POST" and len(parts) == 4 and parts[1] in _REVIEWS:
            return json_answer(_review(parts[1], parts[2], parts[3]), 201)
        found = self._document(parts, host)
        if found is None:
            raise self._not_served(parts)
        return json_answer(found)

    def _not_served(self, parts: list[str]) -> ApiError:
        match parts:
            case ["api", *_]:
                return self._registry.not_served("")
            case ["apis", group, *_]:
                return self._registry.not_served(group)
        return no_such_path()

    def _document(self, parts: list[str], host: str) -> Object | None:
        match parts:
            case ["version"]:
                return discovery.VERSION
            case ["api"]:
                return discovery.core_versions(host)
            case ["apis"]:
                return discovery.groups(self._registry)
            case ["api", version]:
                return discovery.resources(self._registry, "", version)
            case ["apis", group]:
                return discovery.group(self._registry, group)
            case ["apis", group, version]:
                return discovery.resources(self._registry, group, version)
            case ["openapi", "v3"]:
                return openapi.index(self._registry)
            case ["openapi", "v3", "api", version]:
                return openapi.document(self._registry, "", version)
            case ["openapi", "v3", "apis", group, version]:
                return openapi.document(self._registry, group, version)
            case []:
                openapi_paths = ["/openapi/v2", "/openapi/v3"]
                return {"paths": ["/api", "/apis", "/healthz", *openapi_paths, "/version"]}
        return None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _review(group: str, version: str, plural: str) -> Object:
    """Everything is allowed to everyone: the server knows no users."""
    kinds = {
        "selfsubjectaccessreviews": ("SelfSubjectAccessReview", {"allowed": True}),
        "selfsubjectrulesreviews": ("SelfSubjectRulesReview", _ALL_RULES),
        "selfsubjectreviews": ("SelfSubjectReview", {"userInfo": {"username": "sim-admin"}}),
    }
    if plural not in kinds:
        raise no_such_path()
    kind, status = kinds[plural]
    return {
        "kind": kind,
        "apiVersion": f"{group}/{version}",
        "metadata": {"creationTimestamp": None},
        "spec": {},
        "status": orjson.loads(orjson.dumps(status)),
    }


_ALL_RULES: Object = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
