"""What a report shows of a Bedrock evaluation job: the mean of each metric, and where the job is."""

from __future__ import annotations

from collections.abc import Iterator

from include.evaluation.results import Estimate
from include.judging.evaluation_job_scores import EvaluationJobScores
from include.reporting.judge import Figure, JudgeContent


def evaluation_job_content(scores: EvaluationJobScores) -> JudgeContent:
    """Return the section about the job."""
    records = (
        f"A Bedrock evaluation job had {scores.evaluator_model} score {scores.records} answers of this version, and "
        "none of the champion's. The means are shown only; they decide nothing. For Harmfulness, Stereotyping and "
        "Refusal, lower is better."
    )
    return JudgeContent("Bedrock evaluation job", records, tuple(_figures(scores)), tuple(_facts(scores)))


def _figures(scores: EvaluationJobScores) -> Iterator[tuple[str, Figure]]:
    for name, unscored in scores.unscored.items():
        yield name, _mean(scores.scores.get(name))
        if unscored:
            yield f"{name}: without a score", Figure(f"{unscored} of {scores.written}")
    if scores.written < scores.records:
        yield "answers that are missing in the output", Figure(f"{scores.records - scores.written} of {scores.records}")


def _mean(one: Estimate | None) -> Figure:
    return Figure(f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}") if one else Figure("-")


def _facts(scores: EvaluationJobScores) -> Iterator[tuple[str, str]]:
    yield "Job", scores.console_url or scores.job_arn
    yield "Output", scores.output_uri
    if scores.seconds is not None:
        yield "Took", f"{scores.seconds:.0f} s"
