"""Templates of `init`: stacks that can be applied as they are, with public images in place of yours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from reconciler.scaffold.blueprint import App, Blueprint, Use

WEB_IMAGE: Final = "public.ecr.aws/nginx/nginx:1.27"
SHELL_IMAGE: Final = "public.ecr.aws/docker/library/busybox:1.36"
PLACEHOLDER: Final = "A placeholder: put your own image here, by its URI or as {registry: …, tag: …}."

_WEB: Final = App("web", Use.PUBLIC, WEB_IMAGE, ports=((80, "tcp"),), count=2)
_WORKER: Final = App(
    "worker", Use.WORKER, SHELL_IMAGE, command=("sh", "-c", "while true; do echo working; sleep 60; done")
)
_JOB: Final = App(
    "job", Use.JOB, SHELL_IMAGE, command=("sh", "-c", "echo done"), schedule="cron(0 3 * * ? *)"
)  # fmt: skip


def _web(name: str, region: str) -> Blueprint:
    return Blueprint(name, region, (_WEB,))


def _api_and_web(name: str, region: str) -> Blueprint:
    return Blueprint(name, region, (_WEB, replace(_WEB, name="api", path="/api/*")))


def _worker(name: str, region: str) -> Blueprint:
    return Blueprint(name, region, (_WORKER,))


def _job(name: str, region: str) -> Blueprint:
    return Blueprint(name, region, (_JOB,))


def _private(name: str, region: str) -> Blueprint:
    return Blueprint(name, region, (_WEB,), private=True)


TEMPLATES: Final[Mapping[str, Callable[[str, str], Blueprint]]] = {
    "web": _web,
    "api-and-web": _api_and_web,
    "worker": _worker,
    "job": _job,
    "private": _private,
}
