"""Corrections of moto's SageMaker Model Registry.

moto overwrites a group of the same name, numbers versions by counting, forgets ClientToken, SourceUri, ModelCard and
others, starts versions without approval status, takes tags for versions; UpdateModelPackage wipes whatever it is not
given and fails on removals without additions; DeleteModelPackage and DeleteModelPackageGroup are missing; Search over
versions knows no order, no pages, and not what was given.
"""

from __future__ import annotations

import inspect
from typing import Any

from botocore import xform_name
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker import urls
from moto.sagemaker.exceptions import ConflictException, ValidationError
from moto.sagemaker.models import ModelPackage, ModelPackageGroup
from moto.sagemaker.responses import SageMakerResponse

from include.local_aws.moto_patches.model_cards import model_card_violations
from include.local_aws.moto_patches.model_search import search_packages

MOST_METADATA = 50
REPLACED_BY_UPDATE = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)


class ModelRegistryResponse(SageMakerResponse):  # type: ignore[misc]
    """The registry's operations, in place of moto's."""

    def create_model_package_group(self) -> ActionResult:
        """CreateModelPackageGroup, refused when the name is taken."""
        existing = self.sagemaker_backend.model_package_groups.get(self.params["ModelPackageGroupName"])
        if existing is not None:
            raise ValidationError(f"Model Package Group already exists: {existing.arn}")
        return super().create_model_package_group()

    def describe_model_package_group(self) -> ActionResult:
        """DescribeModelPackageGroup, by name or ARN."""
        return ActionResult(self._group().gen_response_object())

    def delete_model_package_group(self) -> ActionResult:
        """DeleteModelPackageGroup, refused while it holds versions."""
        group = self._group()
        versions = self._versions(group)
        if versions:
            raise ConflictException(f"Model Package Group {group.arn} still contains {len(versions)} Model Packages")
        del self.sagemaker_backend.model_package_groups[group.model_package_group_name]
        return EmptyResult()

    def create_model_package(self) -> ActionResult:
        """CreateModelPackage; a repeated ClientToken answers what it made the first time."""
        tokens = self.sagemaker_backend.__dict__.setdefault("model_package_tokens", {})
        self._check_model_card()
        token, request = self.params.get("ClientToken"), dict(self.params)
        made_from, arn = tokens.get(token, (request, None)) if token else (request, None)
        if made_from != request:
            raise ConflictException(f"The ClientToken {token} was used for another request")
        if arn is None:
            package = self._new_version() if "ModelPackageGroupName" in request else self._new_unversioned()
            arn = package.arn
            self.sagemaker_backend.model_packages[arn] = package
            tokens[token] = (request, arn)
        return ActionResult({"ModelPackageArn": arn})

    def describe_model_package(self) -> ActionResult:
        """DescribeModelPackage: everything that was given."""
        return ActionResult(_described(self._package(self.params["ModelPackageName"])))

    def search(self) -> ActionResult:
        """Search: over model packages ours, over anything else moto's."""
        if self.params["Resource"] != "ModelPackage":
            return super().search()
        page, answer = search_packages(list(self.sagemaker_backend.model_packages.values()), self.params)
        return ActionResult(answer | {"Results": [{"ModelPackage": _described(package)} for package in page]})

    def update_model_package(self) -> ActionResult:
        """UpdateModelPackage: changes what is given and nothing else."""
        self._check_model_card()
        package: Any = self._package(self.params["ModelPackageArn"])
        metadata = {
            **(package.customer_metadata_properties or {}),
            **self.params.get("CustomerMetadataProperties", {}),
        }
        for key in self.params.get("CustomerMetadataPropertiesToRemove", []):
            metadata.pop(key, None)
        if len(metadata) > MOST_METADATA:
            raise ValidationError(f"A model package has at most {MOST_METADATA} metadata properties: {len(metadata)}")
        changes = {name: self.params[name] for name in REPLACED_BY_UPDATE if name in self.params}
        _set(package, {**changes, "CustomerMetadataProperties": metadata})
        package.add_additional_inference_specifications(self.params.get("AdditionalInferenceSpecificationsToAdd"))
        package.modifications_done()
        return ActionResult({"ModelPackageArn": package.arn})

    def delete_model_package(self) -> ActionResult:
        """DeleteModelPackage; its version number is not used again."""
        package = self._package(self.params["ModelPackageName"])
        del self.sagemaker_backend.model_packages[package.arn]
        return EmptyResult()

    def _check_model_card(self) -> None:
        if violations := model_card_violations(self.params.get("ModelCard", {})):
            raise ValidationError(f"The model card does not follow its schema: {'; '.join(violations)}")

    def _group(self) -> ModelPackageGroup:
        name = self.params["ModelPackageGroupName"].rpartition("/")[2]
        return self.sagemaker_backend.describe_model_package_group(name)

    def _versions(self, group: ModelPackageGroup) -> list[ModelPackage]:
        packages = self.sagemaker_backend.model_packages.values()
        return [package for package in packages if package.model_package_group_name == group.model_package_group_name]

    def _new_version(self) -> ModelPackage:
        if "ModelPackageName" in self.params:
            raise ValidationError("Both ModelPackageName and ModelPackageGroupName are provided; give one of them")
        if "Tags" in self.params:
            raise ValidationError("A version takes the tags of its Model Package Group; Tags cannot be provided")
        group: Any = self._group()
        group.newest_version = getattr(group, "newest_version", 0) + 1
        return self._package_with(
            model_package_type="Versioned",
            model_package_name=group.model_package_group_name,
            model_package_group_name=group.model_package_group_name,
            model_package_version=group.newest_version,
            model_approval_status=self.params.get("ModelApprovalStatus", "PendingManualApproval"),
        )

    def _new_unversioned(self) -> ModelPackage:
        if "ModelPackageName" not in self.params:
            raise ValidationError("Either ModelPackageName or ModelPackageGroupName has to be provided")
        package = self._package_with(model_package_type="Unversioned")
        if package.arn in self.sagemaker_backend.model_packages:
            raise ValidationError(f"Model Package already exists: {package.arn}")
        self.sagemaker_backend.model_package_name_mapping[package.model_package_name] = package.arn
        return package

    def _package_with(self, **chosen: Any) -> ModelPackage:
        accepted = list(inspect.signature(ModelPackage.__init__).parameters)[1:]
        arguments = dict.fromkeys(accepted) | {xform_name(name): value for name, value in self.params.items()} | chosen
        arguments |= {"region_name": self.region, "account_id": self.current_account}
        package: Any = ModelPackage(**{name: arguments[name] for name in accepted})
        package.given = {**self.params, "ModelPackageGroupName": package.model_package_group_name}
        _set(package, {"ModelApprovalStatus": package.model_approval_status})
        return package

    def _package(self, name_or_arn: str) -> ModelPackage:
        return self.sagemaker_backend.describe_model_package(name_or_arn)


def _described(package: Any) -> dict[str, Any]:
    """Everything that was given of a model package, and what the registry added."""
    return {**package.gen_response_object(), **package.given}


def install() -> None:
    """Route moto's SageMaker requests to these handlers."""
    urls.url_paths = {
        path: getattr(ModelRegistryResponse, handler.__name__) for path, handler in urls.url_paths.items()
    }


def _set(package: Any, members: dict[str, Any]) -> None:
    for name, value in members.items():
        package.given[name] = value
        setattr(package, xform_name(name), value)
