"""A demo model in a stand-in, and environments with other people's clients, kept in pytest's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.bedrock_stand_in import BUCKET, CREDENTIALS, Aws
from tests.support.local_aws_process import LocalAwsProcess

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
COLD_SECONDS = "3"
DEMO = ROOT / "include/demo"


def _kept(request: pytest.FixtureRequest, wanted: Path) -> Path:
    """Return the folder of an environment; another list of packages has another folder."""
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    return Path(request.config.cache.mkdir(f"{wanted.stem}-{digest}"))


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> Path:
    """The Python that has the clients' packages."""
    folder = _kept(request, HERE / "requirements.txt")
    done, program = folder / "complete", folder / "bin/python"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [program, "-m", "pip", "install", "--quiet", "--no-deps", "-r", HERE / "requirements.txt"]
        subprocess.run(install, check=True)
        done.touch()
    return program


@pytest.fixture(scope="session")
def node_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with the JavaScript packages."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = _kept(request, HERE / "package.json")
    if not (folder / "node_modules/.package-lock.json").exists():
        shutil.copy(HERE / "package.json", folder)
        subprocess.run(["npm", "install", "--silent", "--no-audit"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with LocalAwsProcess(("--import-seconds", "0.1", "--cold-start-seconds", COLD_SECONDS)) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.create_role("import")
        yield aws


@pytest.fixture(scope="session")
def model(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The ARN of the demo's model, imported and cold."""
    folder = tmp_path_factory.mktemp("demo") / "merged"
    merge = [sys.executable, "-m", "include.checkpoint", "merge", "--base", DEMO / "base"]
    subprocess.run([*merge, "--adapter", DEMO / "adapters/finished", "--out", folder], cwd=ROOT, check=True)
    uri = aws.upload(folder, "demo")
    tags = [{"key": "sagemaker.amazonaws.com/model-source", "value": uri}]
    job = aws.create_job(uri, "capitals", importedModelTags=tags)
    for _ in range(5):  # of a minute each: a machine may be busy
        with suppress(TimeoutError):
            return str(aws.finished_job(job)["importedModelArn"])
    raise TimeoutError(job)


@pytest.fixture(scope="session")
def environment(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What leads every client to the stand-in and nowhere else."""
    names = {name.upper(): value for name, value in CREDENTIALS.items()}
    return {
        **names,
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_BEDROCK_RUNTIME_ENDPOINT": aws.endpoint,  # litellm's own name
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
