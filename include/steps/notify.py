"""Write notifications: what happened, where, and the next step."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from include.config.names import FORM_DAG_ID
from include.service.limits import load_limits
from include.steps.results import FailureResult
from include.steps.score_card import ScoreCard

#: SNS refuses longer subjects.
MAX_SUBJECT = 99
MAX_ERROR = 6000
ACCESS_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")
_LOG_AND_CLEAR = (
    "Read the task's log and correct the cause. Then clear {task_id}: what is done already is found again. If the "
    "model's files or the run's own values were wrong, trigger a new run instead."
)
_PREFLIGHT = (
    "Correct what is listed. A value of this run, such as a path in the form, stays as it is when the task is cleared: "
    "trigger a new run. If only the account or the files at these places were wrong, clear {task_id}."
)


@dataclass(frozen=True)
class Place:
    """Where something happened: the task, the address of its page in Airflow, and the run's model, if it has one."""

    dag_id: str
    run_id: str
    task_id: str
    url: str
    model_name: str = ""


@dataclass(frozen=True)
class Notice:
    """A notification: a one-line subject and the message."""

    subject: str
    message: str

    @property
    def digest(self) -> str:
        """Return a digest of subject and message."""
        return hashlib.sha256(f"{self.subject}\n{self.message}".encode()).hexdigest()[:16]


def describe_failure(place: Place, error: str, hint: str | None, *, in_preflight: bool) -> FailureResult:
    """Return why a task failed for good, and the next step.

    Args:
        place: the task.
        error: the exception as text; where it holds a remedy, no hint is needed.
        hint: what to do about an error of Bedrock's, or which other task to clear.
        in_preflight: whether the task only checks and plans.
    """
    usual = _PREFLIGHT if in_preflight else _LOG_AND_CLEAR
    next_step = hint or usual.format(task_id=place.task_id)
    reason = ACCESS_KEY_ID.sub("***", _bounded(error))
    return FailureResult(model_name=place.model_name, reason=reason, next_step=next_step)


def failure_notice(place: Place, failure: FailureResult) -> Notice:
    """Return the notification of a task that failed without retries left."""
    model = f" for {place.model_name}" if place.model_name and place.dag_id == FORM_DAG_ID else ""
    return _notice(f"{place.dag_id}{model} failed in {place.task_id}", failure.reason, place, failure.next_step)


def promotion_notice(
    place: Place, model_name: str, version: int, imported_model_arn: str, reasons: str, cards: Iterable[ScoreCard] = ()
) -> Notice:
    """Return the notification of a new champion, with its scores."""
    what = f"Version {version} of {model_name} is the champion now: {reasons}\nImported model: {imported_model_arn}"
    what = "\n".join([what, *(card.text() for card in cards)])
    return _notice(
        f"{model_name}: version {version} is promoted",
        what,
        place,
        "Applications that look the champion up get it at their next look-up. To go back, run the DAG roll_back_model "
        f"with the model_name {model_name}; approving an older version changes nothing.",
    )


def approval_notice(
    place: Place, model_name: str, version: int, reasons: str, cards: Iterable[ScoreCard] = ()
) -> Notice:
    """Return the notification that a promotion needs approval, with the version's scores."""
    what = f"Version {version} of {model_name} is registered and waits for a person: {reasons}"
    return _notice(
        f"{model_name}: version {version} waits for approval",
        "\n".join([what, *(card.text() for card in cards)]),
        place,
        "Open the task in Airflow, look at the scores, and approve or reject the version.",
    )


def quota_notice(place: Place, quota: int, names: tuple[str, ...]) -> Notice:
    """Return the notification that the account's quota of imported models is nearly used up."""
    code = load_limits().quotas.imported_models_code
    return _notice(
        f"{len(names)} of {quota} imported models are used",
        f"The account's quota of imported models is nearly full. Imported are: {', '.join(sorted(names))}",
        place,
        "Trigger the DAG retire_imported_models: it shows what could go; with dry_run off it deletes that, with "
        f"model_name only of one model. Or have the quota {code} raised in Service Quotas.",
    )


def _notice(subject: str, what: str, place: Place, next_step: str) -> Notice:
    model = f", model {place.model_name}" if place.model_name else ""
    where = f"task {place.task_id} of {place.dag_id}{model}, run {place.run_id}\n{place.url}"
    message = f"What: {what}\n\nWhere: {where}\n\nNext step: {next_step}\n"
    one_line = " ".join(subject.split()).encode("ascii", "replace").decode()
    return Notice(one_line[:MAX_SUBJECT], ACCESS_KEY_ID.sub("***", message))


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]} … ({len(text)} characters, all in the log)"
