"""Every key that captured pages hold where we read: what stands beside them is new, is ignored and is counted.

Most of them are not read. They are listed so that only a real novelty is reported, which is the first sign of a layout
about to change.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FEED = _names(
    "createdAt version timeout tournaments localization meta showOddsToggle isSummary oddsToggled bookmakerCode bookmakers"
    " timezoneOffset locale calendarType fixtureDate"
)
FEED_TOURNAMENT = _names(
    "tournamentId stageId stageName regionId tournamentName seasonName seasonId stageSortOrder sex tournamentSortOrder"
    " regionCode regionName isOpta navigationDisplayMode matches"
)
FEED_MATCH = _names(
    "stageId id status startTime startTimeUtc homeTeamId homeTeamName homeYellowCards homeRedCards homeTeamCountryCode"
    " homeTeamCountryName homeScore homeExtratimeScore homePenaltyScore awayTeamId awayTeamName awayYellowCards"
    " awayRedCards awayTeamCountryCode awayTeamCountryName awayScore awayExtratimeScore awayPenaltyScore elapsed period"
    " lastScorer winnerField aggregateWinnerField extraResultField scoreChangedAt startedAtUtc firstHalfEndedAtUtc"
    " secondHalfStartedAtUtc incidents bets hasIncidentsSummary hasPreview isTopMatch commentCount isLineupConfirmed"
    " isStreamAvailable matchIsOpta"
)
HEADER = frozenset({"input", "matchId"})
MATCH_CENTRE = _names(
    "playerIdNameDictionary periodMinuteLimits timeStamp attendance venueName referee weatherCode elapsed startTime"
    " startDate score htScore ftScore etScore pkScore statusCode periodCode home away maxMinute minuteExpanded maxPeriod"
    " expandedMinutes expandedMaxMinute periodEndMinutes commonEvents events timeoutInSeconds"
)
TEAM = _names(
    "teamId name field countryName managerName averageAge formations players incidentEvents scores shotZones stats"
)
# Of teams and of players: the goalkeeper's are the team's, should they ever stand there.
STATISTICS = _names(
    "aerialSuccess aerialsTotal aerialsWon claimsHigh clearances collected cornersAccurate cornersTotal defensiveAerials"
    " dispossessed dribbleSuccess dribbledPast dribblesAttempted dribblesLost dribblesWon errors foulsCommited"
    " interceptions minutesWithStats offensiveAerials offsidesCaught parriedDanger parriedSafe passSuccess passesAccurate"
    " passesKey passesTotal possession ratings shotsBlocked shotsOffTarget shotsOnPost shotsOnTarget shotsTotal"
    " tackleSuccess tackleSuccessful tackleUnsuccesful tacklesTotal throwInAccuracy throwInsAccurate throwInsTotal"
    " totalSaves touches"
)
EVENT = _names(
    "$idx $len blockedX blockedY cardType endX endY eventId expandedMinute field goalMouthY goalMouthZ id isGoal isShot"
    " isTouch minute minuteInfo outcomeType period playerId qualifiers relatedEventId relatedPlayerId"
    " satisfiedEventsTypes satisfiers second teamId text type x y"
)
