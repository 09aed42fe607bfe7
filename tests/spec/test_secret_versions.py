"""What the specs say of versions: what is looked up, what is pinned, and what may stay as it is."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model import input_version
from reconciler.model.resource import Address, Desired, Keep, Ref
from reconciler.spec.compile import compile_specs
from tests.spec import folder

ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db"
PARAMETER = "arn:aws:ssm:us-west-2:123456789012:parameter/key"
RUN = {
    "once": "run: once",
    "scheduled": "run: {schedule: rate(1 hour)}",
    "before": "before: my-app-frontend",
}


def compiled(text: str) -> dict[Address, Desired[Any]]:
    specs = folder.lay(text)
    assert specs.ok, specs.diagnostics
    return {want.address: want for want in compile_specs(specs, account="123456789012")}


def service(container: str) -> dict[Address, Desired[Any]]:
    return compiled(f"kind: Service\nname: my-app-frontend\ntask: {{containers: {{frontend: {{{container}}}}}}}\n")


def task(run: str, secret: str) -> Desired[Any]:
    text = (
        f"kind: Task\nname: job\ncluster: my-app-cluster\n{RUN[run]}\n"
        "placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}\n"
        "task: {cpu: 256, memory: 512, containers: {job: "
        f"{{image: 'example/job:1', secrets: {{KEY: {secret}}}}}}}}}\n"
    )
    return compiled(text)[Address("task-definition", "job")]


def mode(want: Desired[Any], container: str = "frontend") -> tuple[str, Keep | None]:
    """Of KEY: how its version is looked up, and what of it may stay as it is."""
    link = want.spec.containers[container].secrets["KEY"]
    kept = want.kept.get(("containers", container, "secrets", "KEY"))
    return (link.address.name.partition(" #")[2] or "default") if isinstance(link, Ref) else "", kept


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("'secretsmanager:db'", ("default", Keep.VERSION)),
        ("{value_from: 'secretsmanager:db', on_rotation: ignore}", ("default", Keep.ANY_VERSION)),
        ("{value_from: 'secretsmanager:db', pin: true}", ("pinned", None)),
        ("{value_from: 'secretsmanager:db', pin: true, on_rotation: ignore}", ("pinned", Keep.PINNED)),
        ("{value_from: 'secretsmanager:db', pin: false}", ("followed", Keep.VERSION)),
        ("{value_from: 'secretsmanager:db', pin: false, on_rotation: ignore}", ("", Keep.ANY_VERSION)),
        (f"'secretsmanager:db:::{'1' * 32}'", ("", None)),
        ("'ssm:key'", ("followed", Keep.VERSION)),
        ("{value_from: 'ssm:key', on_rotation: ignore}", ("", Keep.ANY_VERSION)),
    ],
)
def test_a_secret_of_a_service(secret: str, expected: tuple[str, Keep | None]) -> None:
    want = service(f"secrets: {{KEY: {secret}}}")[Address("task-definition", "my-app-frontend")]
    assert mode(want) == expected


@pytest.mark.parametrize(
    ("run", "secret", "expected"),
    [
        ("once", "'secretsmanager:db'", ("", None)),
        ("scheduled", "'ssm:key'", ("", None)),
        ("before", "{value_from: 'secretsmanager:db', pin: true}", ("pinned", Keep.PINNED)),
        ("scheduled", "{value_from: 'secretsmanager:db', pin: true}", ("pinned", None)),
        ("scheduled", "{value_from: 'secretsmanager:db', pin: true, on_rotation: ignore}", ("pinned", Keep.PINNED)),
    ],
)
def test_a_task_reads_the_latest_version_when_it_starts(
    run: str, secret: str, expected: tuple[str, Keep | None]
) -> None:
    """And a rotation runs none again."""
    assert mode(task(run, secret), "job") == expected


def test_files_and_secret_options_are_followed() -> None:
    found = service(
        "environment_files: ['arn:aws:s3:::shop/a.env', {value: 'arn:aws:s3:::shop/b.env', on_rotation: ignore}], "
        "logs: {driver: splunk, secret_options: {splunk-token: 'ssm:key'}}"
    )
    want = found[Address("task-definition", "my-app-frontend")]
    versions = want.spec.containers["frontend"].versions
    assert {key: isinstance(link, Ref) for key, link in versions.items()} == {
        "arn:aws:s3:::shop/a.env": True,
        "arn:aws:s3:::shop/b.env": False,
        PARAMETER: True,
    }
    looked_up = found[Address("secret-version", f"{PARAMETER} #followed")]
    assert looked_up.where.startswith("case.yaml:3:")


def test_what_one_use_rolls_out_is_new_for_all_uses_of_it() -> None:
    """A revision has one version of a reference, whichever container reads it."""
    found = service(
        "secrets: {KEY: {value_from: 'ssm:key', on_rotation: ignore}, OTHER: 'ssm:key'}, "
        "environment_files: [{value: 'arn:aws:s3:::shop/a.env', on_rotation: ignore}]}, "
        "beside: {image: 'example/beside:1', environment_files: ['arn:aws:s3:::shop/a.env']"
    )
    want = found[Address("task-definition", "my-app-frontend")]
    assert mode(want) == ("followed", Keep.VERSION)
    for container in ("frontend", "beside"):
        assert isinstance(want.spec.containers[container].versions["arn:aws:s3:::shop/a.env"], Ref)


def test_more_than_the_tags_have_room_for() -> None:
    """W1155: the versions of the others are not recorded."""
    for count in (input_version.MOST, input_version.MOST + 1):
        secrets = ", ".join(f"K{number}: 'ssm:k{number}'" for number in range(count))
        text = f"kind: Service\nname: my-app-frontend\ntask: {{containers: {{frontend: {{secrets: {{{secrets}}}}}}}}}\n"
        found = [one.rule for one in folder.lay(text).diagnostics]
        assert found == (["W1155"] if count > input_version.MOST else [])
