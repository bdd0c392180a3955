"""Print the constraints of an older Airflow: constraints.txt with the few versions that it needs instead.

Usage: ``python -m deploy.constraints 3.2.2 > constraints-3.2.2.txt``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CURRENT = ROOT / "constraints.txt"
#: By version of Airflow: what its own requirements do not let stay as in constraints.txt, the newest that they allow.
INSTEAD = {
    "3.1.8": {
        "aiosqlite": "0.21.0",
        "cadwyn": "5.4.6",
        "fastapi": "0.117.1",
        "sqlalchemy-jsonfield": "1.0.3",
        "starlette": "0.48.0",
        "universal_pathlib": "0.2.6",
    },
    "3.2.1": {"aiosqlite": "0.21.0", "starlette": "0.52.1"},
    "3.2.2": {"aiosqlite": "0.21.0"},
    "3.3.2": {},
}


class UntriedAirflowError(ValueError):
    """The project was not tried on this version of Airflow."""

    def __init__(self, version: str) -> None:
        super().__init__(f"There are no constraints for Airflow {version}; expected one of {', '.join(INSTEAD)}")


def constraints(version: str) -> str:
    """Return the constraints of an Airflow version, as text.

    Raises:
        UntriedAirflowError: the project was not tried on it.
    """
    if version not in INSTEAD:
        raise UntriedAirflowError(version)
    pins = dict(line.split("==") for line in CURRENT.read_text("utf-8").splitlines() if not line.startswith("#"))
    pins |= {"apache-airflow": version, "apache-airflow-core": version}
    pins |= {"apache-airflow-task-sdk": f"1.{version.removeprefix('3.')}", **INSTEAD[version]}
    lines = [f"{name}=={pins[name]}" for name in sorted(pins, key=str.lower)]
    return "\n".join([f"# For Airflow {version}; made by: python -m deploy.constraints {version}", *lines]) + "\n"


def main() -> None:
    """Print the constraints of the version that the command names."""
    parser = argparse.ArgumentParser(prog="python -m deploy.constraints", description=__doc__)
    parser.add_argument("version", choices=INSTEAD, help="version of Airflow")
    sys.stdout.write(constraints(parser.parse_args().version))


if __name__ == "__main__":
    main()
