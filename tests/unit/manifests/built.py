"""The manifests as kustomize builds them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.support.programs import KUBECTL

MANIFESTS = Path(__file__).parents[3] / "manifests"

Object = dict[str, Any]


@cache
def _built(folder: str) -> str:
    command = [KUBECTL, "kustomize", str(MANIFESTS / folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def with_component(name: str) -> tuple[Object, ...]:
    """All objects of the default overlay with one component more."""
    return with_components(name)


@cache
def with_components(*names: str, resources: tuple[str, ...] = ()) -> tuple[Object, ...]:
    """All objects of the default overlay with these components more, in this order, behind these
    folders of manifests."""
    folders = ["../default", *(f"../../{name}" for name in resources)]
    return _built_anew({"resources": folders, "components": list(map(_component, names))})


def with_resources(*names: str) -> tuple[Object, ...]:
    """All objects of the default overlay with these folders of manifests more."""
    return with_components(resources=names)


@cache
def overlaid(
    overlay: str, *names: str, namespace: str = "", offered: str = ""
) -> tuple[Object, ...]:
    """All objects of an overlay with these components more, in that namespace if one is named.
    `offered`: a part of it that is commented out, and is let in."""
    folder = MANIFESTS / "overlays" / overlay
    text = (folder / "kustomization.yaml").read_text("utf-8")
    kustomization = yaml.safe_load(_let_in(text, offered) if offered else text)
    kustomization["components"] = [*kustomization.get("components", ()), *map(_component, names)]
    kustomization |= {"namespace": namespace} if namespace else {}
    return _built_anew(kustomization, *folder.glob("config.yaml"))


def _let_in(text: str, offered: str) -> str:
    (part,) = re.findall(rf"^# {offered}:\n(?:#   - .+\n)+", text, re.MULTILINE)
    return text.replace(part, re.sub("^# ", "", part, flags=re.MULTILINE))


def _component(name: str) -> str:
    return f"../../components/{name}"


def _built_anew(kustomization: Object, *files: Path) -> tuple[Object, ...]:
    with TemporaryDirectory(dir=MANIFESTS / "overlays") as folder:
        for file in files:
            copy(file, folder)
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(kustomization), "utf-8")
        return tuple(build(f"overlays/{Path(folder).name}"))


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
