"""The network lets nothing out but what goes through the AWS connection's proxy."""

from __future__ import annotations

from tests.faults.conftest import Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_imported_once
from tests.support.forward_proxy import HOST, forward_proxy


def test_an_import_goes_through_the_connections_proxy_from_preflight_to_the_report(
    installation: Installation, start: Start
) -> None:
    with forward_proxy(installation.aws_port, installation.proxy_port) as proxy:
        assert_imported_once(start("import_proxied"))
    assert proxy.passed[HOST]
    assert not proxy.refused
