from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.configuration import conf
from airflow.providers.common.compat.sdk import AirflowSkipException, ParamValidationError

from airflow_versions import SHARED_STREAMS
from include.config.errors import BrokenModelFilesError
from include.config.names import import_dag_id
from include.config.training import TrainingJobSettings
from include.steps.stages import STAGES
from model_import_dag.loader import load_dags, load_fine_tune_dags, raise_on_broken_model_files
from model_import_dag.model_files import MODELS_FOLDER
from model_import_dag.skipping import skip
from tests.support.airflow_versions import DAG_BAG_MODULE, DagBag
from tests.support.import_chain import CHAIN

DAGS_FOLDER = MODELS_FOLDER.parent
HEAVY = {"torch", "transformers", "peft", "safetensors", "numpy", "aiobotocore", "moto"}
PARSE = f"""
import json, sys, time
began = time.process_time()
import airflow.sdk
from {DAG_BAG_MODULE} import BundleDagBag
airflow = time.process_time() - began
def cost(folder):
    began = time.process_time()
    bag = BundleDagBag(folder, bundle_path=folder)
    assert bag.dags and not bag.import_errors
    return time.process_time() - began
empty = cost(sys.argv[1])
print(json.dumps({{"share": (cost(sys.argv[2]) - empty) / airflow, "modules": sorted(sys.modules)}}))
"""
TRAINING = {"data": "data.jsonl", "format": "messages"}
EVENTS = {"events": {"s3": "s3://bucket/f", "queue_url": "https://queue"}}
NEEDS_SHARED_STREAMS = pytest.mark.skipif(not SHARED_STREAMS, reason="Airflow 3.3 and newer share streams")
GOOD = {"model_name": "good", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(DAGS_FOLDER)


def _write_models(folder: Path, **models: object) -> Path:
    for name, values in models.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return folder


def test_airflow_imports_every_dag_file(bag: DagBag) -> None:
    assert bag.import_errors == {}
    names = {f"import_{yaml.safe_load(path.read_text())['model_name']}" for path in MODELS_FOLDER.glob("*.yaml")}
    assert set(bag.dag_ids) >= {"import_model", *names}


def test_every_import_dag_has_the_tasks_of_the_whole_way_in_order(bag: DagBag) -> None:
    chains = {
        dag.dag_id: [task.task_id for task in dag.topological_sort()]
        for dag in bag.dags.values()
        if dag.dag_id.startswith("import_")
    }
    assert list(chains.values()) == [CHAIN, CHAIN]


def test_the_graph_has_a_group_for_each_stage(bag: DagBag) -> None:
    groups = {
        group_id: [task_id for task_id in CHAIN if group.has_task(bag.dags["import_capitals"].get_task(task_id))]
        for group_id, group in bag.dags["import_capitals"].task_group_dict.items()
        if group_id
    }
    assert list(groups) == ["prepare", "deliver", "import", "evaluate", "promote", "maintain"]
    assert [task_id for task_ids in groups.values() for task_id in task_ids] == CHAIN[2:]


def test_a_model_that_publishes_has_a_task_for_it_before_its_champion_is_announced() -> None:
    dag = load_with(publish={})
    chain = [task.task_id for task in dag.topological_sort()]
    place = chain.index("publish_champion")
    assert chain[place - 1 : place + 2] == ["record_answer", "publish_champion", "announce_promotion"]
    assert dag.task_group_dict["promote"].has_task(dag.get_task("publish_champion"))
    assert "publish" not in dag.params


def test_a_model_with_a_judge_has_a_task_for_it_after_the_champions_answers_and_decides_without_it_too() -> None:
    dag = load_with(judge={"model": "amazon.nova-pro-v1:0"})
    chain = [task.task_id for task in dag.topological_sort()]
    place = chain.index("judge_answers")
    assert chain[place - 1 : place + 2] == ["evaluate_champion", "judge_answers", "decide_promotion"]
    assert dag.task_group_dict["evaluate"].has_task(dag.get_task("judge_answers"))
    assert dag.get_task("decide_promotion").trigger_rule == "none_failed"  # the judge's task is skipped if it has none
    assert [name for name in dag.params if name.startswith("judge")] == []


def test_an_evaluation_job_runs_while_the_champion_is_measured_and_decides_nothing_by_its_failure() -> None:
    model = "amazon.nova-pro-v1:0"
    dag = load_with(judge={"model": model}, bedrock_evaluation={"evaluator_model": model})
    chain = [task.task_id for task in dag.topological_sort()]
    place = chain.index("create_bedrock_evaluation")
    assert chain[place - 1 : place + 6] == [
        "evaluate_model", "create_bedrock_evaluation", "evaluate_champion", "judge_answers",
        "wait_for_bedrock_evaluation", "read_bedrock_evaluation", "decide_promotion",
    ]  # fmt: skip
    wait = dag.get_task("wait_for_bedrock_evaluation")
    assert (wait.soft_fail, wait.deferrable) == (True, True)
    assert {wait.trigger_rule, dag.get_task("read_bedrock_evaluation").trigger_rule} == {"none_failed"}
    assert dag.task_group_dict["evaluate"].has_task(wait)
    assert [name for name in dag.params if name.startswith("bedrock")] == []


def test_a_model_with_a_canary_has_a_task_that_watches_it_before_its_champion_is_announced() -> None:
    canary = {"share": 0.1, "minutes": 90, "max_error_rate": 0.02}
    dag = load_with(publish={"canary": canary})
    chain = [task.task_id for task in dag.topological_sort()]
    place = chain.index("watch_canary")
    assert chain[place - 1 : place + 2] == ["publish_champion", "watch_canary", "announce_promotion"]
    timeout = dag.get_task("watch_canary").execution_timeout
    assert timeout is not None
    assert timeout > timedelta(minutes=90)


def test_each_task_of_a_model_that_uses_everything_is_in_a_stage_of_its_page() -> None:
    canary = {"share": 0.1, "minutes": 90, "max_error_rate": 0.02}
    judge = {"model": "amazon.nova-pro-v1:0"}
    evaluation = {"evaluator_model": "amazon.nova-pro-v1:0"}
    dag = load_with(schedule="@daily", judge=judge, bedrock_evaluation=evaluation, publish={"canary": canary})
    assert set(dag.task_ids) == {task_id for task_ids in STAGES.values() for task_id in task_ids}


def load_with(**section: Any) -> Any:
    """The import DAG of a model whose file has another section too."""
    with tempfile.TemporaryDirectory() as folder:
        return load_dags(_write_models(Path(folder), good=GOOD | section))["import_good"]


def test_no_task_writes_what_it_returned_into_its_log(bag: DagBag) -> None:
    shown = [task for dag in bag.dags.values() for task in dag.tasks if getattr(task, "show_return_value_in_logs", 0)]
    assert shown == []


def test_every_failure_is_kept_and_every_new_champion_is_announced(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert [task.task_id for task in dag.tasks if not task.on_failure_callback] == []
    for dag_id in ("import_capitals", "roll_back_model"):
        assert bag.dags[dag_id].get_task("announce_promotion").on_success_callback


def test_a_skipped_task_says_why_in_its_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), pytest.raises(AirflowSkipException):
        skip("the account has room for this model")
    assert "Skipped: the account has room for this model" in caplog.text


def test_every_task_explains_itself_and_has_a_time_limit(bag: DagBag) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            # The approval waits for a person, with the deadline that the run's configuration names.
            limited = task.task_id == "approve_promotion" or bool(task.execution_timeout)
            assert (task.task_id, bool(task.doc_md), limited) == (task.task_id, True, True)


def test_no_time_limit_ends_a_wait_before_its_own_deadline(bag: DagBag) -> None:
    for task_id in ("wait_for_import", "warm_up"):
        task = bag.dags["import_capitals"].get_task(task_id)
        assert task.execution_timeout.total_seconds() > task.timeout


def test_the_workspace_is_cleared_whatever_happened_before(bag: DagBag) -> None:
    assert bag.dags["import_capitals"].get_task("clear_workspace").is_teardown


def test_the_waits_give_their_worker_slot_back(bag: DagBag) -> None:
    for task_id in ("create_import_job", "wait_for_import", "warm_up"):
        assert bag.dags["import_capitals"].get_task(task_id).deferrable
    for task_id in ("start_training", "wait_for_training"):
        assert bag.dags["fine_tune_capitals"].get_task(task_id).deferrable


def test_a_model_with_a_section_training_has_a_dag_that_trains_and_hands_over(bag: DagBag) -> None:
    dag = bag.dags["fine_tune_capitals"]
    assert [task.task_id for task in dag.topological_sort()] == [
        "plan_training", "prepare_data", "start_training", "wait_for_training", "record_training", "hand_over",
        "clear_workspace",
    ]  # fmt: skip
    assert [asset.name for asset in dag.get_task("hand_over").outlets] == ["fine-tunes-of-capitals"]
    assert dag.get_task("clear_workspace").is_teardown
    assert {dag_id for dag_id in bag.dag_ids if dag_id.startswith("fine_tune_")} == {"fine_tune_capitals"}


def test_no_time_limit_ends_the_wait_for_a_training_before_sagemaker_does(bag: DagBag) -> None:
    longest = TrainingJobSettings(max_hours=28 * 24, max_wait_hours=28 * 24).max_wait_hours * 3600
    for task_id in ("start_training", "wait_for_training"):
        assert bag.dags["fine_tune_capitals"].get_task(task_id).execution_timeout.total_seconds() > longest


def test_a_models_form_shows_its_files_values(bag: DagBag) -> None:
    params = bag.dags["import_capitals"].params
    assert params["adapter"] == "include/demo/adapters/finished"
    assert params["evaluation_max_tokens"] == 16
    assert "evaluation_thresholds" not in params


@pytest.mark.parametrize(
    "wrong",
    [
        {"promotion": "always"},
        {"evaluation_max_tokens": 0},
        {"evaluation_max_tokens": "many"},
        {"base": ""},
        {"approval_approvers": [7]},
        {"evaluation_thresholds": {"f1": 2}},
        {"evaluation_thresholds": {"bleu": 0.5}},
        {"model_name": "An Other"},
    ],
)
def test_bad_input_is_refused_by_the_form(bag: DagBag, wrong: dict[str, object]) -> None:
    params = bag.dags["import_model"].params
    ((name, value),) = wrong.items()
    with pytest.raises(ParamValidationError):
        params.get_param(name).resolve(value)


def test_every_parameter_of_the_form_is_described(bag: DagBag) -> None:
    params = bag.dags["import_model"].params
    assert all(params.get_param(name).description for name in params)


def test_a_broken_model_file_does_not_take_the_others_down(tmp_path: Path) -> None:
    folder = _write_models(tmp_path, bad={**GOOD, "model_name": "Bad Name", "promotion": "x"}, good=GOOD)
    assert set(load_dags(folder)) == {"import_model", "import_good"}


def test_a_broken_model_file_is_reported_by_name_and_field(tmp_path: Path) -> None:
    folder = _write_models(tmp_path, bad={**GOOD, "model_name": "Bad Name", "promotion": "x"}, good=GOOD)
    with pytest.raises(BrokenModelFilesError) as reported:
        raise_on_broken_model_files(folder)
    assert all(part in str(reported.value) for part in ("bad.yaml", "model_name", "promotion"))
    assert "good.yaml" not in str(reported.value)


def test_airflow_shows_a_broken_model_file_as_an_import_error(tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    for path in [*DAGS_FOLDER.glob("*.py"), *DAGS_FOLDER.glob("model_import_dag/*.py"), DAGS_FOLDER / ".airflowignore"]:
        target = dags / path.relative_to(DAGS_FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    (dags / "models").mkdir()
    _write_models(dags / "models", bad={**GOOD, "base": 7}, good=GOOD)
    script = (
        f"from {DAG_BAG_MODULE} import DagBag; import sys; bag = DagBag(sys.argv[1]);"
        "print(sorted(bag.dag_ids), bag.import_errors)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(dags)!r})\n{script}", str(dags)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "['import_good', 'import_model', 'retire_imported_models', 'roll_back_model']" in shown
    assert "bad.yaml" in shown
    assert "base: must be text" in shown


def test_a_wrong_cron_expression_is_reported_with_its_file(tmp_path: Path) -> None:
    folder = _write_models(tmp_path, bad={**GOOD, "model_name": "bad", "schedule": "at night"}, good=GOOD)
    assert set(load_dags(folder)) == {"import_model", "import_good"}
    with pytest.raises(BrokenModelFilesError, match=r"(?s)bad\.yaml.*at night"):
        raise_on_broken_model_files(folder)


@NEEDS_SHARED_STREAMS
def test_events_need_a_queue_from_the_file_or_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _write_models(tmp_path, good={**GOOD, "schedule": {"events": {"s3": "s3://bucket/fine-tunes"}}})
    with pytest.raises(BrokenModelFilesError, match="model_import_event_queue_url"):
        raise_on_broken_model_files(folder)
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_EVENT_QUEUE_URL", "https://queue")
    assert "import_good" in load_dags(folder)


@pytest.mark.parametrize(
    ("schedule", "timetable"),
    [
        ("0 3 * * *", "CronTriggerTimetable"),
        ({"asset": "training-data"}, "AssetTriggeredTimetable"),
        pytest.param(EVENTS, "AssetTriggeredTimetable", marks=NEEDS_SHARED_STREAMS),
        ({"fine_tune": True}, "AssetTriggeredTimetable"),
    ],
)
def test_a_model_that_starts_by_itself_runs_once_at_a_time(tmp_path: Path, schedule: object, timetable: str) -> None:
    dag = load_dags(_write_models(tmp_path, good={**GOOD, "schedule": schedule, "training": TRAINING}))["import_good"]
    assert type(dag.timetable).__name__ == timetable
    assert dag.max_active_runs == 1


@pytest.mark.parametrize(
    ("schedule", "timetable"),
    [("0 3 * * *", "CronTriggerTimetable"), ({"asset": "s3://bucket/data"}, "AssetTriggeredTimetable")],
)
def test_new_training_data_or_the_clock_starts_a_training(tmp_path: Path, schedule: object, timetable: str) -> None:
    training = {**TRAINING, "schedule": schedule}
    dag = load_fine_tune_dags(_write_models(tmp_path, good={**GOOD, "training": training}))["fine_tune_good"]
    assert (type(dag.timetable).__name__, dag.max_active_runs) == (timetable, 1)


@NEEDS_SHARED_STREAMS
def test_the_queue_of_a_models_fine_tunes_is_watched_whichever_dag_names_their_asset(tmp_path: Path) -> None:
    _write_models(tmp_path, good={**GOOD, "schedule": EVENTS, "training": TRAINING})
    [named] = load_fine_tune_dags(tmp_path)["fine_tune_good"].get_task("hand_over").outlets
    [watched] = load_dags(tmp_path)["import_good"].get_task("preflight").inlets
    assert [watcher.name for watcher in named.watchers] == [watcher.name for watcher in watched.watchers] != []


def test_before_airflow_3_3_events_are_refused_and_other_schedules_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_import_dag.schedules.SHARED_STREAMS", False)
    folder = _write_models(tmp_path, bad={**GOOD, "model_name": "bad", "schedule": EVENTS}, good=GOOD)
    assert set(load_dags(folder)) == {"import_model", "import_good"}
    with pytest.raises(BrokenModelFilesError, match=r"(?s)bad\.yaml.*Airflow 3\.3.*schedule\.cron"):
        raise_on_broken_model_files(folder)


def test_a_wrong_cron_expression_of_a_training_is_reported_with_its_file(tmp_path: Path) -> None:
    folder = _write_models(tmp_path, bad={**GOOD, "training": {**TRAINING, "schedule": "at night"}})
    assert load_fine_tune_dags(folder) == {}
    with pytest.raises(BrokenModelFilesError, match=r"(?s)bad\.yaml.*training\.schedule.*at night"):
        raise_on_broken_model_files(folder)


def test_two_files_of_one_model_are_reported(tmp_path: Path) -> None:
    folder = _write_models(tmp_path, one=GOOD, two=GOOD)
    assert set(load_dags(folder)) == {"import_model"}
    with pytest.raises(BrokenModelFilesError, match=r"one\.yaml and two\.yaml"):
        raise_on_broken_model_files(folder)


@cache
def parsed_afresh(attempt: int) -> dict[str, Any]:
    """What a new interpreter finds: the share of Airflow's own import that parsing costs, and the modules it loads."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "empty.py").write_text("from airflow.sdk import DAG\nwith DAG('empty'):\n    pass\n")
        command = [sys.executable, "-c", PARSE, folder, str(DAGS_FOLDER)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(shown.splitlines()[-1]))


def test_importing_the_dag_files_loads_nothing_heavy() -> None:
    assert HEAVY & set(parsed_afresh(1)["modules"]) == set()


def test_parsing_costs_a_small_part_of_what_airflow_itself_costs_each_time() -> None:
    # 0.4 s to 3.5 s usually; three times that where the modules are compiled each time and others use the core, too.
    assert any(parsed_afresh(attempt)["share"] < 0.6 for attempt in (1, 2))


@pytest.mark.slow
def test_two_hundred_models_are_read_within_a_fifth_of_airflows_time_and_by_a_task_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (MODELS_FOLDER / "capitals.yaml").read_text("utf-8")
    for number in range(200):
        path = tmp_path / f"model-{number}.yaml"
        path.write_text(text.replace("model_name: capitals", f"model_name: model-{number}"), "utf-8")
    began = time.process_time()
    assert len(load_dags(tmp_path)) + len(load_fine_tune_dags(tmp_path)) == 401
    assert time.process_time() - began < conf.getint("dag_processor", "dag_file_processor_timeout") / 5
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", import_dag_id("model-7"))
    began = time.process_time()
    assert list(load_dags(tmp_path)) == [import_dag_id("model-7")]
    assert time.process_time() - began < 0.3
