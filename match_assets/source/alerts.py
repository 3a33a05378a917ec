"""Alerts: what a person must look at. A row that stays until it is acknowledged, a line in the log, and a webhook.

The row comes first and is the only part that must succeed; a webhook that fails is logged and changes nothing.
"""

import asyncio
import datetime as dt
import logging
from typing import Any, Literal

import httpx
import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.sql import func

from match_assets.warehouse.schema import alerts

LOG = logging.getLogger(__name__)
WEBHOOK_SECONDS = 3.0
Kind = Literal["blocked"]


class Alert(msgspec.Struct, frozen=True):
    """One alert.

    Attributes:
        kind: what happened.
        subject: what it is about: a host.
        message: what a person reads.
        facts: what a program reads; texts and numbers.
    """

    kind: Kind
    subject: str
    message: str
    facts: dict[str, Any]


class OpenAlert(msgspec.Struct, frozen=True):
    """An alert that nobody has acknowledged, as it stands in the warehouse."""

    kind: str
    subject: str
    message: str
    raised_at: dt.datetime


def record(connection: Connection, alert: Alert) -> None:
    """Add ``alert`` in the caller's transaction."""
    connection.execute(insert(alerts).values(msgspec.structs.asdict(alert)))


def acknowledge(connection: Connection, kind: Kind, subject: str) -> int:
    """Mark the open alerts of one kind and subject as seen; how many there were."""
    statement = (
        update(alerts)
        .where(alerts.c.kind == kind, alerts.c.subject == subject, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=func.clock_timestamp())
    )
    return int(connection.execute(statement).rowcount)


def open_alerts(connection: Connection) -> tuple[OpenAlert, ...]:
    """Alerts that nobody has acknowledged, the newest first."""
    names = [alerts.c[name] for name in OpenAlert.__struct_fields__]
    rows = connection.execute(
        select(*names).where(alerts.c.acknowledged_at.is_(None)).order_by(alerts.c.alert_id.desc())
    )
    return tuple(OpenAlert(**row) for row in rows.mappings())


async def announce(alert: Alert, webhook: str | None) -> None:
    """Tell the log and, where there is one, the webhook; never raises for a webhook that does not take it."""
    LOG.error("%s", alert.message)
    if not webhook:
        return
    try:
        # httpx limits each step, this limits them all together
        async with asyncio.timeout(WEBHOOK_SECONDS), httpx.AsyncClient(timeout=WEBHOOK_SECONDS) as client:
            answer = await client.post(webhook, json=msgspec.to_builtins(alert))
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        # the address itself is not logged: its path is often the key
        LOG.warning("the alert did not reach MATCH_ASSETS_ALERT_URL: %s", type(error).__name__)
