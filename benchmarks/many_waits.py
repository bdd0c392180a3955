"""Waits for many import jobs at once in one event loop, as one triggerer does, against the stand-in for AWS.

    python -m benchmarks.many_waits --waits 200

Prints whether every wait ended as its job did, the requests per second, and what the waiting process used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.servers import StandIn, stand_in_with_model
from include.demo.environment import STAND_IN_KEY_ID, STAND_IN_SECRET, aws_connection

CONNECTION = "aws_local"


def create_jobs(aws: StandIn, waits: int) -> dict[str, str]:
    """Create jobs of which every second one will fail; return what each will end with, by its ARN."""
    aws.script("hold-imports")
    expected = {}
    for number in range(waits):
        if number % 2:
            aws.script("fail-next-import", message=f"job {number} fails")
        name = f"wait{number}"
        expected[aws.create_job(name)] = f"job {number} fails" if number % 2 else name
    return expected


def memory_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def measure_lag(lags: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.1)
        lags.append(time.perf_counter() - before - 0.1)


async def wait_for_all(aws: StandIn, expected: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    from bedrock_import.triggers import BedrockModelImportJobCompletedTrigger

    polls: list[float] = []
    lags: list[float] = []
    ended: list[float] = []

    class CountingTrigger(BedrockModelImportJobCompletedTrigger):
        async def poll(self, client: Any) -> Any:
            polls.append(time.time())
            return await super().poll(client)

    async def wait(job_arn: str) -> bool:
        now = time.time()
        trigger = CountingTrigger(
            job_identifier=job_arn,
            started_at=now,
            deadline=now + 3600,
            waiter_delay=options.delay,
            aws_conn_id=CONNECTION,
        )
        async for event in trigger.run():
            ended.append(time.time())
            job = event.payload["job"]
            return expected[job_arn] == (job["failure_message"] or job["imported_model_name"])
        return False

    memory, cpu, started = memory_megabytes(), time.process_time(), time.time()
    lag = asyncio.create_task(measure_lag(lags))
    waiting = asyncio.gather(*(wait(job_arn) for job_arn in expected))
    await asyncio.sleep(options.hold)
    held_cpu = time.process_time() - cpu
    with ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, aws.script, "release-imports")
    results = await waiting
    lag.cancel()
    rate = Counter(int(moment - started) for moment in polls)
    steady = [rate[second] for second in range(int(options.delay * 2), int(options.hold))]
    return {
        "waits": len(results),
        "ended_right": sum(results),
        "polls": len(polls),
        "polls_per_second_mean": round(sum(steady) / len(steady), 1),
        "polls_per_second_peak_after_start": max(steady),
        "polls_in_first_second": rate[0],
        "cpu_percent_while_waiting": round(100 * held_cpu / options.hold, 1),
        "memory_megabytes_before": round(memory),
        "memory_megabytes_grown": round(memory_megabytes() - memory),
        "event_loop_lag_ms_99th": round(1000 * sorted(lags)[int(len(lags) * 0.99)], 1),
        "seconds_from_release_to_last_event": round(max(ended) - started - options.hold, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waits", type=int, default=200)
    parser.add_argument("--delay", type=float, default=30.0, help="seconds between two polls of one wait")
    parser.add_argument("--hold", type=float, default=120.0, help="seconds before the jobs may end")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    many = str(options.waits)
    with stand_in_with_model("--max-running-jobs", many, "--max-imported-models", many, "--import-seconds", "0") as aws:
        connection = aws_connection(aws.endpoint_url, STAND_IN_KEY_ID, STAND_IN_SECRET)
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps(connection)
        result = asyncio.run(wait_for_all(aws, create_jobs(aws, options.waits), options))
    print(json.dumps(result, indent=2))
    return 0 if result["ended_right"] == options.waits else 1


if __name__ == "__main__":
    sys.exit(main())
