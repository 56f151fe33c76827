"""Streams on which retraining policies are replayed: the seven that the bar names, and further ones that nothing was tuned on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import labelled
from benchmarks.labelled import Labelled
from benchmarks.sets import path_of

SEED = 20_260


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Rows in their order, prepared: `features` (rows x columns) as numbers, `labels` from 0; windows have `window` rows."""

    name: str
    features: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    window: int


def _of(name: str, frame: pd.DataFrame, labels: pd.Series, window: int) -> Stream:
    """Texts become the place of their label in the alphabet."""
    numbers = frame.apply(lambda one: one if pd.api.types.is_numeric_dtype(one) else one.astype("category").cat.codes)
    codes = labels.astype("category").cat.codes.to_numpy().astype(np.int64)
    return Stream(name=name, features=numbers.to_numpy(dtype=float), labels=codes, window=window)


def _labelled(name: str, known: Labelled, window: int) -> Stream:
    return _of(name, known.features, known.labels, window)


def elec2() -> Stream:
    """Weeks of half-hours; without the date, which only moves on."""
    return _labelled("elec2", labelled.elec2().without("date"), 336)


def bank() -> Stream:
    """Without `duration`, which is known only after the call."""
    frame = pd.read_csv(path_of("bank_marketing", "bank-additional-full.csv.gz"), sep=";").drop(columns="duration")
    return _of("bank_marketing", frame.drop(columns="y"), frame["y"], 500)


def insects() -> Stream:
    """Six species; the last column."""
    frame = pd.read_csv(path_of("insects_gradual", "gradual_balanced_24150.csv.gz"), header=None)
    return _of("insects_gradual", frame.iloc[:, :-1], frame.iloc[:, -1], 250)


def usenet1() -> Stream:
    """Words of messages, and whether their reader is interested."""
    return _labelled("usenet1", labelled.usenet1(), 50)


def _synthetic(name: str, file: str) -> Callable[[], Stream]:
    return lambda: _labelled(name, labelled.synthetic(file), 500)


def sea() -> Stream:
    """A change every 12,500 rows."""
    return _labelled("SEA", labelled.sea(), 500)


def acs() -> Stream:
    """Whether somebody is employed, in the order of the years."""
    folder = "acs_employment_ma"
    then = pd.read_parquet(path_of(folder, "employment_MA_reference.parquet"))
    target = pd.read_parquet(path_of(folder, "employment_MA_analysis_target.parquet"))
    later = pd.read_parquet(path_of(folder, "employment_MA_analysis.parquet")).merge(target[["id", "employed"]], on="id")
    frame = pd.concat([then, later]).sort_values(["year", "id"], kind="stable", ignore_index=True)
    gone = ["id", "year", "prediction", "predicted_probability", "employed"]
    return _of("acs_employment_ma", frame.drop(columns=gone), frame["employed"], 2_000)


def taxi() -> Stream:
    """Whether a trip takes longer than twelve minutes, in the order in which they began."""
    files = sorted(path_of("nyc_green_taxi_2020", "green_tripdata_2020-03.csv.gz").parent.glob("*.csv.gz"))
    frame = pd.concat([pd.read_csv(file, low_memory=False) for file in files], ignore_index=True)
    began, ended = (pd.to_datetime(frame[f"lpep_{end}_datetime"]) for end in ("pickup", "dropoff"))
    minutes = (ended - began).dt.total_seconds() / 60
    asked = frame[["PULocationID", "DOLocationID", "passenger_count", "trip_distance", "RatecodeID", "trip_type"]]
    asked = asked.assign(hour=began.dt.hour, weekday=began.dt.weekday)
    kept = ((minutes > 0) & (minutes < 180)).to_numpy()
    order = np.argsort(began.to_numpy()[kept], kind="stable")
    return _of("nyc_green_taxi_2020", asked[kept].iloc[order], (minutes > 12)[kept].iloc[order], 5_000)


def _shuffled(name: str, read: Callable[[], Stream]) -> Callable[[], Stream]:
    def shuffle() -> Stream:
        found = read()
        order = np.random.default_rng(SEED).permutation(len(found.labels))
        return Stream(name=name, features=found.features[order], labels=found.labels[order], window=found.window)

    return shuffle


def _credit() -> Stream:
    return _labelled("give_me_some_credit", labelled.give_me_some_credit(), 1_500)


BAR: dict[str, Callable[[], Stream]] = {
    "elec2": elec2,
    "bank_marketing": bank,
    "insects_gradual": insects,
    "usenet1": usenet1,
    "sine_0123_abrupto": _synthetic("sine_0123_abrupto", "sine_0123_abrupto.csv.gz"),
    "sea_0123_gradual": _synthetic("sea_0123_gradual", "sea_0123_gradual_noise_0.2.csv.gz"),
    "mixed_0101_gradual": _synthetic("mixed_0101_gradual", "mixed_0101_gradual.csv.gz"),
}
"""What the bar names."""
FURTHER: dict[str, Callable[[], Stream]] = {
    "SEA": sea,
    "stagger_0120_abrupto": _synthetic("stagger_0120_abrupto", "stagger_0120_abrupto.csv.gz"),
    "rt_8873985678962563_abrupto": _synthetic("rt_8873985678962563_abrupto", "rt_8873985678962563_abrupto.csv.gz"),
    "sea_0123_abrupto": _synthetic("sea_0123_abrupto", "sea_0123_abrupto_noise_0.2.csv.gz"),
    "sine_0123_gradual": _synthetic("sine_0123_gradual", "sine_0123_gradual.csv.gz"),
    "mixed_0101_abrupto": _synthetic("mixed_0101_abrupto", "mixed_0101_abrupto.csv.gz"),
    "acs_employment_ma": acs,
    "nyc_green_taxi_2020": taxi,
    "elec2, shuffled": _shuffled("elec2, shuffled", elec2),
    "give_me_some_credit, shuffled": _shuffled("give_me_some_credit, shuffled", _credit),
}
"""Nothing was tuned on these."""
