"""The page of a replay, from facts that are made up."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ml.monitoring.replayed import words
from ml.monitoring.replayed.facts import Affected, CostFacts, LengthFacts, PlayedPolicy, ReplayFacts, WindowFacts
from ml.monitoring.replayed.figures import figures
from ml.monitoring.replayed.page import render
from ml.monitoring.replayed.words import legend, meaning, period, rows, treated
from ml.policy.replay import Costs, Signals, replay
from tests.policy.replay.made import jumping

START = datetime(2026, 1, 1, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"


def policy(name: str, *, loss: float, retrained: tuple[int, ...] = (), cost: float = 0.1, family: str = "calendar") -> PlayedPolicy:
    count = len(retrained)
    return PlayedPolicy(
        name=name,
        family=family,
        total=loss + cost * count,
        loss=loss,
        mean_loss=loss / 6,
        retrainings=count,
        fits=count,
        mean_interval=(0.1, 0.3),
        beyond_never=(-0.5, None),
        beyond_calendar=(-0.2, 0.1),
        tuned_total=None if family == "calendar" else 1.25,
        retrained=retrained,
    )


def cell(cost: float, *, ours: str = "quality drop 0.1", is_declared: bool = False) -> CostFacts:
    never, always = policy("never", loss=3.0), policy("every window", loss=0.6, retrained=(6, 7, 8, 9, 10, 11), cost=cost)
    second = policy("every 2 windows", loss=1.2, retrained=(6, 8, 10), cost=cost)
    mine = policy(ours, loss=1.0, retrained=(7, 9), cost=cost, family="quality drop")
    declared = policy("as declared", loss=2.0, retrained=(8,), cost=cost, family="as declared")
    oracle = policy("oracle", loss=0.9, retrained=(7, 9), cost=cost, family="oracle")
    return CostFacts(
        cost=cost,
        train=cost,
        promote=0,
        is_declared=is_declared,
        recommended=mine,
        kind="vote",
        is_told=True,
        sentence="Retrain by one rule.",
        tuned_calendar=second,
        hindsight_calendar=always,
        never=never,
        always=always,
        oracle=oracle,
        honest_oracle=None,
        policies=(never, second, always, mine, declared),
    )


def window(number: int) -> WindowFacts:
    part: Any = "history" if number < 2 else "tuned" if number < 5 else "purged" if number < 6 else "judged"
    lost = {"recommended": 0.15 if number != 10 else None, "never": 0.5} if part == "judged" else {}
    fresh = None if part == "history" else 0.125
    start = START + timedelta(days=number)
    return WindowFacts(number=number, start=start, rows=50, labelled_rows=40, part=part, fresh=fresh, **lost)


def facts(**changes: Any) -> ReplayFacts:
    values: dict[str, Any] = {
        "model": "loans",
        "at": START + timedelta(days=30),
        "spec_hash": "0" * 16,
        "dataset_version": 4,
        "metric": "accuracy",
        "settings": {"window": "50rows"},
        "windows": 12,
        "tuned_on": 3,
        "judged_on": 6,
        "delay": 1,
        "clock": "time",
        "cells": (cell(0.1, is_declared=True), cell(0.02), cell(1.0, ours="another rule")),
        "chosen_cost": 0.1,
        "history": tuple(window(number) for number in range(12)),
        "recommendation": "Retrain by one rule: quality drop 0.1.",
    }
    return ReplayFacts.model_validate(values | changes)


def text_of(page: str) -> str:
    return page[page.index("<body>") : page.index('<script type="application/json"')]


def test_the_first_paragraph_begins_with_what_to_do_and_says_what_the_numbers_mean() -> None:
    said = meaning(facts())
    assert said[0] == "Retrain by one rule: quality drop 0.1."
    told = " ".join(said)
    assert "lost 0.1667 a window under it, with a new champion in 2 of 6 windows" in told
    assert "would have lost 0.5 without any retraining, and 0.125 with a new model in every window" in told
    assert "model.yaml declares now costs 2.1, with 1 new champion: 0.9 more than what is recommended." in told
    assert "Known only afterwards: the best calendar (every window) 1.2, the best moments of all 1.1" in told
    assert "At 1 of 2 other costs of a retraining something else is recommended" in told
    assert "What this means" in render(facts())


def test_a_choice_that_is_dear_at_another_cost_is_told_with_the_cost() -> None:
    dear = cell(1.0)
    dear = dear.model_copy(update={"recommended": policy("never", loss=2.0, cost=1.0)})
    said = " ".join(meaning(facts(cells=(cell(0.1, is_declared=True), dear))))
    assert "keeping this policy would cost at most 50 % more than that, at a cost of 1." in said, "1.0 + 2 x 1 against 2"


def test_no_policy_is_drawn_on_the_windows_that_it_was_chosen_by() -> None:
    made = facts()
    traces = {one["name"]: one for one in figures(made)["losses"]["data"]}
    for name in ("recommended", "never retrained"):
        assert traces[name]["y"][:6] == [None] * 6
    assert traces["a new champion under it"]["x"] == [made.history[7].start.isoformat(), made.history[9].start.isoformat()]  # type: ignore[union-attr]
    bands = [one["text"].strip("▏") for one in figures(made)["losses"]["layout"]["annotations"]]
    assert set(bands) == {"to learn from", "policies chosen here", "left out", "judged"}
    assert "no policy is shown on them" in render(made)


def test_the_frontier_has_every_policy_and_marks_those_that_matter_at_each_cost() -> None:
    drawn = figures(facts())["frontier"]
    first = [one for one in drawn["data"] if one["visible"]]
    at = {one["name"]: list(zip(one["x"], one["y"], strict=True)) for one in first}
    assert at["never"] == [(0, 3.0)]
    assert at["recommended"] == [(2, 1.2)]
    assert at["oracle"] == [(2, 1.1)]
    assert at["as declared"] == [(1, 2.1)]
    assert [x for x, _ in at["calendars"]] == [0, 3, 6]
    assert at["frontier"] == [(0, 3.0), (1, 2.1), (2, 1.2)], "every window costs as much as two new champions, and has more"
    (menu,) = drawn["layout"]["updatemenus"]
    assert len(menu["buttons"]) == 3
    for button in menu["buttons"]:
        assert len(button["args"][0]["visible"]) == len(drawn["data"])
        assert sum(button["args"][0]["visible"]) == len(first)
    assert "updatemenus" not in figures(facts(cells=(cell(0.1, is_declared=True),)))["frontier"]["layout"]


def test_the_robustness_holds_the_policy_against_what_each_cost_recommends() -> None:
    traces = {one["name"]: one for one in figures(facts())["robustness"]["data"]}
    assert traces["the recommended policy, unchanged"]["x"] == [0.02, 0.1, 1.0]
    assert traces["the recommended policy, unchanged"]["y"] == pytest.approx([1.04, 1.2, 3.0])


def test_windows_without_a_time_are_drawn_by_number() -> None:
    bare = tuple(one.model_copy(update={"start": None}) for one in facts().history)
    drawn = figures(facts(history=bare))["losses"]
    assert drawn["layout"]["xaxis"]["type"] == "linear"
    assert drawn["data"][0]["x"] == list(range(12))


def test_every_policy_stands_in_the_table_with_its_intervals_and_an_open_end_says_so() -> None:
    page = text_of(render(facts()))
    for name in ("never", "every window", "every 2 windows", "quality drop 0.1", "as declared", "oracle"):
        assert f"<td>{name}" in page
    assert "-0.50 to …" in page
    assert "-0.20 to 0.10" in page
    assert page.count("<details>") == 2, "the other costs are folded"


def test_a_history_without_times_has_no_dates() -> None:
    assert period(facts()).startswith("12 windows of 50 rows from 1 January 2026 to 12 January 2026; ")
    assert period(facts(clock="arrivals")).startswith("12 windows of 50 rows, which arrived from 1 January 2026 to 12 January 2026; ")
    bare = tuple(one.model_copy(update={"start": None}) for one in facts().history)
    assert period(facts(history=bare, clock="delivered")).startswith("12 windows of 50 rows; ")


def test_policies_that_did_the_same_are_one_row_that_the_recommended_one_leads() -> None:
    found = cell(0.1)
    twin = found.recommended.model_copy(update={"name": "regret 1, no shadow", "family": "regret without a shadow"})
    dear = twin.model_copy(update={"name": "regret 1, shadow every window", "fits": 8, "total": 1.8, "shadow": 1})
    played = [twin, *found.policies, dear, found.never]
    told = {row.policy.name: row for row in rows(found, played)}
    assert told["quality drop 0.1"].same == ["regret 1, no shadow"]
    assert told["quality drop 0.1"].mark == "recommended"
    assert "regret 1, shadow every window" in told, "its fits cost more"
    assert [row.policy.total for row in told.values()] == sorted(row.policy.total for row in told.values())
    assert rows(found.model_copy(update={"is_told": False}), played)[0].mark == "", "nothing is recommended then"
    meant = dict(legend(played))
    assert {"calendar", "regret", "quality drop", "as declared", "shadow"} <= meant.keys()
    assert "oracle" not in meant


def test_the_legend_explains_each_family_that_a_replay_plays_and_no_other() -> None:
    flags = np.zeros((60, 60), dtype=bool)
    past = jumping(
        60, at=(20, 33, 47), noise=0.03, signals=Signals(drift=flags, default_drift=flags, quality_drop=np.where(flags, 1.0, 0.0))
    )
    judged = replay(past, [Costs(train=0.2)]).cells[0]
    families = [one.family for one in (*judged.policies, judged.oracle)] + ["as declared"]
    played = [policy(one, loss=1.0, family=one) for one in families]
    meant = {name for name, _ in legend(played)} - {"tuned calendar"}
    assert meant == set(words._MEANT)
    assert all(any(f"{family} ".startswith(f"{name} ") for name in meant) for family in families)


def test_what_was_treated_otherwise_is_counted_and_said() -> None:
    assert "No window was treated otherwise" in render(facts())
    found = treated(facts(affected=Affected(one_class=2, late_labels=1, left_out_rows=7)))
    assert [one[0] for one in found] == ["2 windows of 12", "1 window of 12", "7 rows"]
    page = render(facts(affected=Affected(one_class=2), absent={"estimated quality": "it was not measured"}))
    assert "2 windows of 12" in page
    assert "Estimated quality was not played: it was not measured." in page


def test_lengths_of_history_stand_beside_each_other_where_they_were_compared() -> None:
    assert "How much history" not in render(facts())
    totals, means = {"8 windows": 1.5, "growing": 1.25}, {"8 windows": 0.2, "growing": 0.1875}
    length = LengthFacts(name="growing", declared="8 windows", saved=(0.1, 0.4), tuned_totals=totals, fresh_means=means)
    page = text_of(render(facts(length=length)))
    assert 'told to be better</span></td><td class="number">1.250</td><td class="number">0.1875' in page


def test_names_from_the_data_are_text_and_only_our_two_scripts_may_run() -> None:
    made = facts(
        model="loans",
        cells=(cell(0.1, ours=EVIL, is_declared=True), cell(0.2, ours=EVIL)),
        notes=(f"The schema changed: {EVIL} stands in no row.",),
        absent={EVIL: EVIL},
        recommendation=f"Do {EVIL}.",
        settings={"window": EVIL},
    )
    page = render(made)
    assert EVIL not in page
    content = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert content is not None
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 2
    for one in scripts:
        assert base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() in content[1]
    assert "default-src 'none'" in content[1]
    charts = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, flags=re.DOTALL)
    assert charts is not None
    assert EVIL not in json.dumps(json.loads(charts[1])), "plotly reads texts as markup"


def test_a_page_of_which_nothing_leads_outside() -> None:
    page = text_of(render(facts()))
    assert not re.search(r"(?:src|href)\s*=|url\(|@import", page)
