"""Sends each request to the app of its service: our Bedrock, S3 behind its guard, moto for the rest."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from include.local_aws import moto_patches
from include.local_aws.access.decisions import LEDGER
from include.local_aws.aws_errors import SCOPE, answer_errors_like_aws, unknown_service_app
from include.local_aws.bedrock.app import create_bedrock_app
from include.local_aws.bedrock.scope import BEARER
from include.local_aws.front import HEALTH_PATH, OWN_PATH, refusal, refusing
from include.local_aws.http_handler import KeepAliveRequestHandler
from include.local_aws.s3.guard import S3Guard
from include.local_aws.s3.stored_bytes import ByteStore
from include.local_aws.settings import Settings
from include.local_aws.training.jobs import TrainingJobs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BEDROCK_SERVICES = ("bedrock", "bedrockruntime", "bedrockagent")
"""moto's names of the services that sign as "bedrock"; it distinguishes them by path."""


class Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]
    """moto's dispatcher by signature, with the stand-in's own paths and apps."""

    def __init__(self, settings: Settings, byte_store: ByteStore, training: TrainingJobs) -> None:
        super().__init__(self._create_app)
        self._byte_store = byte_store
        self._bedrock = _bedrock_app(settings, training)
        self.close = training.end_all

    def get_application(self, environ: WSGIEnvironment) -> Any:
        """Return the app for a request."""
        if reason := refusal(environ):
            return refusing(reason)
        if environ.get("PATH_INFO", "").startswith(OWN_PATH):
            return self._bedrock
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if authorization.startswith(BEARER):
            return self._bedrock
        try:
            app = super().get_application(environ)
            signed = SCOPE.search(authorization)
            is_others = isinstance(app, S3Guard) and signed is not None and signed[1] != "s3"
            return unknown_service_app() if is_others else app  # moto takes what signs as s3-outposts for S3
        except (IndexError, KeyError):  # moto trips over an Authorization header or a target that it cannot read
            return unknown_service_app()

    def _create_app(self, service: Any) -> WSGIApplication:
        if service is None:
            return unknown_service_app()
        if service in BEDROCK_SERVICES:
            return self._bedrock
        app = create_backend_app(service)
        answer_errors_like_aws(app, service)
        return S3Guard(app, self._byte_store) if service == "s3" else app


def _bedrock_app(settings: Settings, training: TrainingJobs) -> Flask:
    app = create_bedrock_app(settings, training.endpoint_url)

    def script_training(fault: str) -> tuple[dict[str, Any], int]:
        known = training.faults.script(fault, request.get_json(silent=True) or {})
        return ({}, 200) if known else ({"message": f"There is no such fault of training jobs: {fault}"}, 400)

    app.add_url_rule(f"{OWN_PATH}training/<fault>", "training", script_training, methods=["POST"])
    app.add_url_rule(HEALTH_PATH, "health", lambda: {"status": "ok"})
    app.add_url_rule(f"{OWN_PATH}access", "access", lambda: {"decisions": LEDGER.of(request.args["caller"])})
    return app


def create_server(settings: Settings, listener: socket.socket, folder: Path) -> BaseWSGIServer:
    """Return the server of the stand-in on a listening socket. Object bytes go to `folder`."""
    byte_store = ByteStore(folder)
    moto_patches.apply(byte_store, settings)
    address, port = listener.getsockname()[:2]
    host = f"[{address}]" if ":" in address else address
    training = TrainingJobs(settings, folder, f"http://{host}:{port}")
    training.install()
    return make_server(
        address,
        port,
        Dispatcher(settings, byte_store, training),
        threaded=True,
        request_handler=KeepAliveRequestHandler,
        fd=listener.fileno(),
    )
