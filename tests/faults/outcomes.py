"""What must be true after every scenario."""

from __future__ import annotations

from typing import Any

from tests.faults.runs import Run

DONE = {"success", "skipped"}


def assert_imported_once(*runs: Run, failed_jobs: int = 0) -> None:
    """One import job that is not failed, one model, one version; the runs green and nothing left over."""
    for run in runs:
        assert run.finish() == "success", run.summary()
        states = {task_id: instance["state"] for task_id, instance in run.tasks().items()}
        assert set(states.values()) <= DONE, run.summary()
    jobs = jobs_of(runs[0])
    assert [job["status"] for job in jobs if job["status"] != "Failed"] == ["Completed"], jobs
    assert len(jobs) - 1 == failed_jobs, jobs
    (model,) = models_of(runs[0])
    (version,) = versions_of(runs[0])
    metadata = version["CustomerMetadataProperties"]
    assert runs[0].result("wait_for_import")["imported_model_arn"] == model["modelArn"]
    assert metadata["fingerprint"] == runs[0].result("preflight")["fingerprint"]
    for run in runs:
        assert_nothing_is_left(run)


def assert_nothing_twice(run: Run) -> None:
    """At no time is there a second job, model or version."""
    found = [len(of(run)) for of in (jobs_of, models_of, versions_of)]
    assert max(found) <= 1, f"jobs, models, versions: {found}"


def assert_failed(run: Run, task_id: str, *said: str, jobs: int, versions: int = 0) -> None:
    """The run failed in this task, whose log says why; no version was made and nothing left over."""
    assert run.finish() == "failed", run.summary()
    assert run.tasks()[task_id]["state"] == "failed", run.summary()
    log = run.log(task_id)
    missing = [words for words in said if words not in log]
    assert not missing, f"the log of {task_id} does not say {missing}: {log[-3000:]}"
    assert len(jobs_of(run)) == jobs
    assert len(versions_of(run)) == versions
    assert_nothing_is_left(run)


def assert_nothing_is_left(run: Run) -> None:
    """No multipart upload is open and the run's workspace is cleared."""
    uploads = run.installation.client("s3").list_multipart_uploads(Bucket=run.installation.bucket)
    assert "Uploads" not in uploads, uploads
    assert run.left_in_workspace() == []


def jobs_of(run: Run) -> list[dict[str, Any]]:
    """Return the import jobs of the run's model."""
    bedrock = run.installation.client("bedrock")
    pages = bedrock.get_paginator("list_model_import_jobs").paginate()
    jobs = [job for page in pages for job in page["modelImportJobSummaries"]]
    return [job for job in jobs if job["jobName"].startswith(f"{run.model_name}-")]


def models_of(run: Run) -> list[dict[str, Any]]:
    """Return the imported models of the run's model."""
    pages = run.installation.client("bedrock").get_paginator("list_imported_models").paginate()
    models = [model for page in pages for model in page["modelSummaries"]]
    return [model for model in models if model["modelName"].startswith(f"{run.model_name}-")]


def versions_of(run: Run) -> list[dict[str, Any]]:
    """Return the registered versions of the run's model."""
    sagemaker = run.installation.client("sagemaker")
    groups = sagemaker.list_model_package_groups(NameContains=run.model_name)["ModelPackageGroupSummaryList"]
    if run.model_name not in [group["ModelPackageGroupName"] for group in groups]:
        return []
    packages = sagemaker.list_model_packages(ModelPackageGroupName=run.model_name)["ModelPackageSummaryList"]
    return [sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"]) for package in packages]
