"""The hook for Custom Model Import: BedrockHook with the waiter it lacks and look-ups that know "not there"."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.bedrock import BedrockHook, BedrockRuntimeHook
from botocore.exceptions import ClientError

from aws_waits.hooks import ConnectionConfigHook

if TYPE_CHECKING:
    from botocore.waiter import Waiter

WAITER_PATH = Path(__file__).with_name("waiters") / "bedrock.json"
#: Both were seen in answer to the name or ARN of a job or model that does not exist.
NOT_FOUND_CODES = ("ResourceNotFoundException", "ValidationException")


class BedrockModelRuntimeHook(ConnectionConfigHook, BedrockRuntimeHook):
    """Interact with imported models; takes the arguments of AwsBaseHook."""


class BedrockModelImportHook(ConnectionConfigHook, BedrockHook):
    """Interact with Custom Model Import; takes the arguments of AwsBaseHook."""

    @property
    def waiter_path(self) -> Path:
        """The waiter file of this package; the provider's own Bedrock waiters stay available."""
        return WAITER_PATH

    def get_waiter(
        self,
        waiter_name: str,
        parameters: dict[str, str] | None = None,
        config_overrides: dict[str, Any] | None = None,
        deferrable: bool = False,
        client: Any = None,
    ) -> Waiter:
        """Return the waiter of this name: from this package, else from the provider, else from botocore."""
        if waiter_name in self._list_custom_waiters():
            return super().get_waiter(waiter_name, parameters, config_overrides, deferrable, client)
        # The base class reads one file only, so a hook that reads the provider's borrows our client.
        provider_hook = BedrockHook(aws_conn_id=None)
        return provider_hook.get_waiter(waiter_name, parameters, config_overrides, deferrable, client or self.conn)

    def find_import_job(self, job_identifier: str) -> dict[str, Any] | None:
        """Return GetModelImportJob's answer for this name or ARN, or None if there is no such job."""
        return self._find("get_model_import_job", jobIdentifier=job_identifier)

    def find_imported_model(self, model_identifier: str) -> dict[str, Any] | None:
        """Return GetImportedModel's answer for this name or ARN, or None if there is no such model."""
        return self._find("get_imported_model", modelIdentifier=model_identifier)

    def get_tags(self, resource_arn: str) -> dict[str, str]:
        """Return the tags of a job or model."""
        client: Any = self.conn
        answer = client.list_tags_for_resource(resourceARN=resource_arn)
        return {tag["key"]: tag["value"] for tag in answer.get("tags", [])}

    def _find(self, operation: str, **identifier: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = getattr(self.conn, operation)(**identifier)
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_FOUND_CODES:
                return None
            raise
        return found
