"""CloudFormation of buckets.

moto makes a bucket with its encryption and tags, drops every other property without a word, and leaves out resources of
types it does not know. Here buckets get what the template says, and a template that asks for more than is emulated is
refused before anything is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.parsing import NULL_MODELS, ResourceMap, get_model_map
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

Properties = Mapping[str, Any]

BUCKET_PROPERTIES = frozenset(
    {
        "BucketName",
        "BucketEncryption",
        "LifecycleConfiguration",
        "NotificationConfiguration",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "Tags",
        "VersioningConfiguration",
    }
)
LIFECYCLE_MEMBERS = frozenset(
    {
        "Id",
        "Status",
        "Prefix",
        "ExpirationInDays",
        "ExpiredObjectDeleteMarker",
        "AbortIncompleteMultipartUpload",
        "NoncurrentVersionExpiration",
    }
)
CUSTOM_TYPES = ("Custom::", "AWS::CloudFormation::CustomResource")


def install() -> None:
    """Correct moto's CloudFormation in this process."""
    ResourceMap.validate_outputs = _refusing(ResourceMap.validate_outputs)  # the first that knows the conditions
    for name in ("create_from_cloudformation_json", "update_from_cloudformation_json"):
        setattr(FakeBucket, name, classmethod(_with_properties(getattr(FakeBucket, name).__func__)))


def unsupported(resources: Mapping[str, Any], known_types: Sequence[str]) -> Iterator[str]:
    """Yield what the resources of a template ask for and the stand-in cannot make, one phrase each."""
    for name, resource in resources.items():
        type_, properties = resource["Type"], resource.get("Properties", {})
        if type_ not in known_types and not type_.startswith(CUSTOM_TYPES):
            yield f"{name}: {type_}"
        if type_ == "AWS::S3::Bucket":
            rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
            unknown = (set(properties) - BUCKET_PROPERTIES) | {
                key for rule in rules for key in rule
            } - LIFECYCLE_MEMBERS
            yield from (f"{name}: {type_}.{key}" for key in sorted(unknown))


def _refusing(validate: Callable[[Any], None]) -> Callable[[Any], None]:
    def validate_supported(self: Any) -> None:
        made = {
            name: resource
            for name, resource in self._resource_json_map.items()
            if "Condition" not in resource or self.lazy_condition_map[resource["Condition"]]
        }
        found = list(unsupported(made, [*get_model_map(), *NULL_MODELS]))
        if found:
            raise ValidationError(message=f"This stand-in for AWS does not emulate {', '.join(found)}")
        validate(self)

    return validate_supported


def _with_properties(make: Callable[..., Any]) -> Callable[..., Any]:
    def make_with_properties(cls: type, *args: Any, **options: Any) -> Any:
        bucket = make(cls, *args, **options)
        given = {
            **dict(zip(("name", "cloudformation_json", "account_id", "region_name"), args, strict=False)),
            **options,
        }
        _apply(_s3(given["account_id"], given["region_name"]), bucket.name, given["cloudformation_json"]["Properties"])
        return bucket

    return make_with_properties


def _apply(backend: Any, bucket_name: str, properties: Properties) -> None:
    bucket = backend.get_bucket(bucket_name)
    bucket.set_lifecycle([_rule(rule) for rule in properties.get("LifecycleConfiguration", {}).get("Rules", [])])
    bucket.public_access_block = None
    if block := properties.get("PublicAccessBlockConfiguration"):
        backend.put_public_access_block(bucket_name, block)
    rules = properties.get("OwnershipControls", {}).get("Rules", [{}])
    backend.put_bucket_ownership_controls(bucket_name, rules[0].get("ObjectOwnership"))
    if status := properties.get("VersioningConfiguration", {}).get("Status"):
        backend.put_bucket_versioning(bucket_name, status)
    notifications = properties.get("NotificationConfiguration", {})
    bucket.set_notification_configuration(
        {
            "QueueConfiguration": [_event(item, "Queue") for item in notifications.get("QueueConfigurations", [])],
            "TopicConfiguration": [_event(item, "Topic") for item in notifications.get("TopicConfigurations", [])],
            "EventBridgeConfiguration": notifications.get("EventBridgeConfiguration"),
        }
    )


def _rule(rule: Properties) -> dict[str, Any]:
    """A lifecycle rule as the API has it."""
    same = ("Status", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    converted = {name: rule[name] for name in same if name in rule}
    if "ExpirationInDays" in rule:
        converted["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "ExpiredObjectDeleteMarker" in rule:
        converted["Expiration"] = {"ExpiredObjectDeleteMarker": str(rule["ExpiredObjectDeleteMarker"]).lower()}
    return {"ID": rule.get("Id"), "Filter": {"Prefix": rule.get("Prefix", "")}, **converted}


def _event(item: Properties, target: str) -> dict[str, Any]:
    """A notification as the API has it."""
    rules = item.get("Filter", {}).get("S3Key", {}).get("Rules", [])
    filters = {"S3Key": {"FilterRule": [dict(rule) for rule in rules]}} if rules else None
    return {target: item[target], "Event": [item["Event"]], "Filter": filters}


def _s3(account_id: str, region_name: str) -> Any:
    return s3_backends[account_id][get_partition(region_name)]
