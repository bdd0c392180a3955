"""S3, SageMaker Model Registry and Bedrock of one model, as far as the changes of its versions need them.

Each call goes through ``World.call``, which decides when it happens.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError

from include.aws.clients import AwsClients
from tests.support.champion_world import World

UNITS = {"customModelUnitsPerModelCopy": 1, "customModelUnitsVersion": "1.0"}


def clients_of(world: World) -> AwsClients:
    return AwsClients(lambda service: {"s3": S3, "sagemaker": SageMaker, "bedrock": Bedrock}[service](world))


class _Service:
    def __init__(self, world: World) -> None:
        self.world = world

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_") or not hasattr(self, f"do_{operation}"):
            raise AttributeError(operation)
        act = getattr(self, f"do_{operation}")
        return lambda **request: self.world.call(operation, request, lambda: act(**request))


def refusal(code: str, status: int, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


class _Body(io.BytesIO):
    def iter_lines(self) -> Iterator[bytes]:
        return iter(self.getvalue().splitlines())


class S3(_Service):
    """Objects with the conditions of PutObject and DeleteObject, see tests/integration/local_aws/s3."""

    class exceptions:
        NoSuchKey = ClientError

    def _check(self, key: str, operation: str, if_match: str | None, if_none_match: str | None) -> None:
        found = self.world.objects.get(key)
        if if_match and found is None:
            raise refusal("NoSuchKey", 404, operation)
        if (if_match and found and found["ETag"] != if_match) or (if_none_match and found):
            raise refusal("PreconditionFailed", 412, operation)

    def do_put_object(
        self, Key: str, Body: bytes, IfMatch: str | None = None, IfNoneMatch: str | None = None, **_: Any
    ) -> dict[str, Any]:
        self._check(Key, "PutObject", IfMatch, IfNoneMatch)
        modified = self.world.date().replace(microsecond=0)
        etag = f'"{next(self.world.numbers)}"'
        self.world.objects[Key] = {"ETag": etag, "LastModified": modified, "bytes": Body}
        return {"ETag": etag}

    def do_get_object(self, Key: str, **_: Any) -> dict[str, Any]:
        if (found := self.world.objects.get(Key)) is None:
            raise refusal("NoSuchKey", 404, "GetObject")
        headers = {"date": format_datetime(self.world.date().replace(microsecond=0), usegmt=True)}
        return {**found, "Body": _Body(found["bytes"]), "ResponseMetadata": {"HTTPHeaders": headers}}

    def do_delete_object(self, Key: str, IfMatch: str | None = None, **_: Any) -> dict[str, Any]:
        self._check(Key, "DeleteObject", IfMatch, None)
        self.world.objects.pop(Key, None)
        return {}


class SageMaker(_Service):
    """The model registry."""

    class exceptions:
        class ConflictException(ClientError):
            """Not raised: the fake keeps tokens."""

        ClientError = ClientError

    def get_paginator(self, operation: str) -> Any:
        service = self

        class Pages:
            def paginate(self, **request: Any) -> list[Any]:
                return [getattr(service, operation)(**request)]

        return Pages()

    def do_list_model_package_groups(self, **_: Any) -> dict[str, Any]:
        return {"ModelPackageGroupSummaryList": list(self.world.groups.values())}

    def do_create_model_package_group(self, ModelPackageGroupName: str, **_: Any) -> dict[str, Any]:
        if ModelPackageGroupName in self.world.groups:
            raise refusal("ValidationException", 400, "CreateModelPackageGroup")
        self.world.groups[ModelPackageGroupName] = {"ModelPackageGroupName": ModelPackageGroupName}
        return {}

    def do_list_model_packages(
        self, ModelPackageGroupName: str, SortOrder: str, ModelApprovalStatus: str = "", **_: Any
    ) -> dict[str, Any]:
        found = [
            package
            for package in self.world.packages.values()
            if ModelApprovalStatus in ("", package["ModelApprovalStatus"])
        ]
        found.sort(key=lambda package: package["ModelPackageVersion"], reverse=SortOrder == "Descending")
        return {"ModelPackageSummaryList": [dict(package) for package in found]}

    def do_describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        package = self.world.packages[ModelPackageName]
        return {**package, "CustomerMetadataProperties": dict(package["CustomerMetadataProperties"])}

    def do_create_model_package(self, **request: Any) -> dict[str, Any]:
        token = request.get("ClientToken")
        for arn, package in self.world.packages.items():
            if token and package.get("ClientToken") == token:
                return {"ModelPackageArn": arn}
        number = len(self.world.packages) + 1
        arn = f"arn:version/{number}"
        self.world.packages[arn] = {
            "CustomerMetadataProperties": {},
            **request,
            "ModelPackageArn": arn,
            "ModelPackageVersion": number,
            "CreationTime": self.world.date(),
        }
        return {"ModelPackageArn": arn}

    def do_update_model_package(self, ModelPackageArn: str, **changes: Any) -> dict[str, Any]:
        package = self.world.packages[ModelPackageArn]
        removed = changes.pop("CustomerMetadataPropertiesToRemove", [])
        metadata = {**package["CustomerMetadataProperties"], **changes.pop("CustomerMetadataProperties", {})}
        kept = {key: value for key, value in metadata.items() if key not in removed}
        package.update(changes, CustomerMetadataProperties=kept)
        return {}


class Bedrock(_Service):
    """Imported models and their tags."""

    class meta:
        region_name = "us-east-1"

    def _model(self, identifier: str, operation: str) -> dict[str, Any]:
        for arn, model in self.world.models.items():
            if identifier in (arn, model["modelName"]):
                return model
        raise refusal("ResourceNotFoundException", 404, operation)

    def do_get_imported_model(self, modelIdentifier: str) -> dict[str, Any]:
        return self._model(modelIdentifier, "GetImportedModel")

    def do_list_imported_models(self, **_: Any) -> dict[str, Any]:
        newest_first = sorted(self.world.models.values(), key=lambda model: model["creationTime"], reverse=True)
        return {"modelSummaries": newest_first}

    def do_list_tags_for_resource(self, resourceARN: str) -> dict[str, Any]:
        tags = self._model(resourceARN, "ListTagsForResource")["tags"]
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def do_tag_resource(self, resourceARN: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        self._model(resourceARN, "TagResource")["tags"].update({tag["key"]: tag["value"] for tag in tags})
        return {}

    def do_delete_imported_model(self, modelIdentifier: str) -> dict[str, Any]:
        del self.world.models[self._model(modelIdentifier, "DeleteImportedModel")["modelArn"]]
        return {}

    def do_import_model(self, name: str, tags: dict[str, str], s3_uri: str) -> str:
        """What an import job leaves; an import of the same name is found again."""
        for arn, model in self.world.models.items():
            if model["modelName"] == name:
                return arn
        arn = f"arn:aws:bedrock:us-east-1:123456789012:imported-model/{next(self.world.numbers):012d}"
        self.world.models[arn] = {
            "modelArn": arn, "modelName": name, "creationTime": self.world.date(), "tags": dict(tags),
            "modelDataSource": {"s3DataSource": {"s3Uri": s3_uri}}, "customModelUnits": UNITS,
        }  # fmt: skip
        return arn
