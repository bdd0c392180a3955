"""Errors about sources and the disk; defects of checkpoints are in ``defects``."""

from __future__ import annotations

from include.errors import ModelImportError


class SourceChangedError(ModelImportError):
    """A pinned file is not the one that was read before."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__("A source changed after it was read", uri, expected, found, "Start the run again.")


class SourceUnreadableError(ModelImportError):
    """A file or object cannot be read."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "A source cannot be read",
            uri,
            "a readable file or object",
            found,
            "Check its name and permissions.",
        )


class SourceTruncatedError(ModelImportError):
    """A range reaches past the end of its file."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__("A source is shorter than it should be", uri, expected, found, "Fetch or write it again.")


class S3ClientMissingError(ModelImportError):
    """An s3:// URI was given to a reader without an S3 client."""

    def __init__(self, uri: str) -> None:
        super().__init__("No S3 client was given to read this", uri, remedy="Pass an S3 client to UriReader.")


class FileNotInCheckpointError(ModelImportError):
    """A file was asked for that the checkpoint does not hold."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__("The checkpoint has no such file", name, found=found)
