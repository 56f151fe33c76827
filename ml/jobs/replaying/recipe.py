"""What would have been trained at each point: the champion's recipe, with its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.spec import ModelSpec
from ml.state import State
from ml.training import champions
from ml.training.finishing import Finishing
from ml.training.results import verdict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is fitted.

    Args:
        name: The candidate or ensemble.
        params: Its parameters; nothing is searched anew.
        finishing: Calibration and threshold, likewise.
        sentence: Whose it is, in words.
    """

    name: str
    params: Mapping[str, Any]
    finishing: Finishing = field(default_factory=Finishing)
    sentence: str


_NOT_SEARCHED = "hyper-parameters, calibration and threshold are not searched anew at each point"


def of(state: State, spec: ModelSpec) -> Recipe:
    """The champion's recipe where the declaration still has it, else the first declared candidate with its own parameters."""
    first = spec.training.candidates[0]
    found = champions.of_now(state, spec.model)
    if found is None:
        sentence = f"There is no champion: each model is the first declared candidate, {first.name!r}, with its own parameters"
        return Recipe(name=first.name, params=first.params, sentence=f"{sentence}; {_NOT_SEARCHED}.")
    verdict = verdict_of(found.training)
    if verdict is None or not _is_declared(spec, found.spec, verdict.candidate):
        why = f"The declaration no longer has what version {found.version} was made by"
        return Recipe(
            name=first.name, params=first.params, sentence=f"{why}: each model is its first candidate, {first.name!r}; {_NOT_SEARCHED}."
        )
    sentence = f"Each model is {verdict.candidate!r} with the parameters of version {found.version}; {_NOT_SEARCHED}."
    return Recipe(
        name=verdict.candidate, params=verdict.params, finishing=Finishing.model_validate(verdict.finishing or {}), sentence=sentence
    )


def _is_declared(spec: ModelSpec, learnt: ModelSpec, name: str) -> bool:
    if champions.question(spec) != champions.question(learnt):
        return False
    classes = {one.name: one.class_ for one in spec.training.candidates}
    before = {one.name: one.class_ for one in learnt.training.candidates}
    ensemble = learnt.ensemble(name)
    if ensemble is None:
        return name in classes and classes[name] == before.get(name)
    return spec.ensemble(name) == ensemble and all(classes.get(one) == before.get(one) for one in ensemble.members)
