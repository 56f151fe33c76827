"""How often the gate and the watch err, by simulation: `python -m benchmarks.gate`.

Champion and challenger answer 12 % of the rows differently. The rows are independent, autocorrelated (a latent AR(1) of .5 or .9, cut into
-1, 0, 1) or clustered in entities. Beside the project's tests stand those that take every row for independent (McNemar, a fixed test at
each look). The bar: no size above 1.2 times the level, no rate of false promotions over ten attempts and of false rollbacks over twenty
looks above the level, each with three binomial standard errors of leave. Real elec2 rows follow where `../shared/data` has them.
"""

import argparse
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import norm

from ml.spec import ModelSpec, Promotion
from ml.training.eprocess import Wealth, update, worse
from ml.training.evaluation import Predicted
from ml.training.gate import Evidence, judge
from ml.training.losses import block_of
from ml.training.paired import PairedTest, Units, compare, units
from ml.training.spending import spent

LEVEL, MARGIN, DISCORDANCE, LEAVE = 0.05, 0.01, 0.12, 1.2
LOOKS, WEEK, LONGEST, ATTEMPTS, TEST_ROWS = 20, 336, 60, 10, 2000
ELEC2 = Path(__file__).parents[2] / "shared" / "data" / "elec2" / "electricity_9col.csv.gz"
Cell = dict[str, Any]


@cache
def spec_of(task: str = "regression", **keys: str) -> ModelSpec:
    """A declaration of which only task, metric, time and group matter here. Errors of a regression are given as they are needed."""
    return ModelSpec.model_validate(
        {
            "model": "simulated",
            "task": task,
            "target": "y",
            "features": {"numeric": ["x"]},
            "data": {"source": {"kind": "files", "urls": ["*"]}},
            "training": {"candidates": [{"name": "c", "class": "sklearn.linear_model.Ridge"}]},
            **keys,
        }
    )


def latent(kind: str, trials: int, rows: int, random: np.random.Generator) -> np.ndarray:
    """Standard normal, trials x rows; entities have 8 rows each on average and half of their variance in common."""
    noise = random.normal(size=(trials, rows))
    if kind == "independent":
        return noise
    if kind == "entities":
        return np.asarray(np.sqrt(0.5) * (random.normal(size=(trials, rows // 8))[:, entities(rows)] + noise))
    correlation = float(kind.split()[1])
    noise[:, 0] /= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1], [1, -correlation], noise, axis=1) * np.sqrt(1 - correlation**2))


@cache
def entities(rows: int) -> np.ndarray:
    """The entity of each row: log-normal sizes, in no order of arrival."""
    shares = np.random.default_rng(1).lognormal(0, 0.7, rows // 8)
    return np.random.default_rng(2).choice(rows // 8, rows, p=shares / shares.sum())


def differences(kind: str, gain: float, trials: int, rows: int, random: np.random.Generator) -> np.ndarray:
    """1 where only the challenger is right, -1 where only the champion is: mean `gain`, trials x rows."""
    found = latent(kind, trials, rows, random)
    up, down = norm.isf((DISCORDANCE + gain) / 2), norm.ppf((DISCORDANCE - gain) / 2)
    return np.asarray((found > up).astype(float) - (found < down))


def units_of(kind: str, rows: int) -> Units:
    frame = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=rows, freq="30min", tz="UTC"), "who": 0})
    if kind == "independent":
        return Units(rows)
    if kind == "entities":
        return units(frame.assign(who=entities(rows)), spec_of(group="who"))
    return units(frame, spec_of(time="at"))


def tested(values: np.ndarray, of: Units) -> PairedTest:
    """The project's own test of these differences: those of absolute errors, the champion's being 1."""
    rows = len(values)
    return compare(spec_of(), np.zeros(rows), Predicted(1 - values, None), Predicted(np.ones(rows), None), of)


def passes(test: PairedTest, question: str) -> bool:
    return test.p_worse(MARGIN) > LEVEL if question == "routine" else test.p_better(MARGIN) <= LEVEL


def sizes(trials: int, random: np.random.Generator) -> list[Cell]:
    """Both questions at their margin (gain -.01 or .01), and how often they find what they should (a gain of -.04 or .04)."""
    found = []
    print(
        f"the gate's test at {LEVEL:.0%}; routine: tolerated loss {MARGIN}, changed recipe: minimum gain {MARGIN}; {trials} trials a cell\n"
    )
    print(f"{'rows':>16}{'':6}{'question':>16}{'size':>8}{'by rows':>9}{'power':>8}{'detectable':>12}")
    for kind, rows in (("independent", 500), ("independent", 2000), ("AR .5", 500), ("AR .5", 2000), ("AR .9", 500), ("AR .9", 2000),
                       ("entities", 500), ("entities", 2000)):  # fmt: skip
        of = units_of(kind, rows)
        for question, sign in (("routine", -1), ("changed recipe", 1)):
            errs = question == "changed recipe"  # passing is the changed recipe's error, being blocked the routine retraining's
            null = differences(kind, sign * MARGIN, trials, rows, random)
            far = differences(kind, sign * 4 * MARGIN, max(trials // 4, 1), rows, random)
            tests, powers = [tested(row, of) for row in null], [tested(row, of) for row in far]
            cell = {
                "rows": kind,
                "count": rows,
                "question": question,
                "size": float(np.mean([passes(test, question) is errs for test in tests])),
                "naive": float(np.mean([passes(tested(row, Units(rows)), question) is errs for row in null])),
                "power": float(np.mean([passes(test, question) is errs for test in powers])),
                "detectable": MARGIN + float(np.median([test.detectable(LEVEL) or np.nan for test in tests])),
            }
            found.append(cell)
            print(f"{kind:>16}{rows:>6}{question:>16}{cell['size']:8.3f}{cell['naive']:9.3f}{cell['power']:8.2f}{cell['detectable']:12.3f}")
    print("\nsize: how often chance alone blocks (routine) or promotes (changed recipe); power: a gain of -.04 or .04\n")
    return found


def ranked(trials: int, random: np.random.Generator) -> list[Cell]:
    """The area under the curve: two models of the same quality, whose scores err independently or in spells."""
    print(f"{'roc_auc, 2,000 rows':>22}{'size':>8}{'by rows':>9}")
    spec, found = spec_of("binary", positive="1"), []
    for kind in ("independent", "AR .9"):
        of, counts = units_of(kind, TEST_ROWS), np.zeros(2)
        for _ in range(trials):
            positive = random.random(TEST_ROWS) < 0.2
            labels = np.where(positive, "1", "0").astype(object)
            scores = norm.cdf(latent(kind, 2, TEST_ROWS, random) + positive)
            said = [Predicted(labels, pd.DataFrame({"0": 1 - score, "1": score})) for score in scores]
            counts += [compare(spec, labels, said[0], said[1], used).p_better() <= LEVEL for used in (of, Units(TEST_ROWS))]
        found.append({"rows": kind, "question": "roc_auc", "size": counts[0] / trials, "naive": counts[1] / trials})
        print(f"{kind:>22}{counts[0] / trials:8.3f}{counts[1] / trials:9.3f}")
    return found


def attempts(trials: int, random: np.random.Generator) -> dict[str, float]:
    """Ten changed recipes, none better, one after the other on the same rows: how often one of them is promoted."""
    rows, lucky = 1500, np.zeros(2)
    for _ in range(trials):
        # The champion is right or wrong on the hard rows once for all: what one challenger gains there, the next does too.
        sign = np.where(random.random(rows) < 2 * DISCORDANCE, random.choice([-1.0, 1.0], rows), 0.0)
        tests = [tested(sign * (random.random(rows) < 0.5), Units(rows)) for _ in range(ATTEMPTS)]
        lucky[0] += any(promoted(test, attempt) for attempt, test in enumerate(tests, start=1))
        lucky[1] += any(test.p_better() <= LEVEL for test in tests)
    rates = {"spent": lucky[0] / trials, "unspent": lucky[1] / trials}
    parts = ", ".join(f"{spent(LEVEL, attempt):.4f}" for attempt in (1, 2, 3))
    print(
        f"\n{ATTEMPTS} attempts on the same rows, none better: one is promoted with the level spent ({parts}, …) {rates['spent']:.3f}, ",
        end="",
    )
    print(f"with {LEVEL:.0%} each time {rates['unspent']:.3f}\n")
    return rates


def promoted(test: PairedTest, attempt: int) -> bool:
    metrics = {"mae": 1.0}
    evidence = Evidence(
        metric="mae", rules=Promotion(level=LEVEL), recipe_changed=True, rows=test.rows, challenger=metrics, baselines={},
        against_baselines={}, champion=metrics, champion_version=1, against_champion=test, attempt=attempt,
    )  # fmt: skip
    return judge(evidence).wins


def look_of_alarm(values: np.ndarray, per_look: int) -> float:
    """The first look after which the e-process says "worse"; infinite where there is none."""
    wealth = Wealth()
    for look in range(len(values) // per_look):
        wealth = update(wealth, values[look * per_look : (look + 1) * per_look])
        if worse(wealth, LEVEL):
            return look + 1
    return np.inf


def in_units(values: np.ndarray, kind: str, block: int) -> tuple[np.ndarray, int]:
    """Units in order of arrival, and how many of them a look has."""
    if kind == "entities":  # of each look, the mean of an entity's rows: 4 of them
        return values.reshape(-1, 4).mean(axis=1), WEEK // 4
    per_look = max(WEEK // block, 1)
    edges = np.arange(WEEK) * per_look // WEEK
    starts = np.flatnonzero(np.diff(edges, prepend=-1))
    return (np.add.reduceat(values.reshape(-1, WEEK), starts, axis=1) / np.bincount(edges)).ravel(), per_look


def watched(kind: str, mean: float, trials: int, looks: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """First alarms with the project's units and with rows, and the blocks; the block comes from the test rows of each trial's own gate."""
    ours, rowwise, blocks = [], [], []
    for _ in range(trials):
        if kind == "entities":
            found = np.sqrt(0.5) * (np.repeat(random.normal(size=looks * WEEK // 4), 4) + random.normal(size=looks * WEEK))
            up, down = norm.isf((DISCORDANCE + mean) / 2), norm.ppf((DISCORDANCE - mean) / 2)
            values, block = (found > up).astype(float) - (found < down), 1
        else:
            whole = differences(kind, mean, 1, TEST_ROWS + looks * WEEK, random)[0]
            values = whole[TEST_ROWS:]
            block = 1 if kind == "independent" else block_of(whole[:TEST_ROWS])
        grouped, per_look = in_units(values, kind, block)
        ours.append(look_of_alarm(grouped, per_look))
        rowwise.append(ours[-1] if len(grouped) == len(values) else look_of_alarm(values, WEEK))
        blocks.append(block)
    return np.array(ours), np.array(rowwise), blocks


def rollbacks(trials: int, random: np.random.Generator) -> list[Cell]:
    found = []
    print(f"the watch, {LOOKS} looks at {WEEK} new rows each, level {LEVEL:.0%}; {trials} watches a cell\n")
    print(f"{'rows':>12}{'block':>7} | {'false rollbacks':>15}{'by rows':>9}{'fixed test':>12} | {'looks to find .02':>18}{'.04':>6}")
    for kind in ("independent", "AR .5", "AR .9", "entities"):
        ours, rowwise, blocks = watched(kind, 0.0, trials, LOOKS, random)
        values = differences("independent" if kind == "entities" else kind, 0.0, trials, LOOKS * WEEK, random)
        sums = values.reshape(trials, LOOKS, WEEK).sum(axis=2)
        fixed = float((sums / np.sqrt(DISCORDANCE * WEEK) > norm.isf(LEVEL)).any(axis=1).mean())
        pooled = np.cumsum(sums, axis=1) / np.sqrt(DISCORDANCE * WEEK * np.arange(1, LOOKS + 1))
        pooled_rate = float((pooled > norm.isf(LEVEL)).any(axis=1).mean())
        few = max(trials // 8, 1)
        looks = {mean: float(np.median(watched(kind, mean, few, LONGEST, random)[0])) for mean in (0.02, 0.04)}
        cell = {
            "rows": kind,
            "false": float(np.mean(ours <= LOOKS)),
            "by_rows": float(np.mean(rowwise <= LOOKS)),
            "fixed_each": fixed,
            "fixed_pooled": pooled_rate,
            "looks": {str(mean): look if np.isfinite(look) else None for mean, look in looks.items()},
            "block": float(np.median(blocks)),
        }
        found.append(cell)
        shown = [f"{look:.0f}" if np.isfinite(look) else f">{LONGEST}" for look in looks.values()]
        fixed_text = "" if kind == "entities" else f"{pooled_rate:.3f}"
        print(
            f"{kind:>12}{cell['block']:>7.0f} | {cell['false']:>15.3f}{cell['by_rows']:>9.3f}{fixed_text:>12} | {shown[0]:>18}{shown[1]:>6}"
        )
    print(f"\nfixed test: at {LEVEL:.0%} at each look, on all rows so far\n")
    return found


def elec2(weeks: int = 8, age: int = 4) -> dict[str, float] | None:
    """XGBoost of the last eight weeks against one four weeks older, on every further week of elec2, in the order of rows.

    The size is how often a window of eight weeks is called different, at 5 % on each side, from the gain over all windows.
    """
    if not ELEC2.exists():
        print("elec2: ../shared/data is absent, so real rows are not shown\n")
        return None
    import xgboost

    frame = pd.read_csv(ELEC2)
    target = (frame["class"].astype(str).isin(["UP", "1"])).to_numpy()
    inputs = frame.drop(columns=["class", "date"]).astype(float).to_numpy()
    hits = []
    models: dict[int, Any] = {}
    for week in range(weeks, len(frame) // WEEK):
        rows = slice((week - weeks) * WEEK, week * WEEK)
        models[week] = xgboost.XGBClassifier(n_estimators=50, max_depth=4, n_jobs=1).fit(inputs[rows], target[rows])
        if (old := models.pop(week - age, None)) is not None:
            now = slice(week * WEEK, (week + 1) * WEEK)
            right = [model.predict(inputs[now]).astype(bool) == target[now] for model in (models[week], old)]
            hits.append(right[0].astype(float) - right[1])
    values = np.concatenate(hits)
    mean, inflation = float(values.mean()), float(values[: len(values) // 24 * 24].reshape(-1, 24).mean(axis=1).var() * 24 / values.var())
    found: dict[str, float] = {"gain": mean, "discordance": float(np.abs(values).mean()), "inflation_24_rows": inflation}
    for length in (2, 8):
        windows = values[: len(values) // (length * WEEK) * length * WEEK].reshape(-1, length * WEEK)
        for name, of in (("blocks", units_of("AR .5", length * WEEK)), ("rows", Units(length * WEEK))):
            tests = [tested(row, of) for row in windows]
            calls = [p <= LEVEL for test in tests for p in (test.p_better(mean), test.p_worse(-mean))]
            found[f"size_{name}_{length}_weeks"] = float(np.mean(calls))
    print(f"elec2, fresh against {age} weeks older: gain {mean:.3f}, discordance {found['discordance']:.3f}, ", end="")
    print(f"variance of 24-row means {inflation:.1f} times that of independent rows")
    for length in (2, 8):
        by_blocks, by_rows = found[f"size_blocks_{length}_weeks"], found[f"size_rows_{length}_weeks"]
        print(f"  windows of {length} weeks called different, one side at {LEVEL:.0%}: blocks {by_blocks:.3f}, rows {by_rows:.3f}")
    print()
    return found


def leave(level: float, trials: int) -> float:
    return level + 3 * float(np.sqrt(level * (1 - level) / trials))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random, trials = np.random.default_rng(options.seed), options.trials
    half = max(trials // 2, 1)
    cells, curves = sizes(trials, random), ranked(half, random)
    lucky, watches, real = attempts(half, random), rollbacks(half, random), elec2()
    bar = leave(LEAVE * LEVEL, trials)
    misses = [f"{cell['question']} {cell['rows']}: {cell['size']:.3f}" for cell in cells if cell["size"] > bar]
    misses += [f"roc_auc {cell['rows']}: {cell['size']:.3f}" for cell in curves if cell["size"] > leave(LEAVE * LEVEL, half)]
    misses += [f"attempts: {lucky['spent']:.3f}"] if lucky["spent"] > leave(LEVEL, half) else []
    misses += [f"rollbacks {cell['rows']}: {cell['false']:.3f}" for cell in watches if cell["false"] > leave(LEVEL, half)]
    for miss in misses:
        print(f"above the bar: {miss}")
    facts = {"trials": trials, "misses": misses, "attempts": lucky, "rollbacks": watches, "elec2": real, "sizes": cells, "roc_auc": curves}
    worst = max(cell["size"] for cell in cells)
    print(json.dumps({"name": "gate", "value": round(worst, 4), "bar": round(bar, 4), "holds": not misses, **facts}))


if __name__ == "__main__":
    main()
