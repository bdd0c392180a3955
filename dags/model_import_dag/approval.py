"""Ask a person whether a model is to be promoted, when the decision leaves it to one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context, Param

from include.config.model import ApprovalConfig
from include.errors import ModelImportError
from include.evaluation.answer_marks import LONGEST_TEXT, AnswerMark, MarksInvalidError, parse_marks
from include.steps.results import Answer, EvaluationResult
from model_import_dag.clients import clients_of
from model_import_dag.notifications import ApprovalNotifier
from model_import_dag.runs import decision_of, plan_of, registration_of, report_url, result_of
from model_import_dag.skipping import skip

APPROVE, REJECT = "Approve", "Reject"
COMMENT, MARKED = "comment", "marked_answers"
_DEFAULTS = {"approve": APPROVE, "reject": REJECT}


class SecondPersonNeededError(ModelImportError, AirflowFailException):
    """The user who triggered the run answered, but the model's file requires another user."""

    def __init__(self, model_name: str, user: str) -> None:
        super().__init__(
            "The promotion needs a second person",
            model_name,
            "an answer from someone who did not trigger the run",
            f"an answer from {user}, who did",
            "The version keeps waiting: clear approve_promotion, and have another person answer.",
        )


class AnswersMarkedWronglyError(ModelImportError, AirflowFailException):
    """The marks of answers cannot be read; asking again is a person's to decide, so the task is not retried."""

    def __init__(self, error: MarksInvalidError) -> None:
        super().__init__(error.what, error.which, error.expected, error.found, error.remedy)


def assigned_users(approval: ApprovalConfig, triggered_by: str | None) -> list[dict[str, str]] | None:
    """Return the users who may answer, as Airflow takes them; None when the model's file names none.

    Airflow can name who may answer, but not who may not. So the one who triggered the run is left out of those named,
    as long as others remain; ``execute_complete`` refuses the answer in any case.
    """
    others = [user for user in approval.approvers if not (approval.second_person and user == triggered_by)]
    return [{"id": user, "name": user} for user in others or approval.approvers] or None


class PromotionApprovalOperator(HITLOperator):
    """Airflow's request for a person's answer, made when the run's decision is to ask; skipped otherwise.

    The answer's deadline and what follows without one are parameters of the run. Unlike Airflow's ApprovalOperator, a
    rejection skips nothing: it is recorded like an approval.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            subject="Promote this model?",
            options=[APPROVE, REJECT],
            defaults=[REJECT],
            notifiers=ApprovalNotifier(),
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Put the scores and the link to the report before a person, unless the decision needs none."""
        from include.evaluation.answer_marks import read_marks
        from include.steps.approval_request import approval_request

        plan, ti = plan_of(context), context["ti"]
        decision, registered = decision_of(ti), registration_of(ti)
        if decision.status != "PendingManualApproval":
            skip(f"no person need be asked: {decision.status}")
        if registered.status != "PendingManualApproval":
            skip(f"version {registered.version} is {registered.status} already")
        evaluation = result_of(ti, "evaluate_model", EvaluationResult)
        marks = read_marks(clients_of(plan).s3, evaluation).marks
        request = approval_request(plan, decision, evaluation, registered.version, report_url(plan), marks)
        self.subject, self.body = request
        self.defaults = [_DEFAULTS[plan.config.approval.on_deadline]]
        self.response_timeout = timedelta(hours=plan.config.approval.hours)
        triggered_by = context["dag_run"].triggering_user_name
        self.assigned_users = assigned_users(plan.config.approval, triggered_by)  # type: ignore[assignment]
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return the answer: approved or rejected, the user, the time, the comment and the marks of answers.

        Raises:
            AnswersMarkedWronglyError: the marks cannot be read.
            SecondPersonNeededError: the one who triggered the run answered, and the model's file forbids it.
        """
        # Airflow refuses an answer without one of the fields, which a client of its API may leave out.
        given = {COMMENT: "", MARKED: "", **(event.get("params_input") or {})}
        answer = super().execute_complete(context, {**event, "params_input": given})
        user, config = answer["responded_by_user"], plan_of(context).config
        if user and config.approval.second_person and user["name"] == context["dag_run"].triggering_user_name:
            raise SecondPersonNeededError(config.model_name, user["name"])
        evaluation = result_of(context["ti"], "evaluate_model", EvaluationResult)
        return Answer(
            approved=answer["chosen_options"] == [APPROVE],
            by=user["name"] if user else "",
            at=answer["responded_at"],
            comment=str(given[COMMENT] or ""),
            marks=_marks(str(given[MARKED] or ""), evaluation.dataset_records),
        ).model_dump(mode="json")


def _marks(text: str, most_number: int) -> tuple[AnswerMark, ...]:
    try:
        return parse_marks(text, most_number)
    except MarksInvalidError as error:
        raise AnswersMarkedWronglyError(error) from error


def ask_for_approval() -> PromotionApprovalOperator:
    """Return the task, which takes a comment and marks of single answers with the answer."""
    comment = Param("", type=["null", "string"], maxLength=500, title="Comment", description="Kept in the registry.")
    marked = Param(
        "",
        type=["null", "string"],
        format="multiline",
        maxLength=LONGEST_TEXT,
        title="Marked answers",
        description="A line for each: its number in the report, right, wrong or unsure, and a note after a colon.",
    )
    return PromotionApprovalOperator(
        task_id="approve_promotion",
        doc_md="Ask a person to approve or reject the version, when the decision needs one.",
        execution_timeout=None,  # the answer's own deadline ends the wait
        params={COMMENT: comment, MARKED: marked},
    )
