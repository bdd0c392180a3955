"""CloudFormation of the policies of queues, topics and buckets."""

from __future__ import annotations

import json
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition

from include.local_aws.moto_patches.template_resource import Properties, TemplateResource, policy_text

SEPARATOR = "|"


class _ResourcePolicy(TemplateResource):
    """A policy of other resources; GetAtt knows nothing of it."""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether GetAtt knows the attribute: there are none."""
        return False


class BucketPolicy(_ResourcePolicy, CloudFormationModel):  # type: ignore[misc]
    """AWS::S3::BucketPolicy."""

    type_ = "AWS::S3::BucketPolicy"

    @classmethod
    def put(cls, name: str, properties: Properties, account_id: str, region_name: str) -> BucketPolicy:
        """Put the policy on the bucket."""
        _s3(account_id, region_name).put_bucket_policy(properties["Bucket"], policy_text(properties).encode())
        return cls(properties["Bucket"])

    @classmethod
    def take_away(cls, name: str, account_id: str, region_name: str) -> None:
        """Delete the policy of the bucket."""
        _s3(account_id, region_name).delete_bucket_policy(name)


class QueuePolicy(_ResourcePolicy, CloudFormationModel):  # type: ignore[misc]
    """AWS::SQS::QueuePolicy."""

    type_ = "AWS::SQS::QueuePolicy"

    @classmethod
    def put(cls, name: str, properties: Properties, account_id: str, region_name: str) -> QueuePolicy:
        """Put the policy on each of the queues, given by their URLs."""
        names = [url.rpartition("/")[2] for url in properties["Queues"]]
        for queue in names:
            sqs_backends[account_id][region_name].set_queue_attributes(queue, {"Policy": policy_text(properties)})
        return cls(SEPARATOR.join(names))

    @classmethod
    def take_away(cls, name: str, account_id: str, region_name: str) -> None:
        """Delete the policies of those of the queues that still exist."""
        for queue in name.split(SEPARATOR):
            try:
                sqs_backends[account_id][region_name].set_queue_attributes(queue, {"Policy": ""})
            except QueueDoesNotExist:
                continue


class TopicPolicy(_ResourcePolicy, CloudFormationModel):  # type: ignore[misc]
    """AWS::SNS::TopicPolicy."""

    type_ = "AWS::SNS::TopicPolicy"

    @classmethod
    def put(cls, name: str, properties: Properties, account_id: str, region_name: str) -> TopicPolicy:
        """Put the policy on each of the topics, given by their ARNs."""
        for arn in properties["Topics"]:
            sns_backends[account_id][region_name].get_topic(arn).policy = policy_text(properties)
        return cls(SEPARATOR.join(properties["Topics"]))

    @classmethod
    def take_away(cls, name: str, account_id: str, region_name: str) -> None:
        """Give those of the topics that still exist the policy that every topic starts with."""
        topics = sns_backends[account_id][region_name].topics
        for arn in set(name.split(SEPARATOR)) & set(topics):
            topic = topics[arn]
            default = topic._create_default_topic_policy(region_name, account_id, topic.name)
            topic.policy = json.dumps(default)


def _s3(account_id: str, region_name: str) -> Any:
    return s3_backends[account_id][get_partition(region_name)]
