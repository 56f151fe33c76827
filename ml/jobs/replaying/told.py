"""From what the policies did to what people, pages and machines are told."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.jobs.replaying.losses import Losses
from ml.jobs.replaying.rows import Accepted
from ml.monitoring.replayed.facts import Affected, CostFacts, PlayedPolicy, Range, WindowFacts
from ml.policy.replay import Cell, Costs, Interval, Judged, LossHistory, Parts, as_declared
from ml.spec import Cost, ModelSpec

_FEWEST_LABELLED = 10
_NAMED_COLUMNS = 5


def cell(found: Cell, *, declared: Cost | None) -> CostFacts:
    """One cost. `declared`: as `retraining.cost` has it, where it is that one: it is what a recommendation leaves in the file."""
    costs, vote, rules = found.costs, found.vote, as_declared(found)
    return CostFacts(
        cost=round(costs.retraining, 12),  # 0.095 + 0.005 is 0.1, whatever floats say
        train=costs.train,
        promote=costs.promote,
        is_declared=declared is not None,
        recommended=_played(found.recommended),
        kind=found.kind,
        is_told=found.is_told,
        sentence=found.sentence,
        tuned_calendar=_played(found.tuned_calendar),
        hindsight_calendar=_played(found.hindsight_calendar),
        never=_played(found.never),
        always=_played(found.always),
        oracle=_played(found.oracle),
        honest_oracle=found.honest_oracle,
        policies=tuple(_played(one) for one in found.policies),
        vote=None if vote is None else vote.model_dump(mode="json", exclude_none=True, exclude_defaults=False),
        rules=rules | {"cost": declared.model_dump(mode="json")} if rules and declared is not None else rules,
    )


def _played(one: Judged) -> PlayedPolicy:
    return PlayedPolicy(
        name=one.name,
        family=one.family,
        total=one.total,
        loss=float(one.run.losses.sum()),
        mean_loss=one.run.mean_loss,
        retrainings=one.retrainings,
        fits=int(one.run.fits.sum()),
        shadow=one.shadow,
        mean_interval=range_of(one.mean),
        beyond_never=range_of(one.beyond_never),
        beyond_calendar=range_of(one.beyond_calendar),
        tuned_total=one.tuned_total,
        retrained=one.run.retrained,
    )


def range_of(found: Interval) -> Range:
    """Its ends; None for one that is unbounded."""
    return _finite(found.low), _finite(found.high)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def windows(accepted: Accepted, history: LossHistory, parts: Parts, chosen: Cell) -> tuple[WindowFacts, ...]:
    """Each window with what was lost in it."""
    sizes = np.diff(accepted.edges)
    return tuple(
        WindowFacts(
            number=number,
            start=accepted.start(number),
            rows=int(sizes[number]),
            labelled_rows=int(history.rows[number]),
            part=_part(number, parts),
            fresh=_finite(float(history.fresh[number])),
            recommended=_lost(history, chosen.recommended, number),
            never=_lost(history, chosen.never, number),
        )
        for number in range(history.windows)
    )


def _part(number: int, parts: Parts) -> str:
    if number < parts.start:
        return "history"
    return "tuned" if number < parts.known else "purged" if number < parts.split else "judged"


def _lost(history: LossHistory, one: Judged, number: int) -> float | None:
    if not one.run.start <= number < one.run.end or not history.judged[number]:
        return None
    return float(one.run.losses[number - one.run.start])


def affected(accepted: Accepted, losses: Losses, spec: ModelSpec, *, delay: int, least: float) -> tuple[Affected, list[str]]:
    """How many windows were treated otherwise, and sentences where more is to be said. `least`: labels that a window needs to be judged."""
    labelled = _by_window(accepted, accepted.labelled)
    sizes = np.diff(accepted.edges)
    limits = accepted.moments[np.minimum(np.arange(accepted.windows) + 1 + delay, accepted.windows)]
    ended = accepted.codes + 1 + delay < accepted.windows  # of the newest windows nobody can tell yet
    late = _by_window(accepted, ended & accepted.labelled & (accepted.known > limits[accepted.codes])) > 0
    one_class = _classes(accepted, spec) < 2
    lost, columns = _lost_columns(accepted, spec)
    found = Affected(
        unlabelled=int((labelled == 0).sum()),
        partly_labelled=int(((labelled > 0) & (labelled < sizes)).sum()),
        one_class=int((one_class & (labelled > 0)).sum()) if _needs_two(spec) else 0,
        few_rows=int(((labelled < least) & (labelled > 0)).sum()),
        untrained=len(losses.obstacles),
        lost_columns=int(lost.sum()),
        late_labels=int(late.sum()),
        left_out_rows=accepted.left_out,
    )
    return found, _sentences(accepted, losses, columns)


def least_labelled(accepted: Accepted, spec: ModelSpec, *, sample: float) -> float:
    """With fewer labels a window is not judged: production does not either. Where whole windows are smaller, only chance is ruled out."""
    declared = sample * spec.monitoring.minimum_rows
    return max(_FEWEST_LABELLED, declared) if declared <= np.median(np.diff(accepted.edges)) else _FEWEST_LABELLED


def _needs_two(spec: ModelSpec) -> bool:
    return spec.metric == "roc_auc"


def _by_window(accepted: Accepted, mask: Any) -> Any:
    return np.bincount(accepted.codes[mask], minlength=accepted.windows)


def _classes(accepted: Accepted, spec: ModelSpec) -> Any:
    """Different labels of each window."""
    frame = accepted.frame.loc[accepted.labelled, [spec.target]].assign(window=accepted.codes[accepted.labelled])
    return frame.groupby("window")[spec.target].nunique().reindex(range(accepted.windows), fill_value=0).to_numpy()


def _lost_columns(accepted: Accepted, spec: ModelSpec) -> tuple[Any, list[str]]:
    """Windows in which a feature is missing throughout that others have, and which features these are."""
    lost, named = np.zeros(accepted.windows, dtype=bool), []
    sizes = np.diff(accepted.edges)
    for name in spec.features.used:
        present = _by_window(accepted, accepted.frame[name].notna().to_numpy(dtype=bool))
        empty = (present == 0) & (sizes > 0)
        if empty.any() and not empty.all():
            lost |= empty
            named.append(name)
    return lost, named


def _sentences(accepted: Accepted, losses: Losses, columns: Sequence[str]) -> list[str]:
    found = []
    if columns:
        named = ", ".join(map(repr, columns[:_NAMED_COLUMNS])) + (", …" if len(columns) > _NAMED_COLUMNS else "")
        found.append(f"The schema changed: {named} stand in no row of some windows, and count as missing values there.")
    if losses.obstacles:
        first = min(losses.obstacles)
        found.append(f"Before {len(losses.obstacles)} windows no model could be trained (window {first}: {losses.obstacles[first]}).")
    if accepted.strange:
        found.append(f"{accepted.strange} rows have a label that is neither of the model's two classes: they count as without one.")
    return found


def costs_of(spec: ModelSpec, grid: Sequence[float], share: float | None, *, rows: float) -> list[Costs]:
    """The declared cost first, then the grid in its order, split as declared; in windows' worth of loss, of windows of so many `rows`."""
    declared = None if spec.retraining.cost is None else spec.retraining.cost.in_windows(rows)
    part = share if share is not None else 0.05 if declared is None else declared.train / declared.retraining
    first = [] if declared is None else [Costs(train=declared.train, promote=declared.promote)]
    others = [Costs.of(one, shadow_share=part) for one in grid]
    return [*first, *(one for one in others if not any(math.isclose(one.retraining, cost.retraining) for cost in first))]


def priced(spec: ModelSpec, rows: float) -> list[str]:
    """How a cost that is declared in money was turned into windows' worth of loss, in one sentence; none where none is."""
    cost = spec.retraining.cost
    if cost is None or cost.per_error is None:
        return []
    found, each = cost.in_windows(rows), f"{rows:.0f} rows a window"
    parts = f"a fit {cost.train:g}, a promotion {cost.promote:g}"
    money = f"A retraining costs {cost.retraining:g} in money ({parts}) and an error {cost.per_error:g}"
    return [f"{money}: with {each} that is {found.retraining:.4g} windows' worth of loss, as costs are told here and given by --costs."]


def middle(costs: Sequence[Costs]) -> int:
    """Where the middle one stands, of two the lower."""
    order = sorted(range(len(costs)), key=lambda one: costs[one].retraining)
    return order[(len(order) - 1) // 2]
