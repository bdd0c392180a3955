"""Error codes of Amazon Bedrock on which the behaviour of a task depends."""

from __future__ import annotations

#: The answer of an imported model that is being loaded.
MODEL_NOT_READY = "ModelNotReadyException"
#: CreateModelImportJob answers these while another job runs, or all model slots are taken.
NO_SLOT_CODES = frozenset({"ServiceQuotaExceededException", "ConflictException"})
