"""Placeholders in the values of documents: `{stack}`, `{environment}` and `{region}`.

They are resolved in the tree, after an environment is laid over the base and before documents are validated. So a value
keeps its position, cannot become structure, and has to obey the rules of its field as if it had been written out.
`{{stack}}` is the text `{stack}`, and so on with more braces; a variable of a shell, `${stack}`, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.spec import node
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Entry, Node, Scalar, Sequence

STACK: Final = "stack"
ENVIRONMENT: Final = "environment"
REGION: Final = "region"
NAMES: Final = (STACK, ENVIRONMENT, REGION)
_ANY: Final = "|".join(NAMES)
_BRACED: Final = re.compile(rf"(?<![${{])(\{{+)({_ANY})(\}}+)")
_FOUND: Final = re.compile(rf"(?<![${{])\{{({_ANY})\}}(?!\}})")
PATTERN: Final = rf"\{{(?:{_ANY})\}}"
"""A regular expression that finds a placeholder, for the JSON Schema."""
UNQUOTED: Final = re.compile(rf"[:,\[-] *({PATTERN})")
"""A value of YAML that begins with one."""
_STAND_IN: Final = "x"
"""In place of a value that is missing, so that the rest of the document is checked without a second error here."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """`values` are those of the placeholders that are known; `known` the environments that there are."""

    environment: str | None
    known: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)

    def stack(self, root: node.Mapping) -> tuple[node.Mapping, Resolver]:
        """The Stack, and the resolver for the other documents. Its region is known before its name, and both before
        the rest of it."""
        values = {} if self.environment is None else {ENVIRONMENT: self.environment}
        resolver, entries = replace(self, values=values), dict(root.entries)
        fields: tuple[tuple[str, str], ...] = (("region", REGION), ("name", STACK))
        for name, what in fields:
            text = _STAND_IN  # where it is missing, which is an error of its own
            if name in entries:
                value = resolver._resolved(entries[name].value)
                entries[name] = Entry(entries[name].key, value)
                text = value.text if isinstance(value, Scalar) else text
            resolver = replace(resolver, values={**resolver.values, what: text})
        done = {name: entries.pop(name) for name, _ in fields if name in entries}
        rest = {name: Entry(entry.key, resolver._resolved(entry.value)) for name, entry in entries.items()}
        return replace(root, entries={**done, **rest}), resolver

    def document(self, root: node.Mapping) -> node.Mapping:
        """Any other document. Its name is the same in every environment: commands and overlays know it by it."""
        found = _FOUND.search(root.text("name") or "")
        if found is not None:
            message = f"name: a document has the same name in every environment, without {found[0]}"
            hint = "set name_prefix or name_suffix in the Stack, or aws_name here"
            place = root.entries["name"].value.position
            self.findings.append(Diagnostic("E1138", message, place, hint=hint))
        resolved = self._resolved(root)
        assert isinstance(resolved, node.Mapping), "a mapping stays one"
        return resolved

    def _resolved(self, value: Node) -> Node:
        """The same object where nothing is in it."""
        match value:
            case Scalar():
                return self._scalar(value)
            case node.Mapping():
                entries = {name: Entry(one.key, self._resolved(one.value)) for name, one in value.entries.items()}
                same = all(one.value is value.entries[name].value for name, one in entries.items())
                return value if same else replace(value, entries=entries)
            case Sequence():
                items = [self._resolved(item) for item in value.items]
                same = all(one is other for one, other in zip(items, value.items, strict=True))
                return value if same else replace(value, items=items)
        raise AssertionError(value)

    def _scalar(self, scalar: Scalar) -> Scalar:
        if not isinstance(scalar.value, str) or "{" not in scalar.value:
            return scalar
        unknown = [match[1] for match in _FOUND.finditer(scalar.value) if match[1] not in self.values]
        self.findings.extend(self._unknown(scalar, name) for name in dict.fromkeys(unknown))
        text = _BRACED.sub(self._text, scalar.value)
        return scalar if text == scalar.value else replace(scalar, text=text, value=text)

    def _text(self, match: re.Match[str]) -> str:
        before, name, after = match.groups()
        if len(before) != len(after):
            return match[0]
        return self.values.get(name, _STAND_IN) if before == "{" else match[0][1:-1]

    def _unknown(self, scalar: Scalar, name: str) -> Diagnostic:
        if name != ENVIRONMENT:
            message = f"{{{name}}} is not known here: the Stack's name and region are made without it"
            return Diagnostic("E1137", message, scalar.position)
        message = "{environment} has no value without an environment"
        chosen = (
            f"choose one with -e: {joined(map(shown, self.known), 'or')}" if self.known else "choose one with -e NAME"
        )
        return Diagnostic("E1137", message, scalar.position, hint=f"{chosen}; the text itself is {{{{environment}}}}")


def escaped(text: str) -> str:
    """`text` as it is written for a value to be just that."""
    return _BRACED.sub(lambda match: f"{{{match[0]}}}" if len(match[1]) == len(match[3]) else match[0], text)


def resolved(
    documents: Iterable[node.Mapping], environment: str | None, known: tuple[str, ...]
) -> tuple[list[node.Mapping], list[Diagnostic]]:
    """Every document with its placeholders resolved, the Stack first, and what is wrong with them."""
    resolver, roots = Resolver(environment, known), list(documents)
    stacks = [root for root in roots if root.text("kind") == "Stack"]
    others = [root for root in roots if root.text("kind") != "Stack"]
    done: list[node.Mapping] = []
    for root in stacks[:1]:
        stack, resolver = resolver.stack(root)
        done.append(stack)
    if not stacks:  # which is an error of its own
        resolver = replace(resolver, values=dict.fromkeys(NAMES, _STAND_IN))
    done += stacks[1:]
    done += [resolver.document(root) for root in others]
    return done, resolver.findings
