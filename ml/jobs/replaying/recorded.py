"""Whether each decision that was made live is made again, from the state database and the tables as of its moment.

Nothing is stored. What is measured again needs what monitoring keeps: the profile of the rows that the champion learnt from, and the
champion's own file. Where one is gone, the stored numbers are taken, and the decision alone is made again.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ml import policy
from ml.errors import CallError, PerennialError
from ml.jobs import deciding, measuring, reference_profile, windows
from ml.jobs.evidence import Measurement
from ml.monitoring import profile_file
from ml.monitoring.profile_file import ReferenceProfile
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, history, ledger, specs
from ml.state.records import Decision, Drift, Quality, Training, Window
from ml.training import champions, tested_model

log = logging.getLogger(__name__)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 5
_AS_STORED = "it cannot be measured again ({}): drift and quality as stored"


class DecidedAgain(BaseModel):
    """One recorded decision. `state`: `same`; `differs`; or `other policy`: the code of the rules was another one, nothing is compared.

    `is_measured`: drift and quality were measured again too; else `note` says why the stored numbers were taken.
    """

    model_config = ConfigDict(frozen=True)

    decision: str
    window: int
    retrain: bool
    state: Literal["same", "differs", "other policy"]
    is_measured: bool
    differences: tuple[str, ...] = ()
    note: str = ""


class Recorded(BaseModel):
    """All decisions about windows of a model, oldest first."""

    model_config = ConfigDict(frozen=True)

    model: str
    decisions: tuple[DecidedAgain, ...]

    @property
    def same(self) -> int:
        """How many were made again, word by word."""
        return sum(one.state == "same" for one in self.decisions)

    @property
    def differing(self) -> int:
        """How many were not."""
        return sum(one.state == "differs" for one in self.decisions)


def recorded(settings: Settings, model: str) -> Recorded:
    """Decides again about each window that was judged, as of the moment of its decision.

    Raises:
        CallError: No decision was made yet.
    """
    from ml import specfile

    specfile.spec_path(settings, model)
    state = State.open(settings)
    made = [one for one in history.decided(state, model, after=_BEGINNING) if one.window is not None and one.policy != ledger.GIVEN_UP]
    if not made:
        raise CallError(f"{model}: no decision about a window was made yet; `perennial monitor {model}` makes one")
    looked = [(one, _window(state, one)) for one in made]
    found: list[DecidedAgain] = []
    for _, of_one in groupby(looked, key=lambda pair: pair[1].champion):
        together = list(of_one)
        with _opened(settings, state, together[0][1]) as champion:
            found += [_again(settings, state, decision, window, champion) for decision, window in together]
    return Recorded(model=model, decisions=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Champion:
    trained: Training
    learnt: ModelSpec
    fitted: Any
    tested: Any | None
    reference: ReferenceProfile


@contextmanager
def _opened(settings: Settings, state: State, window: Window) -> Iterator[_Champion | str]:
    """The champion of the window and the profile of what it learnt from, as long as they are needed; or why they cannot be had."""
    trained = windows.training_of(state, window.model, window.champion)
    learnt = specs.recall(state, trained.spec_hash)
    with ExitStack() as stack:
        found: _Champion | str = f"the profile of what version {window.champion} learnt from is not kept any more: drift as stored"
        try:
            url, identity = reference_profile.url_of(settings, trained), reference_profile.identity(trained)
            reference = stack.enter_context(profile_file.opened(url, of=identity))
            if reference is not None:
                fitted = champions.load(settings, champions.Champion(window.champion, trained, learnt))
                tested = tested_model.load(settings, trained, learnt)
                found = _Champion(trained=trained, learnt=learnt, fitted=fitted, tested=tested, reference=reference)
        except (PerennialError, FileNotFoundError) as error:
            found = _AS_STORED.format(error)
        yield found


def _window(state: State, decision: Decision) -> Window:
    found = ledger.find_window(state, str(decision.window))
    assert found is not None, "a decision's window is never removed"
    return found


def _again(settings: Settings, state: State, decision: Decision, window: Window, champion: _Champion | str) -> DecidedAgain:
    facts: dict[str, Any] = {"decision": decision.id, "window": window.number, "retrain": decision.retrain}
    spec = specs.recall(state, window.spec_hash)
    if decision.policy != policy.version(spec.retraining):
        note = f"it was made by policy {decision.policy}, and the rules of now are {policy.version(spec.retraining)}"
        return DecidedAgain(**facts, state="other policy", is_measured=False, note=note)
    measurement, note = _measured(settings, state, window, champion)
    differences = [] if measurement is None else _compared(ledger.measurement(state, window.id), measurement)
    try:
        evidence, outcome = deciding.judged(settings, state, window, at=decision.decided_at, measurement=measurement)
    except PerennialError as error:
        return DecidedAgain(**facts, state="differs", is_measured=measurement is not None, differences=(str(error),), note=note)
    differences += _differences(decision, policy_says=outcome, evidence=evidence.to_json())
    return DecidedAgain(
        **facts,
        state="differs" if differences else "same",
        is_measured=measurement is not None,
        differences=tuple(differences),
        note=note,
    )


def _measured(settings: Settings, state: State, window: Window, champion: _Champion | str) -> tuple[Measurement | None, str]:
    """Drift and quality, measured again; None and why, where what that needs is gone."""
    if isinstance(champion, str):
        return None, champion
    spec = windows.watched(specs.recall(state, window.spec_hash), champion.learnt)
    try:
        found = measuring.look_at(
            settings,
            state,
            window,
            champion.reference,
            spec=spec,
            champion=champion.fitted,
            tested=champion.tested,
            trained=champion.trained,
        )
    except (PerennialError, FileNotFoundError) as error:
        return None, _AS_STORED.format(error)
    drifts = sorted(found.drifts, key=lambda one: one.column)
    return (drifts, sorted(found.qualities, key=lambda one: one.metric)), ""


def _compared(before: Measurement, now: Measurement) -> list[str]:
    found = []
    for old, new in ((before[0], now[0]), (before[1], now[1])):
        stored, measured = _named(old), _named(new)
        for name in dict.fromkeys((*stored, *measured)):
            if stored.get(name) != measured.get(name):
                found.append(f"{name} was {stored.get(name)}, and is {measured.get(name)}")
    return found


def _named(measured: list[Drift] | list[Quality]) -> dict[str, str]:
    """What was measured, in words that are the same for the same number and the same verdict."""
    return {f"drift of {one.column}" if isinstance(one, Drift) else one.metric: _said(one) for one in measured}


def _said(one: Drift | Quality) -> str:
    return f"{one.value!r} ({'drifted' if one.drifted else 'not drifted'})" if isinstance(one, Drift) else repr(one.value)


def _differences(decision: Decision, *, policy_says: policy.Outcome, evidence: dict[str, Any]) -> list[str]:
    """What is told otherwise: the answer, each rule's word, the reasons, the evidence."""
    found = []
    if policy_says.retrain != decision.retrain:
        found.append(f"retrain was {decision.retrain}, and is {policy_says.retrain}")
    before, now = ({one["rule"]: one for one in said} for said in (decision.rules, policy_says.rules_json()))
    found += [
        f"rule {name} said {before.get(name, {}).get('reason')!r}, and says {now.get(name, {}).get('reason')!r}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
    if list(policy_says.reasons) != decision.reasons:
        found.append("the reasons are others, or stand in another order")
    changed = [name for name in dict.fromkeys((*decision.evidence, *evidence)) if decision.evidence.get(name) != evidence.get(name)]
    found += [f"evidence {name!r} was {decision.evidence.get(name)}, and is {evidence.get(name)}" for name in changed[:_SHOWN]]
    return found
