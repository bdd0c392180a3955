"""Which imported models are in memory: cold at first, loaded on demand, dropped when idle."""

from __future__ import annotations

import importlib
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING

from include.local_aws.bedrock.errors import ModelNotReadyError
from include.local_aws.bedrock.service_rules import service_rules
from include.local_aws.bedrock.state import ImportedModel

if TYPE_CHECKING:
    from include.local_aws.bedrock.loaded_model import LoadedModel

logger = logging.getLogger(__name__)

HEAVY_MODULES = ("include.local_aws.bedrock.loaded_model", "include.local_aws.bedrock.generation")


@dataclass
class _Copy:
    """One model's copy in memory, or on its way there."""

    loading: Future[LoadedModel]
    ready_at: float
    last_used: float


class ModelLibraries:
    """torch and transformers, imported by a thread of their own so that neither the start nor the first call waits."""

    def __init__(self) -> None:
        self._thread = Thread(target=self._import, name="import-model-libraries", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    @staticmethod
    def _import() -> None:
        for name in HEAVY_MODULES:
            importlib.import_module(name)


class ModelServers:
    """The copies of all imported models of this process."""

    def __init__(self, libraries: ModelLibraries, cold_start_seconds: float, idle_seconds: float) -> None:
        self._libraries = libraries
        self._cold_start_seconds = cold_start_seconds
        self._idle_seconds = idle_seconds
        self._lock = Lock()
        self._copies: dict[str, _Copy] = {}
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-model")

    def warm(self, model: ImportedModel) -> LoadedModel:
        """Return the model, ready to generate.

        The first call of a cold model starts the loading; until the cold start is over every call, this one too, raises
        ModelNotReadyError. With a cold start of 0 seconds the first call waits for the loading instead.
        """
        with self._lock:
            now = time.monotonic()
            self._drop_idle(now)
            copy = self._copies.get(model.arn) or self._start_copy(model, now)
            copy.last_used = now
            if now < copy.ready_at:
                raise ModelNotReadyError(f"The model {model.arn} is not ready for inference. Wait and try again.")
        loaded = copy.loading.result()
        copy.last_used = time.monotonic()  # a slow load is no idle time
        return loaded

    def drop(self, model_arn: str) -> None:
        """Forget a deleted model's copy."""
        with self._lock:
            self._copies.pop(model_arn, None)

    def drop_all(self) -> None:
        """Make every model cold."""
        with self._lock:
            self._copies.clear()

    def _start_copy(self, model: ImportedModel, now: float) -> _Copy:
        logger.info("Loading the imported model %s", model.arn)
        copy = _Copy(self._loader.submit(self._load, model), now + self._cold_start_seconds, now)
        self._copies[model.arn] = copy
        return copy

    def _drop_idle(self, now: float) -> None:
        idle = [arn for arn, copy in self._copies.items() if now - copy.last_used > self._idle_seconds]
        for arn in idle:
            logger.info("The imported model %s was idle and is cold again", arn)
            del self._copies[arn]

    def _load(self, model: ImportedModel) -> LoadedModel:
        self._libraries.wait()
        from include.local_aws.bedrock.loaded_model import load_checkpoint

        rules = service_rules()
        return load_checkpoint(model.folder, rules.architectures[model.model_type], rules.tokenizer_classes)
