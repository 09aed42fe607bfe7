"""The AWS emulator under boto3, in this process: no HTTP, no port, and botocore's own serialising, signing, retries.

    with laptop_session() as laptop:
        ecs = laptop.session.client("ecs")
        ecs.create_cluster(clusterName="demo")
        laptop.advance(60)                      # a minute passes, and everything due in it happens

`attach` puts the AWS emulator under any boto3 session: clients made from it afterwards talk to it and to nothing else.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.auth import AUTH_TYPE_MAPS, SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from reconciler.clock import ManualClock
from reconciler.local.aws import LaptopAws
from reconciler.local.refusal import LostAnswer
from reconciler.local.scripted import Script, ScriptedListeners, ScriptedTargets, ScriptedTasks
from reconciler.local.timings import Timings
from reconciler.local.wire import Request, Response
from reconciler.local.world import Checks

Answer = Callable[[Request], Response]


class _Body(io.BytesIO):
    """An answer's body as urllib3 hands it out."""

    def stream(self, amt: int = 65536, **_: Any) -> Iterator[bytes]:
        while chunk := self.read(amt):
            yield chunk


def attach(session: boto3.Session, answer: Answer) -> boto3.Session:
    """Every client made from the session from now on is answered by `answer`, which is mostly `LaptopAws.handle`."""

    def before_send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        body: Any = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        raw = body.encode() if isinstance(body, str) else bytes(body)
        headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
        try:
            response = answer(Request(request.method, request.url, headers, raw))
        except LostAnswer as lost:
            raise ConnectionClosedError(endpoint_url=request.url, request=request, error=lost) from lost
        return AWSResponse(request.url, response.status, dict(response.headers), _Body(response.body))  # type: ignore[arg-type]  # typed as urllib3's response, of which only `stream` is used

    events: Any = session.events  # typed as if no handler could answer; `before-send` wants one that does
    events.register("before-send.*", before_send)
    return session


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def session_for(laptop: LaptopAws) -> boto3.Session:
    """A session with made-up credentials, answered by `laptop`; the environment's own are not looked at."""
    return attach(boto3.Session("AKIALAPTOPAWS0000000", "laptop", region_name=laptop.region), laptop.handle)


class _Scope(SigV4Auth):
    """Says who calls which service in which region, by which a request is recognised, and computes no signature: nobody
    checks it, and it is a seventh of a call."""

    _region_name: str
    _service_name: str

    def add_auth(self, request: Any) -> None:
        scope = f"{self.credentials.access_key}/20260101/{self._region_name}/{self._service_name}/aws4_request"
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


_SCOPE = "laptop"
AUTH_TYPE_MAPS[_SCOPE] = _Scope


class _Shared:
    """One session and its clients for all laptops of this process, one after the other: making clients is what costs.

    There is one AWS emulator in a process at a time, so whoever asks means the newest.
    """

    def __init__(self) -> None:
        self.laptop: LaptopAws | None = None
        self.sessions: dict[str, boto3.Session] = {}
        self.clients: dict[tuple[str, str, int], Any] = {}
        self.lock = threading.Lock()

    def answer(self, request: Request) -> Response:
        assert self.laptop is not None, "the laptop_session of this client is over"
        return self.laptop.handle(request)

    def session(self, region: str) -> boto3.Session:
        if region not in self.sessions:
            made = boto3.Session("AKIALAPTOPAWS0000000", "laptop", region_name=region)
            self.sessions[region] = attach(made, self.answer)
        return self.sessions[region]

    def client(self, region: str, service: str, attempts: int) -> Any:
        key = region, service, attempts
        with self.lock:
            if key not in self.clients:
                retries: Any = {"total_max_attempts": attempts, "mode": "standard"}
                agent: Any = {"user_agent": "laptop"}  # otherwise botocore composes one for each call
                config = Config(retries=retries, signature_version=_SCOPE, **agent)
                self.clients[key] = self.session(region).client(service, config=config)  # type: ignore[call-overload]  # its overloads want a literal
            return self.clients[key]


_shared = _Shared()

USER_AGENTS: Final = {
    "cli": "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux lang/python#3.13.7 cfg/retry-mode#standard",
    "console": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "sdk": "Boto3/1.40.40 md/Botocore#1.40.40 ua/2.1 os/linux lang/python#3.13.7 cfg/retry-mode#standard",
    "terraform": "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 terraform-provider-aws/6.14.1 aws-sdk-go-v2/1.39.2 os/linux",
}
"""What calls of each tool say of themselves."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with credentials, a program and an address of their own."""

    session: boto3.Session
    access_key: str
    secret_key: str
    user_agent: str
    address: str

    def client(self, service: str, *, region: str | None = None) -> Any:
        """A client that makes one attempt."""
        config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, signature_version=_SCOPE)
        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        made: Any = self.session.client(service, region_name=region, config=config, **keys)  # type: ignore[call-overload]  # its overloads want a literal
        made.meta.events.register_first("before-send.*", self._introduce)
        return made

    def _introduce(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Last of all: botocore composes the user agent anew when it signs."""
        request.headers["User-Agent"] = self.user_agent
        request.headers["X-Forwarded-For"] = self.address


@dataclass(slots=True)
class Laptop:
    """An AWS emulator on a manual clock with scripted ports, and a session that talks to it.

    Receiving from an empty queue with a wait time lets that time pass, or the part until a message arrives.
    """

    aws: LaptopAws
    clock: ManualClock
    tasks: ScriptedTasks
    targets: ScriptedTargets
    listeners: ScriptedListeners
    session: boto3.Session

    def client(self, service: str, *, attempts: int = 1, region: str | None = None) -> Any:
        """A client that makes one attempt unless told, so that a fault is seen as it is."""
        return _shared.client(region or self.aws.region, service, attempts)

    def by_hand(self, user: str, tool: str = "cli", address: str = "127.0.0.1") -> Caller:
        """An IAM user, created where it does not exist, who changes something past the product.

        `tool` is one of `USER_AGENTS`: what CloudTrail says of the program.
        """
        iam = self.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=user)
        keys = iam.create_access_key(UserName=user)["AccessKey"]
        return Caller(self.session, keys["AccessKeyId"], keys["SecretAccessKey"], USER_AGENTS[tool], address)

    def assumed(self, role_arn: str, session_name: str, tool: str = "cli", address: str = "127.0.0.1") -> Caller:
        """A session of a role."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session_name)
        keys = answer["Credentials"]
        return Caller(self.session, keys["AccessKeyId"], keys["SecretAccessKey"], USER_AGENTS[tool], address)

    def advance(self, seconds: float) -> None:
        """Time passes, and everything that is due in it happens in its order."""
        self.clock.advance(seconds)
        self.aws.tick()

    def until(self, condition: Any, *, within: float = 86_400.0) -> float:
        """Step from one due moment to the next until `condition()` holds; the seconds that took."""
        began = self.clock.monotonic()
        self.aws.tick()
        while not condition():
            due = self.aws.wake_at
            passed = self.clock.monotonic() - began
            assert due is not None, f"nothing is due any more after {passed} s"
            assert passed <= within, f"not within {within} s"
            self.advance(max(0.0, (due - self.clock.now()).total_seconds()))
        return self.clock.monotonic() - began

    def script(self, script: Script) -> None:
        """What tasks of an image are like from now on; those that run answer health checks by it at once."""
        self.tasks.script(script)
        self.targets.recheck()
        self.aws.tick()


@contextlib.contextmanager
def laptop_session(
    *,
    timings: Timings | None = None,
    checks: Checks | None = None,
    region: str = "us-west-2",
    account: str = "123456789012",
    seed: int = 0,
) -> Iterator[Laptop]:
    """An empty account in this process, for one test. Nothing takes time unless `timings` say so."""
    clock = ManualClock()
    tasks = ScriptedTasks()
    targets = ScriptedTargets(tasks.healthy_at, by_interval=timings is not None and timings.health_checks)
    listeners = ScriptedListeners()
    aws = LaptopAws(
        clock,
        tasks,
        targets,
        listeners,
        region=region,
        account=account,
        timings=timings or Timings.instant(),
        checks=checks,
        seed=seed,
    )
    _shared.laptop = aws
    try:
        with aws:
            yield Laptop(aws, clock, tasks, targets, listeners, _shared.session(region))
    finally:
        aws.reset()
        _shared.laptop = None
