"""Namespaces as far as their labels say whether their pods may be exposed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from dnatctl.config import Namespaces
from dnatctl.kube.client import KubeClient
from dnatctl.kube.informer import Informer
from dnatctl.kube.namespaces import Namespace, labels_now
from dnatctl.objects import Key


class Spaces:
    """The labels of namespaces, watched from when a configuration first asks for them.

    `rules`: the present one.
    """

    def __init__(
        self,
        watched: Informer[Namespace],
        client: KubeClient,
        rules: Callable[[], Namespaces],
    ) -> None:
        self._watched = watched
        self._client = client
        self._rules = rules
        self._begun = False
        self._beginning = threading.Lock()

    def begin(self) -> None:
        """Watch, if labels mean anything and that was not begun yet."""
        with self._beginning:  # a file may be taken in while the process starts
            if self._rules().selector is not None and not self._begun:
                self._begun = True
                self._watched.start()

    def informers(self) -> tuple[Informer[Namespace], ...]:
        """What watches now."""
        return (self._watched,) if self._begun else ()

    def check(self) -> str:
        """Why labels are not known though they mean something; empty if they are."""
        if self._rules().selector is None or self._watched.synced.is_set():
            return ""
        return (
            "namespaces have not been listed yet: namespaces.selector needs leave to list and watch"
            " them (manifests/components/namespace-selector)"
        )

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Those of that namespace, as far as they are held."""
        held = self._watched.get(Key("", name))
        return held.labels if held is not None else None

    def must_ask(self, name: str) -> bool:
        """Whether its labels decide, and are not held: it is new, or nothing was listed yet."""
        return self._rules().needs_labels(name) and self.labels(name) is None

    def ask(self, name: str) -> Mapping[str, str] | None:
        """Its labels now; None if there is no such namespace. Raises KubeError."""
        return labels_now(self._client, name)
