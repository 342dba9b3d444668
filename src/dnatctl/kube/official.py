"""The official client, without what it takes along wherever that is installed.

Its part for dynamic objects, which every import of it loads, imports `kubernetes_validate` if there
is one: 1.2 s of CPU and 45 MB for a check of manifests that nobody here asks for.
https://github.com/kubernetes-client/python/blob/master/kubernetes/base/dynamic/client.py
"""

from __future__ import annotations

import importlib

from dnatctl import thin

thin.install()
with thin.without("kubernetes_validate"):
    importlib.import_module("kubernetes")

from kubernetes import config  # noqa: E402 - has to come after
from kubernetes.client import ApiClient, Configuration  # noqa: E402 - has to come after
from kubernetes.stream.ws_client import create_websocket  # noqa: E402 - has to come after

__all__ = ["ApiClient", "Configuration", "config", "create_websocket"]
