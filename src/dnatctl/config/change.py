"""What lies between two configurations: what a running program can take in, and what it cannot."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from dnatctl.config.schema import Config, Credential, NeedsRestart


def changed(old: Config, new: Config) -> tuple[str, ...]:
    """The keys at the top of the file whose values differ."""
    return tuple(key for name, key in _keys() if getattr(old, name) != getattr(new, name))


def needs_restart(old: Config, new: Config) -> tuple[str, ...]:
    """Of those, the ones that are read at the start only.

    An AccessKey pair is no such change, as long as there was one and still is.
    """
    fixed = {key for name, key in _keys() if _is_fixed(name)}
    differ = [key for key in changed(old, new) if key in fixed]
    if _without_pair(old.credential) == _without_pair(new.credential):
        differ = [key for key in differ if key != "credential"]
    return tuple(differ)


def _keys() -> list[tuple[str, str]]:
    return [(name, field.alias or name) for name, field in Config.model_fields.items()]


def _is_fixed(name: str) -> bool:
    return any(isinstance(note, NeedsRestart) for note in Config.model_fields[name].metadata)


def _without_pair(credential: Credential) -> tuple[bool, dict[str, Any]]:
    rest = BaseModel.model_dump(credential, exclude={"access_key", "access_secret"})
    return bool(credential.access_key), rest
