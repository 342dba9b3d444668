"""What Kubernetes lets namespaces and pods be called
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""

from __future__ import annotations

import re

LONGEST_NAME = 253
LONGEST_LABEL = 63

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})*")


def is_label(text: str) -> bool:
    """Whether a namespace can be called so (RFC 1123 label)."""
    return len(text) <= LONGEST_LABEL and _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether a pod can be called so (RFC 1123 subdomain)."""
    return len(text) <= LONGEST_NAME and _SUBDOMAIN.fullmatch(text) is not None
