"""Decide when a failed task of an import DAG is retried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_versions import RetryAction, RetryDecision, RetryPolicy
from include.aws.transient import transient_cause
from include.errors import ModelImportError
from include.steps.retried import RETRIED

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImportRetryPolicy(RetryPolicy):
    """Retry failures that a transient AWS error caused; fail at once on errors that would recur.

    The plugin's errors say themselves whether they are to be retried: some are AirflowFailException.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return the decision: a transient cause decides, at any depth; otherwise the error's class."""
        if cause := transient_cause(exception):
            return RetryDecision(RetryAction.RETRY, reason=f"Transient AWS error: {type(cause).__name__}: {cause}")
        if isinstance(exception, RETRIED):
            return RetryDecision(RetryAction.RETRY)
        return RetryDecision(RetryAction.FAIL if isinstance(exception, ModelImportError) else RetryAction.DEFAULT)
