"""``python -m serving``: the service under uvicorn.

Listens at ``MATCH_ASSETS_SERVICE_HOST`` and ``MATCH_ASSETS_SERVICE_PORT``, else where
``MATCH_ASSETS_SERVICE_URL`` says.
"""

import logging
import os
from urllib.parse import urlsplit

import uvicorn
from prometheus_client import disable_created_metrics

from match_assets.config import Settings, load_params, load_settings
from match_assets.errors import ConfigurationError, MatchAssetsError
from serving.app import create_app

LOGGER = logging.getLogger(__name__)

HOST_VARIABLE = "MATCH_ASSETS_SERVICE_HOST"
PORT_VARIABLE = "MATCH_ASSETS_SERVICE_PORT"
SHUTDOWN_SECONDS = 10


def address(settings: Settings, environment: dict[str, str]) -> tuple[str, int]:
    """Host and port to listen at.

    Raises:
        ConfigurationError: a variable holds no port.
    """
    url = urlsplit(settings.service_url)
    host = environment.get(HOST_VARIABLE) or url.hostname or "127.0.0.1"
    text = environment.get(PORT_VARIABLE) or str(url.port or 8000)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{PORT_VARIABLE}={text!r} is no port; give a number from 1 to 65535")
    return host, int(text)


def main() -> None:
    """Serves until SIGTERM or SIGINT; requests under way get some seconds to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings, params = load_settings(), load_params()
        host, port = address(settings, dict(os.environ))
    except MatchAssetsError as error:
        # the message alone: a wrong setting needs no traceback
        LOGGER.error("%s", error.message)  # noqa: TRY400
        raise SystemExit(error.exit_code) from None
    # when a series was made says nothing here, and doubles their number
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    uvicorn.run(
        create_app(settings, params),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
