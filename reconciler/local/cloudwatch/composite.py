"""Rules of composite alarms: `ALARM(errors) AND NOT (OK("slow") OR FALSE)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import lru_cache

from reconciler.local.refusal import Refusal

KNOWN = (ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Constant, ast.Name, ast.Load)
STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
MOST_ELEMENTS = 500
NAMED = re.compile(rf"\b({'|'.join(STATES)})\s*\(\s*(?:\"([^\"]*)\"|'([^']*)'|([^()\"']+?))\s*\)")


@lru_cache(maxsize=256)
def _parsed(rule: str) -> tuple[ast.expr, tuple[tuple[str, str], ...]]:
    """The rule with a name in place of each function, and the functions: which state they ask of which alarm."""
    found: list[tuple[str, str]] = []

    def number(match: re.Match[str]) -> str:
        name = next(group for group in match.groups()[1:] if group is not None)
        found.append((match[1], name.rpartition(":alarm:")[2]))
        return f" a{len(found) - 1} "

    words = NAMED.sub(number, rule)
    for name in ("AND", "OR", "NOT", "TRUE", "FALSE"):
        words = re.sub(rf"\b{name}\b", {"TRUE": "True", "FALSE": "False"}.get(name, name.lower()), words)
    try:
        body = ast.parse(" ".join(words.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refusal("ValidationError", f"Could not parse the alarm rule {rule!r}") from error
    if sum(isinstance(node, ast.expr) for node in ast.walk(body)) > MOST_ELEMENTS:
        raise Refusal("ValidationError", f"The alarm rule has more than {MOST_ELEMENTS} elements")
    named = sorted(node.id for node in ast.walk(body) if isinstance(node, ast.Name))
    if named != sorted(f"a{index}" for index in range(len(found))) or not all(map(_known, ast.walk(body))):
        raise Refusal("ValidationError", f"Could not parse the alarm rule {rule!r}")
    return body, tuple(found)


def _known(node: ast.AST) -> bool:
    return isinstance(node, KNOWN) and (not isinstance(node, ast.Constant) or isinstance(node.value, bool))


def names(rule: str) -> set[str]:
    """The alarms it refers to. Raises ValidationError for what is no rule."""
    return {name for _, name in _parsed(rule)[1]}


def holds(rule: str, state_of: Callable[[str], str]) -> bool:
    body, functions = _parsed(rule)
    return _holds(body, lambda index: state_of(functions[index][1]) == functions[index][0])


def _holds(node: ast.expr, is_in_state: Callable[[int], bool]) -> bool:
    match node:
        case ast.Constant(value=bool() as value):
            return value
        case ast.Name(id=name):
            return is_in_state(int(name[1:]))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _holds(operand, is_in_state)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_holds(one, is_in_state) for one in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_holds(one, is_in_state) for one in values)
        case _:
            raise AssertionError(ast.dump(node))
