"""`/perennial/actions/<model>/…`: promote, roll back, release a batch. What Airflow can do itself, the page asks of Airflow's own API."""

import logging
from collections.abc import Callable
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.assets.manager import asset_manager
from airflow.models.dag import DagModel
from airflow.sdk import Asset
from airflow.serialization.definitions.assets import SerializedAssetUniqueKey
from airflow.utils.session import create_session
from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from ml.errors import CallError, ConcurrentChange, PerennialError, StoreUnavailable, UnknownModel
from ml.jobs.actions import possible, said_of_promotion, said_of_release
from ml.settings import Settings
from perennial_airflow import assets
from perennial_airflow.operators.asking import person
from perennial_airflow.pages import html
from perennial_airflow.pages.audit import audited
from perennial_airflow.pages.login import User, may_see
from perennial_airflow.pages.rights import can_answer, can_trigger, from_own_page

log = logging.getLogger(__name__)
router = APIRouter(prefix="/actions")
_OWN_PAGE = [Depends(from_own_page)]
_ANSWER = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_STATUS: tuple[tuple[type[PerennialError], int], ...] = (
    (UnknownModel, 404),
    (CallError, 422),
    (ConcurrentChange, 409),
    (StoreUnavailable, 503),
    (PerennialError, 409),
)

Reason = Annotated[str, Field(max_length=2000)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Promotion(_Asked):
    """Which version, and why."""

    version: Annotated[int, Field(ge=1, lt=2**31)]
    reason: Reason = ""


class Rollback(_Asked):
    """`to`: the version that the person was shown; if it is another one by now, nothing is done."""

    to: Annotated[int, Field(ge=1, lt=2**31)]
    reason: Reason = ""


class Release(_Asked):
    """A batch by its whole id. `force`: also where expectations fail."""

    batch: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    force: bool = False
    reason: Reason = ""


def may_train(model: str, user: User) -> BaseUser:
    """The user; status 403 unless Airflow lets them trigger the model's trainings."""
    return _may(model, "train", user)


def may_ingest(model: str, user: User) -> BaseUser:
    """The user; status 403 unless Airflow lets them trigger the model's ingest."""
    return _may(model, "ingest", user)


@router.get("/{model}", dependencies=[Depends(may_see)])
def page(model: str, user: User, part: bool = False) -> HTMLResponse:
    """What the user may do with the model, with the evidence; `part`: for a page that has it inside."""
    try:
        found = possible(Settings.from_env(), model)
    except UnknownModel as error:
        return html.missing("No such model", str(error))
    rights = {
        "train": can_trigger(model, "train", user),
        "ingest": can_trigger(model, "ingest", user),
        "approve": can_answer(model, "train", user),
        "confirm": can_answer(model, "confirm", user),
    }
    return html.page("acts_part.html" if part else "acts.html", able=found, rights=rights, paused=_is_paused(f"{model}.train"))


@router.post("/{model}/promote", dependencies=_OWN_PAGE)
def promote(model: str, asked: Promotion, user: Annotated[BaseUser, Depends(may_train)]) -> JSONResponse:
    """Makes a version the champion, as `perennial promote` does."""

    def act(by: str) -> str:
        from ml.jobs.champion import promote_version

        reason = asked.reason or "promoted by hand"
        return said_of_promotion(promote_version(Settings.from_env(), model, asked.version, by=by, reason=reason))

    return _done(user, event="perennial_promote", dag=f"{model}.train", facts=asked.model_dump(), act=act, wakes=assets.champion(model))


@router.post("/{model}/rollback", dependencies=_OWN_PAGE)
def rollback(model: str, asked: Rollback, user: Annotated[BaseUser, Depends(may_train)]) -> JSONResponse:
    """Makes the former champion the champion again, as `perennial rollback` does."""

    def act(by: str) -> str:
        from ml.jobs import champion

        reason = asked.reason or "rolled back by hand"
        return said_of_promotion(champion.rollback(Settings.from_env(), model, by=by, reason=reason, to=asked.to))

    return _done(user, event="perennial_rollback", dag=f"{model}.train", facts=asked.model_dump(), act=act, wakes=assets.champion(model))


@router.post("/{model}/release", dependencies=_OWN_PAGE)
def release(model: str, asked: Release, user: Annotated[BaseUser, Depends(may_ingest)]) -> JSONResponse:
    """Judges a quarantined batch again and accepts it if it passes, as `perennial quarantine release` does."""

    def act(by: str) -> str:
        from ml.jobs import quarantine

        note = f"released by {by}" + (f": {asked.reason}" if asked.reason else "")
        released = quarantine.release(Settings.from_env(), model, asked.batch, force=asked.force, note=note)
        if released.status == "quarantined":
            raise _Refused(said_of_release(released))
        return said_of_release(released)

    return _done(user, event="perennial_release", dag=f"{model}.ingest", facts=asked.model_dump(), act=act)


def _is_paused(dag: str) -> bool:
    with create_session() as session:
        return bool(session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag)))


class _Refused(PerennialError):
    """The act was carried out, and its answer is no."""


def _may(model: str, dag: str, user: BaseUser) -> BaseUser:
    if not can_trigger(model, dag, user):
        raise HTTPException(403, f"Your role in Airflow may not trigger {model}.{dag}.")
    return user


def _announce(asset: Asset) -> None:
    """As a task's outlet does. What was done stands: DAGs that this does not wake see it at their next run."""
    try:
        with create_session() as session:
            key = SerializedAssetUniqueKey(name=asset.name, uri=asset.uri)
            asset_manager.register_asset_change(asset=key, session=session, source_is_api=True)
    except Exception:
        log.exception("not announced asset=%s", asset.uri)


def _done(
    user: BaseUser, *, event: str, dag: str, facts: dict[str, Any], act: Callable[[str], str], wakes: Asset | None = None
) -> JSONResponse:
    """Does it, with its line in the audit log, and wakes the DAGs that wait for it; what happened, or why nothing did, as one sentence.

    FastAPI runs this in a thread: an act takes as long as the command does, and the pages are answered meanwhile.
    """
    by = person({"name": user.get_name(), "id": user.get_id()}) or "somebody"
    with audited(user, event=event, dag=dag, facts=facts) as line:
        try:
            text, status = act(by), 200
        except PerennialError as error:
            text, status = str(error), next(code for kind, code in _STATUS if isinstance(error, kind))
            line.add(f"refused: {text}")
        else:
            line.add(text)
            if wakes is not None:
                _announce(wakes)
    log.info("acted event=%s dag=%s by=%s status=%d", event, dag, by, status)
    return JSONResponse({"done": status == 200, "text": text}, status_code=status, headers=_ANSWER)
