"""The Flask application of the stand-in's Bedrock: control plane, runtime, and the endpoint for scripted faults."""

from __future__ import annotations

import json
import logging
import socket
import uuid
from collections.abc import Callable

from flask import Flask, Request, Response, request

from include.local_aws.access.bedrock_demands import demands_of_bedrock, named_model
from include.local_aws.access.callers import caller_of
from include.local_aws.access.decisions import refusal
from include.local_aws.bedrock import control_plane, runtime
from include.local_aws.bedrock.errors import (
    SCRIPTABLE,
    AccessDeniedError,
    BedrockError,
    InternalServerError,
    MalformedBodyError,
    OperationNotEmulatedError,
)
from include.local_aws.bedrock.invocation_metrics import put_metric
from include.local_aws.bedrock.operations import Call, HttpRequest, check_call, read_call
from include.local_aws.bedrock.scope import Scope, access_key_of, scope_of
from include.local_aws.bedrock.service import Bedrock
from include.local_aws.settings import Settings

logger = logging.getLogger(__name__)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def create_bedrock_app(settings: Settings, endpoint_url: str) -> Flask:
    """Return the application that serves bedrock, bedrock-runtime and POST /_local_aws/bedrock/<fault>.

    Evaluation jobs reach the stand-in's S3 at ``endpoint_url``. torch and transformers are imported by a thread that
    starts here.
    """
    bedrock = Bedrock(settings, endpoint_url)
    app = Flask("local_aws_bedrock", static_folder=None)

    def scripted_fault(name: str) -> Response:
        return _guarded(lambda: _script(bedrock, name, request))

    def operation(path: str = "") -> Response:
        return _guarded(lambda: _answer(bedrock, request))

    app.add_url_rule("/_local_aws/bedrock/<name>", view_func=scripted_fault, methods=["POST"])
    app.add_url_rule("/", view_func=operation, methods=METHODS, provide_automatic_options=False)
    app.add_url_rule("/<path:path>", view_func=operation, methods=METHODS, provide_automatic_options=False)
    return app


def _guarded(respond: Callable[[], Response]) -> Response:
    try:
        response = respond()
    except BedrockError as error:
        response = _error_response(error)
    except Exception as error:
        logger.exception("The stand-in's Bedrock failed")
        response = _error_response(InternalServerError(f"The stand-in for AWS failed: {error!r}"))
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return response


def _answer(bedrock: Bedrock, incoming: Request) -> Response:
    authorization = incoming.headers.get("Authorization")
    scope = scope_of(authorization)
    bedrock.faults.check_key(access_key_of(authorization))
    call = read_call(_http_request(incoming))
    if call.operation not in runtime.OPERATIONS:
        return _answer_call(bedrock, scope, call, incoming)
    try:
        response = _answer_call(bedrock, scope, call, incoming)
    except BedrockError as error:
        put_metric(scope, call.params["modelId"], error)
        raise
    put_metric(scope, call.params["modelId"], None)
    return response


def _answer_call(bedrock: Bedrock, scope: Scope, call: Call, incoming: Request) -> Response:
    fault = bedrock.faults.take_call_fault(call.operation, call.params.get("modelId"))
    if fault is not None and fault.connection is None:
        raise SCRIPTABLE[fault.code](fault.message)
    if fault is not None and fault.connection == "drop_before":
        return _drop_connection(incoming)
    check_call(call)
    _authorize(bedrock, scope, call, incoming)
    response = _perform(bedrock, scope, call)
    return _drop_connection(incoming) if fault is not None else response


def _authorize(bedrock: Bedrock, scope: Scope, call: Call, incoming: Request) -> None:
    judge = bedrock.faults.judge(named_model(call.params))
    demands = demands_of_bedrock(call.operation, call.params, scope, bedrock.regions.of(scope), judge)
    if said := refusal(caller_of(incoming.headers.get("Authorization")), demands):
        raise AccessDeniedError(said)


def _perform(bedrock: Bedrock, scope: Scope, call: Call) -> Response:
    logger.debug("%s in %s of %s", call.operation, scope.region, scope.account_id)
    if call.operation in runtime.OPERATIONS:
        return runtime.OPERATIONS[call.operation](bedrock, scope, call.params)
    if call.operation in control_plane.OPERATIONS:
        body = control_plane.OPERATIONS[call.operation](bedrock, scope, call.params)
        return Response(json.dumps(body), status=call.success_status, content_type="application/json")
    raise OperationNotEmulatedError(f"The stand-in for AWS does not emulate {call.operation} of {call.service}.")


def _http_request(incoming: Request) -> HttpRequest:
    raw_path = str(incoming.environ["RAW_URI"]).partition("?")[0]
    headers = {name.lower(): value for name, value in incoming.headers.items()}
    return HttpRequest(incoming.method, raw_path, incoming.args, headers, incoming.get_data())


def _script(bedrock: Bedrock, name: str, incoming: Request) -> Response:
    body = incoming.get_json(silent=True) if incoming.get_data() else {}
    if not isinstance(body, dict):
        raise MalformedBodyError("The body of a scripted fault is a JSON object.")
    if name == "reset":
        bedrock.reset()
    else:
        bedrock.faults.script(name, body)
    return Response("{}", content_type="application/json")


def _drop_connection(incoming: Request) -> Response:
    """Close the client's connection; what is returned is never received."""
    connection: socket.socket = incoming.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response()


def _error_response(error: BedrockError) -> Response:
    body = json.dumps({"message": error.message})
    headers = {"x-amzn-ErrorType": error.code}
    return Response(body, status=error.status, headers=headers, content_type="application/json")
