"""Failures of what only informs: they are reported and do not fail the run, since they decide nothing."""

from __future__ import annotations

import logging

from include.errors import ModelImportError
from include.steps.retried import may_pass

log = logging.getLogger(__name__)


def reported(what: str, error: Exception, *, last_try: bool) -> str:
    """Log that ``what`` failed and return it as a sentence; raise the error where the task is to be tried again.

    Args:
        what: what failed, as the start of a sentence.
        error: why.
        last_try: whether the task is not tried again, so that transient errors are reported too.
    """
    if not last_try and may_pass(error):
        raise error
    log.error("%s: %s", what, error)
    log.error("It only informs, so the run continues without it.")
    found = error.finding if isinstance(error, ModelImportError) else str(error)
    return f"{what}: {' '.join(found.split())}"
