"""Tables: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Depth
from reconciler.resources.table import Key, Table, TableSpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ARN = "arn:aws:dynamodb:us-west-2:123456789012:table/leases"


def table(name: str, **fields: Any) -> Desired[Any]:
    said = {
        "name": name,
        "keys": (Key(name="pk"), Key(name="sk", type="N")),
        "deletion_protection": False,
        "point_in_time_recovery": True,
    }
    return wish(f"table/{name}", TableSpec(**(said | fields)))


EXAMPLE = Example(
    table("leases"),
    edits=(
        Edit({"deletion_protection": True}, "deletion_protection"),
        Edit({"deletion_protection": False, "point_in_time_recovery": False}, "point_in_time_recovery"),
        Edit({"keys": (Key(name="id"), Key(name="sk", type="N"))}, "keys"),
        Edit({"keys": (Key(name="pk"), Key(name="sk", type="S"))}, "keys"),
        Edit({"keys": (Key(name="pk"),)}, "keys"),
    ),
    unique=True,
    decoys=(table("decoy"),),
)

WANT = table("leases", point_in_time_recovery=None)


def item(**fields: Any) -> dict[str, Any]:
    said = {
        "TableName": "leases",
        "TableArn": ARN,
        "TableStatus": "ACTIVE",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    }
    return {"Table": said | fields}


def talk(**more: Any) -> Talk:
    return Talk(**({"DescribeTable": item(), "ListTagsOfResource": {"Tags": pairs(tagged(WANT))}} | more))


def observe(told: Talk, want: Desired[Any] = WANT, **more: Any) -> list[Observed[Any]]:
    return told.hold(Table().observe(scope(want, **more)))


def test_recovery_is_asked_for_only_where_it_is_declared_and_in_a_thorough_look() -> None:
    """It takes a call a table."""
    wants = table("leases")
    backups = {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
        }
    }
    told = talk(DescribeContinuousBackups=backups)
    (found,) = observe(told, wants)
    assert [str(change) for change in diff(found, wants.spec)] == ["point_in_time_recovery"]
    for told, want, depth in ((talk(), WANT, Depth.FULL), (talk(), wants, Depth.MEDIUM)):
        (found,) = observe(told, want, depth=depth)
        assert not diff(found, want.spec)
        assert "DescribeContinuousBackups" not in told.operations()


def test_what_the_sweep_says_is_believed_where_nothing_follows_from_it() -> None:
    """Tags that are as wanted cost no call; and what belongs to a table is no table."""
    want = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    told = talk()
    (found,) = observe(told, want, swept={ARN: tagged(WANT), f"{ARN}/index/by-day": tagged(WANT)})
    assert (found.id, found.tags, told.operations()) == ("leases", tagged(WANT), ["DescribeTable"])


def test_a_table_that_is_gone_hides_no_other() -> None:
    """The sweep lags: what it names may be gone by now."""

    def described(call: Any) -> dict[str, Any]:
        if call.params["TableName"] == "gone":
            raise errors.Gone("no such table")
        return item()

    found = observe(talk(DescribeTable=described), swept={ARN.replace("leases", "gone"): {}})
    assert [one.id for one in found] == ["leases"]


def test_a_table_of_somebody_else_under_our_name_is_shown() -> None:
    """It is a conflict, and no absence."""
    (found,) = observe(talk(ListTagsOfResource={"Tags": []}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, None)


@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "DELETING"])
def test_a_table_under_way_is_not_ready(status: str) -> None:
    """What stands on it waits for a later pass; one on its way out is not deleted again."""
    (found,) = observe(talk(DescribeTable=item(TableStatus=status)))
    assert (found.health, found.reason) == (ResourceHealth.PROGRESSING, f"the table is {status}")
    told = Talk()
    told.hold(Table().delete(found))
    assert told.operations() == ([] if status == "DELETING" else ["DeleteTable"])


def test_a_new_table_that_takes_no_recovery_yet_is_made_all_the_same() -> None:
    """DynamoDB refuses it until the table is there; the next comparison adds it."""
    new = Desired(WANT.address, table("leases").spec, tags=tagged(WANT))
    told = Talk(UpdateContinuousBackups=errors.Invalid("backups are being enabled"))
    assert told.hold(Table().create(new)) == "leases"
    assert told.operations() == ["CreateTable", "UpdateContinuousBackups"]
    (sent,) = told.params("CreateTable")
    assert sent["BillingMode"] == "PAY_PER_REQUEST"
    assert {pair["Key"]: pair["Value"] for pair in sent["Tags"]} == tagged(WANT)


def test_a_table_made_before_is_adopted_and_a_taken_name_is_not() -> None:
    """A creation whose answer was lost finds its own table."""
    new = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    taken = errors.Blocked("Table already exists: leases")
    assert talk(CreateTable=taken).hold(Table().create(new)) == "leases"
    with pytest.raises(errors.Blocked):
        talk(CreateTable=taken, ListTagsOfResource={"Tags": []}).hold(Table().create(new))


def test_a_protected_table_is_a_persons_to_free() -> None:
    """DynamoDB would refuse in other words each time; it is not even asked."""
    (found,) = observe(talk(DescribeTable=item(DeletionProtectionEnabled=True)))
    told = Talk()
    with pytest.raises(errors.Protected):
        told.hold(Table().delete(found))
    assert told.operations() == []
