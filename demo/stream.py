"""A simulated stream of loan applications: nobody in it exists, and no figure comes from a real lender.

The simulated lender delivers one csv file a week. Up to the day of the change, defaults follow income, credit history and past
delinquencies, and those who rent default more often than those who own. From that day on both things change that can change under a model:

* **who applies**: an app brings younger applicants with shorter histories, other purposes and larger loans;
* **what makes them default**: as after a rise of interest rates, the debt that somebody carries matters far more, and those who pay off a
  home default more often than those who rent.

All of it is valid data: only a model finds out. The same seed gives the same bytes, and each week is drawn for itself, so week 9 is the
same whether or not week 8 was asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = npt.NDArray[np.str_]

REGIONS = {"north": 0.22, "south": 0.24, "east": 0.16, "west": 0.23, "capital": 0.15}
TERMS = {12: 0.14, 24: 0.24, 36: 0.30, 48: 0.18, 60: 0.14}
HOMES = ("rent", "mortgage", "own")


@dataclass(frozen=True, slots=True)
class World:
    """Who applies, and what makes them default: one side of the change.

    `age_mean` is in years; `loan_factor` multiplies the amounts; the shares of `channels` and of `purposes` each sum to 1. The other
    fields are the coefficients of the default model, per standard unit of their column, in log-odds.
    """

    age_mean: float
    loan_factor: float
    channels: dict[str, float]
    purposes: dict[str, float]
    base: float
    income: float
    debt: float
    burden: float
    delinquency: float
    short_history: float
    delinquency_and_short_history: float
    debt_and_low_income: float
    rent: float
    mortgage: float


BEFORE = World(
    age_mean=43.0,
    loan_factor=1.0,
    channels={"branch": 0.42, "web": 0.38, "broker": 0.16, "app": 0.04},
    purposes={"car": 0.28, "home_improvement": 0.24, "debt_consolidation": 0.22, "education": 0.06, "medical": 0.10, "travel": 0.10},
    base=-2.85,
    income=-0.60,
    debt=0.15,
    burden=0.30,
    delinquency=0.80,
    short_history=0.45,
    delinquency_and_short_history=0.25,
    debt_and_low_income=0.10,
    rent=0.85,
    mortgage=0.0,
)
AFTER = World(
    age_mean=34.0,
    loan_factor=1.5,
    channels={"branch": 0.16, "web": 0.30, "broker": 0.08, "app": 0.46},
    purposes={"car": 0.16, "home_improvement": 0.08, "debt_consolidation": 0.20, "education": 0.26, "medical": 0.06, "travel": 0.24},
    base=-2.45,
    income=-0.25,
    debt=0.95,
    burden=0.25,
    delinquency=0.40,
    short_history=0.10,
    delinquency_and_short_history=0.0,
    debt_and_low_income=0.35,
    rent=-0.25,
    mortgage=0.85,
)
UNSEEN_SD = 0.35
"""What no column knows about an applicant, in log-odds: no model reaches the truth."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The simulated stream. Weeks are numbered from 0; `change_week` is the first changed one."""

    seed: int = 20250106
    start: date = date(2025, 1, 6)
    change_week: int = 6
    weekly_rows: int = 2000

    @property
    def change_day(self) -> date:
        """The first day of the changed world."""
        return self.monday(self.change_week)

    def monday(self, week: int) -> date:
        """The first day of a week of the stream."""
        return self.start + timedelta(weeks=week)

    def week(self, number: int) -> pd.DataFrame:
        """The applications of one week, oldest first: about `weekly_rows` rows, 15 columns."""
        rng = np.random.default_rng([self.seed, number])
        world = AFTER if number >= self.change_week else BEFORE
        rows = int(rng.integers(int(self.weekly_rows * 0.95), int(self.weekly_rows * 1.05) + 1))
        columns = _applicants(rng, world, rows)
        columns["defaulted"] = np.where(rng.random(rows) < default_probability(columns, world, rng), "yes", "no")
        columns["employment_years"] = np.where(rng.random(rows) < 0.07, np.nan, columns["employment_years"])
        frame = pd.DataFrame(columns)
        frame.insert(0, "application_id", [f"SIM-{number:04d}-{row:06d}" for row in range(1, rows + 1)])
        frame.insert(1, "applied_at", _times(rng, self.monday(number), rows))
        return frame

    def broken_week(self, number: int) -> pd.DataFrame:
        """The applications of one week as a faulty export would deliver them; `FAULTS` lists what is wrong."""
        return _broken(self.week(number), np.random.default_rng([self.seed, number, 1]))


FAULTS = {
    "income": "negative incomes, in about 3 % of the rows",
    "loan_amount": "amounts of one channel in an unknown currency scale (cents), and amounts that are missing",
    "home_ownership": "a label that nobody has declared",
    "application_id": "applications that were exported twice",
}
"""Column → what is wrong with it in a broken delivery."""


def batches(stream: Stream, weeks: Iterable[int], folder: Path, *, broken: bool = False) -> list[Path]:
    """Writes one csv delivery for each week into the folder and returns their paths.

    A file appears whole, under its final name: whoever looks for deliveries meanwhile never sees half of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for week in weeks:
        frame = stream.broken_week(week) if broken else stream.week(week)
        path = folder / f"applications-{stream.monday(week).isoformat()}{'-faulty' if broken else ''}.csv"
        part = path.with_suffix(".part")
        part.write_bytes(csv_bytes(frame))
        part.replace(path)
        written.append(path)
    return written


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The delivery as csv: the same frame gives the same bytes on every system."""
    text: str = frame.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%SZ")
    return text.encode()


def default_probability(columns: dict[str, npt.NDArray[np.generic]], world: World, rng: np.random.Generator) -> Numbers:
    """The probability that each applicant defaults: a logistic model with two interactions and unseen noise."""
    income = (np.log(columns["income"].astype(float)) - np.log(38_000)) / 0.45
    debt = (columns["debt_to_income"].astype(float) - 0.30) / 0.15
    burden = np.log(columns["loan_amount"].astype(float) / columns["income"].astype(float) / 0.28) / 0.65
    delinquencies = np.minimum(columns["delinquencies_2y"].astype(float), 4)
    short_history = (10 - columns["credit_history_years"].astype(float)) / 7
    home = columns["home_ownership"]
    logit = (
        world.base
        + world.income * income
        + world.debt * debt
        + world.burden * burden
        + world.delinquency * delinquencies
        + world.short_history * short_history
        + world.delinquency_and_short_history * delinquencies * np.maximum(short_history, 0)
        + world.debt_and_low_income * np.maximum(debt, 0) * np.maximum(-income, 0)
        + np.select([home == "rent", home == "mortgage"], [world.rent, world.mortgage], 0.0)
        + rng.normal(0, UNSEEN_SD, len(income))
    )
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)


def _applicants(rng: np.random.Generator, world: World, rows: int) -> dict[str, npt.NDArray[np.generic]]:
    age = np.clip(np.round(18 + rng.gamma(3.2, (world.age_mean - 18) / 3.2, rows)), 18, 85)
    channel = _draw(rng, world.channels, rows)
    adult = age - 18
    # earnings rise until about fifty
    income = np.exp(rng.normal(np.log(38_000), 0.42, rows) - 0.00035 * (age - 50) ** 2 + 0.08)
    owns = 1 / (1 + np.exp(-(age - 46) / 9))
    draw = rng.random(rows)
    home = np.select([draw < 0.45 * owns, draw < 0.2 + 0.75 * owns], ["own", "mortgage"], "rent")
    amount = 10_500 * world.loan_factor * np.exp(rng.normal(0, 0.55, rows)) * (income / 38_000) ** 0.5
    return {
        "age": age.astype(np.int64),
        "income": np.clip(np.round(income, -2), 8_000, 400_000).astype(np.int64),
        "employment_years": np.minimum(np.round(adult * rng.beta(1.1, 2.4, rows), 1), adult),
        "home_ownership": home,
        "region": _draw(rng, REGIONS, rows),
        "channel": channel,
        "purpose": _draw(rng, world.purposes, rows),
        "loan_amount": np.clip(np.round(amount, -2), 500, 75_000).astype(np.int64),
        "term_months": rng.choice(list(TERMS), size=rows, p=list(TERMS.values())).astype(np.int64),
        "debt_to_income": np.round(rng.beta(2.4, 5.6, rows), 3),
        "credit_history_years": np.floor(adult * rng.beta(2.6, 2.2, rows) * 10) / 10,
        "delinquencies_2y": rng.negative_binomial(0.45, 0.55, rows),
    }


def _draw(rng: np.random.Generator, shares: dict[str, float], rows: int) -> Labels:
    return np.asarray(rng.choice(list(shares), size=rows, p=list(shares.values())), dtype=np.str_)


def _times(rng: np.random.Generator, monday: date, rows: int) -> pd.DatetimeIndex:
    """Whole seconds of the week in UTC, oldest first; fewer at night and at the weekend."""
    day = rng.choice(7, size=rows, p=[0.18, 0.17, 0.17, 0.16, 0.16, 0.09, 0.07])
    seconds = np.clip(rng.normal(14.0, 3.6, rows), 0, 23.99) * 3600
    midnight = np.datetime64(datetime.combine(monday, time()), "s")
    return pd.DatetimeIndex(np.sort(midnight + (day * 86_400 + seconds.astype(np.int64)).astype("timedelta64[s]")), tz="UTC")


def _broken(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    broken = frame.copy()
    negative = rng.random(len(broken)) < 0.03
    broken.loc[negative, "income"] = -broken.loc[negative, "income"]
    broken.loc[broken["channel"] == "broker", "loan_amount"] *= 100
    broken["loan_amount"] = broken["loan_amount"].astype("Int64").mask(rng.random(len(broken)) < 0.02)
    broken.loc[rng.random(len(broken)) < 0.01, "home_ownership"] = "unknown"
    twice = broken.sample(n=25, random_state=int(rng.integers(2**31)))
    return pd.concat([broken, twice]).sort_values("applied_at", kind="stable", ignore_index=True)
