"""What is downloaded in place of a large file: git-lfs's pointer, or a page that asks to log in."""

from __future__ import annotations

from include.checkpoint.files.defects import GitLfsPointerError, HtmlPageError

# The first line of a pointer: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html")


def refuse_placeholder(name: str, head: bytes) -> None:
    """Raise GitLfsPointerError or HtmlPageError when a file that begins with ``head`` is a pointer or a web page."""
    if head.startswith(POINTER):
        raise GitLfsPointerError(name, "the file's content", "a git-lfs pointer")
    if head[: len(POINTER)].lstrip().lower().startswith(_PAGES):
        raise HtmlPageError(name, "the file's content", "a web page")
