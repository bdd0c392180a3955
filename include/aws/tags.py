"""Values of tags in Amazon Bedrock."""

from __future__ import annotations

import hashlib
import re

#: The tag by which SageMaker's Python SDK (BedrockModelBuilder, ``reuse_resources``) finds a model that was imported
#: from an S3 URI.
MODEL_SOURCE_TAG = "sagemaker.amazonaws.com/model-source"
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


def model_source_tag_value(s3_uri: str) -> str:
    """Return the value of ``MODEL_SOURCE_TAG`` for a checkpoint.

    A long URI is shortened as ``sagemaker.serve.model_reuse.normalize_tag_value`` of SageMaker's SDK 3.27 does, so that
    it is found. Characters that Bedrock refuses in a tag become ``_``; such a URI the SDK cannot look for either.
    """
    if len(s3_uri) <= _MAX_TAG_VALUE:
        return tag_value(s3_uri)
    return tag_value(f"{s3_uri[:224]}-{hashlib.sha256(s3_uri.encode()).hexdigest()[:31]}")
