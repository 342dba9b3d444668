"""The manifests as kustomize builds them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).parents[3] / "manifests"

Object = dict[str, Any]


@cache
def _kubectl_minor() -> int:
    """The minor version of kubectl, 0 where there is none."""
    if shutil.which("kubectl") is None:
        return 0
    command = ["kubectl", "version", "--client", "-o", "json"]
    version = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return int(re.sub(r"\D.*", "", json.loads(version)["clientVersion"]["minor"]))


@cache
def _built(folder: str) -> str:
    if _kubectl_minor() < 21:
        pytest.skip("needs a kubectl of 1.21 or newer, whose kustomize knows components")
    command = ["kubectl", "kustomize", str(MANIFESTS / folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def build(folder: str) -> list[Object]:
    """All objects of an overlay."""
    return [item for item in yaml.safe_load_all(_built(folder)) if item]


def the(kind: str, name: str | None = None, *, folder: str = "overlays/default") -> Object:
    """The one object of that kind (and name) in an overlay."""
    (found,) = (
        item
        for item in build(folder)
        if item["kind"] == kind and name in {None, item["metadata"]["name"]}
    )
    return found
