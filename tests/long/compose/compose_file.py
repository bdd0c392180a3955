"""docker-compose.yaml read as Docker Compose reads it, and brought from containers to processes of one machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from include.run.workspace import PROJECT_ROOT

FILE = PROJECT_ROOT / "docker-compose.yaml"
IMAGE_HOME = "/opt/airflow"
#: ${NAME}, ${NAME:-default}, ${NAME:?message}, and the dollar that is meant as one.
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<kind>:-|:\?)(?P<rest>[^}]*))?\}")


class Service(NamedTuple):
    """A service as a process: what it runs, with which environment, and how one asks whether it is healthy."""

    name: str
    command: list[str]
    environment: dict[str, str]
    health_check: list[str] | None


class Machine(NamedTuple):
    """What takes the place of what containers have of their own: networks, volumes and the image's files.

    ``ports`` maps a service's name and port to a port of loopback, ``folders`` a path in a container to one here.
    """

    ports: Mapping[tuple[str, int], int]
    folders: Mapping[str, Path]

    def on_host(self, text: str) -> str:
        """Return the text with addresses and paths of containers replaced by those of this machine."""
        for (service, port), here in self.ports.items():
            text = re.sub(rf"\b{service}:{port}\b", f"127.0.0.1:{here}", text)
            text = re.sub(rf"@{service}/", f"@127.0.0.1:{here}/", text)  # a database's default port is not written
        for inside in sorted(self.folders, key=len, reverse=True):
            text = text.replace(inside, str(self.folders[inside]))
        return text

    def own_ports(self, service: str, text: str) -> str:
        """Return the text of a service's own command or check, in which its own ports stand alone."""
        for (name, port), here in self.ports.items():
            if name == service:
                text = re.sub(rf"\b(127\.0\.0\.1:)?{port}\b", lambda found, to=here: f"{found[1] or ''}{to}", text)
        return text


def interpolate(value: object, settings: Mapping[str, str]) -> str:
    """Return the text with the variables of the .env file filled in, by Compose's rules; a lacking one is an error."""

    def fill(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        given = settings.get(found["name"], "")
        if found["kind"] == ":?" and not given:
            raise KeyError(found["name"])
        return given or (found["rest"] if found["kind"] == ":-" else "")

    return _VARIABLE.sub(fill, str(value))


def read_service(name: str, settings: Mapping[str, str], machine: Machine) -> Service:
    """Return a service of the compose file as a process of this machine."""
    raw: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))["services"][name]

    def here(value: object) -> str:
        return machine.on_host(interpolate(value, settings))

    environment = {key: here(value) for key, value in raw.get("environment", {}).items()}
    test = raw.get("healthcheck", {}).get("test")
    return Service(
        name,
        [machine.own_ports(name, here(word)) for word in raw.get("command", [])],
        environment,
        [machine.own_ports(name, here(word)) for word in _argv(test)] if test else None,
    )


def _argv(test: list[str]) -> list[str]:
    kind, *words = test
    return words if kind == "CMD" else ["/bin/sh", "-c", *words]


def service_names(*, profile: str) -> list[str]:
    """Return the services that ``docker compose --profile`` starts."""
    services = yaml.safe_load(FILE.read_text("utf-8"))["services"]
    return [name for name, raw in services.items() if profile in raw.get("profiles", [profile])]
