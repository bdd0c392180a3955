"""Results of the tasks about a Bedrock evaluation job. They are passed through XCom as small, plain JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StartedEvaluationJob(_Result):
    """The job, and where its scores are kept; without ``job_arn`` there is none, and ``problem`` says why.

    ``adopted`` is a job that an earlier attempt or another run started.
    """

    job_arn: str = ""
    job_name: str = ""
    scores_uri: str = ""
    adopted: bool = False
    problem: str = ""


class EvaluationJobResult(_Result):
    """The scores of a job: where they are kept, and as a sentence; or why there are none."""

    scores_uri: str = ""
    summary: str = ""
    problem: str = ""
