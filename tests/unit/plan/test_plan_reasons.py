"""The table of reasons and the code know the same reasons."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dnatctl
from dnatctl.plan.reasons import REASONS, ToldOn

SOURCES = Path(dnatctl.__file__).parent
TELLING = ("plan", "control", "pool", "objects.py")
"""Where reasons are made."""

CALLS = {"Problem": 0, "_Trouble": 1, "Condition": 2, "ready": 3, "_event": 3, "Shortage": 0}
"""What takes a reason, and at which place."""

NO_REASONS = {"FinancialLocked", "GatewayPool", "PodDNAT", "SecurityLocked", "StatefulSet"}
"""Words that look like reasons and are none."""

WORD = re.compile(r"(?:[A-Z][a-z]+){2,}|[A-Z][a-z]+[A-Z]+[A-Za-z0-9]*")


def trees() -> Iterator[ast.AST]:
    for part in TELLING:
        where = SOURCES / part
        for path in [where] if where.is_file() else sorted(where.rglob("*.py")):
            if path.name != "reasons.py":
                yield ast.parse(path.read_text(encoding="utf-8"))


def constants() -> set[str]:
    """All strings of the code that tells."""
    return {
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def given() -> set[str]:
    """Strings that are handed over as a reason, whatever they look like."""
    found = set()
    for tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = CALLS.get(name)
            if place is None or len(node.args) <= place:
                continue
            argument = node.args[place]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found


def test_every_reason_that_the_code_tells_is_in_the_table() -> None:
    told = {word for word in constants() if WORD.fullmatch(word)} | given()
    missing = told - REASONS.keys() - NO_REASONS
    assert not missing, "describe them in plan/reasons.py, then `make docs`"


def test_every_reason_of_the_table_is_told_by_the_code() -> None:
    assert not REASONS.keys() - constants(), "take them out of plan/reasons.py"


def test_there_are_many_and_each_says_something() -> None:
    assert len(REASONS) >= 30
    for name, reason in REASONS.items():
        assert reason.where, name
        assert reason.meaning.endswith("."), name
        if ToldOn.POD in reason.where:
            assert reason.mend.endswith((".", "`")), name


def test_a_mend_is_a_sentence_that_says_what_to_do() -> None:
    """It is put behind others in `explain`: that nothing is to be done is no mend."""
    for name, reason in REASONS.items():
        assert not re.match(r"(Mostly )?[Nn]one\b", reason.mend), name
        assert not reason.mend or reason.mend.endswith("."), name
