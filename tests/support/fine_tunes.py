"""A finished fine-tune: its record, and the report of its data."""

from __future__ import annotations

import json
from typing import Any

from include.training.data_report import DataReport
from include.training.training_record import FineTuneRecord

SETTINGS = {
    "method": "qlora",
    "seed": 0,
    "max_sequence_length": 64,
    "lora": {"r": 8, "alpha": 16, "dropout": 0.05, "target_modules": "all-linear"},
    "epochs": 20,
    "learning_rate": 0.003,
    "batch_tokens": 512,
    "warmup": 0.03,
}


def data_report(**changes: Any) -> DataReport:
    """The report of the data of the demo's model, some of which was left out."""
    side = {"digest": "d", "examples": 389, "tokens": 5268, "trained_tokens": 829}
    left_out = dict.fromkeys(("not_selected", "leaked_dropped", "not_drawn", "leaked_kept"), 0)
    values: dict[str, Any] = {
        "model_name": "capitals",
        "data": {"uri": "s3://bucket/capitals_train.jsonl", "sha256": "0" * 64},
        "evaluations": [{"uri": "capitals_eval.jsonl", "sha256": "1" * 64}],
        "base_digest": "2" * 64,
        "chat_template": "v3",
        "chat_template_sha256": "3" * 64,
        "tokenizer_sha256": {"tokenizer.json": "4" * 64},
        "settings": {"format": "prompt_completion", "select": None, "seed": 0},
        "records": {"rows": 427, "blank": 1, "exact_duplicates": 4, "near_duplicates": 2, "used": 420, **left_out},
        "examples": {"too_long": 3},
        "lengths": {
            "limit": 64, "shortest": 9, "median": 13, "percentile_90": 15, "percentile_99": 16, "longest": 18,
            "edges": (8, 10, 12, 14, 16, 18, 20), "counts": (12, 60, 190, 110, 40, 8),
        },
        "train": {**side, "file": "train.safetensors"},
        "held_out": {**side, "file": "held_out.safetensors", "examples": 31, "tokens": 417, "trained_tokens": 67},
        "samples": [[
            {"text": "<s>[INST] What is the capital of Chad? [/INST]", "trained": False},
            {"text": "N'Djamena</s>", "trained": True},
        ]],
    }  # fmt: skip
    return DataReport.model_validate_json(json.dumps(values | changes))


def fine_tune_record(place: str = "s3://bucket/models/capitals/training/f", **changes: Any) -> FineTuneRecord:
    """The record of a completed job whose files are below a URI."""
    loss = [
        {"step": step, "train": 5 * 0.97**step, "held_out": 5 * 0.965**step + 0.2 if step % 20 == 1 else None}
        for step in range(1, 202)
    ]
    values: dict[str, Any] = {
        "model_name": "capitals",
        "job_name": "capitals-1",
        "job_arn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/capitals-1",
        "fingerprint": "f",
        "base": "s3://bucket/base",
        "data": {"uri": "s3://bucket/capitals_train.jsonl", "format": "prompt_completion"},
        "data_digest": "5" * 64,
        "data_report_uri": f"{place}/data/data_report.json",
        "settings": SETTINGS,
        "versions": {"torch": "2.13.0", "transformers": "4.51.3"},
        "instance_type": "ml.g6.12xlarge",
        "instances": 1,
        "spot": True,
        "training_seconds": 5400,
        "billable_seconds": 1800,
        "loss": loss,
        "steps": 201,
        "tokens": 105_360,
        "attempts": 2,
        "cost_usd": 2.876,
        "on_demand_cost_usd": 8.628,
        "finished_at": "2026-11-28T08:00:00Z",
        "artifact_uri": f"{place}/capitals-1/output/model.tar.gz",
    }
    return FineTuneRecord.model_validate_json(json.dumps(values | changes))
