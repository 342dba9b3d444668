"""The official client is imported without what only checks of manifests need."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec


def test_it_does_not_take_along_what_nobody_asks_for():
    program = "import sys, dnatctl.kube.forward; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "kubernetes.dynamic.client" in loaded
    assert "kubernetes_validate" not in loaded
    assert find_spec("kubernetes_validate"), "it is here, or this test shows nothing"
