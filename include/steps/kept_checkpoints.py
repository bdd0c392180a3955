"""Keep the checkpoint that a step prepared in the run's workspace, for a later step, perhaps on another worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from include.aws.s3_uri import S3Uri
from include.checkpoint.writing.disk import named_when_full
from include.errors import ModelImportError
from include.run.plan import ImportPlan
from include.training.plan import TrainingPlan

if TYPE_CHECKING:
    from include.checkpoint.files.reading import RangeReader
    from include.checkpoint.files.segments import Checkpoint, Pin

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
Plan = TypeVar("Plan", ImportPlan, TrainingPlan)
Step = Callable[Concatenate[Plan, P], T]

_MADE_AGAIN = "%s is not in %s, or not whole: cleared, or this worker sees another workspace; making it again"
NO_OBJECTS: Mapping[str, Pin] = MappingProxyType({})


class WorkspaceClearedError(ModelImportError):
    """What a step has just left in the workspace is gone."""

    def __init__(self, name: str, workspace: str) -> None:
        super().__init__(
            "A file is gone that was written a moment ago",
            f"{workspace}/{name}",
            remedy="Find out who clears the workspace while the run uses it, then clear the task.",
        )


def in_workspace(step: Step[Plan, P, T]) -> Step[Plan, P, T]:
    """Wrap a step: a full disk raises an error that names the folder; scratch space is given back when it ends.

    What another step needs is in the workspace by then, so a step may call others.
    """

    @wraps(step)
    def run(plan: Plan, /, *args: P.args, **kwargs: P.kwargs) -> T:
        plan.files.clear_scratch()  # of an earlier try
        try:
            with named_when_full(plan.files.folder):
                return step(plan, *args, **kwargs)
        finally:
            plan.files.clear_scratch()

    return run


def readable_everywhere(
    plan: ImportPlan,
    name: str,
    checkpoint: Checkpoint,
    s3: Any,
    reader: RangeReader,
    objects: Mapping[str, Pin] = NO_OBJECTS,
) -> Checkpoint:
    """Return the checkpoint as every worker can read it: with a workspace in S3, all of its bytes are there.

    Args:
        plan: the run's plan.
        name: the name under which the checkpoint will be left in the workspace, as the step's last action.
        checkpoint: what was prepared.
        s3: S3 client.
        reader: reads the checkpoint's sources.
        objects: objects in S3 that hold the same bytes as local files, by path.

    Raises what ``stage`` raises.
    """
    if not plan.files.in_s3:
        return checkpoint
    from include.delivery.destination import Destination
    from include.delivery.earlier import earlier_deliveries
    from include.delivery.staging import Staging, stage
    from include.delivery.transfer import TransferSettings

    stem = name.rpartition(".")[0]
    bucket, prefix = S3Uri.parse(f"{plan.workspace}/{stem}")
    staging = Staging(
        Destination(s3, bucket, prefix),
        plan.workspace_file(stem),
        earlier=earlier_deliveries(s3, plan.bucket, plan.model_prefix),
        objects=objects,
        settings=TransferSettings(bytes_per_second=plan.config.account.bytes_per_second),
    )
    return stage(checkpoint, staging, reader)


def kept_checkpoint(plan: ImportPlan, name: str, s3: Any, make: Callable[[], object]) -> Checkpoint:
    """Return the checkpoint that an earlier step left; where there is none, ``make`` makes it again.

    Raises:
        WorkspaceClearedError: it is not there after that either.
    """
    found = _find_checkpoint(plan, name, s3)
    if found is None:
        log.warning(_MADE_AGAIN, name, plan.workspace)
        make()
        found = _find_checkpoint(plan, name, s3)
    if found is None:
        raise WorkspaceClearedError(name, plan.workspace)
    return found


def _find_checkpoint(plan: ImportPlan, name: str, s3: Any) -> Checkpoint | None:
    """Return the checkpoint; None where it is not there or, with a workspace in S3, an object that it names is gone.

    It may name an earlier delivery of the model, which another run may retire.
    """
    from include.checkpoint.errors import SourceChangedError, SourceUnreadableError
    from include.checkpoint.files.reading import UriReader, verify_pins
    from include.checkpoint.files.segments import Checkpoint
    from include.sources.patient_reader import PatientReader

    data = plan.files.read(name, s3)
    if data is None:
        return None
    checkpoint = Checkpoint.from_json(data)
    if plan.files.in_s3:
        try:
            verify_pins(checkpoint, PatientReader(UriReader(s3)))
        except (SourceChangedError, SourceUnreadableError) as error:
            log.warning("%s", error)
            return None
    return checkpoint
