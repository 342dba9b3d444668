"""The file that tells kubectl and client libraries where the server is."""

from __future__ import annotations

import os
from pathlib import Path

import yaml


def write_kubeconfig(path: str | os.PathLike[str], url: str, namespace: str = "default") -> Path:
    """Write a kubeconfig for the server at `url`, readable by its owner only; the file's path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sim", "cluster": {"server": url}}],
        "users": [{"name": "sim", "user": {}}],
        "contexts": [
            {"name": "sim", "context": {"cluster": "sim", "user": "sim", "namespace": namespace}}
        ],
        "current-context": "sim",
    }
    file = Path(path)
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return file
