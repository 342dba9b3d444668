"""What a request is about, and how it wants to be carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dnatctl_sim.kube.core.resources import ResourceType


class FieldValidation(StrEnum):
    """Fields that a schema does not know are dropped, with or without words, or refused."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


@dataclass(frozen=True)
class Target:
    """What a request is about: a type, and an object of it or (`name` empty) all of them.

    `version` is the API version the client speaks.
    """

    type: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    version: str = ""


@dataclass
class WriteOptions:
    """How a write wants to be carried out; `warnings` collects what the client should be told."""

    dry_run: bool = False
    validation: FieldValidation = FieldValidation.WARN
    manager: str = ""
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DeleteOptions:
    """How a deletion wants to be carried out.

    `grace` is in seconds, None for the object's own. `policy`: Background, Foreground, Orphan;
    empty for the one that an earlier deletion asked for, else Background.
    """

    grace: int | None = None
    uid: str = ""
    resource_version: str = ""
    policy: str = ""
    dry_run: bool = False
