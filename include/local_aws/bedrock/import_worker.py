"""Run one import job in its own thread: copy the prefix, check it, load it, and only then complete."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from include.local_aws.bedrock.checkpoint_files import (
    check_names,
    check_shards,
    check_size,
    find_architecture,
    is_metadata_file,
    is_weight_file,
    read_config,
)
from include.local_aws.bedrock.import_failures import ImportFailedError, ScriptedImportError
from include.local_aws.bedrock.s3_source import S3Source
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.service import Bedrock
from include.local_aws.bedrock.service_role import RolePermissions
from include.local_aws.bedrock.service_rules import Architecture, service_rules
from include.local_aws.bedrock.state import ImportedModel, ImportJob, RegionState, new_id, now

if TYPE_CHECKING:
    from include.local_aws.bedrock.loaded_model import LoadedModel

logger = logging.getLogger(__name__)


def start_import(bedrock: Bedrock, scope: Scope, job: ImportJob, scripted_failure: str | None) -> None:
    """Run the job in the background."""
    args = (bedrock, scope, bedrock.regions.of(scope), job, scripted_failure)
    Thread(target=_run, args=args, name=f"import-{job.name}", daemon=True).start()


def _run(bedrock: Bedrock, scope: Scope, region: RegionState, job: ImportJob, scripted_failure: str | None) -> None:
    started = time.monotonic()
    model = outcome = None
    folder = bedrock.copies / job.arn.rpartition("/")[2]
    try:
        if scripted_failure is not None:
            raise ScriptedImportError(scripted_failure)
        model = _import_model(bedrock, scope, job, folder)
    except ImportFailedError as error:
        outcome = str(error)
    except Exception as error:
        logger.exception("The import job %s failed inside the stand-in", job.name)
        outcome = f"Internal error of the stand-in for AWS: {error!r}"
    time.sleep(max(0.0, bedrock.settings.import_seconds - (time.monotonic() - started)))
    bedrock.faults.imports_released.wait()
    _finish(region, job, model, outcome)
    if model is None:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(region: RegionState, job: ImportJob, model: ImportedModel | None, failure: str | None) -> None:
    moment = now()
    done = replace(job, modified=moment, ended=moment, failure_message=failure)
    with region.lock:
        if model is None:
            logger.warning("The import job %s failed: %s", job.name, failure)
            region.jobs[job.arn] = replace(done, status="Failed")
            return
        logger.info("The import job %s made the imported model %s", job.name, model.arn)
        region.jobs[job.arn] = replace(done, status="Completed", model_arn=model.arn)
        region.models[model.arn] = model
        region.tags[model.arn] = {tag["key"]: tag["value"] for tag in job.request.get("importedModelTags", [])}


def _import_model(bedrock: Bedrock, scope: Scope, job: ImportJob, folder: Path) -> ImportedModel:
    rules = service_rules()
    architecture = _copy_checkpoint(scope, job, folder)
    bedrock.libraries.wait()
    from include.local_aws.bedrock.loaded_model import load_checkpoint

    loaded: LoadedModel = load_checkpoint(folder, architecture, rules.tokenizer_classes)
    return ImportedModel(
        arn=scope.arn(f"imported-model/{new_id()}"),
        job=job,
        folder=folder,
        model_type=str(loaded.model.config.model_type),
        instruct_supported=architecture.converse and loaded.chat_template is not None,
        units_per_copy=rules.units_for(loaded.parameters),
    )


def _copy_checkpoint(scope: Scope, job: ImportJob, folder: Path) -> Architecture:
    """Copy what an import reads; the small files first, so that a bad config.json costs no copy of the weights."""
    role, source, rules = RolePermissions(job.request["roleArn"]), S3Source(job.s3_uri, scope.region), service_rules()
    source.require_listable(role)
    objects = source.objects()
    check_names([item.name for item in objects], job.s3_uri)
    metadata = [item for item in objects if is_metadata_file(item.name)]
    weights = [item for item in objects if is_weight_file(item.name)]
    source.require_readable(role, [*metadata, *weights])
    folder.mkdir(parents=True)
    for item in metadata:
        item.copy_to(folder)
    architecture = find_architecture(read_config(folder), rules, scope.region)
    check_size((item.size for item in weights), rules.max_weight_bytes(architecture))
    for item in weights:
        item.copy_to(folder)
    check_shards(folder)
    return architecture
