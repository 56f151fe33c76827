"""Who is champion: promoting by hand, rolling back. The state database is the truth, MLflow's aliases follow it."""

import logging
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import ConcurrentChange, StoreUnavailable, UnknownVersion
from ml.jobs import watched
from ml.settings import Settings
from ml.state import State, trainings, watches
from ml.state.records import Promotion

log = logging.getLogger(__name__)

_LOOKS = 10


class ChampionChange(BaseModel):
    """One change of champion; `changed` is False where the version was champion already."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    champion: int
    previous: int | None
    kind: str
    changed: bool
    at: datetime
    by: str
    reason: str


def promote_version(settings: Settings, model: str, version: int, *, by: str, reason: str) -> ChampionChange:
    """Makes a version the champion, whatever the gate said. Idempotent.

    Raises:
        UnknownVersion: The registry has no such version, or no training of Perennial made it.
    """
    from ml.registry import models

    specfile.spec_path(settings, model)
    state = State.open(settings)
    models.check_version(settings, model, version)
    training = trainings.of_version(state, model, version)
    if training is None:
        raise UnknownVersion(f"{model} version {version} was made by no training that the state database knows; train again instead.")
    now = trainings.champion(state, model)
    spoken = training.verdict
    change = _crown(settings, state, model, version, now=now, kind="promote", by=by, reason=reason, evidence=spoken)
    if training.state in {"challenger", "failed"}:
        trainings.change(state, training.key, state="promoted")
    return change


def rollback(settings: Settings, model: str, *, by: str, reason: str, to: int | None = None) -> ChampionChange:
    """Makes the version that served before the present champion the champion again; a second rollback goes one further back.

    `to`: only if that is this version, the one that whoever asks has seen.

    Raises:
        UnknownVersion: There is no champion, or none before it, or it is no longer in the registry.
        ConcurrentChange: The champion was changed meanwhile, so that the way back would lead to another version than `to`.
    """
    from ml.registry import models

    specfile.spec_path(settings, model)
    state = State.open(settings)
    history = trainings.promotion_history(state, model)
    former = former_champions(history)
    if len(former) < 2:
        present = f"version {former[-1]} is its first" if former else "it has no champion"
        raise UnknownVersion(f"{model} has no former champion to go back to: {present}.")
    if to is not None and former[-2] != to:
        raise ConcurrentChange(
            f"the champion of {model} was changed meanwhile: back would be version {former[-2]} now, not {to}. Look again"
        )
    models.check_version(settings, model, former[-2])
    spoken = _undoing(state, history, version=former[-2])
    return _crown(settings, state, model, former[-2], now=history[-1], kind="rollback", by=by, reason=reason, evidence=spoken)


def former_champions(history: list[Promotion]) -> list[int]:
    """The versions that are left when each rollback undoes the promotion before it, oldest first; the last one serves.

    >>> former_champions([])
    []
    """
    stack: list[int] = []
    for change in history:
        if change.kind == "rollback" and change.version in stack:
            del stack[len(stack) - stack[::-1].index(change.version) :]
        elif not stack or stack[-1] != change.version:
            stack.append(change.version)
    return stack


def _undoing(state: State, history: list[Promotion], *, version: int) -> dict[str, Any]:
    """What is known when a rollback leads back to a version: its verdict, what is undone, and the numbers of that one's watch, if any."""
    model, undone = history[-1].model, history[-1].version
    crowned = [one.number for one in history if one.version == undone]
    found = watches.of_model(state, model)
    watch = next((watched.result(state, found[number]) for number in reversed(crowned) if number in found), None)
    verdicts = {one: _verdict(state, model, one) for one in (version, undone)}
    said = f"undoes version {undone}; its gate said: {verdicts[undone].get('sentence', 'nothing that is known')}"
    return {
        "sentence": said if watch is None else f"{said} Its watch: {watch.reason}.",
        "verdict": verdicts[version],
        "undone": {"version": undone, "promotion": crowned[-1], "verdict": verdicts[undone]},
        "watch": None if watch is None else watch.model_dump(mode="json"),
    }


def _verdict(state: State, model: str, version: int) -> dict[str, Any]:
    made_by = trainings.of_version(state, model, version)
    return {} if made_by is None else made_by.verdict or {}


def heal_aliases(settings: Settings, model: str) -> None:
    """Makes MLflow's aliases say what the state database says. Idempotent.

    `champion` points to the champion; a `challenger` that became champion loses that alias. After each write one looks again whether
    the champion is still the same: of two processes that do this at the same time the last to write has seen the last change.
    """
    state = State.open(settings)
    for _ in range(_LOOKS):
        crowned = trainings.champion(state, model)
        _point(settings, model, crowned.version if crowned is not None else None)
        if crowned is None or trainings.told(state, model, number=crowned.number, at=datetime.now(UTC)):
            return
    raise ConcurrentChange(f"the champion of {model} was changed by others {_LOOKS} times in a row; its aliases follow at the next call")


def heal_missed(settings: Settings, model: str) -> None:
    """Does what `heal_aliases` does if a change of champion was killed before it did. Costs one query where it was not.

    For those who only read: MLflow that does not answer is no reason to fail.
    """
    if trainings.is_told(State.open(settings), model):
        return
    try:
        heal_aliases(settings, model)
    except (StoreUnavailable, ConcurrentChange) as error:
        log.warning("aliases not healed model=%s error=%s", model, error)


def _point(settings: Settings, model: str, serving: int | None) -> None:
    """Sets the aliases where they differ."""
    from ml.registry import models

    present = models.aliases(settings, model)
    if present.get("champion") != serving:
        models.set_alias(settings, model, "champion", serving)
        log.info("alias set model=%s alias=champion version=%s former=%s", model, serving, present.get("champion"))
    if serving is not None and present.get("challenger") == serving:
        models.set_alias(settings, model, "challenger", None)


def _crown(
    settings: Settings,
    state: State,
    model: str,
    version: int,
    *,
    now: Promotion | None,
    kind: str,
    by: str,
    reason: str,
    evidence: dict[str, Any] | None,
) -> ChampionChange:
    if now is not None and now.version == version:
        heal_aliases(settings, model)
        return _change(now, changed=False)
    at = datetime.now(UTC)
    # Two people who ask for the same at the same time, seeing the same champion, ask for one change.
    key = f"{kind}-{version}-after-{now.number if now is not None else 0}"
    expected = now.version if now is not None else None
    crowned = trainings.crown(
        state,
        model=model,
        version=version,
        kind=kind,
        at=at,
        by=by,
        reason=reason,
        key=key,
        evidence=evidence,
        expected=expected,
    )
    if crowned is None:
        raise ConcurrentChange(f"the champion of {model} was changed by another process at this moment; look at it, then call again")
    heal_aliases(settings, model)
    log.info("champion changed model=%s version=%d previous=%s kind=%s", model, version, crowned.previous, kind)
    return _change(crowned, changed=True)


def _change(crowned: Promotion, *, changed: bool) -> ChampionChange:
    return ChampionChange(
        model=crowned.model,
        champion=crowned.version,
        previous=crowned.previous,
        kind=crowned.kind,
        changed=changed,
        at=crowned.at,
        by=crowned.by,
        reason=crowned.reason,
    )
