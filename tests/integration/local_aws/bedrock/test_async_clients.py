"""The stand-in through aiobotocore, as Airflow's triggerer uses it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.bedrock_stand_in import CREDENTIALS, REGION, Aws, error_code
from tests.support.greedy_oracle import GreedyOracle

Answer = TypeVar("Answer")


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(work)


async def client(stack: AsyncExitStack, aws: Aws, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=50)
    options = {"region_name": REGION, "endpoint_url": aws.endpoint, "config": config, **CREDENTIALS}
    return await stack.enter_async_context(get_session().create_client(service, **options))


def test_an_async_client_sees_jobs_models_and_errors(aws: Aws, model: str) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            bedrock = await client(stack, aws, "bedrock")
            job = await bedrock.get_model_import_job(jobIdentifier="capitals")
            assert (job["status"], job["importedModelArn"]) == ("Completed", model)
            with pytest.raises(ClientError) as caught:
                await bedrock.get_imported_model(modelIdentifier="nothing")
            assert error_code(caught.value) == "ResourceNotFoundException"

    run(work())


def test_an_async_client_gets_the_text_that_transformers_generates(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    body = json.dumps({"prompt": "What?", "max_gen_len": 60, "temperature": 0})

    async def work() -> tuple[str, str, list[float]]:
        async with AsyncExitStack() as stack:
            runtime = await client(stack, aws, "bedrock-runtime")
            answer = await runtime.invoke_model(modelId=model, body=body)
            whole = json.loads(await answer["body"].read())["generation"]
            streamed = await runtime.invoke_model_with_response_stream(modelId=model, body=body)
            pieces, arrivals = [], []
            async for event in streamed["body"]:
                pieces.append(json.loads(event["chunk"]["bytes"])["generation"])
                arrivals.append(time.monotonic())
            return whole, "".join(pieces), arrivals

    whole, streamed, arrivals = run(work())
    assert whole == streamed == oracle.text(oracle.prompt_ids("What?"), 60)
    assert len(set(arrivals)) > 10


def test_many_calls_at_once_are_all_answered_right(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    prompts = [f"question {number}" for number in range(8)]

    async def work() -> list[str]:
        async with AsyncExitStack() as stack:
            runtime = await client(stack, aws, "bedrock-runtime")

            async def ask(prompt: str) -> str:
                asked = json.dumps({"prompt": prompt, "max_gen_len": 10, "temperature": 0})
                answer = await runtime.invoke_model(modelId=model, body=asked)
                return str(json.loads(await answer["body"].read())["generation"])

            return await asyncio.gather(*map(ask, prompts))

    assert run(work()) == [oracle.text(oracle.prompt_ids(prompt), 10) for prompt in prompts]


def test_scripted_latency_is_served_side_by_side(aws: Aws, model: str) -> None:
    aws.script("fixed-answer", text="Paris", latency_seconds=2)

    async def work() -> float:
        async with AsyncExitStack() as stack:
            runtime = await client(stack, aws, "bedrock-runtime")
            started = time.monotonic()
            calls = (runtime.invoke_model(modelId=model, body=b'{"prompt": "a"}') for _ in range(30))
            await asyncio.gather(*calls)
            return time.monotonic() - started

    try:
        assert run(work()) < 20  # one after another they take 60 s
    finally:
        aws.script("clear-faults")
