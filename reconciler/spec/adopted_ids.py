"""Check of the ids by which documents adopt: each belongs to a resource of its document that can be adopted so.

It takes specs that can be compiled, because only the compiler knows which resources a document has.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic, did_you_mean
from reconciler.spec.documents import Document
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    """The findings of specs without an error."""
    named = [one for one in specs.documents if one.adopt is not None and one.adopt.ids]
    if not named or specs.stack is None:
        return
    from reconciler.model.type_registry import discover
    from reconciler.spec.compile import compile_each

    kinds, known = discover(), dict[str, list[str]]()
    for document, want in compile_each(specs):
        if kinds[want.address.kind].adopted_by_id:
            known.setdefault(document.address, []).append(str(want.address))
    for document in named:
        yield from _unknown(specs, document, known.get(document.address, []))


def _unknown(specs: Specs, document: Document, known: list[str]) -> Iterator[Diagnostic]:
    assert document.adopt is not None, "the caller has checked it"
    for address in document.adopt.ids:
        if address not in known:
            message = f"{document.address} has no {shown(address)} that can be adopted by its id"
            place = specs.where(document, "adopt", "ids", address, key=True)
            hint = did_you_mean(address, known) or "parts of a Network can, such as vpc/NAME and subnet/NAME"
            yield Diagnostic("E2015", message, place, hint=hint)
