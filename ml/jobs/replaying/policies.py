"""Declared policies as they are played: evidence about each window that a champion meets, put to `ml.policy.decide`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ml import policy
from ml.jobs import past
from ml.jobs.replaying.drifts import Drifts
from ml.jobs.replaying.rows import Accepted
from ml.monitoring.replayed.noise import Sample, standard_error
from ml.policy import Evidence, Losses, QualityChange, Usual, WindowLoss, causes, regret
from ml.policy.replay import LossHistory, Parts, Policy, Signals, play
from ml.spec import LOWER_IS_BETTER, ModelSpec, Retraining

_SD_OF_MAD, _ERROR_OF_MEDIAN = 1.4826, 1.2533
_NOT_HEARD = "nobody hears why in a replay"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What evidence is made from: what every model lost in every window, drift, and when things were known.

    Args:
        spec: The declaration.
        accepted: The rows.
        history: The losses.
        drifts: Measures drift.
        positives: Of a binary model: labelled rows of the positive class, by window.
        tested_windows: A model's value at promotion is of so many windows before it, each by the model that had not seen it.
    """

    spec: ModelSpec
    accepted: Accepted
    history: LossHistory
    drifts: Drifts
    positives: np.ndarray
    tested_windows: int

    def value(self, loss: float) -> float:
        """The metric of a loss."""
        return loss if self.spec.metric in LOWER_IS_BETTER else 1 - loss

    def at_promotion(self, model: int) -> float | None:
        """The metric that a model's recipe had on the newest rows before it was fitted on them, too."""
        found = self.history.fresh[max(0, model - self.tested_windows) : model]
        found = found[np.isfinite(found)]
        return self.value(float(found.mean())) if len(found) else None

    def usual(self, model: int) -> Usual | None:
        """What models usually have at promotion, by the time of this one."""
        newest = range(max(1, model - past.MOST_FRESH + 1), model + 1)
        return past.usual_of(self.spec.metric, [value for one in newest if (value := self.at_promotion(one)) is not None])

    def drift(self, model: int, window: int, rules: Retraining) -> dict[str, Any]:
        """What evidence of a window says about drift: its own, and that of the windows before it that these rules look back at."""
        counted = rules.drift_windows
        drifts = self.drifts.measured(model, window, counted=counted)
        return {
            "drifts": drifts,
            "persisting": past.persisting(drifts) if counted.of > 1 else None,
            "earlier_shares": tuple(
                past.share(self.drifts.measured(model, one, counted=counted)) for one in self.drifts.before(model, window, counted)
            ),
        }

    def is_scheduled(self, window: int) -> bool:
        """Whether `training.schedule` starts a training between the beginning of the window before and of this one. Without dates: no."""
        from croniter import croniter

        schedule, begun, now = self.spec.training.schedule, self.accepted.start(window - 1), self.accepted.start(window)
        if schedule is None or begun is None or now is None:
            return False
        return bool(croniter(schedule, begun).get_next(datetime) <= now)

    def drops(self) -> np.ndarray:
        """Windows x windows: by how much each model is worse than usual."""
        windows = self.history.windows
        usual = np.array(
            [np.nan if (one := self.usual(model)) is None else policy.loss(self.spec.metric, one.value) for model in range(windows)]
        )
        return np.asarray(self.history.losses - usual[:, None])


@dataclass(slots=True, kw_only=True, eq=False)
class Declared:
    """`ml.policy.decide` with some rules, and the training's own calendar, over replayed windows. Knows what it asked for in this run."""

    seen: Seen
    rules: Retraining
    start: int
    asked: list[int] = field(default_factory=list)

    def policy(self, name: str) -> Policy:
        """To be played from `start` on."""
        return Policy(name=name, family=name, asks=self.asks, shadow=self.rules.shadow_windows or 0)

    def asks(self, champion: int, window: int) -> bool:
        """At the start of `window`, after the look at the one before it."""
        self.asked = [one for one in self.asked if one < window]
        evidence = self.evidence(champion, window)
        if policy.decide(evidence, self.rules).retrain:
            self.asked.append(window)
            return True
        # Such a training is no decision: no cooldown and no budget counts it.
        return bool(evidence.new_rows) and self.seen.is_scheduled(window)

    def evidence(self, champion: int, window: int) -> Evidence:
        """What production would know: of drift up to the last window, of labels as far as they had come."""
        seen, rules = self.seen, self.rules
        history, model = seen.history, champion - seen.history.delay
        judged = window - 1 - history.delay
        known = np.cumsum(history.rows)
        # A count since the last training is one since the champion's: each training passes the gate.
        new = int(known[judged] - (known[model - 1] if model else 0)) if judged >= model else 0
        return Evidence(
            **seen.drift(model, window - 1, rules),
            quality=self._quality(champion, judged),
            no_quality=_NOT_HEARD,
            labelled_rows=new,
            since_asked=self._ago(max(self.asked), window) if self.asked else None,
            losses=self._losses(champion, judged),
            no_losses=_NOT_HEARD,
            new_rows=new,
            age=self._ago(champion, window),
            windows=window - champion,
            asked_ago=tuple(self._ago(one, window) for one in sorted(self.asked, reverse=True)),
            window_rows=round(seen.accepted.rows_of(window - 1)) if rules.cost is not None and rules.cost.per_error is not None else None,
        )

    def _ago(self, earlier: int, window: int) -> timedelta:
        moments = self.seen.accepted.moments
        return timedelta(microseconds=int(moments[window] - moments[earlier]) / 1000)

    def _quality(self, champion: int, judged: int) -> QualityChange | None:
        seen, metric = self.seen, self.seen.spec.metric
        if judged < champion or not np.isfinite(seen.history.served[champion, judged]):
            return None
        rows, before = int(seen.history.rows[judged]), seen.at_promotion(champion - seen.history.delay)
        if before is None:
            return None
        now = seen.value(float(seen.history.served[champion, judged]))
        usual = seen.usual(champion - seen.history.delay)
        error = standard_error(metric, Sample(value=now, rows=rows, positives=int(seen.positives[judged])))
        if error is not None and usual is not None:
            error = float(np.hypot(error, _ERROR_OF_MEDIAN * _SD_OF_MAD * usual.spread / np.sqrt(usual.models)))
        baseline = usual if self.rules.quality_baseline == "usual" else None
        return QualityChange(metric=metric, now=now, at_promotion=before, rows=rows, error=error, usual=baseline)

    def _losses(self, champion: int, judged: int) -> Losses | None:
        seen, model = self.seen, champion - self.seen.history.delay
        usual, own = seen.usual(model), seen.at_promotion(model)
        fresh = own if usual is None else usual.value
        if self.rules.cost is None or fresh is None:
            return None
        counted = self._beside_shadows(champion, self._windows(champion, judged, policy.loss(seen.spec.metric, fresh)))
        if not counted:
            return None
        against = "its own value at promotion" if usual is None else f"the usual value of {usual.models} fresh models"
        return Losses(metric=seen.spec.metric, windows=counted, against=against, noise=usual.spread if usual is not None else 0.0)

    def _beside_shadows(self, champion: int, windows: tuple[WindowLoss, ...]) -> tuple[WindowLoss, ...]:
        """Against the shadows that would have been fitted: in every so many windows; in its first the champion is its own."""
        every, history = self.rules.shadow_windows, self.seen.history
        if every is None:
            return windows
        due = [one for one in windows if (one.window - champion) % every == 0 and history.trained[one.window]]
        own = {champion} if history.delay == 0 else set()
        regrets = {one.window: 0.0 if one.window in own else one.loss - float(history.fresh[one.window]) for one in due}
        return regret.beside_shadows(windows, regrets, own=own)

    def _windows(self, champion: int, judged: int, fresh: float) -> tuple[WindowLoss, ...]:
        served, rows = self.seen.history.served, self.seen.history.rows
        return tuple(
            WindowLoss(window=one, loss=float(served[champion, one]), fresh=fresh, rows=int(rows[one]))
            for one in range(champion, judged + 1)
            if np.isfinite(served[champion, one])
        )


def signals(seen: Seen, parts: Parts) -> Signals:
    """What the yardsticks that look at drift and quality need; drift is measured only where they look, which playing them tells."""
    history, spec = seen.history, seen.spec
    quiet = spec.retraining.model_copy(update={"drift_share": spec.retraining.drift_share or 0.5})

    def declared(model: int, window: int) -> bool:
        about = seen.drift(model, window, quiet)
        evidence = Evidence(**about, quality=None, no_quality=_NOT_HEARD, labelled_rows=0, since_asked=None)
        return causes.drift(evidence, quiet).fired

    return Signals(
        drift=_visited(history, parts, declared),
        default_drift=_visited(history, parts, seen.drifts.by_default),
        quality_drop=seen.drops(),
    )


def _visited(history: LossHistory, parts: Parts, flag: Callable[[int, int], bool]) -> np.ndarray:
    """Flags, windows x windows, at the pairs that a policy that follows them meets in either part."""
    found = np.zeros((history.windows, history.windows), dtype=bool)

    def asks(champion: int, window: int) -> bool:
        model = champion - history.delay
        found[model, window - 1] = flag(model, window - 1)
        return bool(found[model, window - 1])

    for start, end in ((parts.start, parts.known), (parts.split, parts.end)):
        play(history, Policy(name="drift", family="drift", asks=asks), start=start, end=end)
    return found
