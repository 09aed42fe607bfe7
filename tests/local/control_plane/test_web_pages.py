"""No web page reaches the emulator: what a browser can be made to send is refused, what AWS clients send is not."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from moto.backend_index import backend_url_patterns

from reconciler.cli.emulator_client import CLIENT_HEADERS
from reconciler.local.server import Server

TARGET = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.CreateCluster"}
JSON = {"Content-Type": "application/x-amz-json-1.1"}
KEYS = {"region_name": "us-west-2", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def signed(service: str) -> dict[str, str]:
    scope = f"Credential=AKIALAPTOPAWS0000000/20260101/us-west-2/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}


def presigned(service: str) -> str:
    return "X-Amz-Credential=" + quote(f"AKIALAPTOPAWS0000000/20260101/us-west-2/{service}/aws4_request", safe="")


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def clusters(server: Server) -> list[str]:
    client = boto3.client("ecs", **KEYS, endpoint_url=server.url)
    return [arn.rpartition("/")[2] for arn in client.list_clusters()["clusterArns"]]


PATHS = ["/", "/_reconciler/health", "/_reconciler/reset", "/_reconciler/faults", "/bucket/key"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


@pytest.mark.parametrize(
    ("foreign", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:4566"}, 421),
        ({"Host": "127.0.0.1.nip.io"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_foreign_requests_are_refused(server: Server, foreign: dict[str, str], status: int) -> None:
    """Whatever the method and the route, and however complete the rest of the request is."""
    complete = {**signed("ecs"), **TARGET, **JSON, **CLIENT_HEADERS, **foreign}
    for method, path in itertools.product(METHODS, PATHS):
        assert ask(server, method, path, b"{}", complete)[0] == status, (method, path)
    assert clusters(server) == []


def test_two_blind_posts_run_no_command(server: Server) -> None:
    """A cross-site page could register a task definition and point a service at it, without a preflight request."""
    definition = {
        "family": "web",
        "containerDefinitions": [{"name": "web", "image": "web:v1", "command": ["sh", "-c", "touch /tmp/owned"]}],
    }
    for body in (definition, {"cluster": "c", "service": "web", "taskDefinition": "web"}):
        status, _, answer = ask(
            server, "POST", f"/?{presigned('ecs')}", json.dumps(body).encode(), {"Content-Type": "text/plain"}
        )
        assert status == 403, answer
    client = boto3.client("ecs", **KEYS, endpoint_url=server.url)
    assert client.list_task_definitions()["taskDefinitionArns"] == []


def test_a_form_cannot_be_sent_either(server: Server) -> None:
    """The query protocol's content type needs no preflight request, so its Authorization header is what counts."""
    body = b"Action=CreateRole&RoleName=r&AssumeRolePolicyDocument={}&Version=2010-05-08"
    for path in ("/", f"/?{presigned('iam')}"):
        assert ask(server, "POST", path, body, FORM)[0] == 403
    assert boto3.client("iam", **KEYS, endpoint_url=server.url).list_roles()["Roles"] == []
    assert ask(server, "POST", "/", b"Action=ListRoles&Version=2010-05-08", {**FORM, **signed("iam")})[0] == 200


def test_a_presigned_url_calls_nothing_but_s3(server: Server) -> None:
    """An image or a link on a page is a GET with any query: the signing scope in it counts for S3 alone."""
    services = ("iam", "elasticloadbalancing", "ec2", "sts", "ecs", "nonsense", "s3")
    for service, action in itertools.product(services, ("DeleteRole", "DescribeVpcs", "GetCallerIdentity")):
        assert ask(server, "GET", f"/?Action={action}&{presigned(service)}")[0] == 403, (service, action)


def test_a_write_is_not_a_get(server: Server) -> None:
    """Also when it is signed in a header: it has its protocol's content type only as a POST."""
    path = "/?Action=DeleteRole&RoleName=r&Version=2010-05-08"
    assert ask(server, "GET", path, headers=signed("iam"))[0] == 405
    assert ask(server, "GET", "/?Action=ListRoles&Version=2010-05-08", headers=signed("iam"))[0] == 200


@pytest.mark.parametrize(
    ("service", "headers", "body"),
    [
        ("ecs", TARGET, b"{}"),
        ("ecs", {**TARGET, "Content-Type": "text/plain"}, b"{}"),
        ("ecs", {**TARGET, "Content-Type": "text/plain; application/x-amz-json-1.1"}, b"{}"),
        ("ecs", {**TARGET, **FORM}, b"{}"),
        ("scheduler", {"Content-Type": "text/plain"}, b"{}"),
        ("codedeploy", {"Content-Type": "application/octet-stream"}, b"\xa0"),
    ],
)
def test_a_write_has_its_protocols_content_type(
    server: Server, service: str, headers: dict[str, str], body: bytes
) -> None:
    """Three types need no preflight request; none of them is an AWS JSON or CBOR type."""
    path = {
        "scheduler": "/schedules/x",
        "codedeploy": "/service/CodeDeploy_20141006/operation/CreateApplication",
    }.get(service, "/")
    assert ask(server, "POST", path, body, {**signed(service), **headers})[0] == 415
    assert clusters(server) == []


def test_the_emulators_own_routes_need_their_header(server: Server) -> None:
    """A header that a page cannot send without asking first."""
    for method, path in (
        ("GET", "health"),
        ("GET", "urls"),
        ("POST", "reset"),
        ("POST", "faults"),
        ("DELETE", "faults"),
    ):
        for spelled in (f"/_reconciler/{path}", f"/%5Freconciler/{path}"):
            assert ask(server, method, spelled, b"{}")[0] == 403
    assert ask(server, "GET", "/_reconciler/health", headers=CLIENT_HEADERS)[0] == 200


def test_a_presigned_url_reads_an_object_and_nothing_more(server: Server) -> None:
    """S3's downloads work as links; uploads and deletions by link, or without any signature, do not."""
    s3 = boto3.client("s3", **KEYS, endpoint_url=server.url)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="bucket", Key="page.html", Body=b"<script>", ContentType="text/html")

    def path(operation: str) -> str:
        url = urlsplit(s3.generate_presigned_url(operation, {"Bucket": "bucket", "Key": "page.html"}))
        return f"{url.path}?{url.query}"

    status, headers, body = ask(server, "GET", path("get_object"))
    assert (status, body, headers["X-Content-Type-Options"]) == (200, b"<script>", "nosniff")
    assert ask(server, "PUT", path("put_object"), b"owned")[0] == 403
    assert ask(server, "DELETE", path("delete_object"))[0] == 403
    assert ask(server, "POST", "/bucket?delete", b"<Delete/>", {"Content-Type": "text/plain"})[0] == 403
    unsigned = boto3.client("s3", "us-west-2", endpoint_url=server.url, config=Config(signature_version=UNSIGNED))
    with pytest.raises(unsigned.exceptions.ClientError, match="MissingAuthenticationToken"):
        unsigned.put_object(Bucket="bucket", Key="page.html", Body=b"owned")
    assert s3.get_object(Bucket="bucket", Key="page.html")["Body"].read() == b"<script>"


def test_no_answer_carries_a_cors_header(server: Server) -> None:
    """Not even for a bucket whose CORS rules allow everybody: moto would add them."""
    s3 = boto3.client("s3", **KEYS, endpoint_url=server.url)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket="bucket", CORSConfiguration={"CORSRules": [rule]})
    s3.put_object(Bucket="bucket", Key="key", Body=b"x")
    own = {"Origin": server.url}
    for method, path, headers in (
        ("GET", "/bucket/key", own),
        ("OPTIONS", "/bucket/key", {**own, "Access-Control-Request-Method": "PUT"}),
        ("OPTIONS", "/bucket/key", {**own, **signed("s3"), "Access-Control-Request-Method": "PUT"}),
        ("POST", "/", {**own, **signed("sts"), **FORM}),
        ("GET", "/_reconciler/health", {**own, **CLIENT_HEADERS}),
    ):
        _, answered, _ = ask(server, method, path, headers=headers)
        assert [name for name in answered if name.lower().startswith("access-control-")] == []


@pytest.mark.parametrize(
    "head",
    [
        "POST /_reconciler/reset HTTP/1.1\r\nHost: evil.example\r\nX-Reconciler-Client: x\r\n",
        "POST /_reconciler/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nX-Reconciler-Client: x\r\n",
        "POST http://evil.example/_reconciler/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Reconciler-Client: x\r\n",
        "POST /_reconciler/reset HTTP/1.0\r\nX-Reconciler-Client: x\r\n",
    ],
)
def test_a_refused_request_hides_no_second_one(server: Server, head: str) -> None:
    """The body of a refused request is never read as the next request on the connection."""
    inner = "POST /_reconciler/faults HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Reconciler-Client: x\r\n"
    inner += 'Content-Length: 19\r\n\r\n{"kind":"throttle"}'
    with socket.create_connection((server.host, server.port), timeout=10) as sock:
        sock.sendall(f"{head}Content-Length: {len(inner)}\r\n\r\n{inner}".encode())
        received = b""
        while data := sock.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 421 ")
    assert server.laptop.faults.active() == ()


@pytest.mark.parametrize(
    "line", ["Origin : http://evil.example", "Origin\0: http://evil.example", "nonsense\r\nOrigin: http://evil.example"]
)
def test_a_malformed_head_is_refused(server: Server, line: str) -> None:
    """A line that is no header is not passed over: it may be the one that says where the request comes from."""
    head = f"GET /_reconciler/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Reconciler-Client: x\r\n{line}\r\n\r\n"
    with socket.create_connection((server.host, server.port), timeout=10) as sock:
        sock.sendall(head.encode())
        answer = sock.recv(65536)
    assert answer.split()[1] in (b"400", b"403")


def test_no_path_reaches_another_service(server: Server) -> None:
    """moto looks for its services' hosts in the whole URL; what is admitted as a read of S3 stays one."""
    names = sorted({name for name, _ in backend_url_patterns if name not in ("s3", "instance_metadata", "moto_api")})
    for name in [*names, "control-kinesis", "ddb", "data.iot"]:
        for query in ("Action=ListStreams&Action=", "X-Amz-Expires=1"):
            status, _, body = ask(server, "GET", f"/x.{name}.us-west-2.amazonaws.com/?{query}")
            assert status in (400, 403, 404), (name, query, body)


def test_an_object_that_is_a_page_runs_nothing(server: Server) -> None:
    """It has no origin that the guard would let in, and a presigned URL puts no header of its own into the answer."""
    s3 = boto3.client("s3", **KEYS, endpoint_url=server.url)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="bucket", Key="page.html", Body=b"<script>", ContentType="text/html")
    status, headers, _ = ask(server, "GET", "/bucket/page.html?Signature=&response-content-type=text/html")
    assert (status, headers["Content-Security-Policy"]) == (200, "sandbox; default-src 'none'")
    for value in ("text/html%0d%0a%0d%0a<script>", "x%0d%0aAccess-Control-Allow-Origin:%20*"):
        status, headers, body = ask(server, "GET", f"/bucket/page.html?Signature=&response-content-type={value}")
        assert (status, headers["Access-Control-Allow-Origin"], b"<script>" in body) == (400, None, False)


def test_rest_operations_take_bodies_of_their_own(server: Server) -> None:
    """botocore sends XML without a content type; only what a page may send is refused."""
    route53 = boto3.client("route53", **KEYS, endpoint_url=server.url)
    assert route53.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]["Name"] == "example.org."
    for content_type in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        headers = {**signed("elasticfilesystem"), "Content-Type": content_type}
        assert ask(server, "POST", "/2015-02-01/file-systems", b"{}", headers)[0] in (400, 415)


def test_credentials_that_a_browser_adds_are_none_of_aws(server: Server) -> None:
    """`Basic` and `Negotiate` come without the page's doing."""
    for authorization in ("Basic YTpi", "Negotiate x", "Credential=a/20260101/us-west-2/s3/aws4_request"):
        assert ask(server, "PUT", "/bucket", headers={"Authorization": authorization})[0] == 403


def test_a_body_that_is_no_text_is_a_bad_request(server: Server) -> None:
    """And no traceback."""
    assert ask(server, "POST", "/", b"\xff\xfe", FORM)[0] == 400
    chunked = {**signed("iam"), **FORM, "Transfer-Encoding": "chunked"}
    assert ask(server, "POST", "/", b"nonsense\r\n", chunked)[0] == 400


@pytest.mark.parametrize("length", ["-1", "many", "99999999999999"])
def test_a_body_of_no_sensible_length_is_refused(server: Server, length: str) -> None:
    """400 at once: nothing is cut off in silence, and nobody waits for what never comes."""
    headers = {**signed("ecs"), **TARGET, **JSON, "Content-Length": length}
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.putrequest("POST", "/")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as answer:
            assert answer.status == 400


@pytest.mark.slow
def test_the_aws_command_line_is_served(server: Server, tmp_path: Path) -> None:
    """AWS's own client, in each protocol that it speaks; skipped where it is not installed."""
    aws = shutil.which("aws")
    if aws is None:
        pytest.skip("the AWS CLI is not installed")
    for words in (
        ("ecs", "create-cluster", "--cluster-name", "c"),
        ("iam", "list-roles"),
        ("scheduler", "list-schedules"),
        ("s3api", "list-buckets"),
        ("s3", "ls"),
        ("cloudwatch", "describe-alarms"),
    ):
        environment: dict[str, Any] = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-west-2",
            "HOME": str(tmp_path),
        }
        ended = subprocess.run(
            [aws, *words], env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
