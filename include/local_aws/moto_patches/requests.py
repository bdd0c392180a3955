"""moto answers an unknown operation with an HTML 500 and takes requests that the service refuses.

Every request of a service that moto dispatches by operation is checked here against botocore's model first, and then
against the policies of its caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.common_types import TYPE_RESPONSE
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores, get_service_model, method_names_from_class

from include.local_aws.access.callers import caller_of
from include.local_aws.access.decisions import refusal
from include.local_aws.access.demands import Place, demands_of
from include.local_aws.aws_errors import AwsError, unsupported_operation
from include.local_aws.request_validation import validate_input, validation_message

VALIDATION_CODES = {"sns": "InvalidParameter", "cloudwatch": "InvalidParameterValue"}
DENIAL_CODES = {
    "cloudformation": "AccessDenied",
    "cloudwatch": "AccessDenied",
    "iam": "AccessDenied",
    "sns": "AuthorizationError",
    "sqs": "AccessDenied",
    "sts": "AccessDenied",
}
CODES_BY_PROTOCOL = {"query": "ValidationError", "ec2": "ValidationError"}


def install() -> None:
    """Check requests before moto's handlers see them."""
    BaseResponse.call_action = _checked(BaseResponse.call_action)


def _checked(call_action: Callable[[BaseResponse], TYPE_RESPONSE]) -> Callable[[BaseResponse], TYPE_RESPONSE]:
    def checked_call_action(self: BaseResponse) -> TYPE_RESPONSE:
        operation = self._get_action()
        if camelcase_to_underscores(operation or "") not in method_names_from_class(self.__class__):
            return _refused(self, unsupported_operation(self.boto3_service_name, operation), 501)
        if violations := _violations(self, operation):
            return _refused(self, _validation_error(self, violations), 400)
        if said := _denial(self, operation):
            return _refused(self, AwsError(_denial_code(self), said), 403)
        return call_action(self)

    return checked_call_action


def _violations(response: BaseResponse, operation: str) -> list[str]:
    try:
        return validate_input(response.boto3_service_name, operation, parameters(response, operation))
    except (UnknownServiceError, OperationNotFoundError):
        return []
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return [f"The request cannot be read as {operation}: {error}"]


def _denial(response: BaseResponse, operation: str) -> str | None:
    """What AWS says to a caller whose policies do not allow the operation."""
    caller = caller_of(response.headers.get("Authorization"))
    if caller is None:
        return None
    place = Place(response.region, response.current_account)
    return refusal(caller, demands_of(response.boto3_service_name, operation, parameters(response, operation), place))


def _denial_code(response: BaseResponse) -> str:
    service = response.boto3_service_name
    return DENIAL_CODES.get(service, "AccessDeniedException")


def parameters(response: BaseResponse, operation: str) -> dict[str, Any]:
    """Return the members of a request."""
    request = response.normalized_request
    service_model = get_service_model(response.boto3_service_name)
    protocol = determine_request_protocol(service_model, request.content_type)
    parser = PROTOCOL_PARSERS[protocol](service_model.operation_model(operation))
    parsed: dict[str, Any] = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": response.uri_match,
        }
    )
    return parsed


def _validation_error(response: BaseResponse, violations: list[str]) -> AwsError:
    service = response.boto3_service_name
    default = CODES_BY_PROTOCOL.get(get_service_model(service).protocol, "ValidationException")
    return AwsError(VALIDATION_CODES.get(service, default), validation_message(violations))


def _refused(response: BaseResponse, error: AwsError, status: int) -> TYPE_RESPONSE:
    _, headers, body = response.serialized(ActionResult(error))
    headers, body = response._enrich_response(headers, body)
    return status, headers, body
