"""Reference of every environment variable that is read: names and places come from the sources, meanings from here."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("reconciler", "app", "benchmarks")

WSGI = frozenset(
    {"reconciler/local/endpoint.py", "reconciler/local/server.py", "benchmarks/latency_proxy.py", "benchmarks/serve.py"}
)
"""Where `environ` is a request's, and no process's."""

PASSED_ON = frozenset({"reconciler/local/programs.py", "reconciler/local/balancer/front.py"})
"""Files that hand variables on to another process, each by a list of names."""

MEANINGS = {
    "RECONCILER_STORE": "Where the stack's lease and the last accepted revision are kept, `sqlite:PATH` or "
    "`dynamodb:TABLE`, like `--store`. Without it: a file of this machine.",
    "RECONCILER_REVISION": "The commit that an image was built from, for `reconciler version`.",
    "RECONCILER_GIT_TOKEN": "Password for Git over HTTPS.",
    "RECONCILER_GIT_USERNAME": "User name for Git over HTTPS, where the host needs a particular one.",
    "RECONCILER_GIT_SSH_KEY": "File with the private key for Git over SSH.",
    "RECONCILER_GIT_KNOWN_HOSTS": "File with the public keys of SSH hosts. Without it: SSH's own.",
    "RECONCILER_NOTIFY": "Further targets of notifications for `run`, separated by spaces, in addition to `--notify`.",
    "RECONCILER_WEBHOOK_SECRET": "Key with which notifications to `webhook:` targets are signed.",
    "RECONCILER_GITHUB_TOKEN": "Token with which commit statuses and deployments are sent to `github:` targets.",
    "RECONCILER_GITHUB_TOKEN_FILE": "File that holds it instead, read for each request: a token that expires is "
    "replaced there.",
    "RECONCILER_GITLAB_TOKEN": "Token with which commit statuses and deployments are sent to `gitlab:` targets.",
    "RECONCILER_GITLAB_TOKEN_FILE": "File that holds it instead, read for each request.",
    "AWS_ENDPOINT_URL": "The emulator that `reconciler local` commands talk to, like `--endpoint`, and the one that "
    "`--local` stands for, if it is on this machine; for all other commands, as for boto3.",
    "AWS_REGION": "The region of `import`, if neither `--region` nor `AWS_DEFAULT_REGION` nor the profile names it.",
    "AWS_DATA_PATH": "Further folders with service models, as for boto3.",
    "XDG_CACHE_HOME": "Folder of caches; descriptions of task definitions are in its folder `reconciler`. "
    "Without it: `~/.cache`.",
    "XDG_STATE_HOME": "Folder of state; leases and accepted revisions in SQLite, and copies of valid specs, are in its "
    "folder `reconciler`. "
    "Without it: `~/.local/state`.",
    "NO_COLOR": "With any value: no colour, unless `--color always`.",
    "FORCE_COLOR": "With any value: colour also where the output is no terminal, unless `--color never`.",
    "TERM": "`dumb`: no colour.",
    "CI": "With any value: no question is asked; `apply` and `destroy` need `--auto-approve`.",
    "SUDO_UID": "Under `sudo`: the user as whom the emulator's tasks run, where `nobody` cannot.",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "Set to `false` by the emulator unless it has a value, which saves a second.",
    "WELCOME": "`Server` header of the emulator's welcome page.",
    "HOST": "Address on which the sample app, or the emulator's welcome page, listens. Default: `0.0.0.0`.",
    "PORT": "Its port. Default: 80.",
    "GREETING": "What the sample app answers. Default: `Hello World`.",
    "VERSION": "The version that the sample app reports.",
    "ACCESS_LOG": "`1`, `on`, `true` or `yes`: the sample app logs each request.",
    "HOSTNAME": "The host name that the sample app reports.",
    "TF_MIRROR": "Folder with Terraform's AWS provider, for the benchmark that compares with Terraform.",
}

INTRODUCTION = """\
Variables that the sources read, and where.
Options on the command line take precedence.

boto3 reads its own besides, and the whole standard chain works: `AWS_PROFILE`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, \
`AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, container credentials and the others.
`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` hold for AWS, except on this machine, and for Git over HTTPS.
Webhooks are sent directly.
`reconciler completion` prints a script that sets `_RECONCILER_COMPLETE`, which is click's.
"""


PROCESSES = """\
## Variables of other processes

Tasks that the emulator runs get `PATH`, `LANG`, `LC_ALL`, `TZ` and `TMPDIR` of its own environment.
What ECS sets for a task, and what their task definition declares, comes on top.
The commands that `reconciler demo` runs get everything but `AWS_*` and `RECONCILER_*`.
"""


def page() -> str:
    read = reads()
    parts = ["# Environment variables\n", INTRODUCTION]
    for title, belongs in (
        ("The product", lambda path: path.startswith("reconciler/") and not path.startswith("reconciler/local/")),
        ("The local AWS emulator", lambda path: path.startswith("reconciler/local/")),
        ("The sample app and the benchmarks", lambda path: not path.startswith("reconciler/")),
    ):
        parts.append(f"## {title}\n\n| variable | meaning | read in |\n| --- | --- | --- |")
        for name in MEANINGS:
            places = [path for path in sorted(read.get(name, ())) if belongs(path)]
            if places:
                parts.append(f"| `{name}` | {MEANINGS[name]} | {', '.join(f'`{path}`' for path in places)} |")
        parts.append("")
    parts.append(PROCESSES)
    return "\n".join(parts)


def reads() -> dict[str, set[str]]:
    """Name → the files that read it. Raises `ValueError` for a read whose name is not known from the file."""
    found: dict[str, set[str]] = defaultdict(set)
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = str(file.relative_to(ROOT))
            if path in WSGI:
                continue
            for name in _names(ast.parse(file.read_text(encoding="utf-8")), path):
                found[name].add(path)
    return found


def _names(tree: ast.Module, path: str) -> Iterator[str]:
    texts = {
        node.targets[0].id if isinstance(node, ast.Assign) else node.target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and isinstance(node.targets[0] if isinstance(node, ast.Assign) else node.target, ast.Name)
    }
    for node in ast.walk(tree):
        key = _key(node, app=path.startswith("app/"))
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value
        elif isinstance(key, ast.Name) and key.id in texts:
            yield texts[key.id]
        elif key is not None and path not in PASSED_ON:
            raise ValueError(f"{path}:{key.lineno} reads an environment variable whose name is not in the file")


def _key(node: ast.AST, *, app: bool) -> ast.expr | None:
    """The expression for a variable's name, where `node` reads one."""
    match node:
        case ast.Call(func=ast.Attribute(attr="get" | "setdefault" | "pop", value=mapping), args=[key, *_]):
            return key if _is_environment(mapping, app=app) else None
        case ast.Call(func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[key, *_]):
            return key
        case ast.Subscript(value=mapping, slice=key, ctx=ast.Load()):
            return key if _is_environment(mapping, app=app) else None
        case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[mapping]):
            return key if _is_environment(mapping, app=app) else None
        case ast.keyword(arg="envvar" | "auto_envvar_prefix", value=key):
            return key
        case _:
            return None


def _is_environment(node: ast.expr, *, app: bool) -> bool:
    """`os.environ`, or a parameter that stands for it; the app calls it by its whole name."""
    match node:
        case ast.Attribute(attr="environ") | ast.Name(id="environ"):
            return True
        case ast.Name(id="environment"):
            return app
        case _:
            return False
