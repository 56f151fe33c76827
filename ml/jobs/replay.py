"""A replay of the model's own history: which retraining policy pays.

What every model would have lost in every window is measured once (`ml.jobs.replaying.losses`); then any number of policies is played over
it (`ml.policy.replay`). Changes nothing but what it keeps for itself; `ml.jobs.replaying.applying` writes a recommendation into the file.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml import specfile
from ml.errors import CallError
from ml.jobs.replaying.asked import Options
from ml.jobs.replaying.showing import shown
from ml.settings import Settings
from ml.spec import ModelSpec, Replay, Retraining
from ml.state import State, replays, specs
from ml.wording import counted, percent, size

if TYPE_CHECKING:
    from ml.jobs.replaying.drifts import Drifts
    from ml.jobs.replaying.losses import Losses, Watcher
    from ml.jobs.replaying.recipe import Recipe
    from ml.jobs.replaying.rows import Accepted
    from ml.monitoring.replayed.facts import CostFacts, LengthFacts, ReplayFacts
    from ml.policy.replay import Costs, LossHistory, Policy, Replayed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _World:
    """All that a replay is told from."""

    spec: ModelSpec
    asked: Replay
    accepted: "Accepted"
    recipe: "Recipe"
    losses: "Losses"
    label_delay: int
    fit_windows: int = 0

    @property
    def delay(self) -> int:
        """Windows until a model serves that learnt from one: its labels have come, and the model is fitted."""
        return self.label_delay + self.fit_windows


def replay(settings: Settings, model: str, options: Options | None = None, *, watcher: "Watcher | None" = None) -> "ReplayFacts":
    """Plays all policies over the accepted history, stores what they cost, and says what to do.

    Interrupted, it goes on where it was when it is called again; a second call over the same rows fits nothing.

    Raises:
        CallError: An option cannot be read.
        NoData, ModelOwnerError: The history cannot be replayed; the message says why, and the cure.
    """
    from ml.jobs.replaying import losses, recipe, rows
    from ml.jobs.replaying.losses import Watcher

    options, watcher = options or Options(), watcher or Watcher()
    spec, state = specfile.load(settings, model), State.open(settings)
    asked, at = options.over(spec), datetime.now(UTC)
    own = [*([] if options.policy is None else [(options.policy.name, _rules(options.policy, spec))])]
    watcher.say("reading the accepted rows")
    accepted = rows.read(settings, spec, asked)
    delay = rows.delay_of(accepted, asked)
    found = recipe.of(state, spec)
    measured = losses.measured(settings, spec, accepted, found, asked, delay=delay, watcher=watcher)
    losses.forget_old(settings, model)
    watcher.say("playing policies")
    world = _World(
        spec=spec,
        asked=asked,
        accepted=accepted,
        recipe=found,
        losses=measured,
        label_delay=delay,
        fit_windows=_fit_windows(accepted, measured.fit_seconds),
    )
    others = [replace(world, asked=one, losses=_measured(settings, world, one, watcher)) for one in _lengths(asked)]
    facts = _told(world, own, others, at=at)
    number = replays.keep(
        state,
        model=model,
        at=at,
        spec_hash=specs.remember(state, spec, at=at),
        result=facts.model_dump(mode="json"),
    ).number
    log.info("replayed model=%s windows=%d recommended=%s", model, facts.windows, facts.chosen.recommended.name)
    return shown(settings, number, facts)


def kept(settings: Settings, model: str, number: int) -> "ReplayFacts":
    """What an earlier replay found, by its number; `CallError` where it is not kept."""
    from ml.monitoring.replayed.facts import ReplayFacts

    found = replays.numbered(State.open(settings), model, number)
    if found is None:
        raise CallError(f"{model}: replay {number} is not kept (any more); without --kept a new one is played")
    return ReplayFacts.model_validate(found.result)


def _rules(path: Any, spec: ModelSpec) -> Retraining:
    from ml.jobs.replaying.applying import rules_of

    return rules_of(path, spec)


def _fit_windows(accepted: "Accepted", seconds: float) -> int:
    """How many windows pass while a model is fitted."""
    import numpy as np

    gap = float(np.median(np.diff(accepted.moments))) / 1e9
    return int(seconds // gap) if gap > 0 else 0


def _lengths(asked: Replay) -> list[Replay]:
    """The same replay with each other length of history."""
    found: list[Replay] = []
    for one in asked.lengths:
        other = asked.model_copy(update={"growing": True} if one == "growing" else {"growing": False, "history": one})
        if (other.growing, other.history) not in {(asked.growing, asked.history), *((done.growing, done.history) for done in found)}:
            found.append(other)
    return found


def _measured(settings: Settings, world: _World, asked: Replay, watcher: "Watcher") -> "Losses":
    from ml.jobs.replaying import losses

    watcher.say(f"models that learn from {_length(asked)}")
    return losses.measured(settings, world.spec, world.accepted, world.recipe, asked, delay=world.label_delay, watcher=watcher)


def _length(asked: Replay) -> str:
    return "growing" if asked.growing else f"{asked.history} windows"


def _told(world: _World, own: Sequence[tuple[str, Retraining]], others: Sequence[_World], *, at: datetime) -> "ReplayFacts":
    from ml.jobs.replaying import told
    from ml.monitoring.replayed.facts import ReplayFacts
    from ml.policy import replay as core

    spec, asked, accepted = world.spec, world.asked, world.accepted
    costs = told.costs_of(spec, asked.costs, asked.shadow, rows=accepted.rows_of())
    history, policies, drifts = _history(world, own)
    played = core.replay(history, costs, share=asked.tune_share, own=policies)
    cells = tuple(told.cell(one, declared=spec.retraining.cost if number == 0 else None) for number, one in enumerate(played.cells))
    place = 0 if spec.retraining.cost is not None else told.middle(costs)
    affected, sentences = told.affected(
        accepted, world.losses, spec, delay=world.label_delay, least=told.least_labelled(accepted, spec, sample=asked.sample)
    )
    length = _compared(world, others, costs[place]) if others else None
    return ReplayFacts(
        model=spec.model,
        at=at,
        spec_hash=spec.hash(),
        dataset_version=accepted.version,
        metric=spec.metric,
        settings={**asked.model_dump(mode="json"), "window": accepted.size},
        windows=history.windows,
        tuned_on=played.parts.tuned,
        judged_on=played.parts.left,
        delay=world.label_delay,
        clock=accepted.clock,
        cells=cells,
        chosen_cost=cells[place].cost,
        history=told.windows(accepted, history, played.parts, played.cells[place]),
        affected=affected.model_copy(update={"unmeasured": len(drifts.unmeasured)}),
        length=length,
        absent=played.absent,
        notes=tuple(_notes(world, played, sentences)),
        recommendation=_recommendation(spec, cells[place], length),
    )


def _compared(world: _World, others: Sequence[_World], costs: "Costs") -> "LengthFacts":
    import numpy as np

    from ml.jobs.replaying.told import range_of
    from ml.monitoring.replayed.facts import LengthFacts
    from ml.policy.replay import Parts, length

    share = world.asked.tune_share
    histories = {_length(one.asked): _losses(one) for one in (world, *others)}
    declared = _length(world.asked)
    found = length(histories, declared=declared, costs=costs, share=share)
    split = max(Parts.of(one, share=share).split for one in histories.values())
    return LengthFacts(
        name=found.name,
        declared=declared,
        saved=None if found.saved is None else range_of(found.saved),
        tuned_totals=found.tuned_totals,
        fresh_means={name: float(np.nanmean(one.fresh[split:])) for name, one in histories.items()},
    )


def _losses(world: _World) -> "LossHistory":
    """The losses of judged windows; no other is looked at."""
    import numpy as np

    from ml.jobs.replaying import told
    from ml.policy.replay import LossHistory

    accepted, losses = world.accepted, world.losses
    labelled = np.bincount(accepted.codes[accepted.labelled], minlength=accepted.windows).astype(np.int64)
    least = told.least_labelled(accepted, world.spec, sample=world.asked.sample)
    tables = [np.where(labelled[None, :] < least, np.nan, one) for one in (losses.losses, losses.one, losses.other)]
    return LossHistory(losses=tables[0], rows=labelled, delay=world.delay, halves=(tables[1], tables[2]))


def _history(world: _World, own: Sequence[tuple[str, Retraining]]) -> "tuple[LossHistory, list[Policy], Drifts]":
    """The losses with the signals that were measured, the declared policies, and what measures drift where they look."""
    from ml.jobs.replaying import policies
    from ml.jobs.replaying.drifts import Drifts
    from ml.monitoring.replayed.facts import DECLARED
    from ml.policy.replay import Parts

    spec, accepted, history = world.spec, world.accepted, _losses(world)
    parts = Parts.of(history, share=world.asked.tune_share)
    drifts = Drifts(spec=spec, accepted=accepted, learnt=lambda model: _learnt(world, model), delay=history.delay)
    seen = policies.Seen(
        spec=spec,
        accepted=accepted,
        history=history,
        drifts=drifts,
        positives=_positives(world),
        tested_windows=max(1, round(spec.training.test_share * world.asked.history)),
    )
    played = [(DECLARED, spec.retraining), *own]
    declared = [policies.Declared(seen=seen, rules=rules, start=parts.split).policy(name) for name, rules in played]
    return replace(history, signals=policies.signals(seen, parts)), declared, drifts


def _learnt(world: _World, model: int) -> Any:
    """Positions of the rows that a model learnt from."""
    import numpy as np

    accepted, asked = world.accepted, world.asked
    first = 0 if asked.growing else max(0, model - asked.history)
    rows = np.arange(accepted.edges[first], accepted.edges[model])
    until = accepted.moments[min(model + world.label_delay, accepted.windows)]
    return rows[accepted.labelled[rows] & (accepted.known[rows] <= until)]


def _positives(world: _World) -> Any:
    """Labelled rows of the positive class, by window."""
    import numpy as np

    from ml.data.casting import label_text

    accepted, spec = world.accepted, world.spec
    if spec.task != "binary":
        return np.zeros(accepted.windows, dtype=np.int64)
    is_positive = (accepted.frame[spec.target].astype("string").str.strip() == label_text(spec.positive)).to_numpy(
        dtype=bool, na_value=False
    )
    return np.bincount(accepted.codes[is_positive & accepted.labelled], minlength=accepted.windows)


def _notes(world: _World, played: "Replayed", sentences: Sequence[str]) -> list[str]:
    """What one must know to read the numbers."""
    from ml.jobs.replaying import told
    from ml.jobs.replaying.applying import OTHER_ROWS
    from ml.monitoring.replayed.noise import KNOWN

    spec, asked, accepted = world.spec, world.asked, world.accepted
    learnt = f"all windows before it, at least {asked.history}" if asked.growing else f"the {asked.history} windows before it"
    notes = [
        world.recipe.sentence,
        f"A model learns from {learnt}; a window is {size(accepted.size)}. Each training is taken to pass the gate.",
        _unit(spec),
        *told.priced(spec, accepted.rows_of()),
    ]
    if accepted.clock == "time":
        notes.append(
            "The history was loaded at once, so that arrival times say nothing: labels count from the rows' own time"
            + ("." if spec.label_delay is None and asked.label_delay is None else " and the label delay.")
        )
    elif accepted.clock == "delivered":
        notes.append(
            "Of the rows only the order in which they were delivered is known, so windows have numbers and no dates; where a rule counts "
            "time, a window is taken for a day."
        )
    else:
        notes.append("Batches and labels count from when they arrived.")
    if spec.training.history_rows is not None:
        notes.append(f"Trainings learn from the newest {spec.training.history_rows:,} rows (training.history_rows), and not from windows.")
    elif not asked.growing:
        notes.append(OTHER_ROWS.format(asked.history))
    if spec.retraining.drift_share is None:
        notes.append("Drift alone asks for nothing as it is declared; it was played as if half of the columns were enough.")
    if world.label_delay:
        notes.append(f"Labels come {counted(world.label_delay, 'window')} late; as many are left out before the judged windows.")
    if world.fit_windows:
        notes.append(f"A fit takes {counted(world.fit_windows, 'window')}, which are left out there, too.")
    if spec.retraining.estimated_drop is not None:
        notes.append("Quality is not estimated in a replay: as declared, estimated_drop asks for nothing here.")
    if spec.retraining.quality_drop is not None and spec.metric not in KNOWN:
        notes.append(f"How far {spec.metric} moves by chance is not known in a replay: as declared, any drop beyond quality_drop counts.")
    if asked.sample < 1:
        notes.append(f"Of each window a sample of {percent(asked.sample)} of the rows was taken.")
    if played.unjudged:
        notes.append(f"{counted(played.unjudged, 'window')} could not be judged and count in no total.")
    return [*notes, *sentences]


def _unit(spec: ModelSpec) -> str:
    from ml.spec import LOWER_IS_BETTER

    loss = spec.metric if spec.metric in LOWER_IS_BETTER else f"1 - {spec.metric}"
    return f"The loss of a window is {loss} on its labelled rows, and costs are in the same unit: 1 is one window with a loss of 1 more."


def _recommendation(spec: ModelSpec, chosen: "CostFacts", length: "LengthFacts | None") -> str:
    said = [chosen.sentence, *([] if length is None or not length.better else [length.better])]
    if spec.retraining.cost is None:
        said.append(f"No cost is declared: this is for a retraining that costs {chosen.cost:g}; write yours as retraining.cost.")
    return " ".join(said)
