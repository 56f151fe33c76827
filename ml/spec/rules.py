"""What a challenger must show, how the champion is watched, and when a new training is asked for."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ml.spec.alerts import AlertChannel
from ml.spec.amounts import AtMost, Persisting
from ml.spec.types import Declared, Duration, Schedule, Share
from ml.spec.voting import Vote

Metric = Literal["roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss", "brier", "mae", "rmse", "r2"]
METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss", "brier"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
MEASURED: dict[str, tuple[str, ...]] = {
    "binary": (*METRICS["binary"], "precision", "recall", "average_precision"),
    "multiclass": (*METRICS["multiclass"], "precision", "recall"),
    "regression": METRICS["regression"],
}
"""What a training measures on its test rows: beside the metrics that may be declared, those that are only shown."""
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse"})
PER_ROW = ("accuracy", "brier", "log_loss", "mae")
"""Their loss in a window is a mean over its rows: so much times the rows is what all of them lost."""
_MOST_ROWS = 2_000_000


class Promotion(Declared):
    """What a challenger must show to become champion."""

    metric: Metric | None = None
    """Default: roc_auc (binary), balanced_accuracy (multiclass), mae (regression)."""
    minimum_gain: Annotated[float, Field(ge=0)] = 0.0
    """A changed recipe must be better than the champion's by more than this, in the metric's unit."""
    tolerated_loss: Annotated[float, Field(ge=0)] = 0.0
    """A routine retraining may not be worse than the champion by significantly more than this, in the metric's unit."""
    tolerated_slice_loss: Annotated[float, Field(ge=0)] = 0.0
    """The same in each slice of `evaluation.slices`."""
    level: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    """The tests' level: how often chance alone may decide wrongly."""
    minimum_rows: Annotated[int, Field(ge=10)] = 30
    """With fewer rows that the champion has not seen nothing is compared."""
    floors: dict[Metric, float] = Field(default_factory=dict)
    """The worst value of a metric that a champion may have, on the test rows."""
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    """The longest that one row may take when it is predicted alone."""
    size_mb: Annotated[float, Field(gt=0)] | None = None
    """The largest that the saved model may be."""
    minimum_agreement: Share = 0.8
    """The winner is fitted again on all rows; that model must agree with the tested one at least so much (1 = always)."""
    approval: Literal["auto", "manual"] = "auto"
    """manual: a challenger that has won waits for a person in the Airflow UI, or for `perennial promote`."""
    approval_timeout: Duration = timedelta(days=2)
    """Nobody has answered by then: the challenger is not promoted."""
    watch: Duration | None = timedelta(days=30)
    """For so long the former champion is scored beside the new one; if the new one is worse, it is rolled back. null: never."""
    rollback_level: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    """How often, over the whole watch, a champion that is not worse may be rolled back by chance."""


class DriftMethods(Declared):
    """The pinned drift statistic of each kind of column and the value from which on it counts as drifted."""

    numeric: Literal["wasserstein", "psi", "jensenshannon"] = "wasserstein"
    numeric_threshold: Annotated[float, Field(gt=0)] = 0.1
    categorical: Literal["jensenshannon", "psi", "TVD"] = "jensenshannon"
    categorical_threshold: Annotated[float, Field(gt=0)] = 0.1


class Monitoring(Declared):
    """How the champion is watched."""

    schedule: Schedule | None = "@daily"
    drift: DriftMethods = DriftMethods()
    false_alarms: AtMost | None = None
    """At most so many alarms by chance, all kinds of drift together, such as `1 per 90d`: it sets the tests' level at each look.

    The thresholds of `drift` are then the smallest changes that matter. null: they decide alone, whatever chance does.
    """
    minimum_rows: Annotated[int, Field(ge=1)] = 200
    """With fewer new rows the window stays open and waits for more."""
    maximum_rows: Annotated[int, Field(ge=1)] = _MOST_ROWS
    """Of more new rows, as after a pause, the oldest batches make the window, and the next look takes the next ones.

    The default gives way to a larger `minimum_rows`.
    """
    sample_rows: Annotated[int, Field(ge=1000)] = 100_000
    """A report's plots are drawn from at most so many rows of each side.

    Drift and quality are measured on all rows (text columns: on at most 20,000 a side).
    """
    keep_reports: Annotated[Duration, Field(gt=timedelta(0))] | None = timedelta(days=365)
    """Windows' pages and Evidently's snapshots are removed when they are older. null: never.

    What was measured and decided is kept for ever.
    """
    alerts: tuple[AlertChannel, ...] | None = None
    """Who is told of drift, a drop of quality, decisions, failed trainings, quarantine and rollbacks, through Airflow's notifiers.

    null: whom the environment names (`PERENNIAL_ALERTS`). An empty list: nobody.
    """

    @model_validator(mode="after")
    def _rows(self) -> Self:
        # Nobody wrote the default; stored declarations have it in full, so that what was written cannot be asked for.
        if self.maximum_rows < self.minimum_rows and self.maximum_rows != _MOST_ROWS:
            raise ValueError(
                f"maximum_rows ({self.maximum_rows}) is less than minimum_rows ({self.minimum_rows}): no window could be taken"
            )
        return self


class Cost(Declared):
    """What a retraining costs, in the loss that it must save: the metric's worsening, summed over windows.

    0.1 is as much as a metric that is 0.02 worse for five windows.
    """

    train: Annotated[float, Field(ge=0)]
    """Paid for every fit: machines, time."""
    promote: Annotated[float, Field(ge=0)] = 0.0
    """Paid for each new champion: validation, approval, risk."""
    per_error: Annotated[float, Field(gt=0)] | None = Field(default=None, exclude_if=lambda value: value is None)
    """What one error costs in money; `train` and `promote` are then money, too. null: they are in the metric's unit.

    An error is one wrong row for accuracy, and one unit of the metric on one row for brier, log_loss and mae. Other metrics are no mean
    over rows, and count no errors.
    """

    @model_validator(mode="after")
    def _costs(self) -> Self:
        if self.retraining == 0:
            raise ValueError("a retraining that costs nothing would be asked for by any noise; write a cost above 0, or leave cost out")
        return self

    @property
    def retraining(self) -> float:
        """What one retraining costs: it is fitted, and promoted."""
        return self.train + self.promote

    def in_windows(self, rows: float) -> "Cost":
        """The same in windows' worth of loss, which every rule and every replay reckons in: unchanged where it is so declared.

        Args:
            rows: Of a window, labelled or not: errors are made on all of them. Above 0.
        """
        if self.per_error is None:
            return self
        window = self.per_error * rows
        return Cost(train=self.train / window, promote=self.promote / window)

    def check(self, metric: str) -> None:
        """`ValueError` where errors are to be paid for by a metric that counts none."""
        if self.per_error is not None and metric not in PER_ROW:
            raise ValueError(
                f"retraining.cost.per_error: {metric} is no mean over rows, so it counts no errors that could be paid for; set "
                f"promotion.metric to one that does ({', '.join(PER_ROW)}), or take per_error out and write the costs in the metric's unit"
            )


class Regret(Declared):
    """How much worse than a fresh model the champion may be before a retraining pays. Needs `retraining.cost`."""

    theta: Annotated[float, Field(gt=0)] | None = 1.0
    """Retrain when the regret that has accumulated since the training exceeds this many times the cost; null: never for that."""
    kappa: Annotated[float, Field(ge=0)] = 0.0
    """So many times its usual noise is taken off the regret of each window, so that noise alone does not add up."""
    payback_windows: Annotated[int, Field(ge=1)] | None = None
    """Retrain when the regret of late, kept up for so many windows, exceeds the cost; null: never for that."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Of the newest window in "of late" (an exponentially weighted mean)."""
    shadow_windows: Annotated[int, Field(ge=1)] | None = None
    """In the first of every so many judged windows of a champion its recipe is fitted on what was labelled before, as its shadow.

    What that one loses on the same rows is then the fresh loss. Each such fit costs `cost.train`. null: never.
    """


class Retraining(Declared):
    """When a new training is asked for: a cause holds, and nothing holds it back."""

    mode: Literal["auto", "suggest", "off"] = "auto"
    """suggest: a person is asked before a training starts. off: decisions are recorded, none starts a training."""
    answer_within: Duration = timedelta(days=2)
    """A suggestion that nobody has answered by then has the answer no."""
    drift_share: Annotated[float, Field(gt=0, le=1)] | None = 0.3
    """Retrain when at least this share of the feature columns has drifted; null: drift alone never does."""
    drift_windows: Persisting = Field(default="1 of 1", validate_default=True)
    """In how many of how many windows of the champion the share must be reached, this one included."""
    quality_drop: Annotated[float, Field(gt=0)] | None = 0.05
    """Retrain when the metric is worse than usual by more than this, in the metric's unit; null: never.

    The drop must also exceed what chance may do: two standard errors of the difference, more where few rows are independent.
    """
    quality_baseline: Literal["usual", "promotion"] = "usual"
    """usual: the median of what fresh models scored on their test rows, once there are three. promotion: the champion's own test value."""
    estimated_drop: Annotated[float, Field(gt=0)] | None = None
    """The same of the quality that is estimated without labels, once it has stood the audit; null: never."""
    cost: Cost | None = None
    """What a retraining costs; null: regret is not looked at."""
    regret: Regret = Regret()
    vote: Vote | None = None
    """Retrain when rules that a replay weighted ask for it by majority; null: never. `perennial replay --apply` writes it."""
    new_rows: Annotated[int, Field(ge=1)] | None = None
    """Retrain when so many rows with a final label have come since the last training; null: never."""
    age: Duration | None = None
    """Retrain when the last training, whoever won, took its data so long ago; null: never."""
    every_windows: Annotated[int, Field(ge=1)] | None = None
    """Retrain every so many windows; null: never."""
    minimum_rows: Annotated[int, Field(ge=1)] = 500
    """Fewer labelled rows since the champion's training: wait."""
    minimum_class_rows: Annotated[int, Field(ge=1)] = 1
    """A class with fewer final labels among the rows that would be learnt from: wait."""
    cooldown: Duration = timedelta(days=1)
    """The least time between two trainings that decisions ask for."""
    budget: AtMost | None = None
    """The most trainings that decisions may ask for in a period, such as `4 per 30d`; null: any number."""

    @model_validator(mode="after")
    def _needs_cost(self) -> Self:
        if self.regret.shadow_windows is not None and self.cost is None:
            raise ValueError("regret.shadow_windows: a shadow is for regret alone, which is not looked at without a cost; write cost")
        if self.vote is not None and self.cost is None:
            raise ValueError("vote needs cost: its rules hold regret against what a retraining costs")
        declared = {self.regret.shadow_windows, self.vote and self.vote.shadow_windows} - {None}
        if len(declared) > 1:
            raise ValueError("regret.shadow_windows and vote.shadow_windows differ: one shadow serves both; write one of them, or the same")
        return self

    @property
    def shadow_windows(self) -> int | None:
        """In the first of how many judged windows a shadow is fitted, for the vote or for regret; None: never."""
        voted = None if self.vote is None else self.vote.shadow_windows
        return self.regret.shadow_windows if voted is None else voted
