"""What Dagster itself can say about when a data asset must run again, and where sensors have to.

Conditions know the events of Dagster and nothing of the store. They say, of the five tables behind the raw export, that a
table follows its inputs: when the data version of one changed, its gate passed and nothing is under way, it is made *again*.
That is what happens after a run of the ``season`` job on an old season (the later ones replay it), after a click on
*Materialize* and after a backfill from the webserver. ``carry_on`` asks for those runs, one a season, level by level.

What they cannot say belongs to the sensors of this package:

* what changed outside Dagster: the source, the warehouse, ``params.yaml``, a rule that was mended; what was never made;
* what happened before the first look, which only sets a baseline, or while ``carry_on`` was off;
* many seasons at once: a run for each would take minutes where the bulk job takes seconds. What a bulk run changed is
  therefore no trigger here; ``missing_or_late`` follows it up, by the inputs that the accepted versions name;
* rows before a cut-off: a new match day changes the version of a table and nothing of what an old cut-off reads.

So that nothing runs twice, ``missing_or_late`` leaves what follows another run to the conditions for
``LEFT_TO_CONDITIONS_SECONDS`` and steps back while a run of theirs is unfinished.
"""

import dagster as dg

# the tag of runs that carry whole seasons and are followed up by `missing_or_late`
CARRIES_SEASONS = "carries"
LEFT_TO_CONDITIONS_SECONDS = 300.0

_Condition = dg.AutomationCondition
_has_news = _Condition.data_version_changed() & ~_Condition.all_new_updates_have_run_tags(tag_keys={CARRIES_SEASONS})
_follows_inputs = (
    _Condition.any_deps_match(_has_news).since(_Condition.newly_requested() | _Condition.newly_updated())
    & _Condition.all_deps_blocking_checks_passed()
    # a first time is the sensor's: replayed results would ask for seasons that do not exist
    & ~_Condition.missing()
    & ~_Condition.any_deps_in_progress()
    & ~_Condition.in_progress()
)

SAME_SEASON = (_follows_inputs & ~_Condition.any_deps_missing()).with_label("an input of the same season changed")
# seasons that never existed are missing for ever as inputs; and a season is not asked for in one look with the results it replays
REPLAYED = (_follows_inputs & ~_Condition.any_deps_match(_Condition.will_be_requested())).with_label(
    "results of this or an earlier season changed"
)

FOLLOWERS = ("finished_matches", "upcoming_matches", "team_match_features", "team_state", "match_features")

carry_on = dg.AutomationConditionSensorDefinition(
    "carry_on",
    target=dg.AssetSelection.assets(*FOLLOWERS),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    emit_backfills=False,
    run_tags={"reason": "an input changed"},
    description=(
        "Makes a table again when the data version of an input changed in a run that does not itself carry the season on: "
        "later seasons that replay a corrected result, what follows a table that was materialised by hand. Runs of the "
        "bulk job are followed up by `missing_or_late` instead."
    ),
)
