"""Show the stack's resources as a tree."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_stack


@click.command()
@options.specs
@options.output("text", "json")
@with_stack
def tree(stack: Stack, output: str) -> int:
    """Show the stack's resources as a tree, with their ids, health and running tasks.

    Exits with 1 if a part of the tree cannot be read.
    """
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.output.tree_text import tree_document, tree_text
    from reconciler.model import ownership
    from reconciler.queries import tree as trees
    from reconciler.reconcile.observe import observe

    target, name = stack.target, stack.target.place.stack
    world = observe(stack.aws, stack.kinds, target.place, target.desired)
    services = [service for service in world.found.get("service", ()) if ownership.owner(service.tags) == name]
    tasks = stack.aws.run(trees.tasks_of(services))
    nodes = trees.tree(stack.kinds, world, name, target.deliveries, tasks)
    absent = trees.absent(world, (desired.address for desired in target.desired))
    unread = {kind: str(error) for kind, error in sorted(world.unreadable.items())}
    if output == "json":
        document = {
            "format_version": FORMAT_VERSION,
            "stack": name,
            "tree": [tree_document(node) for node in nodes],
            "absent": [str(address) for address in absent],
            "unread": unread,
        }
        echo(dumps(document))
    else:
        say(tree_text(name, nodes, stack.look, absent=absent, unread=unread), stack.look)
    return Exit.FAILED if unread else Exit.DONE
