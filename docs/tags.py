"""Reference of every tag that is written: keys and examples come from the code that writes them, prose from here."""

from __future__ import annotations

from docs.rollout_tags import ROLLOUT_STATE
from docs.tag import AT, NOBODY, RELEASE, WHO, Group, Tag
from reconciler.model import formats, image_tags, ownership
from reconciler.model.input_version import RECORDS
from reconciler.model.resource import Address
from reconciler.reconcile import request_tags
from reconciler.resources import _dns, _task_runs, domain_certificate, task, task_definition
from reconciler.rollout.engines import task_sets
from reconciler.rollout.requests import Request, RequestVerb

OWNED = ownership.tags_for(
    "shop", Address("subnet", "shop-public1-a"), protect=True, declared={"team": "web", "cost-center": "42"}
)


GROUPS = (
    Group(
        "Ownership",
        "On every resource that can carry tags, written in the create call itself. "
        "Defined in `reconciler/model/ownership.py`.",
        (
            Tag(
                ownership.STACK,
                "the Stack's name, or `NAME@ENVIRONMENT` of an environment that shares it with the base",
                OWNED[ownership.STACK],
                "Only to hand a resource over: remove it, and the stack lets go of the resource.",
                "The resource counts as somebody else's. If its name is wanted, the plan is refused (`conflict`) until "
                "its document says `adopt: true`; otherwise it is neither changed nor deleted any more.",
            ),
            Tag(
                ownership.ADDRESS,
                "`TYPE/NAME` in the specs",
                OWNED[ownership.ADDRESS],
                NOBODY,
                "A resource with a unique name in AWS is found by that name. EC2 resources are found by their `Name` "
                "tag. The plan restores the tag.",
            ),
            Tag(
                ownership.PROTECT,
                "`true`, or no tag",
                OWNED[ownership.PROTECT],
                "By `protect:` in the document; the next pass undoes an edit by hand.",
                "Protection after the document is gone: nothing refuses the deletion.",
            ),
            Tag(
                ownership.REGION,
                "the region of the Stack, on IAM roles, certificates of domains, and with the owner of a record",
                "us-west-2",
                NOBODY,
                "The resource counts as that of a stack of this name in any region. The next pass restores the tag.",
            ),
            Tag(
                _dns.ACCOUNT,
                "the account of the stack, on certificates of domains, and with the owner of a record",
                "123456789012",
                NOBODY,
                "The record counts as that of a stack of this name in any account. The next pass restores the tag.",
            ),
            Tag(
                ownership.MANAGED,
                "`reconciler:sha256`, then the beginning of a hash of each key that the specs set, separated by "
                "spaces; a list of the keys themselves, as earlier releases wrote it, is read as well",
                OWNED[ownership.MANAGED],
                NOBODY,
                "A tag that is dropped from the specs stays on the resource.",
            ),
            Tag(
                ownership.MEMBERS,
                "of members under `aws` that AWS does not return: name and keyed hash of each, separated by spaces",
                "monitoring:1f0c9e55a7b2",
                NOBODY,
                "The members are written once more, and the tag with them.",
            ),
            Tag(
                ownership.FIELDS,
                "a code of three characters for each API member or attribute that an optional field of the document "
                "sets, such as `labels` of a container or `slow_start` of a target group",
                "Zk3q0Wd-5",
                NOBODY,
                "What a field has set stays in AWS when the field is removed from the document.",
            ),
        ),
    ),
    ROLLOUT_STATE,
    Group(
        "Requests for a stack",
        "On the first of the stack's ECS services by name, and read on all of them. "
        "Defined in `reconciler/reconcile/request_tags.py`.",
        (
            Tag(
                formats.STACK_KEY,
                "the format of this group's tags, a number; without the tag, 1",
                str(formats.STACK),
                NOBODY,
                "The values are read as those of format 1.",
            ),
            Tag(
                request_tags.REQUEST,
                "`ID`, or `ID+resume+TIME WHO: WHY` for the request with which somebody resumed the stack",
                request_tags.resumed("5b1e08aa", "ana", "migrated", AT),
                "Everybody who may tag the service; `reconciler reconcile` and `reconciler resume --stack` write it.",
                "No full reconciliation before the next regular one.",
            ),
            Tag(
                request_tags.HANDLED,
                "`ID:REVISION`",
                request_tags.handled("5b1e08aa", "c2d87dd"),
                NOBODY,
                "The request is answered once more.",
            ),
            Tag(
                request_tags.SUSPEND,
                "`[TIME ]WHO: WHY`: when and by whom the stack was suspended, and the reason if one was given",
                request_tags.suspended(WHO, "database migration", AT),
                "Use `reconciler suspend --stack` and `reconciler resume --stack`. Removing the tag from every service "
                "resumes the stack.",
                "The stack is reconciled again.",
            ),
            Tag(
                request_tags.ACCEPTED,
                "the start of a commit's id that may be applied although it does not descend from the last one",
                "c2d87dd",
                "Use `reconciler reconcile --accept-history COMMIT`.",
                "The commit stays rejected. The controller removes the tag itself once the commit is in place.",
            ),
            Tag(
                request_tags.REVISION,
                "`REVISION SUBJECT`: the commit that was last in place as a whole",
                request_tags.in_place("c2d87dd9e0f1a2b3c4d5e6f708192a3b4c5d6e7f", "Raise the memory of web"),
                NOBODY,
                "A controller that starts accepts any commit of the branch, also one older than what is in place. It "
                "writes the tag again once all of a revision is in place.",
            ),
            Tag(
                request_tags.RESTORED,
                "`REVISION: WHY`: the last accepted revision, which a controller restored because the newest cannot be "
                "used, and why",
                request_tags.restored("c2d87dd", "https://github.com/ana/shop: timed out"),
                NOBODY,
                "Nothing; `status` shows it, and the controller writes it again. It removes the tag once a revision of "
                "the source is accepted.",
            ),
        ),
    ),
    Group(
        "Task sets",
        "On each ECS task set, beside the tags of ownership. Defined in `reconciler/rollout/engines/task_sets.py`. "
        "The release itself is read from the task set's `externalId`.",
        (
            Tag(task_sets.RELEASE, "the release's id", RELEASE, NOBODY, "Nothing; the tag is for people."),
            Tag(
                task_sets.COMMIT,
                "the commit from which the release was compiled",
                "c2d87dd9e0f1a2b3c4d5e6f708192a3b4c5d6e7f",
                NOBODY,
                "`history` shows no commit for the release.",
            ),
        ),
    ),
    Group(
        "Certificates of domains",
        "On the certificates of services' domains, beside the tags of ownership. Defined in "
        "`reconciler/resources/domain_certificate.py`.",
        (
            Tag(
                domain_certificate.ZONE,
                "the id of a hosted zone",
                "Z0123456789ABCDEFGHIJ",
                NOBODY,
                "Records of a domain that is not in the specs any more are not found. Otherwise the next pass restores "
                "the tag.",
            ),
            Tag(
                domain_certificate.ZONE_ROLE,
                "the ARN of the role by which the zone is reached",
                "arn:aws:iam::210987654321:role/dns",
                NOBODY,
                "As without the zone.",
            ),
        ),
    ),
    Group(
        "Tasks",
        "On the tasks of `Task` documents, beside the tags of ownership. Defined in "
        "`reconciler/resources/_task_runs.py`.",
        (
            Tag(
                _task_runs.TOKEN,
                "which run the task belongs to",
                "0d1f6c0a4be2f3a897c55e1b2d3f4a5b",
                NOBODY,
                "After a crash, the run is found by ECS's client token only, for a day.",
            ),
            Tag(
                _task_runs.SECURITY_GROUPS,
                "the security groups that the task runs in, separated by spaces",
                "sg-0a1b2c3d4e5f60718",
                NOBODY,
                "A security group that the task is in counts as unused; AWS refuses to delete it while the task runs.",
            ),
        ),
    ),
    Group(
        "Task definitions",
        "On revisions of a task definition. Defined in `reconciler/resources/task_definition.py` and, for `Task` "
        "documents, in `reconciler/resources/task.py`.",
        (
            Tag(
                image_tags.IMAGES,
                "names of the repositories in which the revision's images are tagged as in use, separated by spaces",
                "shop-web",
                NOBODY,
                "The plan restores it, and with it the tags `reconciler-in-use-…` of the images.",
            ),
            Tag(
                task_definition.CONTENT,
                "a hash of what the revision was registered with",
                "0d1f6c0a4be2f3a897c55e1b2d3f4a5b",
                NOBODY,
                "The revision is compared field by field, and read again in each pass instead of once.",
            ),
            Tag(
                task_definition.RESTARTED,
                "`ID:WHO[: WHY]`: the request for a restart for which the revision was registered",
                "5b1e08aa:ana: rotated the database password",
                NOBODY,
                "`history` does not show that it was a restart, nor who asked for it.",
            ),
            Tag(
                task_definition.COMMIT,
                "the commit that the revision was registered for, and the start of its subject",
                "c2d87dd9e0f1a2b3c4d5e6f708192a3b4c5d6e7f Fix the cart",
                NOBODY,
                "`history` shows no commit for the release.",
            ),
            Tag(
                task_definition.ROTATED,
                "the hashes of the contents that it was made from, where nothing but versions of secrets, parameters "
                "and files is new; the newest last",
                "0f3a9c1e5b7d2846a1c3e5f708192a3b",
                NOBODY,
                "The release waits for its promotion like any other.",
            ),
            *(
                Tag(
                    key,
                    "versions of parameters, files and secrets that ECS does not pin, as they were when the revision "
                    "was registered: a hash of each reference, and the version or the beginning of its hash; one tag, "
                    "or up to four",
                    "1f0c2a:13 9be431:5d41402a",
                    NOBODY,
                    "A new version starts no release until there is another one.",
                )
                for key in RECORDS
            ),
            *(
                Tag(
                    key,
                    "a request about the release that was accepted, as in `reconciler:request`; five of them, the "
                    "oldest of which makes room",
                    Request(RequestVerb.PROMOTE, RELEASE, "5b1e08aa", AT, "ana", "looks good").text(),
                    NOBODY,
                    "`history` and `events` show the request only where the store of the controller is known.",
                )
                for key in task_definition.AUDIT
            ),
            Tag(
                formats.RUN_KEY,
                "the format of the tags of a run, a number; without the tag, 1",
                str(formats.RUN),
                NOBODY,
                "The values are read as those of format 1.",
            ),
            Tag(
                task.RUN,
                "id of the task that was started from the revision",
                "4f0e2d1c5b6a47988f7e6d5c4b3a2918",
                "Remove it to run the task once more.",
                "The `Task` counts as never run, and is run again.",
            ),
            Tag(task.RUN_IN, "the cluster's name", "shop", NOBODY, "The same."),
            Tag(task.RUN_AS, "the `Task`'s name in the specs", "migrate", NOBODY, "The same."),
            Tag(
                task.OUTCOME,
                "`succeeded`, or `failed:` and why",
                "failed: exit code 1",
                "Use `reconciler retry`.",
                "The outcome is read from ECS again, which knows it for an hour; after that the task counts as failed, "
                "because its outcome is unknown.",
            ),
            Tag(
                task.RETRY,
                "`ID:WHO[: WHY]`",
                f"5b1e08aa:{WHO}: fixed the secret",
                "Everybody who may tag the task definition; `reconciler retry` writes it.",
                "The task is not run again.",
            ),
        ),
    ),
)

INTRODUCTION = """\
There is no state file.
What a stack owns, and what must survive a restart, stands in tags; this page lists every one of them.

Do not write a tag by hand where a command does it.
Values keep to what every AWS service accepts: letters, digits, space and `_ . : / = + - @`, 256 characters at most; \
line ends and other white space become a space. In text of people and programs, such as a reason, any other character \
is written as the bytes of its UTF-8 form, `=2C` for a comma; elsewhere it becomes `_`.
Resources also carry the tags that their document and the Stack declare, and EC2 resources a `Name` tag.
AWS allows 50 tags on a resource: `validate` counts all that one may have, the tags below among them.
"""


def page() -> str:
    parts = ["# Tags\n", INTRODUCTION]
    for group in GROUPS:
        parts.append(f"## {group.title}\n\n{group.about}\n")
        parts.append("| tag | value | example | who may edit it | what is lost without it |")
        parts.append("| --- | --- | --- | --- | --- |")
        for tag in group.tags:
            parts.append(f"| `{tag.key}` | {tag.format} | `{tag.example}` | {tag.editing} | {tag.loss} |")
        parts.append("")
    return "\n".join(parts)
