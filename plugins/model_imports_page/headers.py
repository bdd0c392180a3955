"""Headers of every answer: nothing is loaded from elsewhere, nothing is framed elsewhere, nothing is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
#: A report comes from S3 and is not ours to trust: no script, no origin, nothing from elsewhere.
REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
CONTENT_SECURITY_POLICY = "Content-Security-Policy"


async def add_security_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer a request, with headers that a route did not set itself."""
    response = await call_next(request)
    response.headers.setdefault(CONTENT_SECURITY_POLICY, PAGE_POLICY)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
