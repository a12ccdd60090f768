"""Reading the arithmetic of a `StepRule`, and writing it in another language."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from simulators.neurons.neuron_model import SUFFIXES, NeuronModel, StepRule

FUNCTIONS: Mapping[str, int] = {"exp": 1, "min": 2, "max": 2}
"""Functions an expression may call, with their number of arguments."""

INPUTS = tuple(f"input_{suffix}" for suffix in SUFFIXES.values())
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.UAdd)


class StepRuleError(ValueError):
    """A step rule that is no arithmetic, or is not complete; the message says which line and why."""


@dataclass(frozen=True)
class Assignment:
    """One line of a step.

    Parameters
    ----------
    name : str
        What is assigned.
    expression : ast.expr
        Its value; `written` turns it into text.
    """

    name: str
    expression: ast.expr


@cache
def assignments(rule: StepRule) -> tuple[Assignment, ...]:
    """Return the lines of a rule's code.

    Raises
    ------
    StepRuleError
        If a line is not ``name = expression``, or an expression holds anything but arithmetic.
    """
    try:
        lines = ast.parse(rule.code.strip()).body
    except SyntaxError as error:
        raise StepRuleError(f"line {error.lineno} of the step's code: {error.msg}") from error
    found = []
    for line in lines:
        if not isinstance(line, ast.Assign) or len(line.targets) != 1 or not isinstance(line.targets[0], ast.Name):
            raise StepRuleError(f"{ast.unparse(line)!r} is not of the form: name = expression")
        found.append(Assignment(line.targets[0].id, _checked(line.value)))
    return tuple(found)


@cache
def expression(text: str) -> ast.expr:
    """Return one expression (of a reset, say).

    Raises
    ------
    StepRuleError
        If it holds anything but arithmetic.
    """
    try:
        return _checked(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise StepRuleError(f"{text!r}: {error.msg}") from error


def names_in(value: ast.expr) -> set[str]:
    """Names that an expression uses, functions left out."""
    functions = {id(node.func) for node in ast.walk(value) if isinstance(node, ast.Call)}
    return {node.id for node in ast.walk(value) if isinstance(node, ast.Name) and id(node) not in functions}


def functions_in(rule: StepRule) -> set[str]:
    """Names of the functions that a step calls."""
    nodes = (node for line in assignments(rule) for node in ast.walk(line.expression))
    return {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}


def written(value: ast.expr, names: Mapping[str, str], functions: Mapping[str, str] | None = None) -> str:
    """Write an expression.

    Parameters
    ----------
    value : ast.expr
        From `assignments` or `expression`.
    names : mapping of str to str
        Text in place of names; others stay.
    functions : mapping of str to str, optional
        The same for functions.

    Returns
    -------
    str
        Valid in C and in Python; every number is written as a floating-point one.

    Examples
    --------
    >>> written(expression("decay * V + 1"), {"decay": "(scalar)decay"})
    '(scalar)decay * V + 1.0'
    """
    text = {**{name: name for name in FUNCTIONS}, **(functions or {})}
    return ast.unparse(_Writer(names, text).visit(ast.parse(ast.unparse(value), mode="eval").body))


def check_step_rule(model: NeuronModel, constants: set[str]) -> None:
    """Make sure that a model's step is complete.

    Parameters
    ----------
    model : NeuronModel
        A model with a step.
    constants : set of str
        Names that its `StepRule.constants` yields.

    Raises
    ------
    StepRuleError
        If a name is used before it is there, or a state or input has no next value.
    """
    rule = model.step
    assert rule is not None
    known = {*rule.states, *constants, *INPUTS, "dt"}
    if "V" not in rule.states:
        raise StepRuleError("there is no state V")
    if rule.threshold not in constants:
        raise StepRuleError(f"the threshold {rule.threshold!r} is not among the constants {sorted(constants)}")
    for state, text in rule.reset.items():
        if state not in rule.states:
            raise StepRuleError(f"reset of {state!r}, which is not among the states {list(rule.states)}")
        _check_names(f"reset of {state}", expression(text), known)
    for line in assignments(rule):
        _check_names(f"line {line.name} = …", line.expression, known)
        known.add(line.name)
    missing = [f"next_{name}" for name in (*rule.states, *INPUTS) if f"next_{name}" not in known]
    if missing:
        raise StepRuleError(f"the step assigns no {', '.join(missing)}")


def _check_names(where: str, value: ast.expr, known: set[str]) -> None:
    unknown = names_in(value) - known
    if unknown:
        raise StepRuleError(f"{where}: {', '.join(sorted(unknown))} is not known; there are {', '.join(sorted(known))}")


def _checked(value: ast.expr) -> ast.expr:
    for node in ast.walk(value):
        match node:
            case ast.BinOp() | ast.UnaryOp() | ast.Name() | ast.Load():
                continue
            case ast.Constant() if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
                continue
            case ast.Call(func=ast.Name(id=name), keywords=[]) if FUNCTIONS.get(name) == len(node.args):
                continue
            case ast.operator() | ast.unaryop() if isinstance(node, _OPERATORS):
                continue
        valid = f"+ - * /, numbers, names and {', '.join(f'{name} of {n}' for name, n in FUNCTIONS.items())}"
        raise StepRuleError(f"{ast.unparse(value)!r} holds more than arithmetic ({valid})")
    return value


class _Writer(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str], functions: Mapping[str, str]) -> None:
        self._names = names
        self._functions = functions

    def visit_Call(self, node: ast.Call) -> ast.Call:
        assert isinstance(node.func, ast.Name)
        return ast.Call(
            ast.Name(self._functions[node.func.id], ast.Load()), [self.visit(argument) for argument in node.args], []
        )

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._names.get(node.id, node.id), ast.Load())

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        assert isinstance(node.value, (int, float))
        return ast.Constant(float(node.value))
