"""The product's Airflow DAGs, with pauses of seconds instead of minutes."""

from __future__ import annotations

from airflow.sdk import get_parsing_context

from include.config.model import parse_model_config
from model_import_dag.factory import Waits, build_import_dag

PATIENT = Waits(
    import_timeout=1500,
    warm_up_timeout=300,
    first_poll=4,
    longest_poll=5,
    slot_poll=5,
    slot_timeout=600,
    retry_delay=3,
)
WAITS = {
    "import_model": PATIENT,
    "import_model_with_the_usual_retries": Waits(first_poll=4, longest_poll=5),
    "import_model_impatiently": Waits(import_timeout=15, first_poll=4, longest_poll=4, retry_delay=3),
}
for dag_id, waits in WAITS.items():
    if get_parsing_context().dag_id in (None, dag_id):
        globals()[dag_id] = build_import_dag(dag_id, None, waits)

#: A model with a file: only a file can name another connection than the account's.
ROTATING = {
    "model_name": "rotating",
    "base": "include/demo/base",
    "evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "thresholds": {"f1": 0}},
    "account": {"aws_conn_id": "rotating"},
    "run_may_change": ["evaluation.dataset", "evaluation.prompt_template", "evaluation.max_tokens"],
}
PROXIED = ROTATING | {"model_name": "proxied", "account": {"aws_conn_id": "proxied"}}
if get_parsing_context().dag_id in (None, "import_proxied"):
    import_proxied = build_import_dag("import_proxied", parse_model_config(PROXIED, "a test"), PATIENT)
if get_parsing_context().dag_id in (None, "import_rotating"):
    import_rotating = build_import_dag("import_rotating", parse_model_config(ROTATING, "a test"), PATIENT)
