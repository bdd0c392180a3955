"""The runtime: InvokeModel and Converse, whole and as streams, with text that the imported weights generate."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flask import Response

from include.local_aws.bedrock import converse
from include.local_aws.bedrock.body import Body, Piece
from include.local_aws.bedrock.body_formats import read_body
from include.local_aws.bedrock.errors import BedrockError, InternalServerError, InvalidRequestError
from include.local_aws.bedrock.event_stream import CONTENT_TYPE, encode_chunk, encode_error, encode_event
from include.local_aws.bedrock.guardrails import STOP_REASON, run_guarded
from include.local_aws.bedrock.inference import Finish, Inference, InferenceRequest
from include.local_aws.bedrock.judges import prepare_judgement
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.scripts import FixedAnswer
from include.local_aws.bedrock.service import Bedrock
from include.local_aws.bedrock.state import ImportedModel
from include.local_aws.bedrock.streaming import OnText, Prepared, as_it_comes

Params = Mapping[str, Any]

MODEL_ARN = re.compile(r"arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:imported-model/[a-z0-9]{12}")
CONTENT_TYPES = ("application/json", "application/octet-stream")
ACCEPTED = ("application/json", "*/*")


def invoke_model(bedrock: Bedrock, scope: Scope, params: Params) -> Response:
    """Answer in the format of the request's body."""
    started = time.monotonic()
    guardrail = bedrock.faults.guardrail(params.get("guardrailIdentifier"), params.get("guardrailVersion"))
    body, prepared = _prepare_invocation(bedrock, scope, params)
    inference, intervened = run_guarded(guardrail, body.request(), prepared)
    action = {"amazon-bedrock-guardrailAction": "INTERVENED" if intervened else "NONE"} if guardrail else {}
    headers = {
        "X-Amzn-Bedrock-Invocation-Latency": str(_milliseconds(started)),
        "X-Amzn-Bedrock-Input-Token-Count": str(inference.prompt_tokens),
        "X-Amzn-Bedrock-Output-Token-Count": str(inference.generated_tokens),
    }
    answer = body.answer(inference, _model_name(params["modelId"])) | action
    return Response(json.dumps(answer), headers=headers, content_type="application/json")


def invoke_model_with_response_stream(bedrock: Bedrock, scope: Scope, params: Params) -> Response:
    """Answer in chunks of the body's format, each sent as soon as its text is there."""
    _refuse_guardrail(params.get("guardrailIdentifier"))
    started = time.monotonic()
    body, prepared = _prepare_invocation(bedrock, scope, params)
    request = body.request()
    if request.logprobs is not None or request.prompt_logprobs is not None:
        raise InvalidRequestError("The stand-in for AWS does not emulate log probabilities of streams.")
    chunks = _chunks(body, _model_name(params["modelId"]), prepared, started)
    response = _event_stream(encode_chunk(chunk) for chunk in chunks)
    response.headers["X-Amzn-Bedrock-Content-Type"] = "application/json"
    return response


def converse_whole(bedrock: Bedrock, scope: Scope, params: Params) -> Response:
    """Answer a conversation."""
    started = time.monotonic()
    named = params.get("guardrailConfig", {})
    guardrail = bedrock.faults.guardrail(named.get("guardrailIdentifier"), named.get("guardrailVersion"))
    request, prepared = _prepare_conversation(bedrock, scope, params)
    inference, intervened = run_guarded(guardrail, request, prepared)
    answer = converse.conversation_answer(inference, _milliseconds(started))
    stopped = {"stopReason": STOP_REASON} if intervened else {}
    return Response(json.dumps(answer | stopped), content_type="application/json")


def converse_stream(bedrock: Bedrock, scope: Scope, params: Params) -> Response:
    """Answer a conversation in events, each sent as soon as its text is there."""
    _refuse_guardrail(params.get("guardrailConfig"))
    started = time.monotonic()
    _, prepared = _prepare_conversation(bedrock, scope, params)
    return _event_stream(encode_event(name, content) for name, content in _conversation_events(prepared, started))


OPERATIONS: Mapping[str, Callable[[Bedrock, Scope, Params], Response]] = {
    "InvokeModel": invoke_model,
    "InvokeModelWithResponseStream": invoke_model_with_response_stream,
    "Converse": converse_whole,
    "ConverseStream": converse_stream,
}


def _prepare_invocation(bedrock: Bedrock, scope: Scope, params: Params) -> tuple[Body, Prepared]:
    model = _model(bedrock, scope, params["modelId"])
    _check_media_types(params)
    body = read_body(params.get("body", b""), bedrock.faults.is_legacy(model.name, model.arn))
    return body, _prepare(bedrock, model, body.request())


def _refuse_guardrail(guardrail: Any) -> None:
    if guardrail:
        raise InvalidRequestError("The stand-in for AWS does not emulate guardrails of streams.")


def _prepare_conversation(bedrock: Bedrock, scope: Scope, params: Params) -> tuple[InferenceRequest, Prepared]:
    if judge := bedrock.faults.judge(params["modelId"]):
        request = converse.read_conversation(params)
        return request, prepare_judgement(bedrock, judge, params["modelId"], request)
    model = _model(bedrock, scope, params["modelId"])
    if not model.instruct_supported or bedrock.faults.refuses_converse(model.name, model.arn):
        raise InvalidRequestError(
            "This action doesn't support the model that you provided. Try again with a supported text or chat model."
        )
    request = converse.read_conversation(params)
    return request, _prepare(bedrock, model, request)


def _prepare(bedrock: Bedrock, model: ImportedModel, request: InferenceRequest) -> Prepared:
    """Raises ModelNotReadyError while the model is cold, InvalidRequestError for a prompt that does not fit."""
    bedrock.faults.check_warm()
    fixed = bedrock.faults.fixed_answer
    if fixed is not None:
        return _fixed(fixed, request)
    loaded = bedrock.servers.warm(model)
    from include.local_aws.bedrock.generation import encode_prompt, followers_of, generate_followed

    ids, followers = encode_prompt(loaded, request), followers_of(loaded, request)
    return Prepared(len(ids), lambda on_text: generate_followed(loaded, ids, request, followers, on_text))


def _fixed(answer: FixedAnswer, request: InferenceRequest) -> Prepared:
    """The scripted answer; its words stand for its tokens."""
    asked = " ".join([request.prompt, *(message["content"] for message in request.messages)])
    text, prompt_tokens = (answer.text or "").replace("{prompt}", asked), len(asked.split())

    def run(on_text: OnText) -> Inference:
        time.sleep(answer.latency_seconds)
        on_text(text, len(text.split()))
        return Inference(text, Finish.END_OF_TURN, prompt_tokens, len(text.split()))

    return Prepared(prompt_tokens, run)


def _model(bedrock: Bedrock, scope: Scope, model_id: str) -> ImportedModel:
    if MODEL_ARN.fullmatch(model_id) is None:
        raise InvalidRequestError(f"The provided model identifier is invalid: {model_id} is no imported model's ARN.")
    return bedrock.imported_model(scope, model_id)


def _check_media_types(params: Params) -> None:
    sent, wanted = _media_type(params.get("contentType")), _media_type(params.get("accept"))
    if sent and sent not in CONTENT_TYPES:
        raise InvalidRequestError(f"The content type {sent} is not supported; send application/json.")
    if wanted and wanted not in ACCEPTED:
        raise InvalidRequestError(f"The accepted type {wanted} is not supported; accept application/json.")


def _media_type(header: str | None) -> str:
    return (header or "").partition(";")[0].strip().lower()


def _model_name(arn: str) -> str:
    """The model as OpenAI's formats name it: account and id."""
    return f"{arn.split(':')[4]}-{arn.rpartition('/')[2]}"


def _chunks(body: Body, model: str, prepared: Prepared, started: float) -> Iterator[dict[str, Any]]:
    prompt_tokens: int | None = prepared.prompt_tokens
    first_byte: int | None = None
    for item in as_it_comes(prepared):
        first_byte = _milliseconds(started) if first_byte is None else first_byte
        if isinstance(item, Inference):
            last = body.piece(Piece("", item.generated_tokens, prompt_tokens, item), model)
            yield last | {"amazon-bedrock-invocationMetrics": _metrics(item, _milliseconds(started), first_byte)}
        else:
            yield body.piece(Piece(*item, prompt_tokens), model)
        prompt_tokens = None


def _metrics(inference: Inference, latency: int, first_byte: int) -> dict[str, int]:
    return {
        "inputTokenCount": inference.prompt_tokens,
        "outputTokenCount": inference.generated_tokens,
        "invocationLatency": latency,
        "firstByteLatency": first_byte,
    }


def _conversation_events(prepared: Prepared, started: float) -> Iterator[converse.Event]:
    yield from converse.opening_events()
    for item in as_it_comes(prepared):
        if isinstance(item, Inference):
            yield from converse.closing_events(item, _milliseconds(started))
        else:
            yield converse.text_event(item[0])


def _event_stream(events: Iterable[bytes]) -> Response:
    return Response(_ending_in_event(events), content_type=CONTENT_TYPE)


def _ending_in_event(events: Iterable[bytes]) -> Iterator[bytes]:
    """The status has been sent already, so an error becomes the stream's last event."""
    try:
        yield from events
    except BedrockError as error:
        yield encode_error(error)
    except Exception as error:
        yield encode_error(InternalServerError(f"The stand-in for AWS failed: {error!r}"))


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
