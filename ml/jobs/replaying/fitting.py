"""One model of a replay: fitted on the windows before a point, scored once on all later ones. Runs in a process of its own."""

import os
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.errors import CandidateError, ModelOwnerError
from ml.wording import counted

Floats = npt.NDArray[np.float64]
PIECE_CELLS = 20_000_000
"""Values that are scored at a time."""
KNOWN, LABELLED, HALF = "_known", "_labelled", "_half"
"""Columns beside the model's: when the label was known (ns), whether there is one, and which half of its window the row is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all models of a replay share; small, since it goes to each process.

    Args:
        rows: The Arrow file of the ordered rows.
        spec: The declaration, as text.
        candidate: What is fitted,
        params: with which parameters,
        finishing: and what is put on it.
        edges: Positions at which windows begin, and the end of the last.
    """

    rows: str
    spec: str
    candidate: str
    params: dict[str, Any]
    finishing: dict[str, Any]
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One model: what it learns from, and where its scores are kept.

    Args:
        model: The window before which it is trained.
        first: The first window that it learns from.
        until: Labels that were known by then (ns) are learnt from.
        file: Where its scores are kept.
    """

    model: int
    first: int
    until: int
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Losses of one model in each window from its own on, of all labelled rows and of either half.

    `seconds`: what it took in all; `fit_seconds`: processor time of the fit, whatever else the machine does.
    `obstacle`: why there is no model. `failed`: not for want of rows, but because its class failed; another time it may not.
    """

    losses: Floats
    one: Floats
    other: Floats
    seconds: float = 0.0
    fit_seconds: float = 0.0
    obstacle: str = ""
    failed: bool = False

    def save(self, file: Path) -> None:
        """In one step: whoever is killed meanwhile leaves nothing, or all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}-{uuid.uuid4().hex}.part")
        facts = np.array([self.seconds, self.fit_seconds, self.failed])
        with part.open("wb") as stream:
            np.savez(stream, losses=self.losses, one=self.one, other=self.other, facts=facts, obstacle=np.array(self.obstacle))
        part.replace(file)

    @classmethod
    def load(cls, file: Path) -> "Scores | None":
        """What is kept there; None where nothing is, or nothing that can be read."""
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
                seconds, fit_seconds, failed = kept["facts"]
                found = cls(
                    losses=kept["losses"],
                    one=kept["one"],
                    other=kept["other"],
                    seconds=float(seconds),
                    fit_seconds=float(fit_seconds),
                    obstacle=str(kept["obstacle"]),
                    failed=bool(failed),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        os.utime(file)  # it was of use now: what nobody asks for is removed first
        return found


_PLAN: Plan | None = None


def begin(plan: Plan) -> None:
    """What each process does first. An interrupt is the parent's to handle: it lets running fits end, and each of them is kept.

    A parent that is killed can end nobody: each process ends itself then, where it would wait for ever.
    """
    import signal
    import threading

    global _PLAN  # noqa: PLW0603 - one plan for each process
    _PLAN = plan
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # what is being fitted is written whole or not at all


def run(task: Task) -> int:
    """Fits, scores and keeps one model in a process that has begun; its window."""
    assert _PLAN is not None, "begin comes first"
    fit_and_score(_PLAN, task).save(task.file)
    return task.model


def fit_and_score(plan: Plan, task: Task) -> Scores:
    """One model and its losses. Memory: the rows that it learns from, and a piece of those that it is scored on."""
    from ml.spec import ModelSpec
    from ml.training import making
    from ml.training.finishing import Finishing

    started = time.perf_counter()
    spec = ModelSpec.from_text(plan.spec)
    learnt = _slice(plan, plan.edges[task.first], plan.edges[task.model])
    learnt = learnt[learnt[LABELLED].to_numpy(dtype=bool) & (learnt[KNOWN].to_numpy() <= task.until)].reset_index(drop=True)
    later = len(plan.edges) - 1 - task.model
    if obstacle := _obstacle(spec, learnt):
        return _nothing(later, obstacle)
    if spec.task == "regression":
        learnt[spec.target] = learnt[spec.target].astype(float)
    try:
        before = time.process_time()
        model = making.refitted(spec, plan.candidate, plan.params, learnt, Finishing.model_validate(plan.finishing))
        fit_seconds = time.process_time() - before
        found = _scored(plan, spec, model, task)
    except CandidateError as error:
        return _nothing(later, str(error), failed=True)
    return Scores(losses=found[0], one=found[1], other=found[2], seconds=time.perf_counter() - started, fit_seconds=fit_seconds)


def _obstacle(spec: Any, learnt: Any) -> str:
    from ml.training.dataset import MINIMUM_ROWS

    if len(learnt) < MINIMUM_ROWS:
        return f"{counted(len(learnt), 'labelled row')} to learn from, {MINIMUM_ROWS} are needed"
    if spec.task != "regression" and learnt[spec.target].nunique() < 2:
        return "all rows to learn from are of one class"
    return ""


def _nothing(later: int, obstacle: str, *, failed: bool = False) -> Scores:
    empty = np.full(later, np.nan)
    return Scores(losses=empty, one=empty, other=empty, obstacle=obstacle, failed=failed)


def _scored(plan: Plan, spec: Any, model: Any, task: Task) -> tuple[Floats, Floats, Floats]:
    from ml.training import by_window
    from ml.training.evaluation import predict

    found = tuple(np.full(len(plan.edges) - 1 - task.model, np.nan) for _ in range(3))
    for first, end in _pieces(plan, task.model, width=len(spec.features.used) + 5):
        rows = _slice(plan, plan.edges[first], plan.edges[end])
        codes = np.repeat(np.arange(end - first), np.diff(plan.edges[first : end + 1]))
        is_labelled = rows[LABELLED].to_numpy(dtype=bool)
        codes, rows = codes[is_labelled], rows[is_labelled]
        if not len(rows):
            continue
        said = by_window.Said.of(spec, rows[spec.target].to_numpy(), predict(model, rows[list(spec.features.used)], task=spec.task))
        half = rows[HALF].to_numpy()
        for place, mask in enumerate((np.ones(len(rows), dtype=bool), half == 0, half == 1)):
            values = by_window.values(spec.metric, said, windows=np.where(mask, codes, -1), count=end - first)
            found[place][first - task.model : end - task.model] = _losses(spec.metric, values)
    return found  # type: ignore[return-value]


def _losses(metric: str, values: Floats) -> Floats:
    """As `ml.policy.loss`, of many values."""
    from ml.spec import LOWER_IS_BETTER

    return values if metric in LOWER_IS_BETTER else 1 - values


def _pieces(plan: Plan, first: int, *, width: int) -> list[tuple[int, int]]:
    """Windows [first, end) at a time: as many as fit into `PIECE_CELLS`, at least one."""
    most = max(1, PIECE_CELLS // width)
    pieces, begin_at = [], first
    for window in range(first, len(plan.edges) - 1):
        if plan.edges[window + 1] - plan.edges[begin_at] > most and window > begin_at:
            pieces.append((begin_at, window))
            begin_at = window
    return [*pieces, (begin_at, len(plan.edges) - 1)]


def _slice(plan: Plan, start: int, end: int) -> Any:
    """Rows of the Arrow file, which all processes share."""
    import pyarrow as pa

    with pa.memory_map(plan.rows) as source:
        return pa.ipc.open_file(source).read_all().slice(start, end - start).to_pandas()


def write_rows(frame: Any, path: Path, **columns: Any) -> None:
    """The Arrow file, with columns beside those of the frame."""
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame.assign(**columns), preserve_index=False)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=1_000_000)
    except pa.ArrowInvalid as error:
        raise ModelOwnerError(f"the accepted rows cannot be laid out for a replay: {error}") from error
