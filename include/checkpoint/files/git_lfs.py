"""Files that a clone without git-lfs leaves in place of large ones."""

from __future__ import annotations

from include.checkpoint.files.defects import GitLfsPointerError

# The first line of a pointer: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
POINTER = b"version https://git-lfs.github.com/spec/"


def refuse_git_lfs_pointer(name: str, head: bytes) -> None:
    """Raise GitLfsPointerError when a file that begins with ``head`` is a pointer."""
    if head.startswith(POINTER):
        raise GitLfsPointerError(name, "the file's content", "a git-lfs pointer")
