"""CreateTrainingJob with an entrypoint, and StopTrainingJob: moto makes records that are complete at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.models import FakeTrainingJob
from moto.sagemaker.responses import SageMakerResponse

from include.local_aws.access.role_session import s3_client_of
from include.local_aws.aws_errors import AwsError
from include.local_aws.moto_patches.requests import parameters
from include.local_aws.settings import Settings
from include.local_aws.training.faults import TrainingFaults
from include.local_aws.training.listing import list_training_jobs
from include.local_aws.training.record import TrainingRecord
from include.local_aws.training.role import check_assumable
from include.local_aws.training.run import TrainingRun


class TrainingJobs:
    """The jobs that run or have run in this process, and the faults that wait for them."""

    def __init__(self, settings: Settings, folder: Path, endpoint_url: str) -> None:
        self.faults = TrainingFaults()
        self._settings, self._folder, self.endpoint_url = settings, folder, endpoint_url
        self._runs: dict[str, TrainingRun] = {}
        self._lock = Lock()

    def install(self) -> None:
        """Take the place of moto's handlers."""
        made_by_moto = SageMakerResponse.create_training_job
        SageMakerResponse.create_training_job = lambda response: self._create(response, made_by_moto)
        SageMakerResponse.list_training_jobs = _list
        SageMakerResponse.stop_training_job = lambda response: self._stop(response)  # moto looks for functions

    def end_all(self) -> None:
        """Kill the processes of all jobs."""
        for run in list(self._runs.values()):
            run.kill()

    def _create(self, response: SageMakerResponse, made_by_moto: Callable[[SageMakerResponse], Any]) -> Any:
        request = parameters(response, "CreateTrainingJob")
        place, backend = (str(response.current_account), str(response.region)), response.sagemaker_backend
        arn = FakeTrainingJob.arn_formatter(request["TrainingJobName"], *place)
        with self._lock:
            if request["TrainingJobName"] in backend.training_jobs:
                message = "Training job names must be unique within an AWS account and region, and a training job with "
                raise AwsError("ResourceInUse", f"{message}this name already exists ({arn})")
            if not request["AlgorithmSpecification"].get("ContainerEntrypoint"):
                return made_by_moto(response)
            _check_waiting(request)
            check_assumable(request["RoleArn"], place[0], arn)
            self._check_quota(request["ResourceConfig"], place)
            made_by_moto(response)
            made = backend.training_jobs[request["TrainingJobName"]]
            record = TrainingRecord(made, *place, request, self._settings.spot_share)
            s3 = s3_client_of(request["RoleArn"], place[1], "SageMaker", self.endpoint_url)
            run = TrainingRun(record, s3, self._folder / f"training-{len(self._runs)}", self._settings, self.faults)
            self._runs[arn] = run
        Thread(target=run.run, name=f"training-{record.name}", daemon=True).start()
        return ActionResult({"TrainingJobArn": arn})

    def _check_quota(self, resources: dict[str, Any], place: tuple[str, str]) -> None:
        kind, asked = resources["InstanceType"], resources["InstanceCount"]
        records = [run.record for run in self._runs.values()]
        used = sum(
            record.request["ResourceConfig"]["InstanceCount"]
            for record in records
            if not record.is_over
            and (record.account_id, record.region_name) == place
            and record.request["ResourceConfig"]["InstanceType"] == kind
        )
        most = self._settings.max_training_instances
        if used + asked > most:
            message = f"The account-level service limit '{kind} for training job usage' is {most} Instances, with "
            message += f"current utilization of {used} Instances and a request delta of {asked} Instances. "
            raise AwsError("ResourceLimitExceeded", f"{message}Please use AWS Service Quotas to request an increase.")

    def _stop(self, response: SageMakerResponse) -> Any:
        name = response._get_param("TrainingJobName")
        response.sagemaker_backend.describe_training_job(name)  # refuses a name that is not there
        run = self._runs.get(FakeTrainingJob.arn_formatter(name, response.current_account, response.region))
        if run is not None:
            run.record.ask_to_stop()
            run.stop_asked.set()
        return ActionResult({})


def _check_waiting(request: dict[str, Any]) -> None:
    """Refuse limits that do not fit: MaxWaitTimeInSeconds belongs to spot capacity, and includes the training."""
    limits, spot = request["StoppingCondition"], bool(request.get("EnableManagedSpotTraining"))
    wait, run = limits.get("MaxWaitTimeInSeconds"), limits.get("MaxRuntimeInSeconds", 86400)
    if spot and (wait is None or wait < run):
        message = "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        raise AwsError("ValidationException", message)
    if wait is not None and not spot:
        raise AwsError("ValidationException", "MaxWaitTimeInSeconds is for EnableManagedSpotTraining only")


def _list(response: SageMakerResponse) -> Any:
    jobs = response.sagemaker_backend.training_jobs.values()
    return ActionResult(list_training_jobs(jobs, parameters(response, "ListTrainingJobs")))
