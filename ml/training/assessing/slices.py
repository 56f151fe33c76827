"""Rows cut into groups by one column: the slices of the declaration, and the groups of a sensitive column."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.assessing.facts import Slice
from ml.training.assessing.intervals import of_metrics, take
from ml.training.columns import MISSING
from ml.training.evaluation import Predicted

MOST_VALUES = 20
"""A column has at most so many slices beside `OTHER` and `MISSING`: its most frequent values."""
OTHER = "(other)"
_FEW_NUMBERS = 4
"""Numbers with so few different values are not cut: each is a slice."""
_DRAWS = 5_000_000
"""As `intervals.DRAWS`, for each slice: there may be many."""

Mask = npt.NDArray[np.bool_]


def slice_masks(spec: ModelSpec, development: pd.DataFrame, test: pd.DataFrame) -> dict[str, Mask]:
    """`column=value` → which test rows are in this slice, for the columns of `evaluation.slices`, in their order.

    The slices of a column share no row and leave none out. Which there are depends on the development rows alone, but for values that
    only test rows have; so a slice may be empty.

    Args:
        spec: The declaration.
        development: The rows that quartiles and frequent values are taken from.
        test: The rows to cut.
    """
    return {
        f"{column}={value}": mask
        for column in spec.evaluation.slices
        for value, mask in groups(spec, column, development=development[column], test=test[column]).items()
    }


def measure_slices(spec: ModelSpec, development: pd.DataFrame, test: pd.DataFrame, predicted: Predicted) -> tuple[Slice, ...]:
    """The metrics of each slice, with intervals; of those with fewer than `evaluation.minimum_slice_rows` test rows only the count."""
    found = []
    for column in spec.evaluation.slices:
        for value, mask in groups(spec, column, development=development[column], test=test[column]).items():
            rows = int(mask.sum())
            metrics = None
            if rows >= spec.evaluation.minimum_slice_rows:
                metrics = of_metrics(spec, test[mask], take(predicted, mask), draws=_DRAWS).metrics
            found.append(Slice(column=column, value=value, rows=rows, metrics=metrics))
    return tuple(found)


def groups(spec: ModelSpec, column: str, *, development: pd.Series, test: pd.Series) -> dict[str, Mask]:
    """Value → which test rows have it, for one column.

    Numbers and dates are cut at the quartiles of the development rows; of anything else the `MOST_VALUES` most frequent values are a
    group each. A column that the declaration does not call numeric counts as numbers if all its values are and there are many of them.
    """
    if _is_cut(spec, column, development):
        dates = pd.api.types.is_datetime64_any_dtype(development.dtype)
        return _by_quartile(_numbers(development), _numbers(test), dates=dates)
    return _by_value(development, test)


def _is_cut(spec: ModelSpec, column: str, values: pd.Series) -> bool:
    """Whether the column's values are cut into ranges, as the development rows have it."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return True
    if pd.api.types.is_bool_dtype(values.dtype) or column in {*spec.features.categorical, *spec.features.text}:
        return False
    numbers = _numbers(values)
    different = len(np.unique(numbers[np.isfinite(numbers)]))
    if column in spec.features.numeric:
        return different > _FEW_NUMBERS
    return different > MOST_VALUES and bool((np.isfinite(numbers) | values.isna().to_numpy(dtype=bool)).all())


def _numbers(values: pd.Series) -> npt.NDArray[np.float64]:
    """The column as numbers (dates: nanoseconds), NaN where missing or no finite number."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        moments = pd.to_datetime(values, utc=True).astype("datetime64[ns, UTC]")
        counted = moments.astype("int64").to_numpy().astype(np.float64)
        return np.where(moments.isna().to_numpy(dtype=bool), np.nan, counted)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _by_quartile(before: npt.NDArray[np.float64], now: npt.NDArray[np.float64], *, dates: bool) -> dict[str, Mask]:
    known = before[np.isfinite(before)]
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
    edges = edges[edges < known.max()]
    named = [_edge(edge, dates=dates) for edge in edges]
    if len(set(named)) < len(named):
        named = [repr(float(edge)) for edge in edges]
    names = [
        *(f"up to {name}" for name in named[:1]),
        *(f"over {low}, up to {high}" for low, high in pairwise(named)),
        *(f"over {name}" for name in named[-1:]),
    ] or ["all values"]
    place = np.where(np.isfinite(now), np.searchsorted(edges, now), -1)
    found = {name: place == number for number, name in enumerate(names)}
    return found | _if_any(MISSING, place == -1, also=not np.isfinite(before).all())


def _edge(edge: float, *, dates: bool) -> str:
    if dates:
        return pd.Timestamp(int(edge), tz="UTC").isoformat(timespec="minutes")
    return f"{edge:.4g}" if abs(edge) < 1_000 else f"{edge:,.0f}"


def _by_value(development: pd.Series, test: pd.Series) -> dict[str, Mask]:
    before, now = _texts(development), _texts(test)
    counts = before[before != MISSING].value_counts()
    new = now[(now != MISSING) & ~now.isin(counts.index)].value_counts()
    ranked = [*_by_frequency(counts), *_by_frequency(new)]
    kept = ranked[:MOST_VALUES]
    found = {value: (now == value).to_numpy() for value in kept}
    other = now.isin(set(ranked[MOST_VALUES:])).to_numpy()
    if OTHER in found:  # a value of that very name
        found[OTHER], other = found[OTHER] | other, np.zeros(len(now), dtype=bool)
    missing = (now == MISSING).to_numpy()
    return found | _if_any(OTHER, other, also=False) | _if_any(MISSING, missing, also=bool((before == MISSING).any()))


def _by_frequency(counts: Mapping[str, int] | pd.Series) -> list[str]:
    """The values, the most frequent first; equally frequent ones by name, so that the order is always the same."""
    return [str(value) for value, _ in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))]


def _texts(values: pd.Series) -> pd.Series:
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    known = np.array([*(label_text(value) for value in uniques), MISSING], dtype=object)
    return pd.Series(known[codes], dtype=object)


def _if_any(name: str, mask: Mask, *, also: bool) -> dict[str, Mask]:
    return {name: mask} if also or mask.any() else {}
