"""The inputs of a run: base model and adapter, described by metadata and read by range."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from include.config.account import AccountConfig
from include.config.model import Dtype, ModelConfig
from include.run.local_paths import local_path
from include.run.plan import PREPARATION_VERSION
from include.run.workspace import CACHE, project_path
from include.sources.errors import HubModelNotDownloadedError
from include.sources.fingerprint import fingerprint
from include.sources.location import FolderLocation, Location, parse_location

if TYPE_CHECKING:
    from include.sources.finding import Role
    from include.sources.source import ReadableSource, Source

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class RunInputs(NamedTuple):
    """Base model, adapter and options: everything that the fingerprint covers.

    No field has a default: preflight and preparation must name the same content, whatever is added here.
    """

    base: Source
    adapter: Source | None
    dtype: Dtype

    @property
    def fingerprint(self) -> str:
        """Return 64 hexadecimal digits that identify this content and the way it is prepared."""
        adapter = self.adapter.files if self.adapter else ()
        options = {"preparation": PREPARATION_VERSION} | ({} if self.dtype == "keep" else {"dtype": self.dtype})
        return fingerprint(self.base.files, adapter, options)


def locate(spec: str, account: AccountConfig) -> Location:
    """Return the location that a model's file names; relative folders are relative to the project's root.

    Raises:
        SourceSpecInvalidError: it has none of the accepted forms.
        LocalPathOutsideError: it is a folder that may not be read.
        HubModelNotDownloadedError: it is not a folder, but looks like a model's name on the Hugging Face Hub.
    """
    location = parse_location(spec)
    if not isinstance(location, FolderLocation):
        return location
    path = local_path(str(location.path), account)
    if _HUB_NAME.fullmatch(spec) and not path.exists():
        raise HubModelNotDownloadedError(spec)
    return FolderLocation(path)


def cache_folder(config: ModelConfig) -> Path:
    """Return the folder of a worker that outlives runs: checksums and fetched sources."""
    return project_path(config.account.local_workspace) / CACHE


def describe(spec: str, config: ModelConfig, s3: Any, sagemaker: Any) -> Source:
    """Describe a source from metadata; raises what ``describe_source`` raises."""
    from include.sources.source import describe_source

    location, checksums = locate(spec, config.account), cache_folder(config) / "checksums"
    role: Role = "adapter" if spec == config.adapter else "base"
    return describe_source(location, role=role, s3=s3, sagemaker=sagemaker, cache_dir=checksums)


def describe_inputs(config: ModelConfig, s3: Any, sagemaker: Any) -> RunInputs:
    """Describe the run's inputs; raises what ``describe_source`` raises."""
    adapter = describe(config.adapter, config, s3, sagemaker) if config.adapter else None
    return RunInputs(describe(config.base, config, s3, sagemaker), adapter, config.dtype)


def fetch(source: Source, config: ModelConfig, s3: Any, *, as_folder: bool) -> ReadableSource:
    """Return a readable location of a source; sources that cannot be read by range are cached first.

    Raises what ``fetch_source`` does.
    """
    from include.sources.cache import SourceCache
    from include.sources.source import fetch_source

    cache = SourceCache(cache_folder(config) / "sources", config.account.cache_gigabytes * 10**9)
    limit = config.account.bytes_per_second
    return fetch_source(source, cache, s3=s3, as_folder=as_folder, bytes_per_second=limit)
