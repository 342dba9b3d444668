"""kubectl, run for whoever watches a story."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dnatctl_sim.programs import beside_python

_PATIENCE_S = 60.0


class KubectlError(Exception):
    """A command failed; the message holds what kubectl said."""


class Command:
    """A command of kubectl, at work."""

    def __init__(self, process: subprocess.Popen[str], words: Sequence[str]) -> None:
        self._process = process
        self._words = words

    @property
    def ended(self) -> bool:
        """Whether it is done."""
        return self._process.poll() is not None

    def result(self) -> str:
        """Wait for its end; what it printed, warnings apart. Raises KubectlError."""
        try:
            said, errors = self._process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise KubectlError(f"kubectl {self._words[0]}: not within {_PATIENCE_S:g} s") from error
        if self._process.returncode:
            raise KubectlError(f"kubectl {self._words[0]}: {(errors or said).strip()}")
        return said.rstrip()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


class Kubectl:
    """kubectl for one cluster; its cache of the API goes into the kubeconfig's folder."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._program = program
        own = {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
        self._environment = os.environ | own

    def start(self, *words: str) -> Command:
        """Begin a command, in a process group of its own: Ctrl-C is for us to act upon.

        Raises KubectlError where the program cannot be run.
        """
        try:
            process = subprocess.Popen(
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment,
                process_group=0,
            )
        except OSError as error:
            raise KubectlError(f"{self._program}: {error.strerror}") from error
        return Command(process, words)


def find_kubectl(kubeconfig: Path) -> Kubectl | None:
    """The one that was installed with dnatctl, else the one on PATH, else none."""
    found = beside_python("kubectl") or shutil.which("kubectl")
    return Kubectl(Path(found), kubeconfig) if found else None
