"""docs/install.md word by word: its own commands, in its order, end well and leave nothing.

No container runs here, so what a pod would do is left to the other tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.controlplane.files import CONTROLLER_NAMESPACE
from hack.helm import ensure_helm
from tests.e2e.arena import POD_NETWORK, Arena
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.test_helm import OLDEST, bare, cut
from tests.support.programs import KUBECTL
from tests.unit.manifests.commands import ROOT, blocks

__all__ = ["bare"]

PAGE = ROOT / "docs" / "install.md"
KEY = {"accessKey": "LTAI-of-the-page", "accessSecret": "its-secret"}
IN_THERE = f"kubectl -n {CONTROLLER_NAMESPACE}"
PREPARED = ("python3 ", "~/", "export ", "make ", "skopeo ", "podman ")
"""How lines begin that make the programs and the image: other tests do."""
STUCK = "kubectl delete -A"
"""How the line begins for who deleted the namespace first: it would hide what is left."""


class Person:
    """Who types what the page says, at the top of a checkout."""

    def __init__(self, arena: Arena, folder: Path, tool: str) -> None:
        self.folder = folder
        self._env = {
            "PATH": str(folder / "bin"),
            "HOME": str(folder),
            "KUBECONFIG": str(arena.control_plane.admin_kubeconfig),
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "DNATCTL_ACCESS_KEY": KEY["accessKey"],
            "DNATCTL_ACCESS_SECRET": KEY["accessSecret"],
        }
        others = {
            "helm": ("kubectl apply -k", "kubectl delete -k", "dnatctl check"),
            "kustomize": ("helm ", "kubectl apply --server-side", f"{IN_THERE} get configmap"),
        }
        self._others = (*PREPARED, STUCK, *others[tool])
        arena.acts.add_key(KEY["accessKey"], KEY["accessSecret"])
        shutil.copytree(ROOT / "manifests", folder / "manifests")
        self._programs()
        self._fill_in(arena)

    def _programs(self) -> None:
        (self.folder / "bin").mkdir()
        programs = {
            "kubectl": KUBECTL,
            "helm": str(ensure_helm()),
            "dnatctl": f"{sys.executable} -m dnatctl",
        }
        for name, program in programs.items():
            script = self.folder / "bin" / name
            script.write_text(f'#!/bin/sh\nexec {program} "$@"\n', "utf-8")
            script.chmod(0o755)

    def _fill_in(self, arena: Arena) -> None:
        """The values, and the overlay; on an older server, what is for that one."""
        manifests, config = self.folder / "manifests", arena.configuration()
        (shown,) = (block for block in blocks(PAGE, "yaml") if "clusterID" in block)
        values = yaml.safe_load(shown) | config
        (self.folder / "values.yaml").write_text(yaml.safe_dump(values), "utf-8")
        if int(arena.api.get("/version")["minor"].rstrip("+")) < OLDEST:
            shutil.rmtree(manifests / "chart")
            cut(manifests / "chart")
            overlays = manifests / "overlays"
            shutil.copytree(overlays / "older", overlays / "default", dirs_exist_ok=True)
        for place in (manifests / "overlays" / "default", self.folder):
            (place / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")

    def lines(self) -> Iterator[str]:
        """What there is to type with the one tool; a pod's own shell is not to be had."""
        for block in blocks(PAGE, "console"):
            for line in block.replace("\\\n", " ").splitlines():
                typed = line.partition("  #")[0].strip()
                if typed and " exec " not in typed and not typed.startswith(self._others):
                    yield typed

    def types(self, line: str) -> str:
        """What it prints; it has to end well."""
        for name, value in KEY.items():
            line = line.replace(f"{name}=…", f"{name}={value}")
        command = ["/bin/sh", "-c", line]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.mark.parametrize("tool", ["helm", "kustomize"])
def test_what_the_page_says_is_typed(bare: ControlPlane, tmp_path: Path, tool: str) -> None:
    place = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}"
    if bare.api.find(place):
        bare.api.delete(place)
    eventually(lambda: bare.api.find(place) is None, within=60)
    with Arena(bare, tmp_path) as arena, Kubelet(arena.api, network=POD_NETWORK):
        person = Person(arena, tmp_path / "checkout", tool)
        lines = list(person.lines())
        for line in lines:
            if "--skip-crds" in line:  # for whom the definition is there, and no release
                person.types(f"helm uninstall dnatctl -n {CONTROLLER_NAMESPACE}")
            person.types(line + " --crd" if line.endswith("--yes") else line)
        assert any(line.endswith("--yes") for line in lines)
        left = person.types("kubectl get clusterroles,clusterrolebindings,crds,leases -A -o name")
        assert [name for name in left.split() if "dnat" in name] == []
