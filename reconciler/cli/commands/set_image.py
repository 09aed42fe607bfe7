"""Set the images of services and tasks in the spec files."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import completions, options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo


@click.command("set-image")
@click.argument(
    "images",
    metavar="NAME[/CONTAINER]=IMAGE…",
    nargs=-1,
    required=True,
    shell_complete=completions.workload_images,
)
@options.specs_option
@click.option("--commit", is_flag=True, help="Commit the files that changed, and nothing else, to Git.")
@click.option("-m", "--message", metavar="TEXT", help="Message of the commit.")
@options.output("text", "json")
def set_image(
    images: tuple[str, ...],
    folder: Path | None,
    environment: str | None,
    commit: bool,
    message: str | None,
    output: str,
) -> int:
    """Set the image of a service or task in its file. AWS is not contacted.

    IMAGE is a tag, a digest (sha256:…) or a whole image. One that is in a Registry of the specs is set by its tag. Only
    the value changes: comments and formatting stay. With -e, the value has to be in the files of that environment.
    """
    from reconciler.cli import git
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.session import load_specs
    from reconciler.scaffold.writing import replaced
    from reconciler.spec import discovery
    from reconciler.spec.image_edits import edited

    if message is not None and not commit:
        raise click.UsageError("--message is for --commit")
    wanted = _wanted(images)
    found, specs = load_specs(folder, environment)
    before, _ = discovery.read(found)
    edits, after = edited(before, specs, wanted)
    files = {
        found.resolve() / new.relative: new.data for old, new in zip(before, after, strict=True) if old.data != new.data
    }
    repository = git.clean_repository(files) if commit and files else None
    with replaced(files):
        revision = None if repository is None else git.commit(repository, files, message or _message(wanted))
    if output == "json":
        rows = [
            {
                "address": one.workload,
                "container": one.container,
                "file": one.where.file,
                "line": one.where.line,
                "before": one.old,
                "after": one.new,
            }
            for one in edits
        ]
        echo(dumps({"format_version": FORMAT_VERSION, "images": rows, "commit": revision}))
        return Exit.DONE
    for one in edits:
        change = f"{one.old} → {one.new}" if one.old != one.new else f"{one.new}, as before"
        echo(f"{one.where.place}: {one.workload} {one.container}: {change}")
    if revision is not None:
        echo(f"Committed as {revision[:12]}.")
    elif commit:
        echo("Nothing to commit.")
    return Exit.DONE


def _wanted(images: tuple[str, ...]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for item in images:
        name, equals, image = item.partition("=")
        if not (name and equals and image):
            raise click.UsageError(f"{item!r} is not NAME=IMAGE, such as api=v7")
        if name in wanted:
            raise click.UsageError(f"{name} is named twice")
        wanted[name] = image
    return wanted


def _message(wanted: dict[str, str]) -> str:
    listed = ", ".join(f"{name} to {image}" for name, image in wanted.items())
    return f"Set the image of {listed}" if len(wanted) == 1 else f"Set images: {listed}"
