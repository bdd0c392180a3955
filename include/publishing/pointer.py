"""The parameter of AWS Systems Manager that names a model's champion: what applications read.

Bedrock has no alias for imported models: inference profiles, prompt routers and provisioned throughput do not take
their ARNs. See docs/publishing.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from include.aws.calls import request
from include.aws.transient import error_code
from include.publishing.errors import PointerNotWrittenError, PointerTooLongError, PointerUnreadableError

PARAMETER = "/model-import/{model_name}/champion"
#: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html: the service
#: makes an advanced parameter of one that is longer than 4 KB, with the tier Intelligent-Tiering.
MOST_CHARACTERS = 8192
NOT_FOUND = "ParameterNotFound"


class PointedVersion(BaseModel):
    """What applications need to call a version.

    ``body_format``, ``prompt_template``, ``system_prompt`` and the guardrail are those that it was evaluated with,
    ``converse`` whether the Converse API answered. ``since`` is when the parameter was written, and
    ``request`` names the DAG run that wrote it.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=(), extra="ignore")

    model_name: str
    version: int
    imported_model_arn: str
    region_name: str
    fingerprint: str
    body_format: str
    prompt_template: str | None = None
    system_prompt: str | None = None
    guardrail_id: str | None = None
    guardrail_version: str | None = None
    converse: bool
    since: datetime
    request: str

    def calls_as(self, other: PointedVersion) -> bool:
        """Return whether applications do the same by both."""
        called = set(PointedVersion.model_fields) - {"since", "request"}
        return self.model_dump(include=called) == other.model_dump(include=called)


class Canary(BaseModel):
    """A new champion that gets a ``share`` of the calls from ``since`` to ``until``, and then all of them.

    Unless more than ``max_error_rate`` of its calls fail.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    share: float
    since: datetime
    until: datetime
    max_error_rate: float
    champion: PointedVersion


class Pointer(PointedVersion):
    """Which version applications call: the one of its own members, and in a ``canary`` a new champion as well."""

    canary: Canary | None = None

    def leads_to(self, version: PointedVersion) -> bool:
        """Return whether applications call this version alone."""
        return self.canary is None and self.calls_as(version)

    def tries(self, version: PointedVersion) -> bool:
        """Return whether this version is in the canary."""
        return self.canary is not None and self.canary.champion.calls_as(version)

    @property
    def imported_model_arns(self) -> tuple[str, ...]:
        """The imported models that applications call."""
        newcomer = (self.canary.champion.imported_model_arn,) if self.canary else ()
        return (self.imported_model_arn, *newcomer)


def parameter_name(model_name: str) -> str:
    """Return the name of the parameter."""
    return PARAMETER.format(model_name=model_name)


def read_pointer(ssm: Any, model_name: str) -> Pointer | None:
    """Return where applications are pointed to; None where the parameter does not exist.

    Raises:
        PointerUnreadableError: it holds something else.
    """
    from botocore.exceptions import ClientError

    name = parameter_name(model_name)
    try:
        text = request(ssm, "get_parameter", Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if error_code(error) == NOT_FOUND:
            return None
        raise
    try:
        return Pointer.model_validate_json(text)
    except ValidationError as error:
        raise PointerUnreadableError(name, str(error.errors()[0]["msg"])) from error


def write_pointer(ssm: Any, pointer: Pointer) -> None:
    """Write the parameter, and read it back.

    Raises:
        PointerTooLongError: nothing was written.
        PointerNotWrittenError: it has another value now.
    """
    name, text = parameter_name(pointer.model_name), pointer.model_dump_json(exclude_none=True)
    if len(text) > MOST_CHARACTERS:
        raise PointerTooLongError(name, MOST_CHARACTERS, len(text))
    request(
        ssm,
        "put_parameter",
        Name=name,
        Value=text,
        Type="String",
        Overwrite=True,
        Tier="Intelligent-Tiering",
        Description=f"The champion of {pointer.model_name}, written by its import DAG",
    )
    found = read_pointer(ssm, pointer.model_name)
    if found != pointer:
        raise PointerNotWrittenError(name, pointer.imported_model_arn, found.imported_model_arn if found else "nothing")


def delete_pointer(ssm: Any, model_name: str) -> None:
    """Delete the parameter, if it exists."""
    from botocore.exceptions import ClientError

    try:
        request(ssm, "delete_parameter", Name=parameter_name(model_name))
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
