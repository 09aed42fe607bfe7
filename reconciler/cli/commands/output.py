"""Show the URLs, ids and ARNs of what is deployed."""

from __future__ import annotations

from difflib import get_close_matches

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack, with_stack


@click.command()
@click.argument("name", required=False)
@options.specs_option
@options.output("text", "json")
@with_stack
def output(stack: Stack, name: str | None, output: str) -> int:
    """Show the outputs of the stack: URLs, ids, ARNs and DNS names of what is deployed. Writes nothing.

    With NAME, such as service/api.url, print that value alone, for use in scripts. An output that does not exist, or
    a part of the stack that cannot be read, is an error.
    """
    from reconciler.cli.emulator_client import urls_of
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.queries.outputs import outputs
    from reconciler.reconcile.observe import observe
    from reconciler.rollout_driver.resolution import context_of

    target, stack_name = stack.target, stack.target.place.stack
    observed = observe(stack.aws, stack.kinds, target.place, target.desired)
    found = context_of(target.desired, observed, stack_name).found
    values = outputs(stack.kinds, found, target.deliveries, urls_of(stack.identity.endpoint))
    unread = {kind: str(error) for kind, error in sorted(observed.unreadable.items())}
    if name is not None:
        values, unread = {name: _value(values, name, unread)}, {}
    for kind, why in unread.items():
        echo(f"cannot read {kind}: {why}", err=True)
    if output == "json":
        echo(dumps({"format_version": FORMAT_VERSION, "stack": stack_name, "outputs": values, "unread": unread}))
    elif name is not None:
        echo(values[name])
    else:
        width = max(map(len, values), default=0)
        for key, value in values.items():
            echo(f"{key.ljust(width)}  {value}")
    return Exit.FAILED if unread else Exit.DONE


def _value(values: dict[str, str], name: str, unread: dict[str, str]) -> str:
    """Raises `errors.ReconcilerError` if there is no such output."""
    if name in values:
        return values[name]
    kind = name.partition("/")[0]
    if kind in unread:
        raise errors.ReconcilerError(f"cannot read {kind}: {unread[kind]}")
    close = get_close_matches(name, values, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "`reconciler output` lists the outputs of what is deployed."
    raise errors.ReconcilerError(f"no output {name!r}. {hint}")
