"""Whether a challenger may become champion: a pure function of what was measured.

Three questions, each with the null hypothesis that fits it:

- **routine** (same recipe, newer data): it passes unless it is significantly worse than the champion by more than `tolerated_loss`. To ask
  for a significant gain here costs more than it protects: few single retrainings are provably better, though together they matter. The
  level is not spent over attempts: that would let a worse model pass more easily.
- **changed recipe**: it passes only if it is significantly better by more than `minimum_gain`, at the level that this attempt may spend.
- **first model**, also where the champion cannot be compared: it passes only if it is significantly better than *every* baseline, each at
  the whole level that this attempt may spend (an intersection-union test needs no correction, Berger 1982). A model that cannot be told
  from one that ignores the features is not worth serving, and whoever knows better can promote it by hand.

Whatever the question, fewer than `minimum_rows` rows decide nothing: the model stays a challenger.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ml.spec import LOWER_IS_BETTER, Promotion
from ml.training.outcome import Check, Comparison, Outcome, Question
from ml.training.paired import PairedTest
from ml.training.spending import spent
from ml.wording import chance, counted, percent

POWER = 0.8
"""Of the smallest detectable difference, which every verdict names."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Slice:
    """A group of test rows, such as `region = north`. `test` is None where it has too few rows to be tested."""

    name: str
    rows: int
    test: PairedTest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured, all on the same test rows, which neither challenger nor champion was fitted on.

    Attributes:
        metric: The declared metric.
        rules: The declared `promotion`.
        recipe_changed: The recipe is not the champion's; False: the same recipe on newer data. Without a champion it does not matter.
        rows: How many rows were compared.
        challenger: Metrics by name; what the rows do not define is missing.
        baselines: Metrics of each baseline that ignores the features, by its name ("majority", "mean", "last value").
        against_baselines: The paired test against each, by the same names; looked at where there is no champion to compare with.
        champion: Metrics; None where there is no champion or it could not predict.
        champion_version: None where there is no champion.
        against_champion: The paired test; None exactly where `champion` is None.
        obstacle: Why the champion could not predict these rows.
        attempt: From 1: which attempt this is, of those in which something was compared: of a changed recipe against this champion, or of
            a first model on these rows. Of a routine retraining it does not matter.
        slices: The declared slices, each tested against the champion.
        refitted: The champion was not asked as it serves: its recipe was fitted again on the challenger's own development rows.
        agreement: How far the model that would be promoted, fitted on all rows, agrees with the tested one on rows that both learnt from,
            0-1; None: not measured.
        latency_ms: What one row takes when it is predicted alone, in milliseconds; None: not measured.
        size_mb: The saved model, in megabytes; None: not measured.
    """

    metric: str
    rules: Promotion
    recipe_changed: bool
    rows: int
    challenger: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    against_baselines: Mapping[str, PairedTest]
    champion: Mapping[str, float] | None = None
    champion_version: int | None = None
    against_champion: PairedTest | None = None
    obstacle: str | None = None
    attempt: int = 1
    slices: tuple[Slice, ...] = ()
    refitted: bool = False
    agreement: float | None = None
    latency_ms: float | None = None
    size_mb: float | None = None

    def __post_init__(self) -> None:
        if (self.champion is None) != (self.against_champion is None):
            raise ValueError("a champion's metrics and its paired test come together")
        if {*self.baselines} != {*self.against_baselines}:
            raise ValueError("each baseline needs its metrics and its paired test")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the paired test says. The check's text goes on after "the challenger"."""

    check: Check
    gain: float | None = None
    comparison: Comparison | None = None
    further: tuple[Check, ...] = ()


def judge(evidence: Evidence) -> Outcome:
    """The challenger wins where the paired test says so and no other check that could be made says no."""
    question: Question = "changed recipe" if evidence.recipe_changed else "routine"
    if evidence.champion_version is None or evidence.obstacle is not None:
        question = "first model"
    answer = _too_few(evidence, question) or (_first(evidence) if question == "first model" else _against_champion(evidence, question))
    others = (*_slices(evidence), *_floors(evidence), *_budgets(evidence), *_agreement(evidence))
    return Outcome(
        wins=answer.check.passed is True and all(check.passed is not False for check in others),
        question=question,
        sentence=_sentence(evidence, question, answer.check, others),
        metric=evidence.metric,
        gain=answer.gain,
        comparison=answer.comparison,
        reasons=(answer.check, *answer.further, *others),
    )


def _too_few(evidence: Evidence, question: Question) -> _Answer | None:
    least = evidence.rules.minimum_rows
    if evidence.rows >= least:
        return None
    unseen = "it was not fitted on" if question == "first model" else "neither it nor the champion was fitted on"
    few = f"is only {counted(evidence.rows, 'test row')}" if evidence.rows == 1 else f"are only {counted(evidence.rows, 'test row')}"
    text = (
        f"is not promoted: there {few} that {unseen}, and with fewer than {least} (promotion.minimum_rows) "
        "chance cannot be told from a gain; deliver more labelled rows, lower that number, or promote this version by hand"
    )
    return _Answer(Check(name=question, passed=False, text=text))


def _against_champion(evidence: Evidence, question: Question) -> _Answer:
    rules, test, metrics = evidence.rules, evidence.against_champion, evidence.champion
    assert test is not None
    assert metrics is not None
    rival = f"champion (version {evidence.champion_version})"
    if evidence.refitted:
        rival = f"recipe of the {rival}, fitted again on the same rows,"
    if question == "routine":
        return _compared(evidence, question, test, metrics, rival=rival, margin=rules.tolerated_loss, level=rules.level)
    level = spent(rules.level, evidence.attempt)
    return _compared(evidence, question, test, metrics, rival=rival, margin=rules.minimum_gain, level=level)


def _first(evidence: Evidence) -> _Answer:
    """Against each baseline. The one that is hardest to beat leads; one for which the metric is not defined does not count."""
    found, level = [], spent(evidence.rules.level, evidence.attempt)
    for name, test in evidence.against_baselines.items():
        rival = f"baseline that ignores the features ({name})"
        metrics = evidence.baselines[name]
        found.append(_compared(evidence, "first model", test, metrics, rival=rival, margin=0.0, level=level))
    if not found:
        text = "is not promoted: there is no baseline to compare it with"
        return _Answer(Check(name="first model", passed=False, text=text))
    counted = [answer for answer in found if answer.gain is not None] or found
    hardest = max(counted, key=lambda answer: 1.0 if answer.comparison is None else answer.comparison.p)
    rest = [
        answer.check if answer in counted else answer.check.model_copy(update={"passed": None}) for answer in found if answer is not hardest
    ]
    return _Answer(hardest.check, hardest.gain, hardest.comparison, tuple(rest))


def _compared(
    evidence: Evidence, question: Question, test: PairedTest, metrics: Mapping[str, float], *, rival: str, margin: float, level: float
) -> _Answer:
    """Passed: significantly better by more than the margin; of a routine retraining: not significantly worse by more than it."""
    metric, routine = evidence.metric, question == "routine"
    mine, theirs = evidence.challenger.get(metric), metrics.get(metric)
    if test.gain is None or mine is None or theirs is None:
        why = test.obstacle or f"{metric} is not defined on these rows"
        return _Answer(
            Check(name=question, passed=False, text=f"cannot be compared with the {rival} on {counted(test.rows, 'row')}: {why}")
        )
    interval, beyond = test.interval(1 - 2 * level), test.detectable(level, POWER)
    if test.standard_error is None or test.degrees_of_freedom is None or interval is None or beyond is None:
        text = f"cannot be told from the {rival}: {metric} {mine:.4f} against {theirs:.4f} (gain {test.gain:+.4g}), but {test.obstacle}"
        return _Answer(Check(name=question, passed=False, text=text), test.gain)
    found = Comparison(
        rival=rival,
        challenger=mine,
        against=theirs,
        gain=test.gain,
        standard_error=test.standard_error,
        degrees_of_freedom=test.degrees_of_freedom,
        low=interval[0],
        high=interval[1],
        confidence=round(1 - 2 * level, 6),
        p=test.p_worse(margin) if routine else test.p_better(margin),
        margin=margin,
        level=level,
        attempt=1 if routine else evidence.attempt,
        detectable=margin + beyond,
        rows=test.rows,
        units=test.units,
        dependence=test.dependence,
    )
    significant = found.p <= level
    verb = ("" if significant else "not ") + f"significantly {'worse' if routine else 'better'} than the {rival}"
    by = f" by more than {margin:g}" if margin else ""
    text = f"is {verb}{by}: {_figures(found, metric, 'loss' if routine else 'gain')}"
    if routine and test.p_better() <= level:  # more than was asked for: then the sentence is about that alone
        better = found.model_copy(update={"p": test.p_better(), "detectable": beyond})
        text = f"is significantly better than the {rival}: {_figures(better, metric, 'gain')}"
    return _Answer(Check(name=question, passed=significant is not routine, text=text), test.gain, found)


def _figures(found: Comparison, metric: str, what: str) -> str:
    rows = _rows(found.rows, found.units, found.dependence)
    figures = f"{metric} {found.challenger:.4f} against {found.against:.4f} on {rows} that neither was fitted on, gain {found.gain:+.3g}"
    if found.standard_error == 0:
        return f"{figures}, the same in all of them"
    interval = f"{100 * found.confidence:.4g} % interval {found.low:+.3g} to {found.high:+.3g}"
    tested = f"tested for {'worse' if what == 'loss' else 'better'}: {chance(found.p)}, level {found.level:.2g}"
    return f"{figures} ({interval}; {tested}); a {what} of {found.detectable:.2g} would have been found with {percent(POWER)} power"


def _rows(rows: int, units: int, dependence: str) -> str:
    return (
        f"{rows:,} rows"
        if dependence == "rows"
        else f"{rows:,} rows in {units} {'blocks of time' if dependence == 'blocks' else 'entities'}"
    )


def _slices(evidence: Evidence) -> list[Check]:
    """Blocked only by a significantly worse slice. Each tested one could be so by chance, hence the level is divided among them."""
    tested = [part for part in evidence.slices if part.test is not None and part.test.standard_error is not None]
    margin, checks = evidence.rules.tolerated_slice_loss, []
    for part in evidence.slices:
        name, test = f"slice {part.name}", part.test
        if test is None or test.gain is None or test.standard_error is None:
            why = f"{counted(part.rows, 'row')} {'is' if part.rows == 1 else 'are'} too few" if test is None else test.obstacle
            checks.append(Check(name=name, passed=None, text=f"not tested: {why}"))
            continue
        level, p = evidence.rules.level / len(tested), test.p_worse(margin)
        found = f"gain {test.gain:+.4g} on {_rows(test.rows, test.units, test.dependence)}, {chance(p)} at level {level:.2g}"
        by = f" by more than {margin:g}" if margin else ""
        smallest = f"; a loss of {margin + (test.detectable(level, POWER) or 0.0):.2g} would have been found with {percent(POWER)} power"
        verb = "significantly worse" if p <= level else "not significantly worse"
        checks.append(Check(name=name, passed=p > level, text=f"{verb} than the champion{by}: {found}{smallest}"))
    return checks


def _floors(evidence: Evidence) -> list[Check]:
    checks = []
    for metric, worst in evidence.rules.floors.items():
        value, lower = evidence.challenger.get(metric), metric in LOWER_IS_BETTER
        if value is None:
            text, passed = f"{metric} is not defined on these rows, but promotion.floors asks for {worst:g}", False
        else:
            passed = value <= worst if lower else value >= worst
            text = f"{metric} is {value:.4g}, promotion.floors asks for {'at most' if lower else 'at least'} {worst:g}"
        checks.append(Check(name=f"floor {metric}", passed=passed, text=text))
    return checks


def _budgets(evidence: Evidence) -> list[Check]:
    rules, checks = evidence.rules, []
    for name, unit, value, most in (
        ("latency", "ms", evidence.latency_ms, rules.latency_ms),
        ("size", "MB", evidence.size_mb, rules.size_mb),
    ):
        if most is not None:
            shown = "was not measured" if value is None else f"is {value:.3g} {unit}"
            text = f"{name} {shown}, promotion.{name}_{unit.lower()} allows {most:g}"
            checks.append(Check(name=name, passed=value is not None and value <= most, text=text))
    return checks


def _agreement(evidence: Evidence) -> list[Check]:
    if evidence.agreement is None:
        return []
    least = evidence.rules.minimum_agreement
    text = (
        f"the model fitted again on all rows agrees with the tested one to {evidence.agreement:.3f}, promotion.minimum_agreement asks for "
        f"{least:g}"
    )
    return [Check(name="agreement", passed=evidence.agreement >= least, text=text)]


def _sentence(evidence: Evidence, question: Question, first: Check, others: tuple[Check, ...]) -> str:
    again = f", attempt {evidence.attempt}"
    tried = again if evidence.attempt > 1 else ""
    openings = {"routine": "Routine retraining", "first model": f"First model{tried}", "changed recipe": f"Changed recipe{again}"}
    opening = openings[question]
    if evidence.champion is None and evidence.obstacle is not None:
        unable = f"The champion (version {evidence.champion_version}) cannot be compared ({evidence.obstacle})"
        opening = f"{unable}, so judged as a first model{tried}"
    failed = [check for check in others if check.passed is False]
    named = "; ".join(f"{check.name}: {check.text}" if check.name.startswith("slice") else check.text for check in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    blocked = f"; {'it stays a challenger, because' if first.passed else 'also,'} {named}{more}" if failed else ""
    return f"{opening}: the challenger {first.text}{blocked}."
