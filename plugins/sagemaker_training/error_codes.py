"""Codes of Amazon SageMaker on which the behaviour of a task depends."""

from __future__ import annotations

#: CreateTrainingJob answers these while the account's instances of the type are all in use.
NO_ROOM_CODES = frozenset({"ResourceLimitExceeded"})
#: CreateTrainingJob answers this when there is a job of this name, also to a repeated request.
NAME_TAKEN_CODES = frozenset({"ResourceInUse"})
#: The word before the colon of a FailureReason, of a job that never had an instance; it costs nothing.
NO_CAPACITY = "CapacityError"
