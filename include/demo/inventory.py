"""Count the resources on the stand-in, to report what a run created."""

from __future__ import annotations

from typing import NamedTuple

from include.demo.environment import Environment, aws_client
from include.registry.sagemaker import SageMakerRegistry


class Inventory(NamedTuple):
    """Numbers of import jobs, objects in the bucket and registered versions."""

    import_jobs: int
    objects: int
    versions: int


def take_inventory(environment: Environment) -> Inventory:
    """Return the current counts."""
    endpoint = environment.aws_endpoint
    jobs = aws_client(endpoint, "bedrock").get_paginator("list_model_import_jobs").paginate()
    objects = aws_client(endpoint, "s3").get_paginator("list_objects_v2").paginate(Bucket=environment.bucket)
    sagemaker = aws_client(endpoint, "sagemaker")
    groups = sagemaker.get_paginator("list_model_package_groups").paginate()
    versions = sum(
        len(page["ModelPackageSummaryList"])
        for group_page in groups
        for group in group_page["ModelPackageGroupSummaryList"]
        for page in sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group["ModelPackageGroupName"]
        )
    )
    return Inventory(
        import_jobs=sum(len(page["modelImportJobSummaries"]) for page in jobs),
        objects=sum(len(page.get("Contents", ())) for page in objects),
        versions=versions,
    )


def champion_version(environment: Environment, model_name: str) -> int | None:
    """Return the champion's version number, looked up as an application would."""
    champion = SageMakerRegistry(aws_client(environment.aws_endpoint, "sagemaker")).champion(model_name)
    return champion.number if champion else None
