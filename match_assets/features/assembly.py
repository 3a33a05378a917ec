"""What is derived from other columns, once: ratios within a team's row, differences between the two teams of a match."""

import numpy as np

from match_assets.features.layout import Floats, Ints, compiled

LAYOUT = "c550c34d"


@compiled
def ratios(rows: Floats, numerators: Ints, denominators: Ints, first: int) -> None:
    """Write the ratios of pairs of rows from row ``first`` on; NaN where either is unknown or the denominator is 0."""
    for place in range(numerators.size):
        upper, lower, target = rows[numerators[place]], rows[denominators[place]], rows[first + place]
        for column in range(rows.shape[1]):
            target[column] = upper[column] / lower[column] if lower[column] != 0.0 else np.nan


@compiled
def sides_and_differences(rows: Floats, compared: Ints, wide: Floats) -> None:
    """Both teams of a match beside each other, then the home value minus the away value of those compared.

    Args:
        rows: (f, 2 n) team features; column 2 m + venue.
        compared: (d,) rows whose difference is taken.
        wide: (at least 2 f + d, n), written: home and away of each feature in turn, then the differences.
    """
    n_features, n = rows.shape[0], wide.shape[1]
    for feature in range(n_features):
        for match in range(n):
            wide[2 * feature, match] = rows[feature, 2 * match]
            wide[2 * feature + 1, match] = rows[feature, 2 * match + 1]
    for place in range(compared.size):
        for match in range(n):
            row = rows[compared[place]]
            wide[2 * n_features + place, match] = row[2 * match] - row[2 * match + 1]
