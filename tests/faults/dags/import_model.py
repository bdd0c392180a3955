"""The product's Airflow DAG for any model, with pauses of seconds instead of minutes."""

from __future__ import annotations

from airflow.sdk import get_parsing_context

from model_import_dag.factory import Waits, build_import_dag

WAITS = {
    "import_model": Waits(
        import_timeout=1500,
        warm_up_timeout=300,
        first_poll=4,
        longest_poll=5,
        slot_poll=5,
        slot_timeout=600,
        retry_delay=3,
    ),
    "import_model_with_the_usual_retries": Waits(first_poll=4, longest_poll=5),
    "import_model_impatiently": Waits(import_timeout=15, first_poll=4, longest_poll=4, retry_delay=3),
}
for dag_id, waits in WAITS.items():
    if get_parsing_context().dag_id in (None, dag_id):
        globals()[dag_id] = build_import_dag(dag_id, None, waits)
