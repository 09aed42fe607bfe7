"""Metric math: arithmetic, comparisons and the usual functions over series of values.

A series is {minute: value}. Two series are combined where both have a value, as on AWS; a division by zero has none.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from reconciler.local.refusal import Refusal

Values = dict[int, float]
Term = float | Values | list[Values]

OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda left, right: bool(left) and bool(right),
    ast.Or: lambda left, right: bool(left) or bool(right),
}
REDUCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
ROUNDINGS: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
LONGEST = 2048
LARGEST = sys.float_info.max


def refused(expression: str, because: str) -> Refusal:
    return Refusal("ValidationError", f"Invalid metrics expression '{expression}': {because}")


@lru_cache(maxsize=256)
def parsed(expression: str) -> ast.expr:
    """Raises ValidationError for what is no expression."""
    words = re.sub(r"&&|\bAND\b", " and ", re.sub(r"\|\||\bOR\b", " or ", expression.replace("^", "**")))
    if len(expression) > LONGEST:
        raise refused(expression[:50], f"it is longer than {LONGEST} characters")
    try:
        return ast.parse(words.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise refused(expression, "it cannot be parsed") from error


def names(expression: str) -> set[str]:
    """The ids that it refers to."""
    called = {id(node.func) for node in ast.walk(parsed(expression)) if isinstance(node, ast.Call)}
    found = (node for node in ast.walk(parsed(expression)) if isinstance(node, ast.Name) and id(node) not in called)
    return {node.id for node in found if node.id != "REPEAT"}


def value(
    expression: str, series: Mapping[str, Values], metrics: Sequence[str], grid: Sequence[int], period: int
) -> Values:
    """The series that the expression stands for. `metrics` are the ids that METRICS() means; `grid` has every minute at
    which a value may be, in order; `period` is in seconds."""
    term = _Evaluation(expression, series, metrics, grid, period).term(parsed(expression))
    if isinstance(term, list):
        raise refused(expression, "it does not return a single time series")
    return term if isinstance(term, dict) else dict.fromkeys(grid, float(term))


class _Evaluation:
    def __init__(
        self, text: str, series: Mapping[str, Values], metrics: Sequence[str], grid: Sequence[int], period: int
    ) -> None:
        self.text = text
        self.series = series
        self.metrics = metrics
        self.grid = grid
        self.period = period

    def term(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=int() | float() as number) if abs(number) <= LARGEST:
                return float(number)
            case ast.Name(id=name) if name in self.series:
                return self.series[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._each(lambda one: -one, self.term(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return self._both(OPERATORS[type(op)], self.term(left), self.term(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
                return self._both(OPERATORS[type(op)], self.term(left), self.term(right))
            case ast.BoolOp(op=op, values=[first, *rest]):
                found = self.term(first)
                for one in rest:
                    found = self._both(OPERATORS[type(op)], found, self.term(one))
                return found
            case ast.List(elts=items):
                return [self._series(self.term(item)) for item in items]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
            case ast.Name(id=name):
                raise refused(self.text, f"{name} is not defined")
            case _:
                raise refused(self.text, "the local AWS emulator does not know all of it")

    def _call(self, name: str, arguments: list[ast.expr]) -> Term:
        match name, arguments:
            case "METRICS", []:
                return [self.series[one] for one in self.metrics]
            case "METRICS", [ast.Constant(value=str() as part)]:
                return [self.series[one] for one in self.metrics if part in one]
            case "METRIC_COUNT", [every]:
                found = self.term(every)
                return float(len(found)) if isinstance(found, list) else 1.0
            case "PERIOD", [_]:
                return float(self.period)
            case "FILL", [one, ast.Name(id="REPEAT")]:
                return self._each_series(self._repeated, self.term(one))
            case "FILL", [one, filling]:
                other = self._series(self.term(filling))
                return self._each_series(lambda values: other | values, self.term(one))
            case "IF", [condition, then, *otherwise] if len(otherwise) < 2:
                return self._choice(self.term(condition), self.term(then), [self.term(one) for one in otherwise])
            case _, [one] if name in REDUCTIONS:
                return self._reduced(REDUCTIONS[name], self.term(one))
            case _, [one] if name in ROUNDINGS:
                return self._each(ROUNDINGS[name], self.term(one))
            case _:
                raise refused(
                    self.text, f"the local AWS emulator has no function {name} with {len(arguments)} arguments"
                )

    # ---- over terms -------------------------------------------------------------------------------------------------

    def _series(self, term: Term) -> Values:
        if isinstance(term, list):
            raise refused(self.text, "a single time series is needed")
        return term if isinstance(term, dict) else dict.fromkeys(self.grid, term)

    def _each_series(self, change: Callable[[Values], Values], term: Term) -> Term:
        return [change(one) for one in term] if isinstance(term, list) else change(self._series(term))

    def _each(self, change: Callable[[float], float], term: Term) -> Term:
        if isinstance(term, float):
            found = _finite(change, term)
            return {} if found is None else found
        return self._each_series(lambda values: _known((at, _finite(change, values[at])) for at in values), term)

    def _both(self, combine: Callable[[float, float], float], left: Term, right: Term) -> Term:
        if isinstance(left, list):
            return [self._series(self._both(combine, one, right)) for one in left]
        if isinstance(right, list):
            return [self._series(self._both(combine, left, one)) for one in right]
        if isinstance(left, float) and isinstance(right, float):
            found = _finite(combine, left, right)
            return {} if found is None else found
        first, second = self._series(left), self._series(right)
        both = sorted(first.keys() & second.keys())
        return _known((at, _finite(combine, first[at], second[at])) for at in both)

    def _choice(self, condition: Term, then: Term, otherwise: list[Term]) -> Values:
        chosen, first = self._series(condition), self._series(then)
        second = self._series(otherwise[0]) if otherwise else {}
        return _known((at, (first if chosen[at] else second).get(at)) for at in chosen)

    def _reduced(self, reduce: Callable[[Sequence[float]], float], term: Term) -> Term:
        """Of several series the one across them; of one series the value of all its points."""
        if isinstance(term, list):
            every = sorted({at for one in term for at in one})
            return _known((at, _finite(reduce, [one[at] for one in term if at in one])) for at in every)
        values = list(self._series(term).values())
        found = _finite(reduce, values) if values else None
        return {} if found is None else found

    def _repeated(self, values: Values) -> Values:
        found: Values = {}
        last: float | None = None
        for at in self.grid:
            last = values.get(at, last)
            if last is not None:
                found[at] = last
        return found


def _finite(calculate: Callable[..., float], *arguments: float | Sequence[float]) -> float | None:
    """The result; None where there is none, as of a division by zero, or where it is too large."""
    try:
        found = calculate(*arguments)
    except (ArithmeticError, ValueError):
        return None
    return float(found) if not isinstance(found, complex) and math.isfinite(found) else None


def _known(pairs: Iterable[tuple[int, float | None]]) -> Values:
    return {at: one for at, one in pairs if one is not None}
