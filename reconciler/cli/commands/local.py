"""Run and control the local AWS emulator."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
import orjson

from reconciler import errors
from reconciler.cli.emulator_client import CLIENT_HEADERS, EMULATOR, opened
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.signals import ignore, stopping

STATE = Path(".reconciler/local")
PORT = 4566


@click.group()
def local() -> None:
    """Run and control the local AWS emulator: it runs real tasks, health checks and load balancing, without an AWS
    account and without Docker.

    Commands that read or change an account use it with --local.
    """


@local.command()
@click.option("--port", default=PORT, show_default=True, help="Port of the endpoint; 0 picks a free one.")
@click.option("--clock", default=1.0, metavar="N", help="Run the clock N times as fast.")
@click.option("--state", default=STATE, type=click.Path(path_type=Path), help="Folder for pushed images.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def up(port: int, clock: float, state: Path, output: str) -> int:
    """Run the emulator until Ctrl-C."""
    from reconciler.cli.emulator import Emulator

    with stopping(ignore, ignore) as stopped:
        try:
            emulator = Emulator(state, port=port, speed=clock)
        except OSError as error:
            raise errors.ReconcilerError(f"cannot listen on port {port}: {error.strerror}; try --port 0") from error
        with emulator:
            if output == "json":
                echo(orjson.dumps({"format_version": 1, "endpoint": emulator.url, "state": str(state)}).decode())
            else:
                echo(f"The local AWS emulator is running on {emulator.url}. Press Ctrl-C to stop it.")
                if emulator.url != EMULATOR:
                    echo(f"  export AWS_ENDPOINT_URL={emulator.url}")
                echo("  reconciler diff --local    # and all other commands")
            sys.stdout.flush()
            for note in emulator.notes:
                echo(f"note: {note}", err=True)
            stopped.stop.wait()
    return Exit.DONE


@local.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--tag", required=True, help="Tag of the image, such as v2.")
@click.option("--repository", help="ECR repository. Default: the only one.")
@click.option("--region", help="Region of the repository. Default: the only one in which it exists.")
@click.option("--endpoint", default=EMULATOR, envvar="AWS_ENDPOINT_URL", show_envvar=True, show_default=True)
def push(folder: Path, tag: str, repository: str | None, region: str | None, endpoint: str) -> int:
    """Push FOLDER as an image, without a container engine. Its digest is that of the folder's content."""
    from reconciler.cli.emulator import push as push_image
    from reconciler.cli.emulator import the_repository

    state = ask(endpoint, "health").get("folder")
    if not state:
        raise errors.ReconcilerError(f"the emulator on {endpoint} runs no images; start it with `reconciler local up`")
    found = the_repository(endpoint, name=repository, region=region)
    try:
        digest = push_image(Path(state), folder, found, tag, endpoint)
    except ValueError as error:
        raise errors.ReconcilerError(str(error)) from error
    echo(f"{found.name}:{tag} {digest}")
    return Exit.DONE


@local.command()
@click.option("--endpoint", default=EMULATOR, envvar="AWS_ENDPOINT_URL", show_envvar=True, show_default=True)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def urls(endpoint: str, output: str) -> int:
    """Print the URL of each listener."""
    found = ask(endpoint, "urls")
    if output == "json":
        echo(orjson.dumps({"format_version": 1, "urls": found}).decode())
    for arn, url in sorted(found.items()) if output == "text" else ():
        echo(f"{url}  {arn.split(':')[3]}  {arn.split(':listener/')[-1].partition('/')[2]}")
    return Exit.DONE


@local.command()
@click.option("--path", "only_path", is_flag=True, help="Print the path of its file instead.")
@click.option("--endpoint", default=EMULATOR, envvar="AWS_ENDPOINT_URL", show_envvar=True, show_default=True)
def ca(only_path: bool, endpoint: str) -> int:
    """Print the certificate of the authority that signs the emulator's certificates, in PEM.

    Clients that trust it can verify listeners for HTTPS and TLS: curl --cacert "$(reconciler local ca --path)" URL
    """
    found = ask(endpoint, "ca")
    echo(found["path"] if only_path else found["certificate"].rstrip())
    return Exit.DONE


@local.command()
@click.option("--endpoint", default=EMULATOR, envvar="AWS_ENDPOINT_URL", show_envvar=True, show_default=True)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def hooks(endpoint: str, output: str) -> int:
    """Print the lifecycle hooks that CodeDeploy waits for.

    The emulator has no Lambda: report for the function with `aws deploy put-lifecycle-event-hook-execution-status`,
    with the ids that are printed.
    """
    found = ask(endpoint, "hooks")
    if output == "json":
        echo(orjson.dumps({"format_version": 1, "hooks": found}).decode())
    for row in found if output == "text" else ():
        ids = row["payload"]
        echo(f"{row['function']}  {row['event']}  {row['region']}")
        echo(f"  --deployment-id {ids['DeploymentId']}")
        echo(f"  --lifecycle-event-hook-execution-id {ids['LifecycleEventHookExecutionId']}")
    return Exit.DONE


@local.command()
@click.argument("name", required=False)
@click.argument("answer", required=False, type=click.Choice(["SUCCEEDED", "FAILED", "IN_PROGRESS"]))
@click.option("--clear", is_flag=True, help="Remove all functions.")
@click.option("--endpoint", default=EMULATOR, envvar="AWS_ENDPOINT_URL", show_envvar=True, show_default=True)
def function(name: str | None, answer: str | None, clear: bool, endpoint: str) -> int:
    """Answer lifecycle hooks in place of the Lambda function NAME, or list such functions.

    The emulator has no Lambda. ANSWER is what the function returns as its hook status every time, until you change it.
    """
    if (name is None) != (answer is None):
        raise click.UsageError("pass both NAME and ANSWER, or neither")
    if clear:
        ask(endpoint, "functions", method="DELETE")
    if name is not None:
        ask(endpoint, "functions", method="POST", body={name: answer})
    elif not clear:
        for known, status in sorted(ask(endpoint, "functions").items()):
            echo(f"{known}  {status}")
    return Exit.DONE


@local.command()
@click.argument("kind", required=False)
@click.option("--service", default="*", help="Pattern of AWS services (for calls and events) or ECS services.")
@click.option("--operation", default="*", help="Pattern of AWS operations, or of the detail types of events.")
@click.option("--image", default="*", help="Pattern of images.")
@click.option("--provider", default="*", help="Pattern of capacity providers, for no_capacity and spot_interruption.")
@click.option("--count", type=int, help="How many times. Default: until cleared.")
@click.option("--probability", default=1.0)
@click.option("--after", default=0.0, metavar="SECONDS", help="Delay, for crash, slow_start and events.")
@click.option("--clear", is_flag=True, help="Remove all faults.")
@click.option("--endpoint", default=EMULATOR, envvar="AWS_ENDPOINT_URL", show_envvar=True, show_default=True)
def fault(kind: str | None, clear: bool, endpoint: str, **fields: Any) -> int:
    """Inject a fault of KIND, or list the active faults.

    KIND is one of: throttle, error, error_after, lost, unreachable, denied, stale, image_missing, crash,
    never_healthy, slow_start, no_capacity, spot_interruption, retirement, event_loss, event_delay, event_duplicate,
    event_disorder, lookup_delay.
    """
    if clear:
        ask(endpoint, "faults", method="DELETE")
    if kind is not None:
        made = ask(endpoint, "faults", method="POST", body={"kind": kind, **fields})
        echo(made["id"])
    elif not clear:
        for row in ask(endpoint, "faults"):
            echo(f"{row['id']}  {row['kind']}  service={row['service']} operation={row['operation']}")
    return Exit.DONE


def ask(endpoint: str, name: str, *, method: str = "GET", body: Any = None) -> Any:
    """Call one of the emulator's own routes.

    Raises `errors.ReconcilerError` if it is not running, or refuses.
    """
    data = None if body is None else orjson.dumps(body)
    request = urllib.request.Request(f"{endpoint}/_reconciler/{name}", data, CLIENT_HEADERS, method=method)
    try:
        with opened(request, 10) as answer:
            return orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise errors.ReconcilerError(orjson.loads(error.read()).get("error", str(error))) from error
    except OSError as error:
        raise errors.ReconcilerError(
            f"no local AWS emulator on {endpoint}; start it with `reconciler local up`"
        ) from error
