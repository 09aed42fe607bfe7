"""Tag index: the stack's resources as the tagging service knows them, read in parallel with everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future

from reconciler.aws.client import AwsClient
from reconciler.model import ownership
from reconciler.model.resource import Calls, ServiceApi

tagging = ServiceApi("resourcegroupstaggingapi")

Tags = Mapping[str, str]
AT_ONCE = 100  # the maximum of GetResources; the default is fifty


class OwnedTagIndex(Mapping[str, Tags]):
    """ARN → tags of every resource with the stack's tag; it lags by minutes.

    Its pages are sequential, forty of them for five hundred services, so only whoever uses the index waits for it: the
    first access waits for the last page. Every access raises the `errors.AwsError` of a failed read.
    """

    def __init__(self, asked: Future[Mapping[str, Tags]]) -> None:
        self._asked = asked

    @classmethod
    def begin(cls, aws: AwsClient, stack: str, pool: Executor) -> OwnedTagIndex:
        return cls(pool.submit(aws.run, _ask(stack)))

    @classmethod
    def of(cls, found: Mapping[str, Tags]) -> OwnedTagIndex:
        """The index of an earlier pass."""
        answered: Future[Mapping[str, Tags]] = Future()
        answered.set_result(found)
        return cls(answered)

    def found(self) -> Mapping[str, Tags]:
        return self._asked.result()

    def __getitem__(self, arn: str) -> Tags:
        return self.found()[arn]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found())

    def __len__(self) -> int:
        return len(self.found())


def _ask(stack: str) -> Calls[Mapping[str, Tags]]:
    filters = [{"Key": ownership.STACK, "Values": [stack]}]
    answer = yield tagging.get_resources(TagFilters=filters, ResourcesPerPage=AT_ONCE)
    return {
        item["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in item.get("Tags", ())}
        for item in answer["ResourceTagMappingList"]
    }
