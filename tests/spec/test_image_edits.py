"""Setting images in place: one value changes, and every other byte of the files stays."""

from __future__ import annotations

import pytest

from reconciler import errors
from reconciler.spec.discovery import Source
from reconciler.spec.image_edits import Edit, edited
from reconciler.spec.load import load_sources

STACK = b"kind: Stack\nname: shop\nregion: us-west-2\n---\nkind: Cluster\nname: main\n---\nkind: Registry\nname: api\n"
NETWORK = b"""kind: Network
name: net
cidr: 10.0.0.0/16
subnets: [{name: a, cidr: 10.0.0.0/24, zone: us-west-2a, access: public}]
security_groups: [{name: sg}]
"""
DIGEST = "sha256:" + "a" * 64


def service(name: str, image: str, more: str = "") -> bytes:
    return f"""kind: Service
name: {name}
cluster: main
task:
  cpu: 256
  memory: 512
  containers:
    main:
      image: {image}
      port: 80{more}
desired_count: 1
placement: {{subnets: [a], security_groups: [sg], public_ip: true}}
""".encode()


def sources(**files: bytes) -> list[Source]:
    every = {"stack": STACK, "network": NETWORK, **files}
    names = {key: f"{key.replace('__', '/')}.yaml" for key in every}
    return [Source(names[key], f"specs/{names[key]}", data) for key, data in every.items()]


def done(wanted: dict[str, str], environment: str | None = None, **files: bytes) -> tuple[list[Edit], dict[str, bytes]]:
    """The edits, and what is in the files that they change."""
    every = sources(**files)
    specs = load_sources(every, environment)
    assert specs.ok, [str(one) for one in specs.diagnostics]
    edits, after = edited(every, specs, wanted)
    before = {one.relative: one.data for one in every}
    return edits, {one.relative: one.data for one in after if one.data != before[one.relative]}


@pytest.mark.parametrize(
    ("image", "new", "then"),
    [
        ("{registry: api, tag: v1}", "v2", "{registry: api, tag: v2}"),
        ("{registry: api,   tag: 'v1'}   # a comment", "v2", "{registry: api,   tag: 'v2'}   # a comment"),
        ('{registry: api, tag: "v1"}', "1.10", '{registry: api, tag: "1.10"}'),
        ("{registry: api, tag: 1.9}", "1.10", "{registry: api, tag: 1.10}"),
        ("{registry: api, tag: v1}", "0123", '{registry: api, tag: "0123"}'),
        ("{registry: api, tag: v1}", "null", '{registry: api, tag: "null"}'),
        ("{registry: api, tag: v1}", "on", '{registry: api, tag: "on"}'),
        ("nginx:1.27", "1.28", "nginx:1.28"),
        ("nginx", "1.28", "nginx:1.28"),
        ("localhost:5000/web:1", "2", "localhost:5000/web:2"),
        (f"nginx:1.27@{DIGEST}", "1.28", "nginx:1.28"),
        ("nginx:1.27", DIGEST, f"nginx@{DIGEST}"),
        ("nginx:1.27", "public.ecr.aws/nginx/nginx:1.28", "public.ecr.aws/nginx/nginx:1.28"),
        ("{uri: 'nginx:1.27'}", "1.28", "{uri: 'nginx:1.28'}"),
        (
            "\n        registry: api   # ours\n        tag: v1",
            "v2",
            "\n        registry: api   # ours\n        tag: v2",
        ),
    ],
)
def test_only_the_image_changes(image: str, new: str, then: str) -> None:
    edits, after = done({"web": new}, web=service("web", image))
    assert after == {"web.yaml": service("web", then)}
    (edit,) = edits
    assert (edit.workload, edit.container, edit.where.file) == ("service/web", "main", "specs/web.yaml")


def test_line_ends_a_byte_order_mark_and_other_documents_stay() -> None:
    data = (
        b"\xef\xbb\xbf"
        + (service("web", "nginx:1 # é🚀") + b"---\n").replace(b"\n", b"\r\n")
        + service("api", "{registry: api, tag: v1}").replace(b"\n", b"\r\n")
    )
    _, after = done({"api": "v2", "web": "3"}, web=data)
    assert after == {"web.yaml": data.replace(b"tag: v1", b"tag: v2").replace(b"nginx:1", b"nginx:3")}


@pytest.mark.parametrize("end", [b"\r", b"\n"])
def test_several_images_on_one_line_keep_their_places(end: bytes) -> None:
    """Also where one becomes longer than it was, and whatever ends a line."""
    web = service("web", "nginx:1").replace(b"main:\n      image: nginx:1\n      port: 80", b"MAIN").replace(b"\n", end)
    line = b"{main: {image: %s, port: 80}, proxy: {image: %s}}"
    before, then = (b"containers: " + line % images for images in ((b"nginx:1", b"web:1"), (b"nginx:1.28.0", b"web:2")))
    web = web.replace(b"containers:" + end + b"    MAIN", before)
    _, after = done({"web/main": "1.28.0", "web/proxy": "2"}, web=web)
    assert after == {"web.yaml": web.replace(before, then)}


def test_an_image_that_is_set_already_is_no_edit() -> None:
    edits, after = done({"web": "v1"}, web=service("web", "{registry: api, tag: v1}"))
    assert after == {}
    assert [(edit.old, edit.new) for edit in edits] == [("api:v1", "api:v1")]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"frontent": "v2"}, "no service or task is named 'frontent'; did you mean 'frontend'?"),
        ({"web/sidecar": "v2"}, "service/web has no container 'sidecar', only main and proxy"),
        ({"web": "v2"}, "service/web has several containers: write web/main=… or web/proxy=…"),
        ({"web/main": "nginx:2"}, "of web/main is in the registry api, so that it is set by a tag, and 'nginx:2' is"),
        ({"web/proxy": ""}, "'' is not an image"),
        ({"web/main": "v2", "service/web/main": "v3"}, "web/main is named twice"),
        ({"web/proxy": "UPPER/case"}, "'UPPER/case' is not an image"),
        ({"web/main": "v2\n"}, "is in the registry api, so that it is set by a tag"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_refused(wanted: dict[str, str], why: str) -> None:
    web = service("web", "{registry: api, tag: v1}", "\n    proxy: {image: 'nginx:1'}")
    with pytest.raises(errors.ReconcilerError) as raised:
        done(wanted, web=web, frontend=service("frontend", "nginx:1"))
    assert why in str(raised.value)


def test_one_of_several_containers_is_named() -> None:
    web = service("web", "{registry: api, tag: v1}", "\n    proxy: {image: 'nginx:1'}")
    _, after = done({"service/web/proxy": "2", "web/main": "v2"}, web=web)
    assert after == {"web.yaml": web.replace(b"v1", b"v2").replace(b"nginx:1", b"nginx:2")}


def test_an_image_that_an_alias_shares_is_left_alone() -> None:
    """Changing it would change the other one too."""
    data = service("web", "&image {registry: api, tag: v1}", "\n    other: {image: *image}")
    with pytest.raises(errors.ReconcilerError, match=r"specs/web\.yaml:9:.* is shared by an anchor"):
        done({"web/main": "v2"}, web=data)


def test_the_image_of_an_environment_is_set_in_its_file() -> None:
    web, over = (
        service("web", "{registry: api, tag: v1}"),
        b"kind: Service\nname: web\ntask: {containers: {main: {image: {tag: v0}}}}\n",
    )
    _, after = done({"web": "v2"}, "staging", web=web, environments__staging__web=over)
    assert after == {"environments/staging/web.yaml": over.replace(b"v0", b"v2")}


def test_an_image_that_all_environments_share_is_not_set_for_one() -> None:
    web, over = service("web", "{registry: api, tag: v1}"), b"kind: Service\nname: web\ndesired_count: 2\n"
    with pytest.raises(errors.ReconcilerError) as raised:
        done({"web": "v2"}, "staging", web=web, environments__staging__web=over)
    assert "specs/web.yaml:9" in str(raised.value)
    assert "all environments share" in str(raised.value)


def test_a_task_has_an_image_too() -> None:
    task = service("job", "nginx:1").replace(b"Service", b"Task").replace(b"desired_count: 1", b"run: once")
    _, after = done({"task/job": "2"}, task=task)
    assert after == {"task.yaml": task.replace(b"nginx:1", b"nginx:2")}
