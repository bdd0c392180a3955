"""Connect an import to its DAG run, and tasks to AWS consoles and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from airflow.providers.common.compat.sdk import conf
from pydantic import BaseModel

from include.run.plan import ImportPlan
from include.steps.results import AnswerResult, DecisionResult, RegistrationResult, VersionResult

R = TypeVar("R", bound=BaseModel)

PREFLIGHT = "preflight"
#: The task that plans a fine-tune.
PLAN = "plan_training"


def plan_of(context: Mapping[str, Any]) -> ImportPlan:
    """Return the run's plan, which preflight made."""
    return result_of(context["ti"], PREFLIGHT, ImportPlan)


def result_of(ti: Any, task_id: str, model: type[R]) -> R:
    """Return the result of a task of the run, from XCom."""
    return model.model_validate(ti.xcom_pull(task_ids=task_id))


def result_if_any(ti: Any, task_id: str, model: type[R]) -> R | None:
    """Return the result of a task of the run, or None if it was skipped or failed."""
    found = ti.xcom_pull(task_ids=task_id)
    return None if found is None else model.model_validate(found)


def planned(entry: str) -> str:
    """Return the template of an entry of the run's plan."""
    return f"{{{{ ti.xcom_pull(task_ids='{PREFLIGHT}')['{entry}'] }}}}"


def is_last_try(ti: Any) -> bool:
    """Return whether the task is not tried again if it fails now."""
    return bool(ti.try_number > ti.max_tries)


def registration_of(ti: Any) -> RegistrationResult:
    """Return the run's version as register_version registered it."""
    return result_of(ti, "register_version", RegistrationResult)


def decision_of(ti: Any) -> DecisionResult:
    """Return the decision with which the run's version was registered: decide_promotion's, or a later one."""
    return registration_of(ti).decided_again or result_of(ti, "decide_promotion", DecisionResult)


def final_version(ti: Any) -> VersionResult:
    """Return the version at the end of the run, with the approval's answer if there was one."""
    return result_if_any(ti, "record_answer", AnswerResult) or registration_of(ti)


def provenance(context: Any) -> dict[str, str]:
    """Return tags that identify the run."""
    return {"dag_id": context["dag"].dag_id, "dag_run_id": context["run_id"]}


def require_owner(context: Any, sagemaker: Any) -> None:
    """Refuse to change a model that another DAG owns; raises ModelOwnedByOtherDagError."""
    from include.run.ownership import check_owner

    check_owner(sagemaker, plan_of(context).config.model_name, context["dag"].dag_id)


def run_name(context: Any) -> str:
    """Return a name of the DAG run that is unique in the account."""
    return "/".join(provenance(context).values())


def airflow_url(path: str) -> str:
    """Return a URL in Airflow's UI; only the path if ``api.base_url`` is not set."""
    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}{path}"


def run_url(context: Any) -> str:
    """Return the page of the DAG run."""
    return airflow_url(f"/dags/{quote(context['dag'].dag_id)}/runs/{quote(context['run_id'])}")


def report_url(plan: ImportPlan) -> str:
    """Return the page that shows the model version's report."""
    from include.run.report_place import report_path

    return airflow_url(report_path(plan.config.model_name, plan.fingerprint))


def who_triggered(context: Any) -> str:
    """Return the user who triggered the run, if Airflow knows."""
    return context["dag_run"].triggering_user_name or "an unknown user"


def _persist(context: Any, link: Any, plan: ImportPlan, **values: str) -> None:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    from aws_waits.links import persist_in_console

    hook: Any = AwsBaseHook(aws_conn_id=plan.aws_conn_id, region_name=plan.region_name, client_type="s3")
    persist_in_console(link, context, context["task"], hook, **values)


def link_to_s3(context: Any, plan: ImportPlan) -> None:
    """Link the task to the checkpoint's prefix in the S3 console."""
    from aws_waits.links import S3PrefixLink

    _persist(context, S3PrefixLink, plan, s3_uri=plan.s3_uri)


def link_to_registry(context: Any, plan: ImportPlan) -> None:
    """Link the task to the model registry in the SageMaker console."""
    from bedrock_import.links import SageMakerModelRegistryLink

    _persist(context, SageMakerModelRegistryLink, plan)


def link_to_report(context: Any, plan: ImportPlan) -> None:
    """Link the task to the report."""
    from model_import_dag.report_link import REPORT_URL

    context["ti"].xcom_push(key=REPORT_URL, value=report_url(plan))
