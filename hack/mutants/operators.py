"""Ways to be wrong that mutmut does not try by itself.

It swaps operators, constants, strings and arguments, but leaves a bare `if x:` as it is, and never
forgets a statement or a result: the mistakes that a program made of early returns is prone to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import libcst as cst
from mutmut.mutation.mutators import mutation_operators

Branch = TypeVar("Branch", cst.If, cst.While, cst.CompIf)

PLAIN = (cst.Name, cst.Attribute, cst.Call, cst.NamedExpr)
"""Conditions with no operator that could be swapped instead."""


def install() -> None:
    """Have mutmut try these as well; before it makes any mutants."""
    for branch in (cst.If, cst.While, cst.CompIf):
        mutation_operators.append((branch, negated_branch))
    mutation_operators.append((cst.BooleanOperation, negated_operand))
    mutation_operators.append((cst.Expr, forgotten_call))
    mutation_operators.append((cst.AugAssign, forgotten_change))
    mutation_operators.append((cst.Return, forgotten_result))


def negated_branch(node: Branch) -> Iterator[Branch]:
    """`if x` -> `if not (x)`."""
    if isinstance(node.test, (*PLAIN, cst.BooleanOperation)):
        yield node.with_changes(test=_not(node.test))


def negated_operand(node: cst.BooleanOperation) -> Iterator[cst.BooleanOperation]:
    """`x and y` -> `not (x) and y`, `x and not (y)`."""
    if isinstance(node.left, PLAIN):
        yield node.with_changes(left=_not(node.left))
    if isinstance(node.right, PLAIN):
        yield node.with_changes(right=_not(node.right))


def forgotten_call(node: cst.Expr) -> Iterator[cst.Pass]:
    """`do(x)` -> `pass`."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def forgotten_change(_: cst.AugAssign) -> Iterator[cst.Pass]:
    """`x += y` -> `pass`."""
    yield cst.Pass()


def forgotten_result(node: cst.Return) -> Iterator[cst.Return]:
    """`return x` -> `return None`."""
    if node.value is not None and not _is_nothing(node.value):
        yield node.with_changes(value=cst.Name("None"))


def _not(condition: cst.BaseExpression) -> cst.UnaryOperation:
    inner = condition.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(cst.Not(), inner)


def _is_nothing(value: cst.BaseExpression) -> bool:
    """Whether None would say the same, or nearly: `None`, `False`, `""`, `()`."""
    return cst.Module([]).code_for_node(value) in ("None", "False", '""', "()")
