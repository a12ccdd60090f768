"""Step rules of neurons whose receptors are alike: all synaptic input adds up in one number.

Where excitatory and inhibitory currents decay at one rate and act through one gain, a neuron needs their sum alone: a
third less of state to move, and half the memory that synapses are delivered to. That a rule allows it is read from its
arithmetic, whatever the model is.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from simulators.neurons.neuron_model import StepRule, Values
from simulators.neurons.step_code import INPUTS, Assignment, assignments, expression, names_in

_EX, _IN = "_ex", "_in"


@dataclass(frozen=True)
class OneInput:
    """A rule in which ``input_ex`` is the sum of both inputs.

    Parameters
    ----------
    lines : tuple of Assignment
        Its lines.
    alike : frozenset of str
        Constants of the inhibitory receptor that must be the same as those of the excitatory one.
    """

    lines: tuple[Assignment, ...]
    alike: frozenset[str]

    def holds_for(self, constants: Mapping[str, Values]) -> bool:
        """Whether a population's constants allow it."""
        return all(np.array_equal(constants[name], constants[_twin(name)]) for name in self.alike)


@cache
def one_input(rule: StepRule, constants: frozenset[str]) -> OneInput | None:
    """Return a rule with one input; None if its arithmetic tells the receptors apart whatever the constants are.

    Parameters
    ----------
    rule : StepRule
        The rule.
    constants : frozenset of str
        Names of its constants.
    """
    lines = {line.name: line.expression for line in assignments(rule)}
    known = {*lines, *constants, *INPUTS}
    inhibitory = {_twin(name): name for name in known if name.endswith(_IN) and _twin(name) in known}
    shares, used = {"input_in"}, set()  # what is proportional to the inhibitory input, and what it is multiplied with
    for name, value in lines.items():
        if name.endswith(_IN) and _is_share(value, shares):
            if _twin(name) not in lines or _text(lines[_twin(name)], inhibitory) != _text(value):
                return None
            shares.add(name)
            used |= names_in(value)
    if "next_input_in" not in shares or any(names_in(expression(text)) & set(INPUTS) for text in rule.reset.values()):
        return None
    joining = _Joining({_twin(name) for name in shares}, shares, inhibitory)
    kept = []
    for name, value in lines.items():
        if name not in shares:
            kept.append(Assignment(name, value if _twin_of(name) in shares else joining.visit(_copied(value))))
    used |= joining.used
    alike = frozenset(name for name in used & constants if name.endswith(_IN))
    if joining.one_alone or any(_twin(name) not in constants for name in alike):
        return None
    return OneInput(tuple(kept), alike)


def _twin(name: str) -> str:
    """Name of the excitatory receptor for one of the inhibitory."""
    return name.removesuffix(_IN) + _EX


def _twin_of(name: str) -> str:
    return name.removesuffix(_EX) + _IN


def _copied(value: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(value), mode="eval").body


def _text(value: ast.expr, names: Mapping[str, str] | None = None) -> str:
    """Write an expression, with other names in it."""
    copied = _copied(value)
    for node in ast.walk(copied):
        if isinstance(node, ast.Name):
            node.id = (names or {}).get(node.id, node.id)
    return ast.unparse(copied)


def _is_share(value: ast.expr, inputs: Collection[str]) -> bool:
    """Whether a value is proportional to one of the inputs."""
    match value:
        case ast.Name(id=name):
            return name in inputs
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_share(operand, inputs)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            # of a product, one factor
            left_is, right_is = _is_share(left, inputs), _is_share(right, inputs)
            other = right if left_is else left
            return (left_is or right_is) and not names_in(other) & set(inputs)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _is_share(left, inputs) and not names_in(right) & set(inputs)
    return False


def _terms(value: ast.expr, sign: int = 1) -> Iterator[tuple[int, ast.expr]]:
    """Terms of a sum, each with its sign."""
    match value:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _terms(left, sign)
            yield from _terms(right, sign)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield from _terms(left, sign)
            yield from _terms(right, -sign)
        case _:
            yield sign, value


def _sum(terms: Sequence[tuple[int, ast.expr]]) -> ast.expr:
    """Add terms up, from left to right."""
    (sign, summed), *others = terms
    summed = summed if sign > 0 else ast.UnaryOp(ast.USub(), summed)
    for sign, value in others:
        summed = ast.BinOp(summed, ast.Add() if sign > 0 else ast.Sub(), value)
    return summed


class _Joining(ast.NodeTransformer):
    """Takes the inhibitory term out of every sum that has the same of the excitatory receptor.

    `used` are the names in such terms; `one_alone` says that an input is read elsewhere, too.
    """

    def __init__(self, excitatory: Collection[str], inhibitory: Collection[str], names: Mapping[str, str]) -> None:
        self._excitatory, self._inhibitory, self._names = set(excitatory), set(inhibitory), names
        self.used: set[str] = set()
        self.one_alone = False

    def visit_Name(self, node: ast.Name) -> ast.Name:
        self.one_alone = self.one_alone or node.id in self._excitatory | self._inhibitory
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not isinstance(node.op, (ast.Add, ast.Sub)):
            return self.generic_visit(node)
        terms = list(_terms(node))
        left_out = [(sign, _text(value)) for sign, value in terms if _is_share(value, self._inhibitory)]
        stay = [(sign, _text(value, self._names)) for sign, value in terms if _is_share(value, self._excitatory)]
        if sorted(left_out) != sorted(stay):
            return self.generic_visit(node)
        kept = []
        for sign, value in terms:
            if _is_share(value, self._inhibitory):
                self.used |= names_in(value)
            else:
                kept.append((sign, value if _is_share(value, self._excitatory) else self.visit(value)))
        return _sum(kept)
