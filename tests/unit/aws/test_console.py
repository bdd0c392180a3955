from __future__ import annotations

import pytest

from bedrock_import import links
from include.aws.console import evaluation_job_url

AWS = "https://bedrock.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(("partition", "region"), [("aws", "eu-central-1"), ("aws-us-gov", "us-gov-west-1")])
def test_the_report_links_to_the_page_to_which_the_task_links(partition: str, region: str) -> None:
    arn = f"arn:{partition}:bedrock:{region}:123456789012:evaluation-job/abcdefghijkl"
    assert evaluation_job_url(AWS, "capitals-1", arn) == links.evaluation_job_url("capitals-1", arn)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:5555", "https://amazonaws.com.example"])
def test_what_is_not_in_awss_console_has_no_page_there(endpoint: str) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:evaluation-job/abcdefghijkl"
    assert evaluation_job_url(endpoint, "capitals-1", arn) == ""
