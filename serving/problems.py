"""Every error as a problem document (RFC 9457), and the one table from our errors to HTTP."""

import http
import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from match_assets.errors import (
    ConfigurationError,
    DataError,
    DependencyUnavailableError,
    MatchAssetsError,
    ModelError,
    StoreError,
    UnknownTeamError,
)
from serving.schemas import Problem, Refusal

LOGGER = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 5

# The nearest class in the error's ancestry decides; what is not listed is a fault of ours (500).
STATUS_OF: dict[type[MatchAssetsError], int] = {
    UnknownTeamError: 422,
    DataError: 422,
    DependencyUnavailableError: 503,
    StoreError: 503,
    ModelError: 503,
    ConfigurationError: 503,
}

_READABLE_JSON = "the body is not readable as JSON"
UNREADABLE_BODY: dict[type[Exception], str] = {
    RecursionError: f"{_READABLE_JSON}: it is nested too deeply",
    UnicodeDecodeError: f"{_READABLE_JSON}: it is not valid UTF-8",
}


class RefusedRequestError(MatchAssetsError):
    """A request that cannot be answered as it stands; ``status`` is the HTTP status that says so.

    ``retry_after`` is in seconds, and counts where the status says that the request may be sent again.
    """

    def __init__(self, status: int, message: str, *, retry_after: int = RETRY_AFTER_SECONDS, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.status = status
        self.retry_after = retry_after


def status_of(error: MatchAssetsError) -> int:
    """HTTP status of one of our errors."""
    if isinstance(error, RefusedRequestError):
        return error.status
    return next((STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF), 500)


def title_of(status: int) -> str:
    """The status in words, as HTTP has it."""
    return http.HTTPStatus(status).phrase


def refusal(error: MatchAssetsError) -> Refusal:
    """The error of one batch item."""
    status = status_of(error)
    return Refusal(status=status, title=title_of(status), detail=error.message)


def problem_response(
    request: Request[Any, Any, Any],
    status: int,
    detail: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    retry_after: int = RETRY_AFTER_SECONDS,
) -> Response[bytes]:
    """A problem document with the request's id; 429 and 503 say when to come back."""
    headers = dict(headers or {})
    if status in {429, 503}:
        headers.setdefault("Retry-After", str(retry_after))
    problem = Problem(
        type="about:blank",
        title=title_of(status),
        status=status,
        detail=detail,
        instance=request.scope["path"],
        request_id=str(request.scope.get("state", {}).get("request_id", "")),
        errors=errors or [],
    )
    return Response(msgspec.json.encode(problem), status_code=status, media_type=PROBLEM_JSON, headers=headers)


def on_our_error(request: Request[Any, Any, Any], error: MatchAssetsError) -> Response[bytes]:
    """Our own errors, by the table; what a client cannot mend is logged with its facts and told in general words."""
    status, shown, retry_after = status_of(error), error.message, RETRY_AFTER_SECONDS
    if isinstance(error, RefusedRequestError):
        retry_after = error.retry_after
    if status >= 500:
        LOGGER.warning("%s on %s: %s", type(error).__name__, request.scope["path"], error.message)
        if not isinstance(error, RefusedRequestError):
            shown = "a part that this answer needs is away; try again"
    return problem_response(request, status, shown, retry_after=retry_after)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's own refusals: no such route, method not allowed, body too large, a field of the wrong type."""
    status = error.status_code
    if isinstance(error, ValidationException):
        faults = [fault for fault in error.extra or [] if isinstance(fault, dict)]
        named = "; ".join(_fault_in_words(fault) for fault in faults)
        return problem_response(request, status, named or "the request is not of the expected shape", errors=faults)
    detail = {
        404: f"nothing is at {request.scope['path']}; the interface is described at /schema",
        405: f"{request.scope['path']} does not take {request.scope['method']}",
    }.get(status)
    if detail is None:
        detail = f"{_READABLE_JSON}: {error.detail}" if status == 400 else error.detail
    return problem_response(request, status, detail, headers=error.headers)


def on_unreadable_body(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A body on which the JSON reader gives up with an error of Python's own; Litestar alone would answer 500."""
    return problem_response(request, 400, UNREADABLE_BODY[type(error)])


def on_any_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: everything into the log, nothing of it to the client but the request id."""
    LOGGER.error("unexpected %s on %s", type(error).__name__, request.scope["path"], exc_info=error)
    return problem_response(request, 500, "an error of the service, logged under this request id")


def _fault_in_words(fault: dict[str, Any]) -> str:
    message, key = str(fault.get("message", "")), str(fault.get("key", ""))
    if fault.get("source") == "body" and key == "data":
        # Litestar names its own parameter where the body as a whole is meant
        return "the body is missing" if message == "'data'" else f"the body: {message}"
    return f"{key}: {message}" if key else message
