"""Find the weights of a SageMaker training job, model or model package in S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.sources.errors import SageMakerRegionError, SageMakerSourceError
from include.sources.location import S3Location, SageMakerLocation, parse_location


def locate(location: SageMakerLocation, client: Any) -> S3Location:
    """Return the prefix or archive with the weights, without reading them.

    Raises:
        SageMakerRegionError: an ARN of another region than the client's.
        SageMakerSourceError: there is no such job, model or package, it is not complete, or it has no weights in S3.
    """
    if location.region and location.region != client.meta.region_name:
        raise SageMakerRegionError(location.name, location.region, client.meta.region_name)
    try:
        uri = _FINDERS[location.kind](client, location.name)
    except client.exceptions.ClientError as error:
        raise SageMakerSourceError(location.kind, location.name, error.response["Error"].get("Message", "")) from error
    found = parse_location(uri) if uri else None
    if not isinstance(found, S3Location):
        raise SageMakerSourceError(location.kind, location.name, "no model data in S3")
    return found


def _of_training_job(client: Any, name: str) -> str:
    job = client.describe_training_job(TrainingJobName=name)
    if job["TrainingJobStatus"] != "Completed":
        raise SageMakerSourceError("training-job", name, f"status {job['TrainingJobStatus']}")
    uri: str = job["ModelArtifacts"]["S3ModelArtifacts"]
    return uri


def _of_model(client: Any, name: str) -> str:
    model = client.describe_model(ModelName=name)
    container: Mapping[str, Any] = model.get("PrimaryContainer") or next(iter(model.get("Containers", ())), {})
    package = container.get("ModelPackageName")
    return _of_package(client, package) if package else _of_container(container)


def _of_package(client: Any, name: str) -> str:
    package = client.describe_model_package(ModelPackageName=name)
    containers = package.get("InferenceSpecification", {}).get("Containers", ())
    return _of_container(next(iter(containers), {}))


def _of_container(container: Mapping[str, Any]) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    uri: str = source.get("S3Uri") or container.get("ModelDataUrl", "")
    return uri


_FINDERS = {"training-job": _of_training_job, "model": _of_model, "model-package": _of_package}
