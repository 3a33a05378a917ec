"""The stages in the order of the flow, which partitions exist, and which of them are stale."""

import datetime as dt
from dataclasses import dataclass

from match_assets.errors import ConfigurationError
from match_assets.keys import DataKey, month_floor
from match_assets.stages.base import Stage, StageContext, refusal, staleness
from match_assets.stages.cutoffs import data_reach
from match_assets.stages.feature_rows import MATCH_FEATURES, TEAM_MATCH_FEATURES, TEAM_STATE
from match_assets.stages.interim import FINISHED_MATCHES, UPCOMING_MATCHES
from match_assets.stages.modelling import (
    ABLATION_STUDY,
    BASELINE_MODELS,
    CALIBRATED_MODEL,
    TEMPORAL_SPLIT,
    TUNED_PARAMETERS,
)
from match_assets.stages.raw import RAW_MATCH_STATS, RAW_MATCHES
from match_assets.stages.registry import PROMOTION_DECISION, REGISTERED_MODEL
from match_assets.warehouse import planning
from match_assets.warehouse.planning import KnownMonth
from match_assets.warehouse.reading import catalogue, live_partitions

DATA_STAGES: tuple[Stage, ...] = (
    RAW_MATCHES,
    RAW_MATCH_STATS,
    FINISHED_MATCHES,
    UPCOMING_MATCHES,
    TEAM_MATCH_FEATURES,
    TEAM_STATE,
    MATCH_FEATURES,
)
CUTOFF_STAGES: tuple[Stage, ...] = (
    TEMPORAL_SPLIT,
    BASELINE_MODELS,
    ABLATION_STUDY,
    TUNED_PARAMETERS,
    CALIBRATED_MODEL,
    REGISTERED_MODEL,
    PROMOTION_DECISION,
)


@dataclass(frozen=True)
class Stale:
    """A partition of a stage that must be made again, and why."""

    stage: str
    partition: str
    reason: str


def known_partitions(context: StageContext) -> list[str]:
    """Data partitions that ``params.yaml`` asks for and the source was seen to list, or a file was imported for.

    History comes before what builds on it. A file's season may be older than the first that the source is asked for.
    """
    first = str(context.params.ingestion.first_season)
    keys = {
        DataKey(entry.tournament, entry.season)
        for entry in catalogue(context.engine)
        if entry.tournament in context.params.tournaments and (entry.season >= first or entry.season_id < 0)
    }
    return [str(key) for key in sorted(keys)]


def seasons_to_visit(context: StageContext, now: dt.datetime) -> dict[str, str]:
    """Partitions that a daily visit has something to ask for, each with what that is; history before what builds on it.

    Due is what the frontier says. To that come live seasons with matches to come, whose months every visit reads, and
    those of which nothing was read yet: a new season's calendar may be out today.

    Args:
        context: warehouse and parameters.
        now: our clock, by which the source's is carried on since it last told it.
    """
    wanted = {
        key: ", ".join(f"{n} × {what}" for what, n in sorted(due.items()))
        for key, due in planning.due_partitions(context.engine, now).items()
    }
    live = set(live_partitions(context.engine))
    for entry in catalogue(context.engine):
        key = entry.partition_key
        if entry.season_id > 0 and key in live and key not in wanted:
            months = planning.known_months(context.engine, entry.season_id)
            if not months:
                wanted[key] = "nothing of it was read yet"
            elif any(map(_is_asked_every_time, months)):
                wanted[key] = "matches to come"
    return {key: wanted[key] for key in known_partitions(context) if key in wanted}


def _is_asked_every_time(month: KnownMonth) -> bool:
    return month.site_time is None or (month.due_at is not None and month.due_at <= month.site_time)


def ordered(partitions: list[str]) -> list[str]:
    """Data partitions with history before what builds on it, each once.

    Raises:
        ConfigurationError: a key is not ``season|tournament``.
    """
    return [str(key) for key in sorted({DataKey.parse(text) for text in partitions})]


def stale_data(context: StageContext) -> list[Stale]:
    """Every stale data partition as things stand now; what they will make stale in turn is found once they are made.

    A stage that refused today's inputs stops its partition there, as in a run: asking again would be refused again.
    """
    found = []
    seen = context.recalled()
    for partition in known_partitions(context):
        for stage in DATA_STAGES:
            if refusal(stage, seen, partition):
                break
            if reason := staleness(stage, seen, partition):
                found.append(Stale(stage.name, partition, reason))
    return found


def reached_cutoff(context: StageContext) -> str | None:
    """The newest cut-off that the accepted results reach, or None before the first one."""
    reach = data_reach(context)
    if reach is None:
        return None
    cutoff = month_floor(reach)
    return cutoff.isoformat() if cutoff >= context.params.split.first_cutoff else None


def stale_cutoff(context: StageContext, cutoff: str) -> list[Stale]:
    """Stages of a cut-off that must run again."""
    return [
        Stale(stage.name, cutoff, reason) for stage in CUTOFF_STAGES if (reason := staleness(stage, context, cutoff))
    ]


def stage_named(name: str) -> Stage:
    """The stage of an asset.

    Raises:
        ConfigurationError: no stage bears that name.
    """
    for stage in (*DATA_STAGES, *CUTOFF_STAGES):
        if stage.name == name:
            return stage
    known = ", ".join(stage.name for stage in (*DATA_STAGES, *CUTOFF_STAGES))
    raise ConfigurationError(f"no asset is called {name}; there are {known}", asset=name)
