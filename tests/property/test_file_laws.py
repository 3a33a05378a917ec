"""Laws of the second source: dates in every spelling, no row lost, one id a match whatever else a file holds."""

import datetime as dt
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from match_assets.errors import DataError
from match_assets.source.files.reader import FileRow, read_seasons
from match_assets.source.files.season import Settled, settled, told_by
from match_assets.source.files.table import parse_date, read_table
from match_assets.source.files.teams import RegionTeams, shipped_aliases
from tests.written_files import COLUMNS, FULL, row, text

TEAMS = RegionTeams(252, shipped_aliases(), {})
NAMES = ("Arsenal", "Chelsea", "Everton", "Fulham", "Leeds")
CLOCK = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
# what hands have written into cells, and what they might
CELLS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "2", "3.0", "-1", "40", "H", "D", "A", "x", "inf", "17/08/2024", "2024-08-24", "Atlantis"]
    ),
    st.text(st.characters(exclude_characters=',"\r\n', exclude_categories=["Cs"]), max_size=8),
)
ODD_ROWS = st.dictionaries(st.sampled_from(COLUMNS), CELLS, max_size=6)


def rows_of(division: str, raw: bytes) -> tuple[tuple[FileRow, ...], int]:
    parts = read_seasons(Path("E0.csv"), raw, {"E0"})
    return tuple(each for part in parts if part.division == division for each in part.rows), sum(
        part.n_rows for part in parts
    )


def settle(raw: bytes) -> tuple[Settled, int]:
    rows, _ = rows_of("E0", raw)
    told, refused = told_by("E0.csv", CLOCK, rows, TEAMS)
    return settled("ENG-PremierLeague", "2024", told, []), len(rows) - len(refused)


@given(st.dates(dt.date(1969, 1, 1), dt.date(2068, 12, 31)))
def test_a_date_is_itself_in_every_spelling(day: dt.date) -> None:
    spellings = (day.isoformat(), f"{day:%d/%m/%Y}", f"{day:%d/%m/%y}", f"{day.day}/{day.month}/{day.year}")
    assert {parse_date(spelling) for spelling in spellings} == {day}


@given(st.lists(ODD_ROWS, max_size=12))
def test_every_row_is_a_record_or_refused_with_a_reason(changes: list[dict[str, str]]) -> None:
    raw = text(*({**FULL, **change} for change in changes)).encode()
    parts = read_seasons(Path("E0.csv"), raw, {"E0"})
    lines = sorted(
        [each.line for part in parts for each in part.rows] + [each.line for part in parts for each in part.refused]
    )
    assert lines == [line for line, _ in read_table(raw).rows]
    assert all(remark.kind and remark.detail for part in parts for remark in part.refused)


@given(st.binary(max_size=400), st.binary(max_size=60))
def test_whatever_bytes_a_file_holds_it_is_read_or_refused(raw: bytes, inserted: bytes) -> None:
    whole = text(row()).encode()
    for attempt in (raw, whole[:150] + inserted + whole[150:]):
        with suppress(DataError):
            read_seasons(Path("E0.csv"), attempt, {"E0"})


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 250), st.permutations(NAMES), st.sampled_from(["0-0", "2-1", "0-3"])),
        max_size=25,
    ),
    st.randoms(use_true_random=False),
)
def test_matches_and_ids_do_not_depend_on_the_order_of_rows(
    matches: list[tuple[int, list[str], str]], random: object
) -> None:
    first = dt.date(2024, 8, 10)
    rows = [
        row(f"{first + dt.timedelta(days=days):%d/%m/%Y}", names[0], names[1], score) for days, names, score in matches
    ]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    (one, n_one), (other, n_other) = settle(text(*rows).encode()), settle(text(*shuffled).encode())
    told = [
        {number: (item.row.day, item.row.home, item.row.away, item.row.goals) for number, item in each.standing.items()}
        for each in (one, other)
    ]
    assert told[0] == told[1]
    for found, n_told in ((one, n_one), (other, n_other)):
        assert len(found.standing) + len(found.refused) + len(found.repeated) == n_told
    days = [(name, item.row.day) for item in one.standing.values() for name in (item.row.home, item.row.away)]
    assert len(days) == len(set(days))
