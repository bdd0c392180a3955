"""Runs these tests, client and stand-in alike, with the lowest botocore that the amazon provider allows.

python tests/integration/local_aws/lowest_botocore.py [pytest arguments]

A temporary environment holds boto3, botocore and aiobotocore only; the rest comes from the environment this runs in.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

LOWEST = "1.42.93"
FOLDER = Path(__file__).resolve().parent


def main(pytest_arguments: list[str]) -> int:
    """Make the environment, run the tests in it, and return pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="lowest-botocore-") as folder:
        python = lowest_environment(Path(folder))
        pytest = [python, "-m", "pytest", "-p", "no:cacheprovider", str(FOLDER), *pytest_arguments]
        return subprocess.run(pytest, cwd=FOLDER.parents[2], check=False).returncode


def lowest_environment(folder: Path) -> Path:
    """Return the Python of a new environment that has the lowest botocore before everything else."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    packages = [f"boto3=={LOWEST}", f"botocore=={LOWEST}", "aiobotocore"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    find_packages = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site_packages = subprocess.run(find_packages, check=True, capture_output=True, text=True).stdout.strip()
    Path(site_packages, "the_rest.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
