"""Declared policies as they are played: evidence about each window that a champion meets, put to `ml.policy.decide`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from ml import policy
from ml.jobs.replaying.drifts import Drifts
from ml.jobs.replaying.rows import Accepted
from ml.monitoring.replayed.noise import Sample, standard_error
from ml.policy import Evidence, Losses, QualityChange, Usual, WindowLoss, causes, regret
from ml.policy.replay import LossHistory, Parts, Policy, Signals, play
from ml.spec import LOWER_IS_BETTER, ModelSpec, Retraining

LEAST_FRESH, _MOST_FRESH = 3, 20
_SD_OF_MAD, _ERROR_OF_MEDIAN = 1.4826, 1.2533
Decide = Callable[[int, int, int], bool]


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
        found = [value for one in range(model - _MOST_FRESH + 1, model + 1) if one > 0 and (value := self.at_promotion(one)) is not None]
        if len(found) < LEAST_FRESH:
            return None
        middle = float(np.median(found))
        return Usual(metric=self.spec.metric, value=middle, models=len(found), spread=float(np.median(np.abs(np.array(found) - middle))))

    def drops(self) -> np.ndarray:
        """Windows x windows: by how much each model is worse than usual."""
        windows = self.history.windows
        usual = np.array(
            [np.nan if (one := self.usual(model)) is None else policy.loss(self.spec.metric, one.value) for model in range(windows)]
        )
        return np.asarray(self.history.losses - usual[:, None])


@dataclass(slots=True, kw_only=True, eq=False)
class Declared:
    """`ml.policy.decide` with some rules, over replayed windows. Knows the trainings that it asked for in this run."""

    seen: Seen
    rules: Retraining
    start: int
    asked: list[int] = field(default_factory=list)

    def policy(self, name: str) -> Policy:
        """To be played from `start` on."""
        return Policy(name=name, family=name, asks=self.asks, shadow=self.rules.shadow_windows or 0)

    def asks(self, champion: int, since: int, window: int) -> bool:
        """At the start of `window`, after the look at the one before it."""
        self.asked = [one for one in self.asked if one < window]
        if since > self.start and since not in self.asked:
            self.asked.append(since)
        return policy.decide(self.evidence(champion, since, window), self.rules).retrain

    def evidence(self, champion: int, since: int, window: int) -> Evidence:
        """What production would know: of drift up to the last window, of labels as far as they had come."""
        seen, rules = self.seen, self.rules
        history, model = seen.history, champion - seen.history.delay
        judged = window - 1 - history.delay
        drifts = seen.drifts.measured(model, window - 1, since=since)
        change, why = self._quality(champion, since, judged)
        losses, no_losses = self._losses(champion, since, judged)
        known = np.cumsum(history.rows)
        return Evidence(
            drifts=drifts,
            quality=change,
            no_quality=why,
            labelled_rows=int(known[judged] - (known[model - 1] if model else 0)) if judged >= model else 0,
            since_asked=self._ago(max(self.asked), window) if self.asked else None,
            persisting=_persisting(drifts, rules),
            earlier_shares=tuple(
                _share(seen.drifts.measured(model, one, since=since))
                for one in range(window - 2, max(since, window - 1 - rules.drift_windows.of + 1) - 1, -1)
            ),
            no_estimate="quality is not estimated in a replay",
            losses=losses,
            no_losses=no_losses,
            new_rows=int(known[judged] - known[since - 1 - history.delay]) if judged >= since - history.delay > 0 else 0,
            age=self._ago(since, window),
            windows=window - since,
            asked_ago=tuple(self._ago(one, window) for one in sorted(self.asked, reverse=True)),
        )

    def _ago(self, earlier: int, window: int) -> timedelta:
        moments = self.seen.accepted.moments
        return timedelta(microseconds=int(moments[window] - moments[earlier]) / 1000)

    def _quality(self, champion: int, since: int, judged: int) -> tuple[QualityChange | None, str]:
        seen, metric = self.seen, self.seen.spec.metric
        if judged < since or not np.isfinite(seen.history.served[champion, judged]):
            return None, "no newly labelled window of this champion"
        rows, least = int(seen.history.rows[judged]), seen.spec.monitoring.minimum_rows
        if rows < least:
            return None, f"{rows} labelled rows, {least} (monitoring.minimum_rows) are needed to judge"
        before = seen.at_promotion(champion - seen.history.delay)
        if before is None:
            return None, f"the {metric} at promotion is not known"
        now = seen.value(float(seen.history.served[champion, judged]))
        usual = seen.usual(champion - seen.history.delay)
        error = standard_error(metric, Sample(value=now, rows=rows, positives=int(seen.positives[judged])))
        if error is not None and usual is not None:
            error = float(np.hypot(error, _ERROR_OF_MEDIAN * _SD_OF_MAD * usual.spread / np.sqrt(usual.models)))
        baseline = usual if self.rules.quality_baseline == "usual" else None
        return QualityChange(metric=metric, now=now, at_promotion=before, rows=rows, error=error, usual=baseline), ""

    def _losses(self, champion: int, since: int, judged: int) -> tuple[Losses | None, str]:
        seen, model = self.seen, champion - self.seen.history.delay
        usual, own = seen.usual(model), seen.at_promotion(model)
        fresh = own if usual is None else usual.value
        if self.rules.cost is None or fresh is None:
            return None, "neither a usual value nor that at promotion is known"
        counted = self._beside_shadows(since, self._windows(champion, since, judged, policy.loss(seen.spec.metric, fresh)))
        if not counted:
            return None, "no window since the last training was judged"
        against = "its own value at promotion" if usual is None else f"the usual value of {usual.models} fresh models"
        return Losses(metric=seen.spec.metric, windows=counted, against=against, noise=usual.spread if usual is not None else 0.0), ""

    def _beside_shadows(self, since: int, windows: tuple[WindowLoss, ...]) -> tuple[WindowLoss, ...]:
        """Against the shadows that would have been fitted: in every so many windows since the training; in its own it is the shadow."""
        every, history = self.rules.shadow_windows, self.seen.history
        if every is None:
            return windows
        due = [one for one in windows if (one.window - since) % every == 0 and history.trained[one.window]]
        own = {since} if history.delay == 0 else set()
        regrets = {one.window: 0.0 if one.window in own else one.loss - float(history.fresh[one.window]) for one in due}
        return regret.beside_shadows(windows, regrets, own=own)

    def _windows(self, champion: int, since: int, judged: int, fresh: float) -> tuple[WindowLoss, ...]:
        served, rows = self.seen.history.served, self.seen.history.rows
        return tuple(
            WindowLoss(window=one, loss=float(served[champion, one]), fresh=fresh, rows=int(rows[one]))
            for one in range(since, judged + 1)
            if np.isfinite(served[champion, one])
        )


def signals(seen: Seen, parts: Parts) -> Signals:
    """What the yardsticks that look at drift and quality need; drift is measured only where they look, which playing them tells."""
    history, spec = seen.history, seen.spec
    quiet = spec.retraining.model_copy(update={"drift_share": spec.retraining.drift_share or 0.5})

    def declared(model: int, window: int, since: int) -> bool:
        drifts = seen.drifts.measured(model, window, since=since)
        earlier = range(window - 1, max(since, window - quiet.drift_windows.of + 1) - 1, -1)
        evidence = Evidence(
            drifts=drifts,
            quality=None,
            no_quality="",
            labelled_rows=0,
            since_asked=None,
            persisting=_persisting(drifts, quiet),
            earlier_shares=tuple(_share(seen.drifts.measured(model, one, since=since)) for one in earlier),
        )
        return causes.drift(evidence, quiet).fired

    return Signals(
        drift=_visited(history, parts, declared),
        default_drift=_visited(history, parts, lambda model, window, _since: seen.drifts.by_default(model, window)),
        quality_drop=seen.drops(),
    )


def _visited(history: LossHistory, parts: Parts, flag: Callable[[int, int, int], bool]) -> np.ndarray:
    """Flags, windows x windows, at the pairs that a policy that follows them meets in either part."""
    found = np.zeros((history.windows, history.windows), dtype=bool)

    def asks(champion: int, since: int, window: int) -> bool:
        if window - 1 < since:
            return False
        model = champion - history.delay
        found[model, window - 1] = flag(model, window - 1, since)
        return bool(found[model, window - 1])

    for start, end in ((parts.start, parts.known), (parts.split, parts.end)):
        play(history, Policy(name="drift", family="drift", asks=asks), start=start, end=end)
    return found


def _share(drifts: tuple[object, ...]) -> float | None:
    return sum(one.drifted for one in drifts) / len(drifts) if drifts else None  # type: ignore[attr-defined]


def _persisting(drifts: tuple[object, ...], rules: Retraining) -> tuple[str, ...] | None:
    from ml.jobs import past

    return past.persisting(list(drifts)) if rules.drift_windows.of > 1 else None  # type: ignore[arg-type]
