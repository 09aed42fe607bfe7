"""Show the console of a stack in the browser, with your own credentials."""

from __future__ import annotations

import contextlib
import threading
import webbrowser

import click

from reconciler import errors
from reconciler.cli import http_endpoint, options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.cli.signals import ignore, stopping


@click.command()
@options.specs_option
@options.store
@click.option("--port", default=0, metavar="PORT", help="Port on 127.0.0.1. Default: a free one.")
@click.option("--open", "opens", is_flag=True, help="Open the browser.")
@with_last_valid_stack
def console(stack: Stack, port: int, opens: bool) -> int:
    """Show the console on this machine until Ctrl-C: services, rollouts, plan, events and logs.

    It reads the account with your own credentials, as `status` does, while a page is open. Requests such as a promotion
    are written in your name, and the controller of the stack carries them out.
    """
    from reconciler.cli import driver_state as drivers
    from reconciler.cli.console.account_source import AccountSource
    from reconciler.cli.console.acts import StackActs
    from reconciler.cli.console.questions import StackQuestions
    from reconciler.cli.console.settings import TOKEN, ConsoleSettings
    from reconciler.cli.rollout_session import open_rollouts
    from reconciler.cli.stack_requests import open_carriers

    source = AccountSource(stack)

    def check(what: str) -> None:
        """Raises `errors.Refused` while nobody would answer."""
        state = drivers.driver_state(stack, applied="")
        if state.by is drivers.DrivenBy.NOBODY:
            because = f"{what}: no controller runs: {drivers.nobody_text(state)}; nothing was recorded"
            raise errors.Refused(because, code=drivers.NO_CONTROLLER)
        source.again()

    def linked(url: str) -> None:
        echo(f"  {url}")
        if opens and not opened.is_set():
            opened.set()
            webbrowser.open(url)

    opened = threading.Event()
    acts = StackActs(lambda: open_rollouts(stack), lambda: open_carriers(stack), check)
    questions = StackQuestions(lambda: stack, source.world, local=stack.identity.endpoint is not None)
    listen, settings = f"127.0.0.1:{port}", ConsoleSettings(console=TOKEN)
    with contextlib.ExitStack() as inside:
        stopped = inside.enter_context(stopping(ignore, ignore))
        echo(f"{stack.banner}\nThe console is on this machine. Each link signs in one browser; Ctrl-C stops it.")
        from reconciler.console.routes import Console

        inside.enter_context(
            http_endpoint.served(
                listen,
                None,
                None,
                settings,
                lambda access: Console(source, acts, questions, access),
                person=stack.identity.who,
                linked=linked,
            )
        )
        source.start()
        inside.callback(source.close)
        stopped.stop.wait()
    return Exit.DONE
