"""The report of a model whose adapter comes from a fine-tune of this project shows how it was trained."""

from __future__ import annotations

import re
import uuid

import pytest

from include.aws.s3_uri import S3Uri
from include.run.plan import ImportPlan
from include.steps.report_training import training_section
from tests.support.bedrock_stand_in import BUCKET
from tests.support.fine_tunes import data_report, fine_tune_record
from tests.support.promotion_runs import Runs, finished
from tests.support.training_jobs import end_training_job


def put(runs: Runs, uri: str, body: bytes) -> None:
    runs.clients.s3.put_object(**S3Uri.parse(uri).arguments, Body=body)


@pytest.fixture
def place(runs: Runs) -> str:
    """Where the files of a completed fine-tune are, which has a record and the report of its data."""
    place = f"s3://{BUCKET}/models/{runs.group}/training/{uuid.uuid4().hex}"
    record = fine_tune_record(place)
    put(runs, f"{place}/record.json", record.as_json())
    put(runs, record.data_report_uri, data_report().model_dump_json().encode())
    return place


def plan_of_job(runs: Runs, output: str) -> ImportPlan:
    """The plan of an import whose adapter is a completed training job with this output path."""
    name = f"{runs.group}-{uuid.uuid4().hex[:8]}"
    end_training_job(runs.clients.sagemaker, name, output)
    return runs.plan(adapter=f"sagemaker:training-job/{name}")


def test_the_page_shows_losses_data_time_cost_and_both_templates(runs: Runs, place: str) -> None:
    plan = plan_of_job(runs, place)
    page = runs.page(plan, runs.run(plan, finished))
    assert 'aria-label="Loss of training and of held-out examples by step"' in page
    assert 'aria-label="Lengths of the examples in tokens"' in page
    assert "201 steps, 105,360 tokens; loss of held-out examples 5.025 at step 1, 0.204 at step 201." in page
    assert re.search(r"exact duplicates left out</th><td>4<", page)
    assert re.search(r"<span class=\"status\">N&#39;Djamena&lt;/s&gt;</span>", page)
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert told["Trained with"] == "chat template v3"
    assert told["Asked with"] == plan.config.evaluation.prompt_template
    assert told["Time"] == "1 h 30 min of training, 30.0 min billed, on 1 ml.g6.12xlarge (spot), attempt 2"
    assert told["Cost"] == "2.88 USD, 67% less than 8.63 USD on demand (list prices)"
    assert "merged into its weights in bfloat16" in told["Method"]


def test_an_adapter_that_is_named_by_the_jobs_archive_has_the_section_too(runs: Runs, place: str) -> None:
    section = training_section(runs.plan(adapter=f"{place}/capitals-1/output/model.tar.gz"), runs.clients)
    assert section is not None
    assert len(section.losses) == 201


def test_without_the_report_of_the_data_the_rest_is_shown(runs: Runs, place: str) -> None:
    runs.clients.s3.delete_object(**S3Uri.parse(f"{place}/data/data_report.json").arguments)
    section = training_section(plan_of_job(runs, place), runs.clients)
    assert section is not None
    assert (section.lengths, section.sides, section.sample) == (None, (), ())
    assert "Trained with" not in dict(section.facts)


def test_a_job_of_others_a_folder_and_a_damaged_record_leave_the_section_out(
    runs: Runs, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert training_section(plan_of_job(runs, f"s3://{BUCKET}/theirs"), runs.clients) is None
    assert training_section(runs.plan(adapter="include/demo/adapters/finished"), runs.clients) is None
    assert training_section(runs.plan(), runs.clients) is None
    assert not caplog.records
    put(runs, f"{place}/record.json", b"{}")
    assert training_section(plan_of_job(runs, place), runs.clients) is None
    assert "The record of the fine-tune cannot be read" in caplog.text
