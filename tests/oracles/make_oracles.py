"""Write the oracles of named metrics with FMEval 1.2.3, rouge-score and scikit-learn; README.md says how it is run."""

from __future__ import annotations

import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

HERE = Path(__file__).parent
CASES = 120
WORDS = (
    "the", "a", "An", "capital", "of", "France", "is", "Paris", "paris", "Lima,", "lima.", "New-York", "cats", "cat",
    "sitting", "sat", "mat's", "été", "naïve", "42", "3.5",
)  # fmt: skip
BLANKS = [" ", " ", " ", " ", "  ", "\n", "\t"]
UNUSED = ("sagemaker", "evaluate")
LABELS = ("positive", "negative", "neutral", "mixed")


class _Unused:
    """FMEval needs sagemaker for its endpoints, and evaluate for BERTScore, only: empty stand-ins are enough."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in UNUSED else None

    def create_module(self, spec: ModuleSpec) -> Any:
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__name__ = [], spec, spec.name
        return module

    def exec_module(self, module: Any) -> None:
        pass


def text(chance: random.Random, most: int) -> str:
    words = [chance.choice(WORDS) for _ in range(chance.randint(1, most))]
    return "".join(word + chance.choice(BLANKS) for word in words).removesuffix(" ")


def qa_accuracy() -> Iterator[dict[str, Any]]:
    from fmeval.eval_algorithms.qa_accuracy import QAAccuracyScores

    chance, transform = random.Random(6), QAAccuracyScores()
    for _ in range(CASES):
        target = "<OR>".join(text(chance, 4) for _ in range(chance.randint(1, 3)))
        answer = chance.choice([text(chance, 6), target.split("<OR>")[0].title()])
        found = transform({"model_output": answer, "target_output": target})
        yield {
            "answer": answer,
            "target": target,
            **{name: float(found[f"{name}_score"]) for name in ("exact_match", "quasi_exact_match", "f1")},
            "precision": float(found["precision_over_words"]),
            "recall": float(found["recall_over_words"]),
        }


def factual_knowledge() -> Iterator[dict[str, Any]]:
    from fmeval.eval_algorithms.factual_knowledge import FactualKnowledge

    chance, algorithm = random.Random(1), FactualKnowledge()
    for _ in range(CASES):
        answer, target = text(chance, 8), "<OR>".join(text(chance, 2) for _ in range(chance.randint(1, 3)))
        scores = {score.name: score.value for score in algorithm.evaluate_sample(target, answer)}
        yield {
            "answer": answer,
            "target": target,
            "factual_knowledge": scores["factual_knowledge"],
            "factual_knowledge_quasi": scores["factual_knowledge_quasi_exact"],
        }


def classification() -> Iterator[dict[str, Any]]:
    from fmeval.eval_algorithms.classification_accuracy import (
        ClassificationAccuracy,
        ClassificationAccuracyConfig,
        convert_model_output_to_label,
    )

    chance, algorithm = random.Random(2), ClassificationAccuracy(ClassificationAccuracyConfig([*LABELS]))
    shapes = (
        "{}",
        " {} ",
        "{}.",
        "The label is {}",
        "It is {} , not {}",
        "{}\n",
        "none of them",
        "Is it {}?",
        "{} {}",
        "Label:\n{}",
    )
    for _ in range(CASES):
        names = [chance.choice((str, str.upper, str.title))(chance.choice(LABELS)) for _ in range(2)]
        answer, target = chance.choice(shapes).format(*names), chance.choice(LABELS)
        [score] = algorithm.evaluate_sample(target, answer)
        label = convert_model_output_to_label(answer, [*LABELS])
        yield {"answer": answer, "target": target, "label": label, "accuracy": float(score.value)}


def perturbations() -> Iterator[dict[str, Any]]:
    from fmeval.transforms.semantic_perturbations import AddRemoveWhitespace, ButterFinger, RandomUppercase
    from fmeval.transforms.semantic_robustness_metrics import MeanDeltaScores

    chance, keys = random.Random(3), ["x1", "x2", "x3"]
    for seed in range(CASES):
        asked = text(chance, 10)
        original, changed = chance.random(), [round(chance.random(), 3) for _ in keys]
        delta = MeanDeltaScores({"score": (keys, "delta")})(dict(zip(keys, changed, strict=True)) | {"score": original})
        yield {
            "seed": seed,
            "question": asked,
            "typos": [str(one) for one in ButterFinger("q", keys, 3, seed).perturb(asked)],
            "case": RandomUppercase("q", keys, 3, seed).perturb(asked),
            "whitespace": AddRemoveWhitespace("q", keys, 3, seed).perturb(asked),
            "score": original,
            "changed_scores": changed,
            "mean_delta": float(delta["delta"]),
        }


def rouge() -> Iterator[dict[str, Any]]:
    from rouge_score.rouge_scorer import RougeScorer

    chance, kinds = random.Random(4), ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(kinds, use_stemmer=True)  # as FMEval's RougeScore asks for it through Hugging Face's evaluate
    for _ in range(CASES):
        answer, targets = text(chance, 12), [text(chance, 8) for _ in range(chance.randint(1, 3))]
        scores = [scorer.score(target, answer) for target in targets]
        yield {
            "answer": answer,
            "target": "<OR>".join(targets),
            **{kind: max(score[kind].fmeasure for score in scores) for kind in kinds},
        }


def macro_f1() -> Iterator[dict[str, Any]]:
    from sklearn.metrics import confusion_matrix, f1_score

    chance = random.Random(5)
    for _ in range(CASES):
        labels = sorted(chance.sample(LABELS, chance.randint(2, 4)))
        expected = [chance.choice(labels) for _ in range(chance.randint(1, 30))]
        given = [one if chance.random() < 0.7 else chance.choice([*labels, "unknown"]) for one in expected]
        seen = sorted({*expected, *given} - {"unknown"})
        yield {
            "expected": expected,
            "given": given,
            "macro_f1": float(f1_score(expected, given, labels=seen, average="macro", zero_division=0)),
            "labels": [*seen, "unknown"],
            "confusion": confusion_matrix(expected, given, labels=[*seen, "unknown"]).tolist(),
        }


FILES: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "fmeval_qa_accuracy_more.jsonl": qa_accuracy,
    "fmeval_factual_knowledge.jsonl": factual_knowledge,
    "fmeval_classification.jsonl": classification,
    "fmeval_perturbations.jsonl": perturbations,
    "rouge_score.jsonl": rouge,
    "sklearn_macro_f1.jsonl": macro_f1,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.meta_path.insert(0, _Unused())  # type: ignore[arg-type]
    for name, cases in FILES.items():
        lines = [json.dumps(case, ensure_ascii=False) for case in cases()]
        (HERE / name).write_text("\n".join(lines) + "\n", "utf-8")
