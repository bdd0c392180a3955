"""kill -9 at random moments of an upload, and what the next run finds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.delivery.manifest import find_delivered
from tests.support.deliveries import BUCKET, MANIFEST, clear, client_for, contents, stored
from tests.support.faulty_proxy import FaultyProxy

WORKERS, PART_SIZE, SIZE = 2, 5 * 2**20, 60 * 2**20
RATE = 60 * 2**20
RUN = f"""
import sys
from pathlib import Path
from include.delivery.transfer import TransferSettings
from tests.support.deliveries import checkpoint_of, client_for, deliver
settings = TransferSettings(part_size={PART_SIZE}, workers={WORKERS}, bytes_per_second={RATE})
print("ready", flush=True)
print(deliver(client_for(sys.argv[1]), checkpoint_of(Path(sys.argv[2])), settings=settings).bytes_reused)
"""


def start(endpoint_url: str, folder: Path) -> subprocess.Popen[str]:
    run = subprocess.Popen([sys.executable, "-c", RUN, endpoint_url, str(folder)], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    assert run.stdout.readline() == "ready\n"
    return run


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_after_kills_at_random_moments_nothing_is_lost_and_little_is_sent_twice(
    stand_in: str, tmp_path: Path, kills: int
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    direct: Any = client_for(stand_in)
    direct.create_bucket(Bucket=BUCKET)
    moments = random.Random(kills)
    killed = 0
    while killed < kills:
        (folder / "model.safetensors").write_bytes(os.urandom(SIZE))
        killed += _deliver_with_kills(stand_in, folder, moments, kills - killed)
        assert stored(direct) == contents(folder)
        assert find_delivered(direct, BUCKET, MANIFEST)
        assert "Uploads" not in direct.list_multipart_uploads(Bucket=BUCKET)
        clear(direct)
    direct.delete_bucket(Bucket=BUCKET)


def _deliver_with_kills(endpoint_url: str, folder: Path, moments: random.Random, at_most: int) -> int:
    """Deliver, killing the run until ``at_most`` kills or until it is done; return how often it was killed."""
    killed = 0
    with FaultyProxy(endpoint_url) as proxy:
        while True:
            run = start(proxy.endpoint_url, folder)
            try:
                run.wait(moments.uniform(0.05, 0.6) if killed < at_most else None)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                killed += 1
            if run.wait() == 0:
                break
        assert proxy.part_bytes - SIZE <= killed * WORKERS * (PART_SIZE + 2**20)
    return killed
