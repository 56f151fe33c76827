"""What every model would have lost in every window: fitted in parallel, each kept as it ends, so that a replay goes on where it was."""

import hashlib
import json
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.table import BATCH, ROW
from ml.errors import ModelOwnerError, OperatorError
from ml.jobs.replaying.fitting import HALF, KNOWN, LABELLED, Plan, Scores, Task, begin, fit_and_score, run, write_rows
from ml.jobs.replaying.recipe import Recipe
from ml.jobs.replaying.rows import Accepted, drawn
from ml.settings import Settings
from ml.spec import ModelSpec, Replay
from ml.wording import counted

log = logging.getLogger(__name__)

VERSION = 2
"""Of what is kept: another one wherever the same rows and recipe may give other losses."""
KEPT_DAYS = 90
_LATEST = 5
"""Of the kept scores, that say how long a model may take."""
_LEAST_IN_POOL = 6
"""So few models are fitted here: processes take seconds to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who is told how far it is: `say` of what begins, `advance` of (models done, models in all)."""

    say: Callable[[str], None] = lambda _: None
    advance: Callable[[int, int], None] = lambda _done, _all: None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """Windows x windows, as `ml.policy.replay.LossHistory` has them; `obstacles`: models that could not be trained, and why."""

    losses: npt.NDArray[np.float64]
    one: npt.NDArray[np.float64]
    other: npt.NDArray[np.float64]
    obstacles: dict[int, str]
    fit_seconds: float


def folder_of(settings: Settings, model: str) -> Path:
    """Where the scores of a model's replays are kept. All in it can be made again."""
    return settings.home / "replay" / model


def measured(
    settings: Settings, spec: ModelSpec, accepted: Accepted, recipe: Recipe, asked: Replay, *, delay: int, watcher: Watcher
) -> Losses:
    """The losses of all models, of which those are fitted that are not kept from before.

    Raises:
        ModelOwnerError: No model could be trained.
        OperatorError: A process was ended from outside.
    """
    tasks = _tasks(folder_of(settings, spec.model), spec, accepted, recipe, asked, delay)
    found = {task.model: scores for task in tasks if (scores := Scores.load(task.file)) is not None and not scores.failed}
    left = [task for task in tasks if task.model not in found]
    if left:
        with laid_out(settings, spec, accepted, recipe) as plan:
            for task in _fitted(plan, left, known=len(found), watcher=watcher):
                scores = Scores.load(task.file)
                if scores is None:
                    raise OperatorError(f"what model {task.model} lost was kept at {task.file} and is gone; run the replay again")
                found[task.model] = scores
    return _joined(found, accepted.windows)


def forget_old(settings: Settings, model: str, *, days: int = KEPT_DAYS) -> int:
    """Removes what no replay has asked for in so many days, and what a killed one left; how many files."""
    removed, now = 0, time.time()
    for file in folder_of(settings, model).glob("*"):
        age = 1 if file.suffix in {".part", ".arrow"} else days
        try:
            if now - file.stat().st_mtime > age * 86_400:
                file.unlink()
                removed += 1
        except OSError as error:
            log.warning("could not be removed file=%s error=%r", file, str(error))
    return removed


@contextmanager
def laid_out(settings: Settings, spec: ModelSpec, accepted: Accepted, recipe: Recipe) -> Iterator[Plan]:
    """The rows as a file that all processes map into their memory, as long as they are needed."""
    folder = folder_of(settings, spec.model)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=".arrow", dir=folder)
    os.close(descriptor)
    path = Path(name)
    named = (spec.time, spec.group, spec.target, *spec.features.used, BATCH, ROW)
    try:
        columns = list(dict.fromkeys(one for one in named if one is not None))
        write_rows(accepted.frame[columns], path, **{KNOWN: accepted.known, LABELLED: accepted.labelled, HALF: _halves(accepted)})
        yield Plan(
            rows=name,
            spec=spec.to_text(),
            candidate=recipe.name,
            params=dict(recipe.params),
            finishing=recipe.finishing.model_dump(mode="json"),
            edges=tuple(int(one) for one in accepted.edges),
        )
    finally:
        path.unlink(missing_ok=True)


def _halves(accepted: Accepted) -> npt.NDArray[np.int8]:
    """0 or 1: half of each window's rows, by a hash of their keys: kept scores of other models are of the same halves."""
    rank = pd.Series(drawn(accepted.frame)).groupby(accepted.codes).rank(method="first").to_numpy()
    sizes = np.diff(accepted.edges)[accepted.codes]
    return np.asarray(rank > sizes / 2, dtype=np.int8)


def _tasks(folder: Path, spec: ModelSpec, accepted: Accepted, recipe: Recipe, asked: Replay, delay: int) -> list[Task]:
    """One model for each window from `history` on, named by all that its scores depend on."""
    common = json.dumps(
        {
            "version": VERSION,
            "recipe": spec.recipe(),
            "seed": spec.training.seed,
            "candidate": recipe.name,
            "params": recipe.params,
            "finishing": recipe.finishing.model_dump(mode="json"),
            "metric": spec.metric,
        },
        sort_keys=True,
        default=str,
    ).encode()
    rows = _row_digests(accepted, spec)
    digests = [hashlib.sha256(rows[start:end].tobytes()).digest() for start, end in zip(accepted.edges, accepted.edges[1:], strict=False)]
    tasks = []
    for model in range(asked.history, accepted.windows):
        first = 0 if asked.growing else model - asked.history
        until = int(accepted.moments[min(model + delay, accepted.windows)])
        learnt = slice(accepted.edges[first], accepted.edges[model])
        name = hashlib.sha256(common)
        name.update(rows[learnt][accepted.labelled[learnt] & (accepted.known[learnt] <= until)].tobytes())
        name.update(b"".join(digests[model:]))
        tasks.append(Task(model=model, first=first, until=until, file=folder / f"{name.hexdigest()[:32]}.npz"))
    return tasks


def _row_digests(accepted: Accepted, spec: ModelSpec) -> npt.NDArray[np.uint64]:
    """What names each row with its label: an accepted row never changes under its key."""
    keys = accepted.frame[[BATCH, ROW]].copy()
    keys["label"] = accepted.frame[spec.target].astype("string").where(accepted.labelled, "").fillna("")
    return np.asarray(pd.util.hash_pandas_object(keys, index=False), dtype=np.uint64)


def _fitted(plan: Plan, tasks: Sequence[Task], *, known: int, watcher: Watcher) -> Iterator[Task]:
    """Each task as it ends. The first and the last are fitted first: they tell how long all take."""
    total = known + len(tasks)
    watcher.advance(known, total)
    if known:
        watcher.say(f"{known} of {total} models are known from an earlier replay")
    ordered = [tasks[0], *tasks[:0:-1]]
    alone = len(tasks) <= _LEAST_IN_POOL or cores() == 1 or multiprocessing.current_process().daemon  # those may have no children
    workers = 1 if alone else min(cores(), len(tasks))
    watcher.say(_before(len(tasks), workers, tasks[0].file.parent))
    if not alone:
        yield from _in_pool(plan, ordered, workers=workers, known=known, watcher=watcher)
        return
    for number, task in enumerate(ordered, start=1):
        fit_and_score(plan, task).save(task.file)
        watcher.advance(known + number, total)
        if number == 2 < len(ordered):
            watcher.say(_estimate(ordered[:2], len(ordered), workers))
        yield task


def _in_pool(plan: Plan, tasks: Sequence[Task], *, workers: int, known: int, watcher: Watcher) -> Iterator[Task]:
    by_model = {task.model: task for task in tasks}
    done: list[Task] = []
    with _single_threads():
        pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=begin, initargs=(plan,))
        try:
            waiting = {pool.submit(run, task) for task in tasks}
            while waiting:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    done.append(by_model[future.result()])
                    watcher.advance(known + len(done), known + len(tasks))
                    if len(done) == 2:
                        watcher.say(_estimate(done, len(tasks), workers))
                    yield done[-1]
        except BrokenProcessPool as error:
            raise OperatorError(
                "a process that trained a model was ended from outside, most often for want of memory; run the replay again, it goes on "
                "where it was, or take a part of the rows with --sample 0.2"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """How many models are fitted at once: one for each core that this process, and the container, may use."""
    from joblib import cpu_count

    from ml.training.candidates import THREADS

    return max(1, int(cpu_count()) // THREADS)


def _before(count: int, workers: int, folder: Path) -> str:
    """What is said before the first fit: how many models, and how long they take if they are like those kept last."""
    files = sorted(folder.glob("*.npz"), key=lambda file: file.stat().st_mtime)[-_LATEST:]
    seconds = [one.seconds for file in files if (one := Scores.load(file)) is not None and one.seconds > 0]
    if not seconds:
        return f"{_many(count, workers)}; how long that takes is told after two of them"
    usual = float(np.median(seconds))
    return f"{_many(count, workers)}: about {_shown(usual * count / workers)}, if each takes {usual:.2g} s as the last ones did"


def _estimate(done: Sequence[Task], count: int, workers: int) -> str:
    """From the time that the first and the last took: of all, these are scored on the most and the fewest windows."""
    seconds = [scores.seconds for task in done if (scores := Scores.load(task.file)) is not None]
    return f"{_many(count, workers)}: about {_shown(float(np.mean(seconds or [0.0])) * count / workers)}"


def _many(count: int, workers: int) -> str:
    return f"{counted(count, 'model')} to fit on {counted(workers, 'process', plural='processes')}"


def _shown(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


@contextmanager
def _single_threads() -> Iterator[None]:
    """The environment of the processes that are started meanwhile: each has one core, and threads that wait for another make all slow."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _joined(found: dict[int, Scores], windows: int) -> Losses:
    tables = [np.full((windows, windows), np.nan) for _ in range(3)]
    for model, scores in found.items():
        for table, values in zip(tables, (scores.losses, scores.one, scores.other), strict=True):
            table[model, model:] = values
    obstacles = {model: scores.obstacle for model, scores in found.items() if scores.obstacle}
    if len(obstacles) == len(found):
        raise ModelOwnerError(f"no model could be trained before any window: {next(iter(obstacles.values()), 'there are none')}")
    seconds = [scores.fit_seconds for scores in found.values() if not scores.obstacle]
    return Losses(losses=tables[0], one=tables[1], other=tables[2], obstacles=obstacles, fit_seconds=float(np.median(seconds)))
