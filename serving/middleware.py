"""Around every request, matched or not: its id, its metrics, and headers that keep browsers careful."""

import re
import uuid
from typing import Any

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import ServiceMetrics, Stopwatch

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # styles stand in the page itself; nothing else may load, from anywhere
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}


class RequestEnvelope:
    """ASGI middleware that wraps the whole application, so that it also sees what no route takes.

    Litestar's own middleware stack runs per route: a 404 for an unknown path would have no id and no metric there.
    """

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request and counts it under its route template."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["state"]["request_id"] = request_id
        status = 500
        watch = Stopwatch()

        async def named_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableScopeHeaders.from_message(message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with self._metrics.in_progress.track_inprogress():
            try:
                await self._app(scope, receive, named_send)
            finally:
                method, route = _method(scope), _route(scope)
                self._metrics.requests.labels(method, route, str(status)).inc()
                self._metrics.request_seconds.labels(method, route).observe(watch.seconds())


def _request_id(scope: Any) -> str:
    """The client's own id where it is harmless in headers and logs, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex


def _method(scope: Any) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Any) -> str:
    """The route template; what no route took is one label, however many paths there are."""
    return str(scope["path_template"]) or "/" if "route_handler" in scope else "unmatched"
