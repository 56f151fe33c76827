"""How good the scaffolded default is, on public sets: `python -m benchmarks.quality`.

Of each set a part is held out that nobody sees. The rest goes to Perennial as one delivery: `new` infers the declaration from it and the
target alone (for the résumés also from `group`: 962 rows are 166 texts), `ingest`, `train`; the champion scores the part that was
held out. Peers learn from the same rows. The bar: at least as good as each default peer on each set, with the whole training within
`--minutes`. FLAML, given the same seconds as our training took, is a yardstick and not in the bar.

Intervals are 95 % bootstrap intervals over the rows that were held out, over whole groups where there are groups; those of differences
are paired.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml import private

private.set_environment()

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402

from benchmarks import peers  # noqa: E402
from benchmarks.peers import Answer  # noqa: E402
from benchmarks.sets import SETS, Known, Part, SetMissing, parts  # noqa: E402
from ml.settings import Settings  # noqa: E402

OURS, FLAML = "Perennial", "FLAML"
RESAMPLES = 400


class Unplayed(Exception):
    """A set that did not get as far as a champion, and why."""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric on the rows held out, with the bootstrap's values for it."""

    value: float
    draws: npt.NDArray[np.float64]
    seconds: float
    told: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        low, high = np.quantile(self.draws, [0.025, 0.975])
        return float(low), float(high)


@dataclass(slots=True)
class Played:
    """What came of one set. Without scores, `why` says what was missing."""

    known: Known
    rows: tuple[int, int] = (0, 0)
    scores: dict[str, Score] = field(default_factory=dict)
    bar: tuple[str, ...] = ()
    why: str = ""
    load: float = 0.0

    @property
    def rival(self) -> str:
        """The best of the peers in the bar."""
        return max(self.bar, key=lambda name: self.scores[name].value)

    @property
    def difference(self) -> float:
        return self.scores[OURS].value - self.scores[self.rival].value

    @property
    def difference_interval(self) -> tuple[float, float]:
        low, high = np.quantile(self.scores[OURS].draws - self.scores[self.rival].draws, [0.025, 0.975])
        return float(low), float(high)

    def holds(self, limit_s: float) -> bool:
        return bool(self.scores) and self.difference >= 0 and self.scores[OURS].seconds <= limit_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--minutes", type=float, default=5.0, help="what one training may take")
    parser.add_argument("--sample", type=int, help="look at so many rows of a set only: quick, and no result")
    parser.add_argument("--install-peers", action="store_true", help="install FLAML into an environment of its own, and end")
    options = parser.parse_args()
    if options.install_peers:
        print(f"the peers' Python: {peers.install()}")
        return
    played = [play(SETS[name], sample=options.sample) for name in options.sets]
    report(played, limit_s=60 * options.minutes, sample=options.sample)


def play(known: Known, *, sample: int | None) -> Played:
    """Perennial and its peers on one set; what goes wrong with ours is told, not raised."""
    result = Played(known, load=os.getloadavg()[0])
    answers: dict[str, list[Answer]] = {}
    tested: list[pd.DataFrame] = []
    try:
        for part in parts(known, sample=sample):
            result.rows = len(part.learn), len(part.test) + result.rows[1]
            tested.append(part.test)
            for name, answer in _answers(part).items():
                answers.setdefault(name, []).append(answer)
    except SetMissing:
        result.why = "not there"
        return result
    except Unplayed as error:
        result.why = str(error)
        return result
    result.bar = tuple(peer.name for peer in peers.of(known) if peer.in_bar)
    rows = pd.concat(tested, ignore_index=True)
    result.scores = {name: _scored(known, rows, found) for name, found in answers.items()}
    return result


def _answers(part: Part) -> dict[str, Answer]:
    _say(f"{part.known.name}: {len(part.learn)} rows to learn from, {len(part.test)} held out")
    with tempfile.TemporaryDirectory(prefix="perennial-quality-") as name:
        found = {OURS: _ours(part, Path(name))}
    found |= {peer.name: peer.answer(part) for peer in peers.of(part.known)}
    python = peers.interpreter()
    if part.known.metric == "roc_auc" and python is not None:
        try:
            found[FLAML] = peers.flaml(part, python=python, seconds=max(found[OURS].seconds, 30.0))
        except (RuntimeError, subprocess.SubprocessError) as error:
            _say(str(error))
    return found


def _ours(part: Part, folder: Path) -> Answer:
    from ml.jobs.ingest import ingest
    from ml.jobs.new import new
    from ml.jobs.score import score_file
    from ml.jobs.train import train

    known = part.known
    learn, test, scored = folder / "learn.csv", folder / "test.csv", folder / "scored.parquet"
    part.learn.to_csv(learn, index=False, sep=known.separator)
    part.test.drop(columns=known.target).to_csv(test, index=False, sep=known.separator)
    with _installation(folder) as settings:
        new(settings, name=known.name, source=str(learn), target=known.target, group=known.group)
        for batch in ingest(settings, known.name).batches:
            if batch.status != "accepted":
                raise Unplayed(f"its delivery was quarantined: {'; '.join(batch.reasons)[:300]}")
        start = time.perf_counter()
        result = train(settings, known.name, on_progress=_say)
        seconds = time.perf_counter() - start
        if result.champion is None:
            raise Unplayed(f"no champion: {result.verdict}")
        score_file(settings, known.name, str(test), scored)
        made = pd.read_parquet(scored)
        best = _champions_candidate(settings, known.name)
    column = "probability" if known.metric == "roc_auc" else "prediction"
    return Answer(made[column].to_numpy(), seconds, best)


@contextlib.contextmanager
def _installation(folder: Path) -> Iterator[Settings]:
    """An empty project and home; the environment names it while it is open."""
    ours = {"PERENNIAL_PROJECT": str(folder / "project"), "PERENNIAL_HOME": str(folder / "home")}
    before = {name: text for name, text in os.environ.items() if name.startswith("PERENNIAL_")}
    for name in ("dags", "expectations"):
        (folder / "project" / name).mkdir(parents=True)
    for name in before:
        del os.environ[name]
    os.environ.update(ours)
    try:
        yield Settings.from_env()
    finally:
        for name in ours:
            del os.environ[name]
        os.environ.update(before)


def _champions_candidate(settings: Settings, model: str) -> str:
    from ml.state import State
    from ml.training import champions

    champion = champions.of_now(State.open(settings), model)
    return str((champion.training.verdict or {}).get("candidate", "")) if champion is not None else ""


def _scored(known: Known, rows: pd.DataFrame, answers: Sequence[Answer]) -> Score:
    """The metric over all cuts' test rows, and in bootstrap resamples that are the same for everybody."""
    found = np.concatenate([answer.found for answer in answers])
    truth = rows[known.target].to_numpy()
    codes = np.arange(len(rows)) if known.group is None else pd.factorize(rows[known.group])[0]
    random = np.random.default_rng(0)
    units = codes.max() + 1
    draws = [_metric(known, truth, found, random.multinomial(units, np.full(units, 1 / units))[codes]) for _ in range(RESAMPLES)]
    told = ", ".join(dict.fromkeys(answer.told for answer in answers if answer.told))
    return Score(_metric(known, truth, found), np.array(draws), max(answer.seconds for answer in answers), told)


def _metric(known: Known, truth: Any, found: Any, weights: Any = None) -> float:
    from sklearn.metrics import f1_score, roc_auc_score

    if known.metric == "roc_auc":
        return float(roc_auc_score(truth == known.positive, found, sample_weight=weights))
    keep = slice(None) if weights is None else weights > 0
    weighted = None if weights is None else weights[keep]
    return float(f1_score(truth[keep], found[keep], average="macro", sample_weight=weighted, zero_division=0.0))


def report(played: Sequence[Played], *, limit_s: float, sample: int | None) -> None:
    """Prints the table and the result."""
    print(f"\n{'set':22}{'metric':10}{'who':24}{'value':>8}  {'95 % interval':18}{'seconds':>8}  ")
    for one in played:
        _print_set(one, limit_s)
    if peers.interpreter() is None:
        print(f"{FLAML} is not installed: `python -m benchmarks.quality --install-peers`, or {peers.VARIABLE} names a Python that has it")
    differences = [one.difference for one in played if one.scores]
    result = {
        "name": "quality",
        "value": round(min(differences), 5) if differences else None,
        "bar": 0.0,
        "holds": all(one.holds(limit_s) for one in played) and sample is None,
        "limit_s": limit_s,
        "sample": sample,
        "sets": [_facts(one, limit_s) for one in played],
    }
    print(json.dumps(result))


def _print_set(one: Played, limit_s: float) -> None:
    if not one.scores:
        print(f"{one.known.name:22}{one.why}: MISSED\n")
        return
    for name, score in one.scores.items():
        low, high = score.interval
        shown = f"{low:.4f} to {high:.4f}"
        print(f"{one.known.name:22}{one.known.metric:10}{name:24}{score.value:>8.4f}  {shown:18}{score.seconds:>8.1f}  {score.told}")
    low, high = one.difference_interval
    verdict = "holds" if one.holds(limit_s) else "MISSED"
    seconds = one.scores[OURS].seconds
    print(f"{'':22}{one.difference:+.4f} ({low:+.4f} to {high:+.4f}) against {one.rival}; {seconds:.0f} s of {limit_s:.0f}: {verdict}\n")


def _facts(one: Played, limit_s: float) -> dict[str, Any]:
    if not one.scores:
        return {"set": one.known.name, "holds": False, "why": one.why}
    who = {
        name: {"value": round(score.value, 5), "interval": [round(end, 5) for end in score.interval], "seconds": round(score.seconds, 1)}
        for name, score in one.scores.items()
    }
    return {
        "set": one.known.name,
        "metric": one.known.metric,
        "rows": list(one.rows),
        "who": who,
        "champion": one.scores[OURS].told,
        "difference": round(one.difference, 5),
        "difference_interval": [round(end, 5) for end in one.difference_interval],
        "load_before": round(one.load, 1),
        "holds": one.holds(limit_s),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
