"""Values of tags in Amazon Bedrock."""

from __future__ import annotations

import re

#: What TagValue of botocore's bedrock model does not take.
_NOT_IN_TAGS = re.compile(r"[^a-zA-Z0-9\s._:/=+@-]")
_MAX_TAG_VALUE = 256
_HEAD_OF_TAG = 100
_CUT = "..."


def tag_value(text: str) -> str:
    """Return ``text`` as a tag can hold it: other characters become ``_``, the middle of a long text is left out."""
    value = _NOT_IN_TAGS.sub("_", text)
    if len(value) <= _MAX_TAG_VALUE:
        return value
    return value[:_HEAD_OF_TAG] + _CUT + value[_HEAD_OF_TAG + len(_CUT) - _MAX_TAG_VALUE :]
