"""A run in a closed network: the proxy of the AWS connection is the one way out, and it does not lead to IAM."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import pytest

from tests.support.call_faults import CallFaults
from tests.support.forward_proxy import ENDPOINT, HOST, forward_proxy
from tests.support.model_life import ModelLife
from tests.support.runner import Runner

#: Names that the proxy refuses, as a proxy does that has no rule for a service.
CLOSED = {service: f"http://{service}.closed.test" for service in ("iam", "kms", "service-quotas")}


def test_a_run_whose_only_way_out_is_the_connections_proxy_ends_green_without_iam_kms_and_quotas(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    life = ModelLife(runner, "team-behind-a-proxy", CallFaults())
    with forward_proxy(urlsplit(runner.aws.endpoint_url).port or 0) as proxy, life.faults.watching():
        closed = {service: {"endpoint_url": url} for service, url in CLOSED.items()}
        runner.connect(monkeypatch, endpoint_url=ENDPOINT, config_kwargs=proxy.config_kwargs, service_config=closed)
        with caplog.at_level(logging.WARNING):
            done = life.import_first()
        life.look_at_the_page()
        assert life.hear_of_a_fine_tune()
    assert done["record_answer"]["status"] == "Approved"
    assert life.wrong == []
    life.assert_nothing_was_made_twice()
    assert proxy.passed.keys() == {HOST}
    assert proxy.refused.keys() == {urlsplit(url).hostname for url in CLOSED.values()}
    # Nothing went past the proxy: it saw every call that botocore and aiobotocore made.
    assert proxy.passed.total() + proxy.refused.total() == life.faults.seen.total()
    for check in ("import role", "caller permissions", "KMS key", "The quota of imported models was not checked"):
        assert check in caplog.text
