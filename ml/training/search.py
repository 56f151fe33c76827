"""Which parameters a trial tries: Optuna's samplers over a candidate's declared search."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml.errors import CandidateError
from ml.spec import LOWER_IS_BETTER, Candidate, Choice, FloatRange, IntRange, ModelSpec
from ml.training.results import Trial

log = logging.getLogger(__name__)

GRID_VALUES = 3
"""How many values of a range a grid tries."""
MOST_TRIALS = 1000
_UNPRUNED = 4
"""So many trials are finished before one is given up: the median of fewer says little."""


class Search:
    """A candidate's trials, one after the other: what to try next, and when to give one up.

    What trial n tries depends on the declaration, the seed, n and the trials before it only: each trial has a sampler of its own,
    seeded by seed and n. So a search that is taken up again after a kill goes on as if it had not been killed.
    """

    def __init__(self, spec: ModelSpec, candidate: Candidate, *, first: Mapping[str, Any] | None, folds: int) -> None:
        """Prepares the search.

        Args:
            spec: The declaration.
            candidate: One with a `search`.
            first: Parameters to begin with; what the search does not know is left out.
            folds: The number of folds; with one nothing is given up.

        Raises:
            CandidateError: A range is upside down, or a grid has more than 1000 combinations.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._spec, self._candidate = spec, candidate
        self._spaces = {name: candidate.search[name] for name in sorted(candidate.search)}
        self._distributions = {name: _distribution(candidate, name, space) for name, space in self._spaces.items()}
        self._grid = _grid(spec, candidate) if spec.training.sampler == "grid" else None
        self._first = _known(candidate, first or {})
        if self._grid is not None and self._first.keys() != self._spaces.keys():
            self._first = {}
        prunes = spec.training.pruning and folds > 1
        self._study = optuna.create_study(
            direction="minimize" if spec.metric in LOWER_IS_BETTER else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED) if prunes else optuna.pruners.NopPruner(),
        )
        self._trial: Any = None

    @property
    def size(self) -> int:
        """The number of trials: as declared, or the whole grid (and the first ones, where they are not on it)."""
        if self._grid is None:
            return self._spec.training.trials
        return len(self._grid) + (bool(self._first) and self._first not in self._grid)

    def add(self, trial: Trial) -> None:
        """Takes a finished trial in as if it had been made here."""
        import optuna

        state = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}[trial.state]
        made = optuna.trial.create_trial(
            state=optuna.trial.TrialState[state],
            params=self._internal({name: trial.params[name] for name in self._spaces}),
            distributions=self._distributions,
            value=trial.value if trial.state == "complete" else None,
            intermediate_values=so_far(trial.fold_values),
        )
        self._study.add_trial(made)

    def ask(self) -> dict[str, Any]:
        """The searched parameters of the next trial."""
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = self._sampler(number)
        fixed = self._first if number == 0 and self._first else self._next_of_grid()
        if fixed:
            self._study.enqueue_trial(self._internal(fixed))
        self._trial = self._study.ask(self._distributions)
        return {name: self._external(name, value) for name, value in self._trial.params.items()}

    def is_hopeless(self, fold_values: Sequence[float | None]) -> bool:
        """Whether the trial that was asked for is worse than the median of those before it after as many folds.

        Asked after each fold but the last.
        """
        step = len(fold_values) - 1
        if fold_values[step] is not None:
            self._trial.report(so_far(fold_values)[step], step)
        return bool(self._trial.should_prune())

    def tell(self, trial: Trial) -> None:
        """Ends the trial that was asked for."""
        from optuna.trial import TrialState

        if trial.state == "complete":
            self._study.tell(self._trial, trial.value)
        else:
            self._study.tell(self._trial, state=TrialState.PRUNED if trial.state == "pruned" else TrialState.FAIL)

    def _sampler(self, number: int) -> Any:
        import optuna

        seed = int(np.random.SeedSequence((self._spec.training.seed, number)).generate_state(1)[0])
        if self._spec.training.sampler != "tpe":
            return optuna.samplers.RandomSampler(seed=seed)
        # By default TPE draws its first ten trials at random: with few trials it would never come to learn.
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(4, self._spec.training.trials // 3)))

    def _next_of_grid(self) -> dict[str, Any]:
        """The first combination, in a seeded order, that no trial has tried; empty without a grid."""
        if self._grid is None:
            return {}
        tried = [dict(one.params) for one in self._study.get_trials(deepcopy=False)]
        return next((one for one in self._grid if self._internal(one) not in tried), {})

    def _internal(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Choices as their places: Optuna takes True for 1."""
        return {name: _place(self._spaces[name], value) if self._is_choice(name) else value for name, value in params.items()}

    def _external(self, name: str, value: Any) -> Any:
        space = self._spaces[name]
        return space.values[value] if isinstance(space, Choice) else value

    def _is_choice(self, name: str) -> bool:
        return isinstance(self._spaces[name], Choice)


def so_far(fold_values: Sequence[float | None]) -> dict[int, float]:
    """Fold → the mean of the defined values up to it: what trials are compared by before they end."""
    found, defined = {}, []
    for step, value in enumerate(fold_values):
        if value is not None:
            defined.append(value)
            found[step] = float(np.mean(defined))
    return found


def _distribution(candidate: Candidate, name: str, space: IntRange | FloatRange | Choice) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(space, Choice):
        return CategoricalDistribution(tuple(range(len(space.values))))
    try:
        if isinstance(space, IntRange):
            return IntDistribution(space.low, space.high, log=space.log)
        return FloatDistribution(space.low, space.high, log=space.log)
    except ValueError as error:
        raise CandidateError(f"candidate {candidate.name!r}: search.{name}: {error} Correct its low and high in model.yaml.") from error


def _grid(spec: ModelSpec, candidate: Candidate) -> list[dict[str, Any]]:
    """All combinations, in an order that the seed draws: a time limit then cuts no corner of it off."""
    from sklearn.model_selection import ParameterGrid

    values = {name: _values(space) for name, space in candidate.search.items()}
    size = int(np.prod([len(one) for one in values.values()], dtype=object))
    if size > MOST_TRIALS:
        raise CandidateError(
            f"candidate {candidate.name!r}: its grid has {size:,} combinations ({GRID_VALUES} values of each range), at most "
            f"{MOST_TRIALS:,} are tried. Write training.sampler: tpe, or search fewer parameters."
        )
    grid = ParameterGrid(values)
    return [grid[int(place)] for place in np.random.default_rng(spec.training.seed).permutation(size)]


def _values(space: IntRange | FloatRange | Choice) -> list[Any]:
    if isinstance(space, Choice):
        return list(space.values)
    spread = (np.geomspace if space.log else np.linspace)(space.low, space.high, GRID_VALUES)
    spread[0], spread[-1] = space.low, space.high
    return sorted({round(value) if isinstance(space, IntRange) else float(value) for value in spread})


def _known(candidate: Candidate, params: Mapping[str, Any]) -> dict[str, Any]:
    """What of the parameters the search can try: within the ranges, among the choices."""
    found: dict[str, Any] = {}
    for name, space in candidate.search.items():
        if name not in params:
            continue
        value = params[name]
        if isinstance(space, Choice):
            if _place(space, value) is None:
                log.info("first trial: not a choice candidate=%s param=%s value=%r", candidate.name, name, value)
            else:
                found[name] = value
        elif isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            log.info("first trial: not a number candidate=%s param=%s value=%r", candidate.name, name, value)
        else:
            found[name] = min(max(round(value) if isinstance(space, IntRange) else float(value), space.low), space.high)
            if found[name] != value:
                log.info("first trial: moved into its range candidate=%s param=%s %r -> %r", candidate.name, name, value, found[name])
    return found


def _place(space: Any, value: Any) -> int | None:
    return next((place for place, one in enumerate(space.values) if _is_same(one, value)), None)


def _is_same(one: Any, other: Any) -> bool:
    """Equal and of one type, also within lists: to an estimator 1, 1.0 and True are different things."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and bool(one == other)
