"""The tasks of a DAG that imports a model."""

from __future__ import annotations

#: In the order in which they run.
CHAIN = [
    "preflight", "decide_import", "convert_to_hf", "merge_lora", "validate_checkpoint", "upload_checkpoint",
    "free_model_slot", "create_import_job", "wait_for_import", "warm_up", "evaluate_model", "evaluate_champion",
    "decide_promotion", "register_version", "write_report", "approve_promotion", "record_answer", "announce_promotion",
    "retire_old_versions", "put_metrics", "clear_workspace",
]  # fmt: skip
