"""A YAML text as plain values that remember where they stand."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from dnatctl.config.errors import ConfigErrors, Mistake
from dnatctl.config.syntax import at, mistake

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a document down to a value."""

_TAG = "tag:yaml.org,2002:"
_TYPED = {_TAG + kind for kind in ("null", "bool", "int", "float")}
_TEXT = {_TAG + kind for kind in ("str", "timestamp", "value", "merge")}
_SHOWN = 60
_DEEPEST = 32
"""Levels of nesting that are read; the settings have five."""
_LONGEST_PLAIN = 100
"""Characters of a number, a time or a word like true; `1:1:1...` takes the square of its length."""
_PLAIN = re.compile("[-+]?(0|[1-9][0-9]*)")
"""A number as people write it."""
_NAME = re.compile("[A-Za-z]{1,20}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands, where its value stands, and the value as it is written there."""

    key: str
    value: str
    text: str


@dataclass(slots=True)
class Document:
    """The values of a file, the places they come from, and what is wrong with its form.

    `doubtful`: what is wrong with values that may be good as they are read.
    """

    values: Any = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Mistake] = field(default_factory=list)
    doubtful: list[Mistake] = field(default_factory=list)

    def put(self, key: str, value: object, *, where: str) -> None:
        """Set a value, by dotted key, that something other than the file gives."""
        *sections, last = path = tuple(key.split("."))
        target = self.values
        for depth, section in enumerate(sections, 1):
            if isinstance(target, dict):
                if target.get(section) is None:
                    target[section] = {}
                    self.places[path[:depth]] = Place(where, where, "a mapping")
                target = target[section]
        if isinstance(target, dict):  # else the file has a value where a section belongs: reported
            target[last] = value
            self.places[path] = Place(where, where, shown(json.dumps(value, default=str)))

    def place(self, path: Path) -> Place:
        """The place of a value, or of the nearest thing around it that has one."""
        return self.places[self.written(path)]

    def written(self, path: Path) -> Path:
        """That path, or the nearest one around it that somebody has written."""
        while path not in self.places:
            path = path[:-1]
        return path


def read(text: str, *, name: str) -> Document:
    """Read a YAML text; `name` is what to call it.

    Mistakes in what is otherwise YAML are in the result's `problems`. Raises ConfigErrors for a
    text that is none.
    """
    document = Document(places={(): Place(name, name, "nothing")})
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise ConfigErrors((mistake(error, name),)) from None
    if node is not None and node.tag != f"{_TAG}null":
        document.values = _Walk(name, loader, document).value(node, ())
    return document


def dotted(path: Path) -> str:
    """A path as people write it: `networkController.natGwPool[0].eips`.

    A key that may be a credential (`{accessKey:LTAI…}`, the space forgotten) is not shown.
    """
    hide = path[:1] == ("credential",)
    names = ("(not shown)" if hide and not _NAME.fullmatch(str(step)) else step for step in path)
    text = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names)
    return text.removeprefix(".")


def shown(text: str) -> str:
    """As much of a text as fits into a message, without the password of a URL."""
    text = re.sub("//[^/@]*@", "//(not shown)@", text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _Loader(yaml.SafeLoader):
    """Composes nodes, which is recursive, down to a bounded depth.

    So does its scanner, which reads ahead: with each open bracket, every step takes longer.
    """

    _depth = 0

    def fetch_flow_collection_start(self, token_class: type[yaml.Token]) -> None:
        """See PyYAML. Raises MarkedYAMLError."""
        if self.flow_level > _DEEPEST:
            raise _too_deep(self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """See PyYAML. Raises MarkedYAMLError."""
        if parent is not None and self._depth > _DEEPEST:
            raise _too_deep(parent.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _too_deep(mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem="nested without end", problem_mark=mark)


@dataclass(slots=True)
class _Walk:
    """One walk over the nodes of a document."""

    name: str
    loader: yaml.SafeLoader
    document: Document
    met: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, path: Path, key: yaml.Node | None = None) -> Any:
        """The value of a node, recording its place and those of all below it."""
        where = at(self.name, node.start_mark)
        key_where = at(self.name, key.start_mark) if key else where
        self.document.places[path] = Place(key_where, where, _written(node))
        if id(node) in self.met:  # else a document could refer to itself
            return self._refuse(node, path, "an alias (*)", "the value written out")
        self.met.add(id(node))
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, path, "a list or mapping as a key", "text as a key")
            elif key.value in lines:
                found = f"the key a second time (first in line {lines[key.value]})"
                self._refuse(key, (*path, key.value), found, "each key once")
            else:
                lines[key.value] = key.start_mark.line + 1
                values[key.value] = self.value(item, (*path, key.value), key)
        return values

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        if node.tag in _TEXT:
            return node.value
        if node.tag not in _TYPED:
            return self._refuse(node, path, "a YAML tag (!)", "a plain value, in quotes if need be")
        if node.tag == f"{_TAG}int" and path[:1] != ("credential",):
            self._check_plain(node, path)
        if len(node.value) > _LONGEST_PLAIN:
            return node.value
        try:
            return self.loader.construct_object(node)
        except (ValueError, LookupError, ArithmeticError):
            # PyYAML takes `0b_` for a number, and reads `!!int ''` and `!!bool maybe` as told.
            return node.value

    def _check_plain(self, node: yaml.Node, path: Path) -> None:
        """YAML 1.1 reads 0512 as 330, and 8:32 as 512: nobody means that."""
        if not _PLAIN.fullmatch(node.value):
            found = f"{shown(node.value)}, which YAML reads as another number than it looks like"
            where = at(self.name, node.start_mark)
            allowed = "a plain number such as 512; text goes in quotes"
            self.document.doubtful.append(Mistake(where, dotted(path), found, allowed))

    def _refuse(self, node: yaml.Node, path: Path, found: str, allowed: str) -> None:
        where = at(self.name, node.start_mark)
        self.document.problems.append(Mistake(where, dotted(path), found, allowed))


def _written(node: yaml.Node) -> str:
    """A node's value as the file has it, to be quoted in messages."""
    if isinstance(node, yaml.SequenceNode):
        return shown(f"[{', '.join(map(_written_inside, node.value))}]")
    return _written_inside(node)


def _written_inside(node: yaml.Node) -> str:
    match node:
        case yaml.MappingNode():
            return "a mapping"
        case yaml.SequenceNode():
            return "a list"
        case _ if node.tag == f"{_TAG}null":
            return "nothing"
        case _ if node.tag in _TYPED:
            return shown(node.value)
        case _:
            return shown(json.dumps(node.value, ensure_ascii=False))
