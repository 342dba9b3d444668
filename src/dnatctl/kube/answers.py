"""Answers of the API server, decoded: whatever they are, nothing but KubeError is raised."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dnatctl.decoding import decode
from dnatctl.kube.errors import Failure, KubeError

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    """As `decode`, for the answer of a request. Raises KubeError (UNKNOWN)."""
    try:
        return decode(decoder, data)
    except msgspec.DecodeError as error:
        raise KubeError(Failure.UNKNOWN, f"the answer cannot be read: {error}") from error
