from __future__ import annotations

import pytest

from tests.support.local_aws_process import LocalAwsProcess
from tests.support.s3_requests import RawS3


@pytest.fixture
def raw(local_aws: LocalAwsProcess) -> RawS3:
    return RawS3(local_aws.port)
