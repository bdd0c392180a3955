"""Clear what a run left in the workspace."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from include.aws.s3 import request
from include.aws.s3_uri import S3Uri
from include.run.workspace import Workspace, clear_run_workspace, run_workspace

log = logging.getLogger(__name__)


def clear_workspace(root: str, dag_id: str, run_id: str, connect: Callable[[], Any]) -> None:
    """Remove the run's files from the workspace: its folder, or the objects and open uploads under its prefix in S3.

    Args:
        root: the workspace.
        dag_id: the run's DAG.
        run_id: the run.
        connect: returns an S3 client, where the workspace is in S3.

    Raises:
        WorkspaceOutsideRootError: a link leads out of a workspace that is a folder.
        SourceTooManyFilesError: there are more objects than any run leaves.
        S3RequestError: S3 refused a request.
    """
    files = Workspace(run_workspace(root, dag_id, run_id))
    if not files.in_s3:
        clear_run_workspace(root, dag_id, run_id)
        return
    files.clear_scratch()
    _clear_prefix(files.place, connect())


def _clear_prefix(uri: str, s3: Any) -> None:
    from include.delivery.destination import Destination
    from include.delivery.open_uploads import abort, list_open_uploads
    from include.sources.prefix import list_prefix

    destination = Destination(s3, *S3Uri.parse(uri))
    for upload in list_open_uploads(destination):
        abort(destination, upload.name, upload.upload_id)
    found = list_prefix(s3, uri)
    for pin in found.values():
        request(s3, "delete_object", pin.uri, S3Uri.parse(pin.uri).arguments)
    log.info("Removed %d objects under %s/", len(found), uri)
