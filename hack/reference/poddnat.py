"""docs/reference/poddnat.md"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from reference.markdown import code, page, table

SOURCE = Path("manifests/crd/poddnats.yaml")


def render() -> str:
    """The page."""
    crd = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))["spec"]
    schema = crd["versions"][0]["schema"]["openAPIV3Schema"]
    versions = " and ".join(code(f"{crd['group']}/{v['name']}") for v in crd["versions"])
    introduction = (
        f"{schema['description']}\n\nServed as {versions}, with one schema. Short name"
        f" {code(crd['names']['shortNames'][0])}: `kubectl get pdnat`."
    )
    parts = []
    for name in ("spec", "status"):
        parts += [f"## {code(name)}", schema["properties"][name]["description"]]
        parts.append(table(["Field", "Type", "Meaning"], _rows(schema["properties"][name], "")))
    return page("PodDNAT", code(str(SOURCE)), introduction, *parts)


def _rows(schema: dict[str, Any], prefix: str) -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        yield [code(f"{prefix}{name}"), _type(field), field["description"]]
        if "properties" in field.get("items", {}):
            yield from _rows(field["items"], f"{prefix}{name}[].")


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(map(code, field["enum"]))
    return "list" if field["type"] == "array" else field["type"]
