"""The official informer on typed pods, doing nothing."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--ready", type=Path, required=True)
    options = parser.parse_args()
    from kubernetes import client, config
    from kubernetes.informer import SharedInformer

    config.load_kube_config(options.kubeconfig)
    api = client.CoreV1Api()
    informer = SharedInformer(list_func=api.list_pod_for_all_namespaces)
    informer.start()
    pause = threading.Event()
    while not informer.cache.list_keys():
        pause.wait(0.2)
    options.ready.touch()
    pause.wait()


if __name__ == "__main__":
    main()
