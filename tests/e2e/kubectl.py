"""Runs stock kubectl against a test cluster."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class KubectlError(Exception):
    """kubectl exited with an error; the message holds what it wrote."""


@dataclass(frozen=True)
class Kubectl:
    """One kubectl program with one identity."""

    program: Path
    kubeconfig: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to this process' environment: a `PATH` with plugins, say."""

    def run(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run a command and return its standard output.

        Raises:
            KubectlError: it failed.
        """
        finished = self.attempt(*arguments, stdin=stdin)
        if finished.returncode != 0:
            command = " ".join(map(str, arguments))
            raise KubectlError(f"kubectl {command}: {finished.stdout}{finished.stderr}")
        return finished.stdout

    def attempt(
        self, *arguments: str | Path, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended, well or not."""
        return subprocess.run(
            [self.program, *arguments],
            input=stdin,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command with `-o json` and return the parsed output."""
        return json.loads(self.run(*arguments, "-o", "json"))

    def apply(self, manifests: Path | Sequence[Mapping[str, Any]]) -> str:
        """Apply a file, a folder, a kustomization (a folder that holds one) or objects."""
        if not isinstance(manifests, Path):
            listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
            return self.run("apply", "-f", "-", stdin=json.dumps(listed))
        flag = "-k" if (manifests / "kustomization.yaml").exists() else "-f"
        return self.run("apply", flag, manifests)

    def forget_discovery(self) -> None:
        """Ask the server anew which resources it has: short names are looked up in a cache."""
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _home(self) -> Path:
        # Discovery is cached under HOME by host and port, which another cluster may have had.
        return self.kubeconfig.parent / "kubectl-home"

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self._home)}
        return inherited | own | dict(self.environment)
