"""What the job's container starts: installs what is missing, then becomes torchrun.

    exec python "${ML_ROOT:-/opt/ml}/input/data/code/bootstrap.py"

It becomes torchrun by exec, so that SIGTERM reaches torchrun, which passes it to the training processes;
sagemaker-training-toolkit does not pass it on. Standard library only, until the packages are installed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODULE = "include.training.container.train"
REQUIREMENTS = {"lora": ["requirements.txt"], "qlora": ["requirements.txt", "requirements-qlora.txt"]}
PORT = "29500"
SHUTDOWN_SECONDS = "110"
"""How long torchrun lets its processes write a checkpoint after SIGTERM; SageMaker ends everything after 120."""


def main() -> None:
    """Install what is missing and replace this process by torchrun."""
    root = Path(os.environ.get("ML_ROOT", "/opt/ml"))
    failure = root / "output" / "failure"
    failure.unlink(missing_ok=True)
    settings = HERE / "settings.json"
    try:
        install(missing(method_of(settings)), root / "input" / "data" / "wheels")
    except subprocess.CalledProcessError as error:
        message = f"The training script's packages cannot be installed: pip ended with {error.returncode}.\n"
        message += "With network isolation, give a channel named wheels with the wheels of requirements.txt."
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(message, encoding="utf-8")
        sys.exit(message)
    configuration = root / "input" / "config"
    command = torchrun(
        _json(configuration / "resourceconfig.json"), _json(configuration / "hyperparameters.json"), settings
    )
    print("exec", " ".join(command), flush=True)
    os.execve(sys.executable, command, environment(_json(configuration / "resourceconfig.json")))


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def method_of(settings: Path) -> str:
    """Return the method in the settings; the training script explains what is wrong with a file that has none."""
    try:
        method = json.loads(settings.read_text(encoding="utf-8"))["method"]
    except (OSError, ValueError, KeyError, TypeError):
        return "lora"
    return method if method in REQUIREMENTS else "lora"


def missing(method: str) -> list[str]:
    """Return the pinned requirements of a method that are not installed in their version."""
    lines = [line for name in REQUIREMENTS[method] for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    pins = [line.partition("#")[0].strip() for line in lines if "==" in line.partition("#")[0]]
    return [pin for pin in pins if not _is_installed(*pin.split("=="))]


def _is_installed(package: str, version: str) -> bool:
    try:
        return importlib.metadata.version(package).partition("+")[0] == version
    except importlib.metadata.PackageNotFoundError:
        return False


def install(requirements: list[str], wheels: Path) -> None:
    """Install requirements: from the channel of wheels alone where there is one, else from pip's package index."""
    if not requirements:
        return
    source = ["--no-index", "--find-links", str(wheels)] if wheels.is_dir() else []
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *source, *requirements]
    print("run", " ".join(command), flush=True)
    subprocess.run(command, check=True)


def torchrun(resources: dict[str, Any], hyperparameters: dict[str, Any], settings: Path) -> list[str]:
    """Return the command: a process for each GPU, one without GPUs, or as the hyperparameter ``processes`` says."""
    gpus = any(path.name[6:].isdigit() for path in Path("/dev").glob("nvidia*"))
    processes = str(hyperparameters.get("processes") or ("gpu" if gpus else 1))
    hosts = sorted(resources.get("hosts", [])) or ["localhost"]
    place = ["--standalone"]
    if len(hosts) > 1:
        rank = hosts.index(resources["current_host"])
        place = [
            "--nnodes",
            str(len(hosts)),
            "--node-rank",
            str(rank),
            "--master-addr",
            hosts[0],
            "--master-port",
            PORT,
        ]
    options = [*place, "--nproc-per-node", processes]
    return [sys.executable, "-m", "torch.distributed.run", *options, "-m", MODULE, "--config", str(settings)]


def environment(resources: dict[str, Any]) -> dict[str, str]:
    """Return the environment of torchrun: the training modules by their names, and the network between machines."""
    found = dict(os.environ, TORCH_ELASTIC_SHUTDOWN_TIMEOUT=SHUTDOWN_SECONDS)
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(importable_folder()), os.environ.get("PYTHONPATH")]))
    interface = resources.get("network_interface_name")
    if interface and len(resources.get("hosts", [])) > 1:
        found |= {"NCCL_SOCKET_IFNAME": interface, "GLOO_SOCKET_IFNAME": interface}
    return found


def importable_folder() -> Path:
    """Return a folder in which this one is include/training/container, however it is called in the job."""
    folder = Path(tempfile.mkdtemp(prefix="training-script-"))
    package = folder / "include" / "training" / "container"
    package.parent.mkdir(parents=True)
    package.symlink_to(HERE, target_is_directory=True)
    return folder


if __name__ == "__main__":
    main()
