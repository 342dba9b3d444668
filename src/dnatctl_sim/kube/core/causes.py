"""What can be wrong with one field of an object, in the words of field.Error of apimachinery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cause:
    """One thing wrong with an object: the field's path, the kind of mistake, the text."""

    field: str
    reason: str
    message: str

    @classmethod
    def invalid(cls, field: str, value: Any, why: str) -> Cause:
        """A value that is not allowed."""
        shown = f'"{value}"' if isinstance(value, str) else _go_value(value)
        return cls(field, "FieldValueInvalid", f"Invalid value: {shown}: {why}")

    @classmethod
    def required(cls, field: str, why: str = "") -> Cause:
        """A value that is missing."""
        return cls(field, "FieldValueRequired", "Required value" + (f": {why}" if why else ""))

    @classmethod
    def forbidden(cls, field: str, why: str) -> Cause:
        """A change that is not allowed."""
        return cls(field, "FieldValueForbidden", f"Forbidden: {why}")

    @classmethod
    def duplicate(cls, field: str, value: Any) -> Cause:
        """A value that may be there once only."""
        return cls(field, "FieldValueDuplicate", f"Duplicate value: {_go_value(value)}")

    @classmethod
    def unsupported(cls, field: str, value: Any, allowed: Iterable[Any]) -> Cause:
        """A value that is not one of those listed."""
        listed = ", ".join(_go_value(item) for item in allowed)
        text = f"Unsupported value: {_go_value(value)}: supported values: {listed}"
        return cls(field, "FieldValueNotSupported", text)

    @classmethod
    def wrong_type(cls, field: str, found: Any, wanted: str) -> Cause:
        """A value of another JSON type than the schema's."""
        text = f'{field} in body must be of type {wanted}: "{_type_name(found)}"'
        return cls(field, "FieldValueTypeInvalid", f'Invalid value: "{_type_name(found)}": {text}')


def _go_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type_name(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    return "null" if value is None else names.get(type(value), "number")
