"""boto3 behind the seam: credentials, clients made once, paging, and one attempt a call.

The standard chain is left as it is (`AWS_PROFILE`, SSO, container credentials, `AWS_ENDPOINT_URL`). Clients are made
when they are first needed, from one session: each loads its service model, which is what start-up time is made of.

It is one module because all of it is what a call needs of boto3's session.
"""

from __future__ import annotations

import copy
import os
import platform
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.response import StreamingBody
from botocore.utils import get_environ_proxies

from reconciler import __version__, errors
from reconciler.aws import bounded, models, response_check, tls
from reconciler.aws.errors import translate
from reconciler.aws.loopback import check_url, is_loopback
from reconciler.aws.retry import is_read
from reconciler.exchange import Exceeded, Exchange
from reconciler.model.resource import Call

SILENCE_SECONDS: Final = 20.0
CALL_SECONDS: Final = 2 * SILENCE_SECONDS
LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer with all its pages."""

bounded.install()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is signed in, where."""

    account: str
    arn: str
    region: str
    partition: str
    endpoint: str | None = None

    @property
    def who(self) -> str:
        """`assumed-role/deployer/ana`"""
        return self.arn.split(":", 5)[-1]


class Boto:
    """Performs calls with boto3: the product's `Transport`."""

    _seconds: float = CALL_SECONDS
    _stop: threading.Event | None = None

    def __init__(
        self,
        region: str,
        *,
        profile: str | None = None,
        endpoint: str | None = None,
        assume_role: str | None = None,
        external_id: str | None = None,
        stack: str = "",
        anonymous: bool = False,
        fence: Callable[[], None] | None = None,
        read_timeout: float = SILENCE_SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        """`anonymous` signs with credentials that mean nothing: the local AWS emulator takes any.

        `fence` is called before each write is signed and again before it is sent; what it raises, `perform` raises, and
        nothing is sent. `read_timeout` is the longest silence in seconds; a call as a whole, with its credentials and
        pages, has twice that. Calls in flight end when `stop` is set.
        """
        try:
            inner = models.session(profile, region)
        except BotoCoreError as error:
            raise errors.CredentialsMissing(str(error)) from error
        if anonymous:
            inner.set_credentials("laptop", "laptop")
        self._session: Any = boto3.Session(botocore_session=inner, region_name=region)
        self.region = region
        self.profile = profile
        self.endpoint = endpoint
        self._config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},  # ours: aws/retry.py
            connect_timeout=5,
            read_timeout=read_timeout,
            max_pool_connections=16,
            user_agent=_AGENT + (f" stack/{_agent(stack)}" if stack else ""),
        )
        self._seconds = 2 * read_timeout
        self._stop = stop
        self._fence = fence
        self.on_date: Callable[[datetime], None] = lambda _: None
        """Called with the time that each response of AWS carries."""
        self._clients: dict[str, Any] = {}
        self._sessions: dict[str, Any] = {}
        """Of the roles that single calls are made with."""
        self._lock = threading.Lock()
        if assume_role is not None:
            self._session = self._assumed(assume_role, external_id)

    def in_region(self, region: str) -> Boto:
        """The same credentials, limits and fence in another region."""
        other = copy.copy(self)
        other.region, other._clients, other._sessions, other._lock = region, {}, {}, threading.Lock()
        return other

    def perform(self, call: Call) -> dict[str, Any]:
        try:
            with self._exchange():
                return self._perform(call)
        except Exceeded as error:
            raise errors.Ambiguous(str(error), call=str(call), code="NoAnswer") from error

    def _exchange(self) -> Exchange:
        return Exchange(self._seconds, LARGEST_ANSWER, stop=self._stop)

    def _perform(self, call: Call) -> dict[str, Any]:
        client = self._usable(call)
        method = _METHOD_NAMES.get((call.service, call.operation)) or _remember(client, call)
        try:
            if is_read(call) and client.can_paginate(method) and not _pages_by_hand(call):
                shape = client.meta.service_model.operation_model(call.operation).output_shape
                return _whole(client.get_paginator(method).paginate(**call.params), shape)
            answer: dict[str, Any] = getattr(client, method)(**call.params)
            return _read_whole(answer)
        except (BotoCoreError, ClientError, OSError, *GARBLED) as error:
            raise translate(call, error) from error

    def _usable(self, call: Call) -> Any:
        """The client for a call. Making it reads the AWS configuration and may look for credentials.

        Raises `errors.AwsConfigurationInvalid`, and what looking for credentials raises.
        """
        try:
            return self._client(call.service, call.role) if call.role else self._client(call.service)
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            raise _unusable(call, error) from error

    def endpoint_of(self, service: str) -> str:
        """The URL that calls of a service go to."""
        url: str = self._client(service).meta.endpoint_url
        return url

    def credentials(self) -> tuple[str, str, str]:
        """Access key, secret key and session token of now, for what signs by itself.

        Raises `errors.CredentialsMissing`."""
        found = self._credentials("no AWS credentials; set AWS_PROFILE or sign in")
        try:
            with self._exchange():
                frozen = found.get_frozen_credentials()
        except (BotoCoreError, ClientError, OSError) as error:
            raise errors.CredentialsMissing(f"the AWS credentials cannot be renewed: {error}") from error
        return frozen.access_key, frozen.secret_key, frozen.token or ""

    def _credentials(self, missing: str) -> Any:
        """Raises `errors.CredentialsMissing`, with the message `missing` if there are none."""
        try:
            with self._exchange():
                found = self._session.get_credentials()
        except (BotoCoreError, ClientError, OSError) as error:
            raise errors.CredentialsMissing(f"the AWS credentials cannot be read: {error}") from error
        if found is None:
            raise errors.CredentialsMissing(missing)
        return found

    def identity(self) -> Identity:
        """Who the credentials belong to.

        Raises `errors.CredentialsMissing` with what to type."""
        try:
            answer = self.perform(Call("sts", "GetCallerIdentity"))
        except errors.Denied as error:
            login = f"try `aws sso login{f' --profile {self.profile}' if self.profile else ''}`, or set AWS_PROFILE"
            if is_loopback(endpoint := self.endpoint or os.environ.get("AWS_ENDPOINT_URL")):
                login = f"pass --local for the emulator on {endpoint}, or set any credentials"
            elif error.code == "NoCredentials":
                login += "; for the local AWS emulator, pass --local"
            raise errors.CredentialsMissing(f"not signed in to AWS ({error.code}: {error.message}); {login}") from error
        return Identity(
            account=answer["Account"],
            arn=answer["Arn"],
            region=self.region,
            partition=answer["Arn"].split(":")[1],
            endpoint=self._custom_endpoint(),
        )

    def _custom_endpoint(self) -> str | None:
        """The endpoint where it is not AWS's own; the banner shows it."""
        url: str = self._client("sts").meta.endpoint_url
        return None if url.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else url

    def _client(self, service: str, role: str = "") -> Any:
        key = f"{service} as {role}" if role else service
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                if role and role not in self._sessions:
                    self._sessions[role] = self._assumed(role, None)
                session = self._sessions.get(role, self._session)
                client = self._made(session, service, self._config)
                endpoint = client.meta.endpoint_url
                check_url("endpoint", endpoint)
                proxies = get_environ_proxies(endpoint)
                if not is_loopback(endpoint):
                    check_url("proxy", proxies.get(endpoint.partition(":")[0]))
                elif proxies:
                    direct = Config(proxies={})  # no proxy reaches this machine
                    client = self._made(session, service, self._config.merge(direct))
                tls.share(client)
                response_check.watch(client)
                client.meta.events.register("before-parse", self._dated)
                if self._fence is not None:
                    _fenced(client, service, self._fence)
                self._clients[key] = client
            return client

    def _made(self, session: Any, service: str, config: Config) -> Any:
        return session.client(service, config=config, endpoint_url=self.endpoint, region_name=self.region)

    def _dated(self, *, response_dict: dict[str, Any], **_: Any) -> None:
        try:
            date = parsedate_to_datetime(response_dict["headers"].get("date", ""))
        except ValueError:
            return  # a proxy in between may drop or garble it
        if date.tzinfo is not None:
            self.on_date(date)

    def _assumed(self, role: str, external_id: str | None) -> Any:
        """A session of `role`; its credentials last an hour and are renewed by botocore when they run out."""
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        source = self._credentials(f"no credentials to assume {role} with; set AWS_PROFILE or sign in")
        asked = {"RoleSessionName": "reconciler"} | ({"ExternalId": external_id} if external_id is not None else {})
        create = self._session._session.create_client
        fetcher = AssumeRoleCredentialFetcher(create, source, role, extra_args=asked)
        inner = models.session(None, self.region)
        inner._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
        return boto3.Session(botocore_session=inner, region_name=self.region)


GARBLED = (ResponseParserError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What botocore raises over a body that is not what the service's model says: cut short, or a proxy's error page."""

_AGENT = f"reconciler/{__version__} Boto3/{boto3.__version__} Python/{platform.python_version()}"
"""Said once: left to itself, botocore works it out anew, twice for each call."""

_METHOD_NAMES: dict[tuple[str, str], str] = {}


def _remember(client: Any, call: Call) -> str:
    """boto3's name for an operation; its own spelling rules have exceptions, so it is asked."""
    for method, operation in client.meta.method_to_api_mapping.items():
        _METHOD_NAMES[(call.service, operation)] = method
    try:
        return _METHOD_NAMES[(call.service, call.operation)]
    except KeyError:
        raise errors.Invalid("botocore knows no such operation", call=str(call), code="UnknownOperation") from None


def _unusable(call: Call, error: Exception) -> errors.ReconcilerError:
    found = translate(call, error)
    if isinstance(error, OSError | ValueError) or found.code == type(error).__name__:  # a complaint of botocore's own
        return errors.AwsConfigurationInvalid(f"the AWS configuration is not valid: {' '.join(str(error).split())}")
    return found


def _fenced(client: Any, service: str, fence: Callable[[], None]) -> None:
    """Have `fence` called at the last moments before a write leaves: credentials may take seconds to be renewed.

    First at the sending, since whoever comes after it there may be the one who sends.
    """

    def check(event_name: str, **_: Any) -> None:
        if not is_read(Call(service, event_name.rpartition(".")[2])):
            fence()

    client.meta.events.register_last("before-sign", check)
    client.meta.events.register_first("before-send", check)


def _whole(pages: Any, shape: Any) -> dict[str, Any]:
    """All pages as one answer. A list that none of them holds is empty: AWS may leave out what has nothing in it.

    That each page is an answer at all, and not a proxy's page or half a body, bodies.py has seen to.
    """
    whole: dict[str, Any] = pages.build_full_result()
    for key in pages.result_keys:
        member = shape.members.get(key.expression)
        if member is not None and member.type_name == "list":
            whole.setdefault(key.expression, [])
    return whole


def _read_whole(answer: dict[str, Any]) -> dict[str, Any]:
    """An object of S3 comes as a stream: it is read within the limits of this exchange."""
    return {name: value.read() if isinstance(value, StreamingBody) else value for name, value in answer.items()}


def _pages_by_hand(call: Call) -> bool:
    """A call that says where to start or how much to get wants one page."""
    by_hand = {"NextToken", "nextToken", "Marker", "StartingToken", "maxResults", "MaxResults", "StartRecordName"}
    return not by_hand.isdisjoint(call.params)


def _agent(text: str) -> str:
    return re.sub(r"[^\w.\-]", "_", text)
