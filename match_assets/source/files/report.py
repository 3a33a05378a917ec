"""What an import did, to the row: stored, told twice, refused with a reason, not asked for."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from match_assets.source.files.reader import Remark
from match_assets.source.files.teams import COLUMNS
from match_assets.warehouse.files import FileSeasonWrite
from match_assets.warehouse.links import Disagreement


class Row(msgspec.Struct, frozen=True):
    """A row and what is said about it."""

    file: str
    line: int
    kind: str
    detail: str

    @classmethod
    def of(cls, file: str, remark: Remark) -> "Row":
        """The remark with its file."""
        return cls(file, remark.line, remark.kind, remark.detail)


class SeasonReport(msgspec.Struct, frozen=True):
    """What became of one season; ``n_rows`` are its rows in all ``files``."""

    partition_key: str
    files: tuple[str, ...]
    n_rows: int
    n_stored: int
    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    pages_changed: int = 0
    n_statistics: int = 0
    n_superseded: int = 0
    missing: tuple[int, ...] = ()
    refused: tuple[Row, ...] = ()
    repeated: tuple[Row, ...] = ()
    flagged: tuple[Row, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def is_unchanged(self) -> bool:
        """True when the warehouse held all of it."""
        return not (self.inserted or self.changed or self.pages_changed or self.missing)


class FileReport(msgspec.Struct, frozen=True):
    """A file, or a league in it, of which nothing was stored."""

    file: str
    n_rows: int
    reason: str
    is_refused: bool


class UnmatchedName(msgspec.Struct, frozen=True):
    """A name that no alias knows, where it stands, and known names that look like it."""

    region_id: int
    name: str
    tournament: str
    seasons: tuple[str, ...]
    n_rows: int
    nearest: tuple[str, ...]


class ImportReport(msgspec.Struct, frozen=True):
    """One import of a folder; ``seconds`` are wall time."""

    seasons: tuple[SeasonReport, ...]
    files: tuple[FileReport, ...]
    unmatched: tuple[UnmatchedName, ...]
    corrected_aliases: tuple[str, ...]
    n_files: int
    seconds: float

    @property
    def n_rows(self) -> int:
        """Rows in all files."""
        return sum(season.n_rows for season in self.seasons) + sum(file.n_rows for file in self.files)

    @property
    def n_stored(self) -> int:
        """Rows that the warehouse holds now."""
        return sum(season.n_stored for season in self.seasons)

    @property
    def n_refused(self) -> int:
        """Rows that could not be stored."""
        return sum(len(season.refused) for season in self.seasons) + sum(
            file.n_rows for file in self.files if file.is_refused
        )

    @property
    def n_repeated(self) -> int:
        """Rows that another row tells already."""
        return sum(len(season.repeated) for season in self.seasons)

    @property
    def n_passed_over(self) -> int:
        """Rows that were not asked for."""
        return sum(file.n_rows for file in self.files if not file.is_refused)

    @property
    def n_flagged(self) -> int:
        """Stored rows with at least one flag."""
        return sum(len({(row.file, row.line) for row in season.flagged}) for season in self.seasons)

    @property
    def n_written(self) -> int:
        """Matches that are new, changed or missing, and half-times and statistics that changed."""
        return sum(
            season.inserted + season.changed + season.pages_changed + len(season.missing) for season in self.seasons
        )

    @property
    def rows_per_second(self) -> float:
        """Stored rows by wall time."""
        return self.n_stored / self.seconds if self.seconds > 0 else 0.0

    @property
    def is_whole(self) -> bool:
        """True when nothing was refused."""
        return self.n_refused == 0 and not any(file.is_refused for file in self.files)

    def kinds(self, what: str) -> dict[str, int]:
        """How often each kind of remark stands among the seasons' ``refused``, ``repeated`` or ``flagged``."""
        counted = Counter(row.kind for season in self.seasons for row in getattr(season, what))
        return dict(sorted(counted.items()))


def with_counts(report: SeasonReport, written: FileSeasonWrite) -> SeasonReport:
    """The report of a season with what writing it did."""
    # matches that a newer file no longer has are changes of the warehouse, not rows
    return msgspec.structs.replace(
        report,
        inserted=written.counts.inserted,
        changed=written.counts.changed - len(written.missing),
        unchanged=written.counts.unchanged,
        stale=written.counts.stale,
        pages_changed=written.pages.changed,
        n_superseded=len(written.superseded),
        missing=written.missing,
        disagreements=written.disagreements,
    )


def unmatched_csv(unmatched: Iterable[UnmatchedName]) -> str:
    """Unmatched names in the form of an alias file, for a person to fill in ``team_id``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "tournament", "seasons", "rows", "nearest"])
    for item in unmatched:
        notes = [item.tournament, " ".join(item.seasons), item.n_rows, "; ".join(item.nearest)]
        writer.writerow([item.region_id, item.name, "", *notes])
    return text.getvalue()


def shortened(path: Path, folder: Path) -> str:
    """A file's name within its folder, with forward slashes."""
    return path.relative_to(folder).as_posix()
