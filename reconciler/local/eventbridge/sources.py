"""Events of the services that moto answers: images, parameters and secrets.

What an event says of the time before a call is looked up before it, the rest is in its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from reconciler.local.cloudtrail import trails
from reconciler.local.eventbridge import bus
from reconciler.local.eventbridge.state import Params
from reconciler.local.wire import Call, Response
from reconciler.local.world import World

Tell = Callable[[Params], None]
"""Tells what the answer of a call says has happened."""
SERVICE_EVENT: Final = "AWS Service Event via CloudTrail"


def before(world: World, call: Call) -> Callable[[Response], None]:
    """To be called before the call is carried out; what it returns, with the answer."""
    source = SOURCES.get((call.service, call.operation))
    if source is None or not world.events.rules:
        return _nothing
    tell = source(world, _object(call.request.body))

    def after(response: Response) -> None:
        if response.status < 300:
            tell(_object(response.body))

    return after


def _nothing(response: Response) -> None:  # noqa: ARG001 — most calls are no event of their service
    return None


def _object(text: bytes) -> Params:
    """A JSON object; an empty one for a body that is none, which moto refuses itself."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


# ---- ECR: user guide, "Amazon ECR events and EventBridge" -----------------------------------------------------------


def _put_image(world: World, params: Params) -> Tell:
    def tell(answer: Params) -> None:
        image = answer["image"]["imageId"]
        media_type = _object(params.get("imageManifest", "").encode()).get("mediaType")
        _image(world, params["repositoryName"], "PUSH", image, {"manifest-media-type": media_type})

    return tell


def _delete_images(world: World, params: Params) -> Tell:
    def tell(answer: Params) -> None:
        for image in answer.get("imageIds", ()):
            _image(world, params["repositoryName"], "DELETE", image)

    return tell


def _image(world: World, name: str, action: str, image: Params, more: Params | None = None) -> None:
    detail = {
        "result": "SUCCESS",
        "repository-name": name,
        "image-digest": image["imageDigest"],
        "action-type": action,
        "image-tag": image.get("imageTag"),
        **(more or {}),
    }
    bus.tell(world, "aws.ecr", "ECR Image Action", (), lambda: detail)


# ---- Parameter Store: user guide, "Parameter Store events" ----------------------------------------------------------


def _put_parameter(world: World, params: Params) -> Tell:
    name = str(params.get("Name", ""))

    def tell(answer: Params) -> None:
        operation = "Create" if answer["Version"] == 1 else "Update"
        _parameter(world, operation, name, _kind(world, name), params.get("Description"))

    return tell


def _delete_parameters(world: World, params: Params) -> Tell:
    names: list[str] = params.get("Names") or [params.get("Name", "")]
    kinds = {name: _kind(world, name) for name in names}

    def tell(answer: Params) -> None:
        deleted: list[str] = answer.get("DeletedParameters", names)
        for name in deleted:
            _parameter(world, "Delete", name, kinds[name])

    return tell


def _label_parameter(world: World, params: Params) -> Tell:
    name = str(params.get("Name", ""))
    return lambda answer: _parameter(world, "LabelParameterVersion", name, _kind(world, name))  # noqa: ARG005


def _kind(world: World, name: str) -> str | None:
    found = world.rest.state("ssm").get_parameters([name])
    return str(found[name].parameter_type) if name in found else None


def _parameter(world: World, operation: str, name: str, kind: str | None, description: str | None = None) -> None:
    detail = {"operation": operation, "name": name, "type": kind, "description": description}
    arn = world.arn("ssm", f"parameter/{name.lstrip('/')}")
    bus.tell(world, "aws.ssm", "Parameter Store Change", [arn], lambda: detail)


# ---- Secrets Manager: user guide, "AWS CloudTrail entries for Secrets Manager" --------------------------------------


def _rotate_secret(world: World, params: Params) -> Tell:
    """The rotation itself. There is no Lambda, so that it is over at once."""

    def tell(answer: Params) -> None:
        if params.get("RotateImmediately", True):
            for name in ("RotationStarted", "RotationSucceeded"):
                _service_event(world, "secretsmanager", name, {"SecretId": answer["ARN"]})

    return tell


def _service_event(world: World, service: str, name: str, more: Params) -> None:
    """What a service reports through CloudTrail without a call: it needs a trail that logs, too."""
    if not trails.covers(world.history, world.region):
        return
    principal = f"{service}.amazonaws.com"
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": world.account, "invokedBy": principal},
        "eventTime": bus.moment(world.now, milliseconds=False),
        "eventSource": principal,
        "eventName": name,
        "awsRegion": world.region,
        "sourceIPAddress": principal,
        "userAgent": principal,
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": more,
        "eventID": world.ids.uuid(),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": world.account,
        "eventCategory": "Management",
    }
    told = bus.event(world, f"aws.{service}", SERVICE_EVENT, (), detail)
    bus.put(world, told, after=world.timings.api_event_delivery, nulls=True)


SOURCES: Final[Mapping[tuple[str, str], Callable[[World, Params], Tell]]] = {
    ("ecr", "BatchDeleteImage"): _delete_images,
    ("ecr", "PutImage"): _put_image,
    ("secretsmanager", "RotateSecret"): _rotate_secret,
    ("ssm", "DeleteParameter"): _delete_parameters,
    ("ssm", "DeleteParameters"): _delete_parameters,
    ("ssm", "LabelParameterVersion"): _label_parameter,
    ("ssm", "PutParameter"): _put_parameter,
}
