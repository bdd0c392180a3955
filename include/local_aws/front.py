"""What the stand-in answers at all: programs of this machine, and no web page that is open in its browser.

A page can send requests to loopback, and with a name of its own that leads there (DNS rebinding) it can read the
answers. The first come with an Origin, the second with that name as Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

OWN_PATH = "/_local_aws/"
HEALTH_PATH = f"{OWN_PATH}health"
#: Only a program can send it to another place than its own.
OWN_HEADER = "X-Local-Aws"
#: moto's recorder and reset, which take no credentials.
MOTO_PATH = "/moto-api"
#: Names that lead to this machine, and the service's in docker-compose.yaml; buckets may stand before them.
HOST_NAMES = ("localhost", "local-aws")


def refusal(environ: WSGIEnvironment) -> str | None:
    """Return why a request is refused; None where it is answered."""
    path, host = environ.get("PATH_INFO", ""), environ.get("HTTP_HOST", "")
    if "HTTP_ORIGIN" in environ:
        return "it has an Origin: web pages are not answered"
    if not _is_known(host):
        return f"its Host {host[:100]!r} is neither a loopback address nor {' or '.join(HOST_NAMES)}"
    if path.startswith(MOTO_PATH):
        return f"{MOTO_PATH} is not offered"
    if path.startswith(OWN_PATH) and path != HEALTH_PATH and "HTTP_X_LOCAL_AWS" not in environ:
        return f"it has no header {OWN_HEADER}"
    return None


def refusing(reason: str) -> WSGIApplication:
    """Return the application that refuses a request."""

    def answer(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        text = f"The stand-in for AWS refuses this request: {reason}.\n".encode()
        start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        return [text]

    return answer


def _is_known(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if any(name == known or name.endswith(f".{known}") for known in HOST_NAMES):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
