"""Runs of one model's DAG from the evaluation on, on the stand-in, without an Airflow."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

from include.aws.clients import AwsClients
from include.evaluation.storage import EvaluationPlace, store
from include.registry.rolling_back import roll_back
from include.registry.sagemaker import SageMakerRegistry
from include.run.names import import_folder
from include.run.plan import ImportPlan
from include.run.report_place import read_html_report
from include.steps.decide import decide, measure_champion
from include.steps.register import EvaluatedImport, record_answer, register
from include.steps.report import ReportedVersion, write_report
from include.steps.results import (
    Answer,
    AnswerResult,
    DecisionResult,
    EvaluationResult,
    ImportResult,
    RegistrationResult,
    WarmUpResult,
)
from tests.support.bedrock_stand_in import BUCKET
from tests.support.pages import Right, answers, measured
from tests.support.plans import import_plan

RUN_URL = "https://airflow.example/dags/import_m/runs/1"
NUMBERS = itertools.count(1)
#: The 120 answers of a run are enough for this margin: a model that answers like the champion is promoted.
EQUAL_IS_ENOUGH = {"comparison": {"margin": 0.05}}


def finished(_: int, __: str) -> bool:
    return True


def early(index: int, _: str) -> bool:
    return index % 3 > 0


def weak(index: int, _: str) -> bool:
    return index % 3 == 1


def forgetful(_: int, category: str) -> bool:
    return category != "Oceania"


class Runs:
    """Runs of one model's DAG, from the evaluation on; every run has a fingerprint of its own."""

    def __init__(self, clients: AwsClients, model_arn: str, workspace: Path) -> None:
        self.clients, self.model_arn, self.workspace = clients, model_arn, workspace
        self.group = f"m-{uuid.uuid4().hex[:8]}"

    def plan(self, **changes: Any) -> ImportPlan:
        values = {
            "model_name": self.group,
            "base": "base",
            "evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "thresholds": {"f1": 0.5}},
        }
        fingerprint = f"{next(NUMBERS):012x}{0:052x}"
        place = f"{BUCKET}/models/{import_folder(self.group, fingerprint)}"
        return import_plan(values | changes, fingerprint, place, self.workspace, imported_model_name="served")

    def evaluated(self, plan: ImportPlan, right: Right) -> EvaluationResult:
        results = answers(right, 0.2)
        place = EvaluationPlace(plan.bucket, f"{plan.evaluation_prefix}/one")
        report = measured("", results).report.model_copy(update={"records_uri": place.records_uri})
        store(self.clients.s3, place, report, results)
        return EvaluationResult.of(report, place.report_uri)

    def decided(self, plan: ImportPlan, right: Right, model_arn: str = "") -> dict[str, Any]:
        """What the tasks from evaluate_champion to decide_promotion leave in XCom, and those before them."""
        evaluation = self.evaluated(plan, right)
        champion = measure_champion(plan, evaluation, self.clients)
        decision = decide(plan, evaluation, champion, self.clients)
        return {
            "wait_for_import": {
                "imported_model_arn": model_arn or self.model_arn,
                "job_arn": "arn:aws:bedrock:us-east-1:123456789012:model-import-job/abcdefghijkl",
                "imported_model_name": "served",
                "seconds": 1.0,
            },
            "warm_up": {"body_format": "OpenAICompletion", "converse": True},
            "evaluate_model": evaluation.model_dump(mode="json"),
            "evaluate_champion": champion.model_dump(mode="json"),
            "decide_promotion": decision.model_dump(mode="json"),
        }

    def registered(self, plan: ImportPlan, done: dict[str, Any]) -> dict[str, Any]:
        """What register_version makes of that."""
        model = EvaluatedImport(
            ImportResult.model_validate(done["wait_for_import"]),
            WarmUpResult.model_validate(done["warm_up"]),
            EvaluationResult.model_validate(done["evaluate_model"]),
        )
        decision = DecisionResult.model_validate(done["decide_promotion"])
        registered = register(plan, decision, model, RUN_URL, self.clients)
        final = registered.decided_again or decision
        dumped = {"register_version": registered, "decide_promotion": final}
        return done | {name: result.model_dump(mode="json") for name, result in dumped.items()}

    def run(self, plan: ImportPlan, right: Right, model_arn: str = "") -> dict[str, Any]:
        """What the tasks from evaluate_champion to register_version leave."""
        return self.registered(plan, self.decided(plan, right, model_arn))

    def answer(self, plan: ImportPlan, done: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """What record_answer leaves."""
        version = self.reported(done)
        return record_answer(plan, answer, version.registered, version.decision, self.clients).model_dump(mode="json")

    @staticmethod
    def reported(done: dict[str, Any]) -> ReportedVersion:
        """What the report of these results is about: the version, the decision, and the answer if there is one."""
        return ReportedVersion(
            RegistrationResult.model_validate(done["register_version"]),
            DecisionResult.model_validate(done["decide_promotion"]),
            AnswerResult.model_validate(done["record_answer"]) if "record_answer" in done else None,
        )

    def champion(self) -> int | None:
        version = SageMakerRegistry(self.clients.sagemaker).champion(self.group)
        return version.number if version else None

    def page(self, plan: ImportPlan, done: dict[str, Any]) -> str:
        """The report that write_report makes of these results."""
        write_report(plan, self.reported(done), RUN_URL, self.clients)
        found = read_html_report(self.group, plan.fingerprint, self.clients.sagemaker, self.clients.s3).body
        return found.decode()

    def roll_back(self, number: int | None, request: str = "") -> dict[str, Any]:
        request = request or f"roll_back_model/{next(NUMBERS)}"
        return roll_back(self.clients, self.group, number, by="Maria", why="wrong answers", request=request)
