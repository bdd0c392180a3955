"""Decide when a failed task of an import DAG is retried."""

from __future__ import annotations

from airflow.sdk import Context, ExceptionRetryPolicy, RetryAction, RetryDecision, RetryRule

from include.aws.errors import S3RequestError
from include.aws.transient import transient_cause
from include.errors import ModelImportError
from include.evaluation.errors import ModelUnavailableError

RULES = [
    RetryRule(exception=[S3RequestError, ModelUnavailableError], action=RetryAction.RETRY),
    RetryRule(exception=ModelImportError, action=RetryAction.FAIL),
]


class ImportRetryPolicy(ExceptionRetryPolicy):
    """Retry failures that a transient AWS error caused; fail at once on errors that would recur.

    The plugin's errors say themselves whether they are to be retried: some are AirflowFailException.
    """

    def __init__(self) -> None:
        super().__init__(RULES)

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return the decision: a transient cause decides, at any depth; otherwise the rules apply."""
        if cause := transient_cause(exception):
            return RetryDecision.retry(reason=f"Transient AWS error: {type(cause).__name__}: {cause}")
        return super().evaluate(exception, try_number, max_tries, context)
