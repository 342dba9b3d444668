"""How the built-in kinds besides pods are written."""

from __future__ import annotations

import copy
import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from itertools import count

from dnatctl_sim.kube.api.crdkind import CRDStrategy
from dnatctl_sim.kube.api.eventkind import EventStrategy
from dnatctl_sim.kube.api.podkind import (
    PodStrategy,
    default_pod_spec,
    port_causes,
    validate_pod_spec,
)
from dnatctl_sim.kube.api.strategy import CustomStrategy, Strategy
from dnatctl_sim.kube.core import builtin, selectors
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object, dig, labels_of
from dnatctl_sim.kube.core.resources import ResourceType


class NamespaceStrategy(Strategy):
    """Namespaces are removed only after the namespace collector has emptied them."""

    def created(self, obj: Object, now: datetime) -> None:
        """See `Strategy.created`."""
        del now
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
        labels = obj["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


class WorkloadStrategy(Strategy):
    """Deployments, ReplicaSets and StatefulSets: a template and a selector that fits it."""

    def __init__(self, defaults: Object) -> None:
        self._defaults = defaults

    def default(self, obj: Object) -> None:
        """See `Strategy.default`."""
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        for name, value in self._defaults.items():
            if spec.get(name) in (None, {}):
                spec[name] = copy.deepcopy(value)
        if isinstance(spec.get("template"), dict):
            # The API writes this null into every template; clients compare templates as a whole.
            spec["template"].setdefault("metadata", {}).setdefault("creationTimestamp", None)
            default_pod_spec(spec["template"].setdefault("spec", {}))

    def created(self, obj: Object, now: datetime) -> None:
        """See `Strategy.created`."""
        del now
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        spec = obj["spec"]
        selector, template = spec.get("selector"), spec.get("template")
        if not isinstance(template, dict):
            yield Cause.required("spec.template")
            return
        yield from validate_pod_spec(template["spec"], "spec.template.spec")
        labels = labels_of(template)
        if not selector:
            yield Cause.required("spec.selector")
        elif not selectors.from_object(selector).matches(labels, {}):
            why = "`selector` does not match template `labels`"
            yield Cause.invalid("spec.template.metadata.labels", str(labels), why)
        if spec["replicas"] < 0:
            why = "must be greater than or equal to 0"
            yield Cause.invalid("spec.replicas", spec["replicas"], why)
        if old is not None and dig(old, "spec", "selector") != selector:
            yield Cause.invalid("spec.selector", str(selector), "field is immutable")


class ServiceStrategy(Strategy):
    """Services: a cluster IP each, and ports."""

    def __init__(self) -> None:
        self._next_ip = count(10)

    def default(self, obj: Object) -> None:
        """See `Strategy.default`."""
        spec = obj.setdefault("spec", {})
        for name, value in (
            ("type", "ClusterIP"),
            ("sessionAffinity", "None"),
            ("internalTrafficPolicy", "Cluster"),
        ):
            spec.setdefault(name, value)
        for port in spec.get("ports") or ():
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))

    def created(self, obj: Object, now: datetime) -> None:
        """See `Strategy.created`."""
        del now
        spec = obj["spec"]
        if not spec.get("clusterIP") and spec["type"] != "ExternalName":
            number = next(self._next_ip)
            spec["clusterIP"] = f"10.96.{number >> 8 & 255}.{number & 255}"
        if spec.get("clusterIP"):
            spec["clusterIPs"] = [spec["clusterIP"]]
            spec["ipFamilies"], spec["ipFamilyPolicy"] = ["IPv4"], "SingleStack"
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        spec = obj["spec"]
        headless = spec.get("clusterIP") == "None" or spec["type"] == "ExternalName"
        if not spec.get("ports") and not headless:
            yield Cause.required("spec.ports")
        for index, port in enumerate(spec.get("ports") or ()):
            for field in ("port", "targetPort"):
                yield from port_causes(f"spec.ports[{index}].{field}", port.get(field))
        was = dig(old or {}, "spec", "clusterIP")
        if was and spec.get("clusterIP") not in (was, None) and spec["type"] == "ClusterIP":
            why = "may not change once set"
            yield Cause.invalid("spec.clusterIP", spec.get("clusterIP"), why)


class LeaseStrategy(Strategy):
    """Leases: a PUT makes one that is gone (AllowCreateOnUpdate of registry/coordination)."""

    creates_on_update = True

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        del old
        spec = obj.get("spec") or {}
        seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if seconds is not None and seconds <= 0:
            yield Cause.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
        if transitions is not None and transitions < 0:
            why = "must be greater than or equal to 0"
            yield Cause.invalid("spec.leaseTransitions", transitions, why)


class ConfigMapStrategy(Strategy):
    """ConfigMaps: keys that can be file names."""

    def validate(self, obj: Object, old: Object | None) -> Iterator[Cause]:
        """See `Strategy.validate`."""
        del old
        for field in ("data", "binaryData"):
            for key in obj.get(field) or {}:
                if not _FILE_NAME.fullmatch(key) or key in (".", ".."):
                    why = "a valid config key must consist of alphanumeric characters, '-', '_' or"
                    yield Cause.invalid(f"{field}[{key}]", key, f"{why} '.'")


class SecretStrategy(ConfigMapStrategy):
    """Secrets: `stringData` is written into `data`."""

    def default(self, obj: Object) -> None:
        """See `Strategy.default`."""
        obj.setdefault("type", "Opaque")
        for name, text in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})[name] = b64encode(text.encode()).decode()


class BudgetStrategy(Strategy):
    """PodDisruptionBudgets start with a status, as evictions read it."""

    def created(self, obj: Object, now: datetime) -> None:
        """See `Strategy.created`."""
        del now
        numbers = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
        obj["status"] = dict.fromkeys(numbers, 0)


_FILE_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_ROLLING = {"maxUnavailable": "25%", "maxSurge": "25%"}
_DEPLOYMENT_DEFAULTS: Object = {
    "strategy": {"type": "RollingUpdate", "rollingUpdate": _ROLLING},
    "revisionHistoryLimit": 10,
    "progressDeadlineSeconds": 600,
}
_STATEFUL_SET_DEFAULTS: Object = {
    "podManagementPolicy": "OrderedReady",
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    "revisionHistoryLimit": 10,
    "serviceName": "",
}


class Strategies:
    """The strategy of every kind, for one server."""

    def __init__(self) -> None:
        self._plain = Strategy()
        self._by_key: dict[str, Strategy] = {
            builtin.PODS.key: PodStrategy(),
            builtin.NAMESPACES.key: NamespaceStrategy(),
            builtin.SERVICES.key: ServiceStrategy(),
            builtin.CONFIG_MAPS.key: ConfigMapStrategy(),
            builtin.SECRETS.key: SecretStrategy(),
            builtin.LEASES.key: LeaseStrategy(),
            builtin.BUDGETS.key: BudgetStrategy(),
            builtin.CRDS.key: CRDStrategy(),
            builtin.EVENTS.key: EventStrategy(),
            builtin.REPLICA_SETS.key: WorkloadStrategy({}),
            builtin.DEPLOYMENTS.key: WorkloadStrategy(_DEPLOYMENT_DEFAULTS),
            builtin.STATEFUL_SETS.key: WorkloadStrategy(_STATEFUL_SET_DEFAULTS),
        }

    def of(self, type_: ResourceType) -> Strategy:
        """How objects of that type are written."""
        if type_.custom:
            return CustomStrategy(type_)
        return self._by_key.get(type_.base.key, self._plain)
