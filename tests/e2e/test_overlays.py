"""What is installed is taken by a server that knows all of it, field by field: 1.25 and newer."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import Kubectl
from tests.support.programs import KUBECTL
from tests.unit.manifests.built import build, with_component

USUAL = {"claim-rules", "pdb"}
"""Those of the default overlay."""

COMPONENTS = sorted(
    path.name for path in (MANIFESTS.parents[1] / "components").iterdir() if path.name not in USUAL
)
NEEDS = {"admission": 30, "admission-deny": 30, "creation-rules": 30, "write-guard": 30}
"""Minor versions; whatever else there is needs 25."""

ELSEWHERE = {"monitoring.coreos.com"}
"""Groups that an operator of others serves."""


def taken(control_plane: ControlPlane, objects: list[dict[str, object]]) -> None:
    """Assert that the server would take them all, and knows each field."""
    known = [o for o in objects if str(o["apiVersion"]).partition("/")[0] not in ELSEWHERE]
    kubectl = Kubectl(Path(KUBECTL), control_plane.admin_kubeconfig)
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": known})
    kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=listed)


def skip_before(control_plane: ControlPlane, minor: int) -> None:
    found = int(control_plane.api.get("/version")["minor"].rstrip("+"))
    if found < minor:
        pytest.skip(f"needs Kubernetes 1.{minor}, this is 1.{found}")


@pytest.mark.parametrize("overlay", ["default", "kube-system"])
def test_an_overlay_is_taken(installed: ControlPlane, overlay: str) -> None:
    skip_before(installed, 25)
    taken(installed, build(f"overlays/{overlay}"))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_is_taken(installed: ControlPlane, component: str) -> None:
    skip_before(installed, NEEDS.get(component, 25))
    taken(installed, list(with_component(component)))
