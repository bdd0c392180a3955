"""Measures an imported model with Amazon's own fmeval: its BedrockModelRunner asks, its QA accuracy scores.

fmeval cannot be installed beside Airflow 3, so this runs in an environment of its own:

    python -m venv fmeval && fmeval/bin/pip install fmeval==1.2.3 "pyarrow<17" "datasets==2.19.2" pyarrow_hotfix
    AWS_ENDPOINT_URL=http://127.0.0.1:5000 fmeval/bin/python benchmarks/evaluation_fmeval.py MODEL_ARN DATASET.jsonl

It prints the mean scores as JSON. Leave AWS_ENDPOINT_URL out for AWS itself. BERTScore, which needs torch, is left out.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from unittest.mock import MagicMock

sys.modules["fmeval.eval_algorithms.helper_models.helper_model"] = MagicMock()

from fmeval.eval_algorithms import qa_accuracy  # noqa: E402
from fmeval.model_runners.bedrock_model_runner import BedrockModelRunner  # noqa: E402

FUNCTIONS = {
    "exact_match": lambda answer, target: qa_accuracy._exact_match_score(answer, target),
    "quasi_exact_match": lambda answer, target: qa_accuracy._quasi_exact_match_score(answer, target),
    "f1": lambda answer, target: qa_accuracy._f1_score(answer, target, normalize_text=True, strip_text=True),
    "precision": lambda answer, target: qa_accuracy._precision(answer, target, normalize_text=True, strip_text=True),
    "recall": lambda answer, target: qa_accuracy._recall(answer, target, normalize_text=True, strip_text=True),
}
TEMPLATE = '{"prompt": $prompt, "max_tokens": 16, "temperature": 0}'


def main(model_arn: str, dataset: Path) -> None:
    """Ask every question of the JSON Lines file and print the mean scores."""
    runner = BedrockModelRunner(model_id=model_arn, output="choices[0].text", content_template=TEMPLATE)
    scores = defaultdict(list)
    for line in dataset.read_text("utf-8").splitlines():
        row = json.loads(line)
        answer, _ = runner.predict(f"[INST] {row['question']} [/INST]")
        for name, function in FUNCTIONS.items():
            scores[name].append(max(function(answer, target) for target in row["answer"].split("<OR>")))
    print(json.dumps({name: fmean(values) for name, values in scores.items()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
