from __future__ import annotations

import pickle

import pytest

from include.local_aws.__main__ import parse_settings
from include.local_aws.server import LocalAwsError, NotLoopbackError, PortTakenError, listening
from include.local_aws.settings import Settings


def test_every_setting_is_an_option() -> None:
    chosen = parse_settings(["--port", "4566", "--import-seconds", "0.5", "--max-running-jobs", "2"])
    assert chosen == Settings(port=4566, import_seconds=0.5, max_running_jobs=2)
    assert parse_settings([]) == Settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_any_loopback_address_is_listened_on(host: str) -> None:
    with listening(host, 0) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", ""])
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(NotLoopbackError, match="loopback only"), listening(host, 0):
        pass


def test_a_taken_port_is_refused_by_number() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Port {port} on 127.0.0.1"), listening("127.0.0.1", port):
            pass


@pytest.mark.parametrize("error", [NotLoopbackError("0.0.0.0"), PortTakenError("127.0.0.1", 80)])
def test_errors_survive_pickling(error: LocalAwsError) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
