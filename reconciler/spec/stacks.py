"""Stacks of the environments of a folder: no two of them are the same stack.

Whatever carries a stack's tag is its own, to be changed and deleted. So the stacks of two environments that may be in
one account and region need different ids (`Specs.stack_id`). An environment that leaves the Stack the name that it has
in the base has its own name in its id; one that gives the Stack another name has that.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec import discovery, merge, placeholders
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.discovery import Source
from reconciler.spec.merge import Identity
from reconciler.spec.messages import shown
from reconciler.spec.node import Mapping as Node
from reconciler.spec.parse import Budget, parse
from reconciler.spec.specs import Specs

Documents = dict[Identity, Node]


def has_own_name(base: Documents, partial: Documents) -> bool:
    """Whether the name of the Stack is that of one environment: written there, or made with `{environment}`."""
    under, over = _stack(base), _stack(partial)
    named = over or under
    if under is None or named is None:
        return True
    return named.text("name") != under.text("name") or "{environment}" in (named.text("name") or "")


def check(specs: Specs, sources: list[Source]) -> Iterator[Diagnostic]:
    """An error where the base or another environment has the name that this one gives its Stack."""
    if specs.stack is None or specs.environment is None or specs.shares_name:
        return
    ours = specs.stack.name, specs.stack.region
    base = _read(sources, None)
    for environment in (None, *discovery.environments(sources)):
        if environment == specs.environment:
            continue
        partial = {} if environment is None else _read(sources, environment)
        root = _stack(merge.overlay(base, partial))
        if root is None or (environment is not None and not has_own_name(base, partial)):
            continue
        (other, *_), unknown = placeholders.resolved([root], environment, ())
        if environment is None and unknown:  # the base is no stack without an environment
            continue
        account = other.text("account")
        apart = None not in (account, specs.stack.account) and account != specs.stack.account
        if (other.text("name"), other.text("region")) == ours and not apart:
            whose = "the base" if environment is None else f"the environment {shown(environment)}"
            message = f"{whose} has a Stack of the name {shown(specs.stack.name)}, too"
            hint = "give one of them another name, or pin each to its `account`"
            notes = (Note("the other one", other.entries["name"].value.position),)
            yield Diagnostic("E2028", message, specs.where(specs.stack), hint=hint, notes=notes)
            return


def _stack(documents: Documents) -> Node | None:
    return next((root for (kind, _), root in documents.items() if kind == "Stack"), None)


def _read(sources: list[Source], environment: str | None) -> Documents:
    """The Stack of the base or of one environment; what cannot be read is reported where that one is loaded."""
    texts = (
        (source.shown, *discovery.decode(source))
        for source in sources
        if source.environment == environment and b"Stack" in source.data
    )
    read = (root for shown_as, text, faults in texts if not faults for root in parse(text, shown_as, Budget())[0])
    stacks = [root for root in read if isinstance(root, Node) and root.text("kind") == "Stack"]
    return merge.unique(stacks[:1])[0]
