"""Base class of the import sensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from airflow.providers.amazon.aws.utils.mixins import AwsHookType

from aws_waits.exceptions import AwsWaitError
from aws_waits.outcomes import Ending, Event
from aws_waits.sensors import AwsWaitSensor
from bedrock_import.links import BedrockImportHelpLink
from bedrock_import.outcomes import error_for_event


class BedrockImportBaseSensor(AwsWaitSensor[AwsHookType]):
    """Base of the sensors of an import; takes the arguments of AwsWaitSensor."""

    endings: ClassVar[Mapping[str, Ending]]
    help_link = BedrockImportHelpLink

    def error(self, event: Event | None) -> AwsWaitError:
        """Return the error that an unsuccessful event stands for."""
        return error_for_event(event, self.endings, self.resource, self.upstream_task_ids)
