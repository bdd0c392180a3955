"""Addresses in the AWS console."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


def evaluation_job_url(endpoint_url: str, name: str, arn: str) -> str:
    """Return the page of a Bedrock evaluation job; an empty text where the endpoint is not AWS's own.

    AWS documents no address of a single job. This one is that to which the list in the console leads.
    """
    if not (urlsplit(endpoint_url).hostname or "").endswith(_AWS_DOMAINS):
        return ""
    _, partition, _, region, *_ = arn.split(":")
    console = _CONSOLES.get(partition, "console.aws.amazon.com")
    job = f"job={quote(name, safe='')}&jobIdentifier={quote(arn, safe=':/')}"
    return f"https://{console}/bedrock/home?region={region}#/eval/model-evaluation/report?{job}"
