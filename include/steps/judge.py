"""Have the judge compare a version's stored answers with the champion's, and store its judgements in S3."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from include.aws.clients import AwsClients
from include.aws.transient import NO_ANSWER
from include.config.judge import JudgeConfig, judged_suites
from include.config.suites import Suite
from include.errors import ModelImportError
from include.judging.build_report import JudgedOn, build_judge_report
from include.judging.judging import Judged, judge_pairs
from include.judging.pairs import Pairs, draw_pairs
from include.judging.prompt import JudgeSettings
from include.judging.results import JudgeReport
from include.judging.storage import JudgePlace, judge_place, read_judge_report, read_judgements, store_judgements
from include.run.plan import ImportPlan
from include.run.rubric import judge_settings
from include.service.pricing import TokenUse
from include.steps.answers import suite_log
from include.steps.informing import reported
from include.steps.results import ChampionResult, EvaluationResult, JudgedSuite, JudgeResult
from include.steps.stored_evaluations import records_of, stored_report

log = logging.getLogger(__name__)


class JudgeReportMissingError(ModelImportError):
    """The judge's report that an earlier task wrote no longer exists."""

    def __init__(self, uri: str) -> None:
        super().__init__("There is no report of the judge", uri, remedy="Clear the run from judge_answers on.")


class _Work(NamedTuple):
    """The pairs of a suite's answers, what the judge is asked with, and where its judgements are kept."""

    suite: Suite
    settings: JudgeSettings
    pairs: Pairs
    place: JudgePlace
    judged_on: JudgedOn


def judge_answers(
    plan: ImportPlan,
    candidate: EvaluationResult,
    measured: ChampionResult,
    clients: AwsClients,
    *,
    last_try: bool = False,
) -> JudgeResult:
    """Return where the judge's reports are, one per suite; none where there is nothing to judge, and why.

    The same answers are judged once by the same judge with the same prompt, whichever run asks for it. A judge that
    only informs and cannot be asked is reported in the result; its failure is no error.

    Args:
        plan: what is imported; its configuration has the judge.
        candidate: the candidate's evaluation.
        measured: what ``measure_champion`` returned.
        clients: S3 and Bedrock are asked.
        last_try: whether the task is not tried again, so that transient errors of a judge that informs are reported.

    Raises:
        RubricUnreadableError: the rubric's file cannot be used; also what ``judge_pairs`` raises.
    """
    from botocore.exceptions import ClientError

    judge = plan.config.judge
    if judge is None:
        return JudgeResult(summary="the model's file names no judge")
    uris = _uris(candidate, measured)
    suites = [suite for suite in judged_suites(judge, plan.config.suites) if uris.get(suite.name, ("", ""))[1]]
    if not suites:
        return JudgeResult(summary=f"there are no answers of a champion to compare with: {measured.summary}")
    judged: list[JudgedSuite] = []
    try:
        for suite in suites:
            judged.append(_judge(plan, judge, suite, uris[suite.name], clients))
    except (ModelImportError, ClientError, *NO_ANSWER) as error:
        if judge.effect != "informs":
            raise
        problem = reported(f"the judge {judge.model} could not judge all answers", error, last_try=last_try)
        return JudgeResult(summary=problem, suites=tuple(judged), problem=problem)
    return JudgeResult(summary=f"{judge.model} has compared the answers", suites=tuple(judged))


def _judge(
    plan: ImportPlan, judge: JudgeConfig, suite: Suite, uris: tuple[str, str], clients: AwsClients
) -> JudgedSuite:
    """Have the answers in a suite compared, unless they were before."""
    settings = judge_settings(judge, plan.config.account, clients.s3)
    work = _prepare(judge, settings, suite, uris, clients.s3)
    _log(_stored(work, clients.s3) or _ask(plan, judge, work, clients))
    return JudgedSuite(suite=suite.name, report_uri=work.place.report_uri)


def _uris(candidate: EvaluationResult, measured: ChampionResult) -> dict[str, tuple[str, str]]:
    """Return the reports of the candidate and the champion by suite, an empty text where there is none."""
    others = {name: (uri, measured.other_uris.get(name, "")) for name, uri in candidate.other_uris.items()}
    return {candidate.suite: (candidate.report_uri, measured.report_uri), **others}


def _prepare(judge: JudgeConfig, settings: JudgeSettings, suite: Suite, uris: tuple[str, str], s3: Any) -> _Work:
    """Return the pairs of answers to judge, and where the judgements are kept."""
    candidate, champion = (records_of(s3, stored_report(s3, uri)) for uri in uris)
    pairs = draw_pairs(candidate, champion, judge.records, suite.seed)
    place = judge_place(uris[0], pairs, settings)
    return _Work(suite, settings, pairs, place, JudgedOn(suite.name, *uris, place.judgements_uri))


def _stored(work: _Work, s3: Any) -> JudgeReport | None:
    """Return the report of the same answers, if they were judged before and no question failed."""
    report = read_judge_report(s3, work.place.report_uri)
    if report is None or report.failed:
        return None
    log.info("Suite %s: these answers were judged before: nothing is asked again", work.suite.name)
    return report


def _ask(plan: ImportPlan, judge: JudgeConfig, work: _Work, clients: AwsClients) -> JudgeReport:
    """Ask about the pairs without a judgement, store the report and return it."""
    suite, different = work.suite, work.pairs.different
    log.info(
        "Suite %s: %d of %d pairs of answers differ: at most %d questions to %s",
        suite.name, len(different), len(work.pairs.compared), len(different) * judge.questions_per_record, judge.model,
    )  # fmt: skip
    judged = judge_pairs(
        clients.bedrock_runtime,
        work.settings,
        different,
        log_path=suite_log(plan, "judgements", suite.name),
        concurrency=suite.concurrency,
        known=read_judgements(clients.s3, work.place),
    )
    log.info("Suite %s: asked %d questions in %.1f s", suite.name, judged.asked, judged.seconds)
    report = build_judge_report(work.judged_on, work.settings, work.pairs, judged, suite.seed, _used(judge, judged))
    store_judgements(clients.s3, work.place, report, judged.judgements)
    return report


def _used(judge: JudgeConfig, judged: Judged) -> TokenUse:
    prices = judge.dollars_per_million_tokens
    return TokenUse(
        input_tokens=sum(one.input_tokens or 0 for one in judged.judgements),
        output_tokens=sum(one.output_tokens or 0 for one in judged.judgements),
        input_price=prices.input if prices else None,
        output_price=prices.output if prices else None,
    )


def _log(report: JudgeReport) -> None:
    log.info(
        "Suite %s: %d of %d replies unreadable, %d questions failed; used %s",
        report.suite, report.unreadable, report.questions, report.failed, report.cost_summary,
    )  # fmt: skip


def stored_judge_reports(suites: Sequence[JudgedSuite], s3: Any) -> tuple[JudgeReport, ...]:
    """Return the judge's reports; raises JudgeReportMissingError if one no longer exists."""
    return tuple(_stored_judge_report(one.report_uri, s3) for one in suites)


def _stored_judge_report(uri: str, s3: Any) -> JudgeReport:
    report = read_judge_report(s3, uri)
    if report is None:
        raise JudgeReportMissingError(uri)
    return report
