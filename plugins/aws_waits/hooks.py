"""The base of the hooks: the connection's botocore configuration stays in force."""

from __future__ import annotations

from copy import copy
from functools import cached_property, reduce
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config


class ConnectionConfigHook(AwsBaseHook):
    """Lay a hook's botocore configuration over the connection's ``config_kwargs``; the provider replaces them with it.

    So the connection's proxies and timeouts hold where a hook asks for another number of attempts.

    :param defaults: The configuration where neither the connection nor the hook says anything.
    """

    def __init__(self, *args: Any, defaults: Config | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._defaults = defaults

    @cached_property
    def config(self) -> Config:
        """The botocore configuration of the hook's clients; read once, as it asks for the connection."""
        alone = copy(self)
        alone._config = None
        alone.__dict__.pop("conn_config", None)  # cached with the hook's own configuration
        connection = alone.conn_config.botocore_config
        layers = [layer for layer in (self._defaults, connection, super().config) if layer]
        merged: Config = reduce(Config.merge, layers)
        return merged
