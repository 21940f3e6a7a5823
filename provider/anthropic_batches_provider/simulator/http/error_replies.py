"""Refusals as HTTP answers: in the service's error envelope, or in HTML as a proxy in front of it sends them."""

from __future__ import annotations

from anthropic_batches_provider.simulator.http.replies import HTML, JSON, Reply
from anthropic_batches_provider.simulator.service.refusals import Refusal


def refusal_reply(refusal: Refusal, request_id: str, *, html: bool = False, body: str | None = None) -> Reply:
    """Wrap a refusal in the service's envelope; or with ``html`` or ``body`` in what a gateway sends instead."""
    headers = dict(refusal.headers)
    if refusal.status in (400, 401, 403, 404, 413):
        headers.setdefault("x-should-retry", "false")
    if body is not None:
        return Reply(refusal.status, body.encode(), JSON, headers, from_gateway=True)
    if html:
        return Reply(refusal.status, html_page(refusal.status, _title(refusal)), HTML, headers, from_gateway=True)
    return Reply(refusal.status, refusal.body(request_id), JSON, headers)


def _title(refusal: Refusal) -> str:
    return "Request Entity Too Large" if refusal.status == 413 else refusal.message


def html_page(status: int, title: str) -> bytes:
    """Write a page as a proxy in front of the API sends it."""
    text = f"{status} {title}"
    return (
        f"<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1></center>\r\n"
        "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
