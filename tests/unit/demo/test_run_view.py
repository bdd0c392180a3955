"""What the terminal shows of a run."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from include.demo.run_view import follow_run

BEGAN, ENDED = "2026-11-28T12:00:00+00:00", "2026-11-28T12:00:01+00:00"


class AnsweredRun:
    """A run whose approval waits for a person at the first look, and has its answer at the second."""

    url = "http://127.0.0.1:8080"
    looks = 0

    def get(self, path: str) -> Any:
        self.looks += not path.endswith("taskInstances")
        answered = self.looks > 1
        if not path.endswith("taskInstances"):
            return {"state": "success" if answered else "running"}
        state = "success" if answered else "awaiting_input"
        task = {"task_id": "approve_promotion", "state": state, "start_date": BEGAN, "end_date": ENDED}
        return {"task_instances": [task]}

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        return {"approved": True}


def test_a_run_that_waits_for_a_person_says_where_the_answer_is_given() -> None:
    console = Console(record=True, width=200)
    results = follow_run(AnsweredRun(), "import_capitals", "run-1", console)  # type: ignore[arg-type]
    assert results == {"approve_promotion": {"approved": True}}
    where = "http://127.0.0.1:8080/dags/import_capitals/runs/run-1/tasks/approve_promotion/required_actions"
    assert console.export_text().count(where) == 1
