"""What the champion lost in each window since its training, beside what a fresh model lost there or usually loses.

A fresh model is, where there is one, the champion's shadow on the same rows (`ml.jobs.shadow_fit`): what is harder for every model is then
no regret.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ml.jobs import past, shadow_fit
from ml.monitoring.shadowed import Shadow
from ml.policy import Losses, Usual, WindowLoss, loss, regret
from ml.spec import ModelSpec
from ml.state import State, ledger
from ml.state.records import Training, Window
from ml.training.results import verdict_of

_NEWEST = 20
"""So many earlier shadows say what is usual."""


def losses(
    state: State, window: Window, *, spec: ModelSpec, trained: Training, last: Training, found: Usual | None
) -> tuple[Losses | None, str]:
    """The champion's loss in each window that was judged, beside a fresh one; or None and why.

    It begins anew with each training that came to an end, also with one whose challenger lost: that one has been paid for.

    Args:
        state: The state database.
        window: The newest window that counts.
        spec: How to watch it.
        trained: The champion's training.
        last: The newest training that has come to an end.
        found: What fresh models usually score.
    """
    verdict = verdict_of(trained)
    own = None if verdict is None else verdict.metrics.get(spec.metric)
    fresh_value = found.value if found is not None else own
    if fresh_value is None:
        return None, f"neither a usual {spec.metric} nor that of version {trained.version} at its promotion is known"
    since = last.as_of
    judged = ledger.judged(state, window.model, champion=window.champion, metric=spec.metric, after=since, until=window.number)
    lost = [
        WindowLoss(window=number, loss=loss(spec.metric, one.value), fresh=loss(spec.metric, float(fresh_value)), rows=one.rows)
        for number, one in judged
        if one.rows >= spec.monitoring.minimum_rows
    ]
    if not lost:
        return None, f"no window since the last training had labels enough to judge version {trained.version}"
    against = f"its own {spec.metric} at promotion" if found is None else f"the usual {spec.metric} of {found.models} fresh models"
    plain = Losses(metric=spec.metric, windows=tuple(lost), against=against, noise=found.spread if found is not None else 0.0)
    if spec.retraining.shadow_windows is None:
        return plain, ""
    made = [(one, shadow) for one, shadow in shadow_fit.known(state, window.model, until=window.number) if shadow.metric == spec.metric]
    return _beside_shadows(plain, made, since=since), ""


def _beside_shadows(plain: Losses, made: Sequence[tuple[Window, Shadow]], *, since: datetime) -> Losses:
    """The same with the shadows' losses, as far as there are any; a window without one has the regret of the newest before it.

    Args:
        plain: The champion's losses beside what fresh models usually lose.
        made: The shadows of the model, newest first.
        since: When the last training froze its inputs: later fits are counted.
    """
    regrets = {one.number: shadow.worse_by for one, shadow in made if shadow.worse_by is not None}
    own = {one.number for one, shadow in made if not shadow.fits}
    windows = regret.beside_shadows(plain.windows, regrets, own=own)
    moved = [shadow.worse_by for _, shadow in made if shadow.worse_by is not None and shadow.fits][:_NEWEST]
    return replace(
        plain,
        windows=windows,
        against=_against(windows, plain.against),
        noise=past.spread(moved) if len(moved) >= past.LEAST_FRESH else plain.noise,
        shadow_fits=sum(shadow.fits for one, shadow in made if one.as_of > since),
    )


def _against(windows: Sequence[WindowLoss], usual: str) -> str:
    counts = Counter("shadow" if one.against == "own" else one.against for one in windows)
    if not counts["shadow"]:
        return usual
    if len(counts) == 1:
        return "a shadow"
    carried = f", whose regret is carried to {counts['carried']}" if counts["carried"] else ""
    return f"a shadow in {counts['shadow']} of them{carried}" + (f", else {usual}" if counts["usual"] else "")
