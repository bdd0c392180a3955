"""Security headers of every response: no foreign content, no framing elsewhere, no caching."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from model_imports_page.presentation import static_version

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


#: For script and style sheet, which have another address when they have changed.
KEEP = "private, max-age=604800, immutable"


def _may_be_kept(request: Request) -> bool:
    return "/static/" in request.url.path and request.query_params.get("v") == static_version()


async def add_security_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add the headers that a route did not set itself."""
    response = await call_next(request)
    response.headers.setdefault(CONTENT_SECURITY_POLICY, PAGE_POLICY)
    response.headers.setdefault("Cache-Control", KEEP if _may_be_kept(request) else "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
