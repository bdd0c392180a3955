from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_events.messages import (
    MAX_MESSAGE_LENGTH,
    ObjectWritten,
    TrainingJobChanged,
    UnreadableMessageError,
    read_message,
)

# As AWS's documentation shows them, shortened by what is not read.
S3_RECORD = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "eventTime": "2026-11-22T10:00:00.000Z",
    "eventName": "ObjectCreated:CompleteMultipartUpload",
    "s3": {"bucket": {"name": "bucket"}, "object": {"key": "fine+tunes/a%2Bb/adapter_config.json", "size": 1}},
}
S3_EVENT = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "bucket"}, "object": {"key": "fine tunes/a+b/adapter_config.json", "size": 1}},
}
JOB_EVENT = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Training Job State Change",
    "detail": {"TrainingJobName": "job", "TrainingJobStatus": "Completed", "TrainingEndTime": 1763805600000},
}
TEST_MESSAGE = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"}
WRITTEN = ObjectWritten("bucket", "fine tunes/a+b/adapter_config.json")


@pytest.mark.parametrize("message", [{"Records": [S3_RECORD]}, S3_EVENT])
def test_the_written_object_is_read_whether_s3_or_event_bridge_tells_it(message: object) -> None:
    assert read_message(json.dumps(message)) == (WRITTEN,)


@pytest.mark.parametrize("message", [{"Records": [S3_RECORD]}, S3_EVENT])
def test_the_envelope_of_an_sns_topic_is_opened(message: object) -> None:
    envelope = {
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:t",
        "Message": json.dumps(message),
    }
    assert read_message(json.dumps(envelope)) == (WRITTEN,)


def test_the_end_of_a_training_job_is_read() -> None:
    ended = datetime.fromtimestamp(1763805600, UTC)
    assert read_message(json.dumps(JOB_EVENT)) == (TrainingJobChanged("job", "Completed", ended),)


@pytest.mark.parametrize(
    "message",
    [
        TEST_MESSAGE,
        {"Records": [{**S3_RECORD, "eventName": "ObjectRemoved:Delete"}]},
        {**S3_EVENT, "detail-type": "Object Deleted"},
        {**JOB_EVENT, "detail-type": "SageMaker Model State Change"},
    ],
)
def test_notifications_of_other_things_say_nothing(message: object) -> None:
    assert read_message(json.dumps(message)) == ()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "garbage",
        "[]",
        "null",
        "7",
        "[" * 100_000,
        "{}",
        json.dumps({"source": "aws.ec2", "detail-type": "x", "detail": {}}),
        json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}),
        json.dumps({"Records": 5}),
        json.dumps({**S3_EVENT, "detail": {"bucket": {"name": "b"}, "object": {"key": 5}}}),
        json.dumps({**JOB_EVENT, "detail": {**JOB_EVENT["detail"], "TrainingEndTime": 1e300}}),
        "x" * (MAX_MESSAGE_LENGTH + 1),
    ],
)
def test_anything_else_is_refused_with_its_beginning(body: str) -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        read_message(body)
    assert repr(body[:20])[1:-1] in str(refused.value)
    assert len(str(refused.value)) < 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda children: (
        st.lists(children)
        | st.dictionaries(st.sampled_from(["Records", "source", "detail", "s3", "detail-type", "eventName"]), children)
    ),
)


@given(json_values)
def test_no_message_does_more_than_be_refused(message: object) -> None:
    with suppress(UnreadableMessageError):
        read_message(json.dumps(message))
