"""Histories of one model: runs, approvals, roll backs, retention, a person in Studio, and what has to hold of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from include.aws import lease
from include.aws.model_use import begin_use, end_use
from include.config.model import RetentionConfig
from include.evaluation.storage import EvaluationPlace, store
from include.registry.errors import (
    ChampionChangedError,
    NothingToRollBackToError,
    VersionNotImportedError,
    VersionUnknownError,
)
from include.registry.rolling_back import roll_back
from include.retention.retiring import plan_for_group, retire, retire_after_promotion
from include.run.plan import ImportPlan
from include.steps.decide import decide, measure_champion
from include.steps.register import EvaluatedImport, ImportedModelGoneError, record_answer, register
from include.steps.results import Answer, EvaluationResult, ImportResult, WarmUpResult
from tests.support.champion_account import clients_of
from tests.support.champion_serial import Change, Run, champion_in, content_of, serial_orders
from tests.support.champion_world import BUCKET, GROUP, World
from tests.support.pages import measured
from tests.support.plans import import_plan
from tests.support.record_results import record_result

#: Enough for the margin of the plans: models that answer the same number rightly are equal, and others are not.
RECORDS, MARGIN = 48, 0.08
#: What ends a run or a roll back with a named error, and changes nothing.
REFUSED = (NothingToRollBackToError, VersionNotImportedError, VersionUnknownError, ImportedModelGoneError)


class WrongHistoryError(AssertionError):
    """What must not happen did."""


@cache
def results(right: int) -> Any:
    return [record_result(index, "Lima" if index < right else "Quito") for index in range(RECORDS)]


@cache
def report(right: int) -> Any:
    return measured("", results(right)).report


def plan_of(run: Run) -> ImportPlan:
    values = {
        "model_name": GROUP,
        "base": "base",
        "promotion": run.promotion,
        "evaluation": {"dataset": "questions.jsonl", "thresholds": {"f1": 0.1}},
        "comparison": {"margin": MARGIN},
    }
    short = run.fingerprint[-12:]
    return import_plan(
        values,
        run.fingerprint,
        f"{BUCKET}/models/{GROUP}/{short}",
        Path("/none"),
        imported_model_name=f"{GROUP}-{short}",
        tags={"dag_id": f"import_{GROUP}", "dag_run_id": run.name},
    )


class RunTasks:
    """The tasks of one run from the import on; ``done`` is what they left in XCom, so a retry skips them."""

    def __init__(self, history: History, run: Run) -> None:
        self.history, self.run, self.plan = history, run, plan_of(run)
        self.clients = clients_of(history.world)
        self.done: dict[str, Any] = {}
        self.task = ""
        self.clears = 2

    def work(self) -> None:
        tasks = ("import_model", "evaluate", "measure_champion", "decide", "register", "approve", "answer", "retire")
        while waiting := [name for name in tasks if name not in self.done]:
            self.task = waiting[0]
            try:
                self.done[self.task] = getattr(self, self.task)()
            except ChampionChangedError:  # a person clears the run from evaluate_champion on
                self.clears -= 1
                later = tasks[tasks.index("measure_champion") :] if self.clears else ()
                self.done = {name: found for name, found in self.done.items() if name not in later}
                if not self.clears:
                    return
            except REFUSED:
                return

    def import_model(self) -> str:
        tags = {"model_name": GROUP, "fingerprint": self.run.fingerprint}
        name = self.plan.imported_model_name
        arn: str = self.clients.bedrock.import_model(name=name, tags=tags, s3_uri=self.plan.s3_uri)
        return arn

    def evaluate(self) -> EvaluationResult:
        world = self.history.world
        begin_use(self.clients.bedrock, self.done["import_model"], self.run.name, world.date())
        place = EvaluationPlace(BUCKET, f"{self.plan.evaluation_prefix}/one")
        found = report(self.run.right).model_copy(update={"records_uri": place.records_uri})
        store(self.clients.s3, place, found, results(self.run.right))
        return EvaluationResult.of(found, place.report_uri)

    def measure_champion(self) -> Any:
        return measure_champion(self.plan, self.done["evaluate"], self.clients)

    def decide(self) -> Any:
        return decide(self.plan, self.done["evaluate"], self.done["measure_champion"], self.clients)

    def register(self) -> Any:
        arn = self.done["import_model"]
        imported = ImportResult(imported_model_arn=arn, imported_model_name="m", job_arn="job", seconds=1.0)
        model = EvaluatedImport(imported, WarmUpResult(body_format="Converse"), self.done["evaluate"])
        return register(self.plan, self.done["decide"], model, "https://airflow.example/run", self.clients)

    @property
    def decision(self) -> Any:
        return self.done["register"].decided_again or self.done["decide"]

    def approve(self) -> Answer | None:
        waits = self.done["register"].status == self.decision.status == "PendingManualApproval"
        if not waits:
            return None
        self.history.world.sleep(self.history.chance.uniform(0, 60))
        return Answer(approved=self.run.approved, by=self.run.by, at=self.history.world.date())

    def answer(self) -> Any:
        if self.done["approve"] is None:
            return self.done["register"]
        return record_answer(self.plan, self.done["approve"], self.done["register"], self.decision, self.clients)

    def retire(self) -> str:
        now = self.history.world.date()
        end_use(self.clients.bedrock, self.plan.imported_model_name, self.run.name, now)
        if self.done["answer"].status == "Approved":
            retire_after_promotion(self.clients, GROUP, RetentionConfig(keep=self.run.keep), now)
        return "retired"


class History:
    """One history, drawn from its seed; with ``studio`` a person changes statuses in the registry itself too."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch, *, studio: bool = True) -> None:
        self.seed, self.chance = seed, random.Random(seed)
        self.world = World(self.chance, kills=self.chance.choice((0, 0, 1, 3)))
        self.world.after_call = self._look
        monkeypatch.setattr(lease, "time", self.world)
        self.changes: list[Change] = []
        self.rights: dict[int, int] = {}
        self.wanted: dict[int, int | None] = {}
        self.failure = ""
        self.champion_then: dict[str, int | None] = {}
        self.runs = {run.name: RunTasks(self, run) for run in self._draw_runs()}
        for name, tasks in self.runs.items():
            self.world.add(name, tasks.work, self.chance.uniform(0, 5))
        for number in range(self.chance.choice((0, 1, 2))):
            self.world.add(f"roll back {number}", self._roll_back(number), self.chance.uniform(0, 40))
        if self.chance.random() < 0.5:
            self.world.add("retention", self._retention, self.chance.uniform(0, 40))
        if studio and self.chance.random() < 0.5:
            self.world.add("studio", self._studio, self.chance.uniform(0, 40), polite=True)

    def _draw_runs(self) -> Iterator[Run]:
        for number in range(1, self.chance.randint(2, 4) + 1):
            content = number - 1 if number > 1 and self.chance.random() < 0.15 else number
            right = self.rights.setdefault(content, self.chance.choice((12, 24, 36, 48)))
            promotion = self.chance.choice(("auto", "auto", "manual"))
            approved, by = self.chance.random() < 0.7, self.chance.choice(("Maria", ""))
            yield Run(f"run {number}", content, right, promotion, approved, by, self.chance.choice((1, 2)))

    def play(self) -> None:
        """Play it; raise WrongHistoryError where something does not hold."""
        self.world.play()
        if self.failure:
            raise WrongHistoryError(self.failure)
        orders = serial_orders(tuple(self.changes))
        if not any(content_of(champion_in(order)) == self._champion() for order in orders):
            self._wrong("no serial order of the changes gives this champion")
            raise WrongHistoryError(self.failure)

    def _roll_back(self, number: int) -> Any:
        clients, name = clients_of(self.world), f"roll back {number}"

        def work() -> None:
            drawn = None if self.chance.random() < 0.5 else self.chance.randint(1, len(self.world.packages) + 1)
            wanted = self.wanted.setdefault(number, drawn)
            try:
                done = roll_back(clients, GROUP, wanted, by="Maria", why="wrong", request=f"roll_back_model/{number}")
            except REFUSED:
                return
            target = int(done["fingerprint"], 16)
            if self.champion_then.get(name, target) != target:
                self._wrong(f"{name} has made another version the champion")

        return work

    def _retention(self) -> None:
        clients, now = clients_of(self.world), self.world.date()
        retire(plan_for_group(clients, GROUP, RetentionConfig(keep=1), now), clients, now)

    def _studio(self) -> None:
        request: dict[str, Any] = {}

        def change() -> None:
            package = self.chance.choice(self._ours())
            before = package["ModelApprovalStatus"]
            status = self.chance.choice([status for status in ("Approved", "Rejected") if status != before])
            package["ModelApprovalStatus"] = status
            if self._champion_is_gone():  # a person who leaves none that is there; that is tested elsewhere
                package["ModelApprovalStatus"] = before
            else:
                request.update(ModelPackageArn=package["ModelPackageArn"], ModelApprovalStatus=status)

        if self._ours() and self.chance.random() < 0.7:
            self.world.call("update_model_package", request, change)
        elif self.world.groups:
            foreign = {"ModelPackageGroupName": GROUP, "ModelApprovalStatus": "Approved"}
            clients_of(self.world).sagemaker.create_model_package(**foreign)

    # What has to hold at every moment.

    def _ours(self) -> list[dict[str, Any]]:
        """The versions of this project, oldest first."""
        return [package for package in self.world.packages.values() if package["CustomerMetadataProperties"]]

    def _champion(self) -> int | None:
        approved = [package for package in self._ours() if package["ModelApprovalStatus"] == "Approved"]
        return _content(approved[-1]) if approved else None

    def _look(self, actor: str, call: str, request: dict[str, Any]) -> None:
        if call in ("create_model_package", "update_model_package") and "ModelApprovalStatus" in request:
            self._note_change(actor, call, request)
        if call == "delete_imported_model":
            self._check_deletion(request["modelIdentifier"])
        changes = call in ("create_model_package", "update_model_package", "delete_imported_model")
        if changes and self._champion_is_gone():
            self._wrong("the champion's imported model is gone")

    def _note_change(self, actor: str, call: str, request: dict[str, Any]) -> None:
        arn = request.get("ModelPackageArn") or f"arn:version/{len(self.world.packages)}"
        package = self.world.packages[arn]
        if not package["CustomerMetadataProperties"]:
            return
        content, status = _content(package), request["ModelApprovalStatus"]
        tasks = self.runs.get(actor)
        if tasks is None:
            self.changes.append(Change(actor.rstrip(" 0123456789"), content, status))
            self.champion_then[actor] = self._champion()
            return
        kind, seen = tasks.task, None
        if kind == "answer" and tasks.decision.champion:
            seen = _content(self.world.packages[f"arn:version/{tasks.decision.champion}"])
        self.changes.append(Change(kind, content, status, tasks.run, seen))
        if [_content(ours) for ours in self._ours()].count(content) > 1:
            self._wrong(f"content {content} was registered twice")

    def _champion_is_gone(self) -> bool:
        approved = [package for package in self._ours() if package["ModelApprovalStatus"] == "Approved"]
        arn = approved[-1]["CustomerMetadataProperties"]["imported_model_arn"] if approved else ""
        return bool(approved) and arn not in self.world.models

    def _check_deletion(self, arn: str) -> None:
        for package in self._ours():
            waits = package["ModelApprovalStatus"] == "PendingManualApproval"
            if waits and package["CustomerMetadataProperties"]["imported_model_arn"] == arn:
                self._wrong("a version that waits for a person was deleted")
        users = [tasks for tasks in self.runs.values() if tasks.done.get("import_model") == arn]
        if len(users) == 1 and users[0].task not in ("retire", "answer"):
            self._wrong(f"a model that {users[0].run.name} evaluates was deleted")

    def _wrong(self, what: str) -> None:
        story = [f"history {self.seed}: {what}", *map(str, self.changes), *self.world.log]
        self.failure = self.failure or "\n".join(story)


def _content(package: dict[str, Any]) -> int:
    return int(package["CustomerMetadataProperties"]["fingerprint"], 16)
