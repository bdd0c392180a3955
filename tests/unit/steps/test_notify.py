from __future__ import annotations

from include.steps.notify import Place, promotion_notice


def test_the_notice_of_a_promotion_names_the_dag_that_goes_back() -> None:
    place = Place("import_capitals", "run", "announce_promotion", "https://airflow.example")
    message = promotion_notice(place, "capitals", 2, "arn", "f1 0.900 reaches 0.800").message
    assert "To go back, run the DAG roll_back_model with the model_name capitals" in message
