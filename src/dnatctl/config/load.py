"""From a file and the environment to a `Config`, or to the list of all that is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from dnatctl.config.document import Document, read
from dnatctl.config.errors import ConfigErrors, Mistake
from dnatctl.config.problems import explain
from dnatctl.config.schema import Config

ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DNATCTL_CLUSTER_ID": "clusterID",
        "DNATCTL_REGION_ID": "regionID",
        "DNATCTL_VPC_ID": "vpcID",
        "DNATCTL_CREDENTIAL_TYPE": "credential.type",
        "DNATCTL_ACCESS_KEY": "credential.accessKey",
        "DNATCTL_ACCESS_SECRET": "credential.accessSecret",
        "DNATCTL_ROLE_NAME": "credential.roleName",
        "DNATCTL_ENDPOINTS_VPC": "endpoints.vpc",
        "DNATCTL_ENDPOINTS_ECS": "endpoints.ecs",
        "DNATCTL_ENDPOINTS_STS": "endpoints.sts",
        "DNATCTL_ENDPOINTS_METADATA": "endpoints.metadata",
        "DNATCTL_FIXED_RETAIN": "fixed.retain",
        "DNATCTL_QUARANTINE": "quarantine",
        "DNATCTL_RESYNC": "resync",
        "DNATCTL_PUBLISH_CONDITION": "publish.condition",
        "DNATCTL_PUBLISH_ANNOTATION": "publish.annotation",
        "DNATCTL_POLICY": "policy",
        "DNATCTL_TAKE_OVER": "takeOver",
    }
)
"""Environment variables that win over the file, and the setting each one stands for.

One that is set to nothing counts as not set.
"""

Overrides = Mapping[str, object]
"""Settings by dotted key (`endpoints.vpc`), with the value a file would have; None: not given."""


def load(
    path: str | os.PathLike[str],
    env: Mapping[str, str] = MappingProxyType({}),
    overrides: Overrides = MappingProxyType({}),
) -> Config:
    """Read the configuration file at `path`.

    Variables of `env` (see `ENVIRONMENT`) win over the file, `overrides` over both. Raises
    ConfigErrors with everything that is wrong, also where the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no UTF-8 text"
        problem = Mistake(str(path), "", reason, "a readable file in YAML")
        raise ConfigErrors((problem,)) from error
    return parse(text, env, overrides, name=str(path))


def parse(
    text: str,
    env: Mapping[str, str] = MappingProxyType({}),
    overrides: Overrides = MappingProxyType({}),
    *,
    name: str = "config.yaml",
) -> Config:
    """Read a configuration from a text; `name` is what messages call it. Else as `load`."""
    document = read(text, name=name)
    for variable, key in ENVIRONMENT.items():
        if env.get(variable):
            document.put(key, env[variable], where=variable)
    for key, value in overrides.items():
        if value is not None:
            document.put(key, value, where="command line")
    return _validated(document)


def _refuse_manifest(document: Document) -> None:
    """A ConfigMap is what people have at hand: it would be a list of unknown and missing keys."""
    keys = set(document.values) if isinstance(document.values, dict) else set()
    if keys >= {"apiVersion", "kind"} and "clusterID" not in keys:
        kind = document.place(("kind",))
        found = f"an object of Kubernetes, of kind {kind.text}"
        allowed = (
            "the configuration itself; of a ConfigMap, the text that it holds, as kubectl get"
            " configmap NAME -o jsonpath='{.data.config\\.yaml}' prints it"
        )
        raise ConfigErrors((Mistake(document.place(()).value, "", found, allowed),))


def _validated(document: Document) -> Config:
    _refuse_manifest(document)
    problems = {problem.key: problem for problem in document.problems}
    try:
        config = Config.model_validate(document.values, context=set())
    except ValidationError as error:
        # A value that could not even be read is also missing: saying so once is enough.
        for problem in explain(error, document):
            problems.setdefault(problem.key, problem)
    for problem in document.doubtful:
        problems.setdefault(problem.key, problem)
    if problems:
        raise ConfigErrors(tuple(sorted(problems.values(), key=_position)))
    return config


def _position(problem: Mistake) -> tuple[int, ...]:
    """Sort key: as they stand in the file, and what comes from elsewhere first."""
    place = re.search(r":(\d+):(\d+)$", problem.where)
    return tuple(map(int, place.groups())) if place else ()
