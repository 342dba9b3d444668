"""The schema as a flat list of settings, for messages and for the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from pydantic.fields import FieldInfo

from dnatctl.config.schema import Config, NeedsRestart
from dnatctl.config.section import Section
from dnatctl.config.types import Allowed


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `key` is dotted, with `[]` below a list: `networkController.natGwPool[].eips`.

    `section`: it holds settings, which follow it in `SETTINGS`. `default` is as the program has it:
    durations in seconds.
    """

    key: str
    description: str
    allowed: str
    required: bool
    default: Any
    section: type[Section] | None
    restart: bool = False
    """Whether it is read at the start only."""


def _section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, itself or as the items of a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _section_in(arg))), None)


def _allowed_in(annotation: Any) -> Iterator[str]:
    """What the parts of a type say is allowed (`ZoneID | None` has it in the first part)."""
    for part in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        if isinstance(part, Allowed):
            yield part.text
        elif get_args(part):
            yield from _allowed_in(part)


def _setting(prefix: str, field: FieldInfo) -> Setting:
    section = _section_in(field.annotation)
    # The last is the outermost: a kind that narrows another one says so in its own words.
    allowed = [item.text for item in field.metadata if isinstance(item, Allowed)][-1:]
    allowed += _allowed_in(field.annotation)
    text = field.description or (section.__doc__ if section else None) or ""
    keys = f"a mapping with the keys {', '.join(keys_of(section))}" if section else ""
    return Setting(
        key=f"{prefix}{field.alias}",
        description=" ".join(text.split()),
        allowed=allowed[0] if allowed else keys,
        required=field.is_required(),
        default=field.get_default(call_default_factory=True) if not field.is_required() else None,
        section=section,
        restart=any(isinstance(item, NeedsRestart) for item in field.metadata),
    )


def keys_of(section: type[Section]) -> tuple[str, ...]:
    """The keys that a section of the file may have."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def _walk(section: type[Section], prefix: str = "") -> Iterator[Setting]:
    for field in section.model_fields.values():
        setting = _setting(prefix, field)
        yield setting
        if setting.section is not None:
            is_list = field.annotation is not setting.section
            yield from _walk(setting.section, f"{setting.key}{'[]' if is_list else ''}.")


SETTINGS = MappingProxyType({setting.key: setting for setting in _walk(Config)})
"""Every setting by its key, in the order of the schema."""
