"""The DAG that retires old imported models: list, plan, retire."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, task

from include.config.account import ConnectionSettings, all_connections
from include.config.files import read_model_files
from include.config.model import RetentionConfig
from include.config.names import MODEL_NAME_PATTERN
from model_import_dag.account import variable
from model_import_dag.clients import aws_clients
from model_import_dag.model_files import MODELS_FOLDER
from model_import_dag.notifications import notify_failure
from model_import_dag.params import validation_only
from model_import_dag.refusals import refuse_unknown_parameters

if TYPE_CHECKING:
    from include.aws.clients import AwsClients
    from include.retention.selection import RetentionPolicies

log = logging.getLogger(__name__)

DOC = """
Shows which imported models could go and what they cost to keep; with **dry_run** off it retires them.

Kept are each model's champion and its newest approved versions, what waits for a person or is being evaluated, what has
a tag `keep` or is young, and everything that this project did not import. Rejected versions go first. All reasons are
in the log and XCom of `plan`, what was retired in those of `retire`.
"""
_FILES_SAY = "Empty: what each model's file says under retention."


def _params() -> dict[str, Param]:
    keep, young = (RetentionConfig.model_json_schema()["properties"][name] for name in ("keep", "younger_than_days"))
    number: dict[str, Any] = {"default": None, "type": ["null", "integer"]}
    switch = validation_only(type="boolean")
    return {
        "dry_run": Param(True, **switch, description="Only show what would be deleted; nothing is changed."),
        "model_name": Param(
            None,
            type=["null", "string"],
            pattern=MODEL_NAME_PATTERN,
            description="The one model whose versions may go, by its model_name. Empty: all models.",
        ),
        "keep": Param(
            **number,
            **validation_only(minimum=keep["minimum"], maximum=keep["maximum"]),
            description="How many of each model's newest approved versions to keep, including the champion, which "
            f"stays with 0 too. {_FILES_SAY}",
        ),
        "younger_than_days": Param(
            **number,
            **validation_only(minimum=young["minimum"], maximum=young["maximum"]),
            description=f"Keep versions younger than this many days. {_FILES_SAY}",
        ),
        "delete_checkpoint": Param(
            False,
            **switch,
            description="Delete the checkpoints in S3 too; off: only of models whose file says so.",
        ),
    }


def retention_policies(params: Mapping[str, Any]) -> RetentionPolicies:
    """Return each model file's policy, and the default one, both changed by the parameters of the run.

    Raises:
        BrokenModelFilesError: a model's file cannot be read, so its policy is not known.
    """
    from include.retention.policies import read_policies

    given = {name: params[name] for name in ("keep", "younger_than_days") if params[name] is not None}
    return read_policies(MODELS_FOLDER, given | ({"delete_checkpoint": True} if params["delete_checkpoint"] else {}))


def _connections() -> tuple[ConnectionSettings, ...]:
    """Return the connections and regions of the Variables and of all models' files."""
    files = read_model_files(MODELS_FOLDER)
    files.raise_on_errors()
    return all_connections((config.account for config in files.configs.values()), variable)


def _clients(connection: ConnectionSettings) -> AwsClients:
    return aws_clients(*connection)


@task
def list_models(params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """List the imported models, or those of one model, in every region in use; refuse unknown parameters.

    Raises:
        BrokenModelFilesError: a model's file cannot be read.
        ModelNotImportedError: the one model that was named has no imported version.
    """
    from include.aws.imported_models import list_models as list_all
    from include.retention.everywhere import listed_once
    from include.retention.named_model import list_versions

    refuse_unknown_parameters(params or {}, _params())
    connections, model_name = _connections(), (params or {}).get("model_name")
    bedrocks = [_clients(connection).bedrock for connection in connections]
    found = list_versions(bedrocks, model_name) if model_name else [list_all(bedrock) for bedrock in bedrocks]
    return [each.model_dump(mode="json") for each in listed_once(connections, found)]


@task
def plan(models: list[dict[str, Any]], params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Decide which models are kept and which are deleted, with reasons and costs."""
    from include.retention.everywhere import ListedModels, plan_everywhere, plans_summary

    listed = [ListedModels.model_validate(each) for each in models]
    planned = plan_everywhere(listed, retention_policies(params or {}), datetime.now(UTC), _clients)
    summary = plans_summary(planned)
    log.info("%s", summary)
    return {"summary": summary, "plans": [each.model_dump(mode="json") for each in planned]}


@task
def retire(planned: dict[str, Any], params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Retire the models of the plan, unless it is a dry run."""
    from include.retention.everywhere import PlanOfConnection, retire_everywhere

    plans = [PlanOfConnection.model_validate(each) for each in planned["plans"]]
    if (params or {})["dry_run"]:
        most = sum(len(each.plan.retire) for each in plans)
        return {"summary": f"Dry run: nothing was retired, {most} could go", "retired": []}
    summary, retired = retire_everywhere(plans, datetime.now(UTC), _clients)
    log.info("%s", summary)
    return {"summary": summary, "retired": [model.model_dump(mode="json") for model in retired]}


def build_retirement_dag() -> DAG:
    """Return the DAG that lists the models that may be deleted, weekly, and deletes them unless it is a dry run."""
    with DAG(
        "retire_imported_models",
        description="Retires imported models that their policy no longer keeps",
        schedule="@weekly",
        catchup=False,
        max_active_runs=1,
        params=_params(),
        tags=["bedrock", "model-import"],
        doc_md=DOC,
        default_args={
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "execution_timeout": timedelta(hours=1),
            "on_failure_callback": notify_failure,
            "show_return_value_in_logs": False,
        },
    ) as dag:
        retire(plan(list_models()))  # type: ignore[arg-type]  # Airflow passes what the tasks returned
    return dag
