"""Tags as AWS accepts them, and text that it does not."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

SIGNS = "_.:/=+-@ "
TEXTS = st.text(max_size=400) | st.text(
    st.sampled_from("ab1é漢²𝒜🚀 \t\n\r\x1f\x85\xa0\u2028\u2029\u200b\ud800{},;\"'" + SIGNS), max_size=400
)


def assert_accepted(value: str, longest: int = 256) -> None:
    """As the strictest of ECS, ELBv2, EC2, IAM, Logs, ECR, Scheduler, Application Auto Scaling and DynamoDB has it.

    The pattern of their models is `[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*`, of which only the space is a separator that all
    take; keys and values in `aws:` are refused; and lengths may be counted in UTF-16.
    """
    for character in value:
        assert character in SIGNS or unicodedata.category(character)[0] in "LN", f"{character!r} in {value!r}"
    assert len(value.encode("utf-16-le")) // 2 <= longest
    assert not value.lower().startswith("aws:")
    assert value == value.strip()
