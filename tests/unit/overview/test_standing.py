from __future__ import annotations

from include.config.model import parse_model_config
from include.overview.standing import deciding_metric, plot_scores, threshold
from tests.support.standings import standing, version

SIZE = (120, 60, 10)


def test_the_oldest_version_is_left_and_the_best_score_on_top() -> None:
    plot = plot_scores(standing(version(1, 0.0), version(2, 0.5), version(3, 1.0)), "f1", SIZE)
    assert [(point.version, point.x, point.y) for point in plot.points] == [(1, 10, 50), (2, 60, 30), (3, 110, 10)]
    assert plot.lines == ("10.0,50.0 60.0,30.0 110.0,10.0",)


def test_versions_measured_on_other_data_are_not_joined() -> None:
    plot = plot_scores(
        standing(version(1, 0.1), version(2, 0.2), version(3, 0.3, "e"), version(4, 0.4, "e"), version(5, 0.5)),
        "f1",
        SIZE,
    )
    assert [line.count(",") for line in plot.lines] == [2, 2]


def test_a_version_without_the_metric_is_left_out() -> None:
    plot = plot_scores(standing(version(1, 0.1), version(2, None), version(3, 0.3)), "f1", SIZE)
    assert [point.version for point in plot.points] == [1, 3]


def test_the_champion_is_marked_once() -> None:
    plot = plot_scores(
        standing(version(1, 0.1, status="Approved"), version(2, 0.9, status="Approved"), version(3, 0.3)), "f1", SIZE
    )
    assert [point.version for point in plot.points if point.champion] == [2]


def test_one_version_is_a_point_and_no_line() -> None:
    plot = plot_scores(standing(version(1, 0.5)), "f1", SIZE)
    assert (len(plot.points), plot.lines) == (1, ())


def test_nothing_measured_is_an_empty_plot() -> None:
    assert plot_scores(standing(), "f1", SIZE).points == ()


def test_the_metric_shown_is_the_one_that_decides() -> None:
    evaluation = {"dataset": "set.jsonl", "thresholds": {"precision": 0.7}}
    config = parse_model_config({"model_name": "m", "base": "b", "evaluation": evaluation}, "a test")
    assert deciding_metric(config) == "precision"
    assert threshold(config, "precision") == 0.7
    assert threshold(config, "f1") is None
    assert deciding_metric(None) == "f1"
    assert deciding_metric(None, ("precision", "f1")) == "f1"


def test_of_a_metric_with_several_scores_the_first_one_is_shown() -> None:
    evaluation = {"dataset": "d", "metrics": ["team_metrics.tone:tone"]}
    config = parse_model_config({"model_name": "m", "base": "b", "evaluation": evaluation}, "a test")
    assert deciding_metric(config, ("f1", "tone.greets", "tone.polite")) == "tone.greets"
    assert deciding_metric(config, ("f1",)) == "tone"


def test_metrics_are_those_of_any_version() -> None:
    other = version(2, None).model_copy(update={"metadata": {"score.recall": "0.2"}})
    assert standing(version(1, 0.1), other).metrics == ("f1", "recall")
