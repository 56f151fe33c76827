"""What windows are compared with: all rows of the time that a training learnt from, and those its tested model never saw."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.data.table import BATCH, PLACE, ROW, AcceptedTable
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.training import dataset
from ml.training.span import Span, spanned
from ml.training.split import split

START = datetime(2026, 1, 1, tzinfo=UTC)


def spec(**changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model": "m",
            "task": "binary",
            "target": "y",
            "positive": "1",
            "time": "at",
            "features": {"numeric": ["a"]},
            "data": {"source": {"kind": "files", "urls": ["x"]}},
            "training": {"candidates": [{"name": "l", "class": "sklearn.linear_model.LogisticRegression"}]},
        }
        | changes
    )


def found(settings: Settings, declared: ModelSpec, *, labelled: Any, count: int = 600) -> tuple[pd.DataFrame, Span]:
    """The span of two batches whose rows have a label where `labelled` says so, and the rows of a training on them."""
    table = AcceptedTable.of(settings, "m", declared)
    number = np.arange(count)
    frame = pd.DataFrame(
        {"a": number / count, "at": [START + timedelta(hours=int(one)) for one in number], "g": [f"g{one // 20}" for one in number]}
    )
    frame["at"] = pd.to_datetime(frame["at"], utc=True).astype("datetime64[us, UTC]")
    frame["y"] = np.where(labelled(number), np.where(number % 3 == 0, "1", "0"), None)
    for name, half in (("b1", frame[: count // 2]), ("b2", frame[count // 2 :])):
        version = table.append(half.reset_index(drop=True), spec=declared, batch=name, arrived_at=START)
    used = dataset.labelled(settings, declared, version=version, as_of=START + timedelta(hours=count), columns=[PLACE])
    return used, spanned(settings, declared, used, test=split(used, declared).test, version=version)


def test_the_newest_rows_belong_to_it_before_their_label_is_known(settings: Settings) -> None:
    used, span = found(settings, spec(label_delay="100h"), labelled=lambda number: number >= 0)
    assert len(used) == 501
    assert span.keys[PLACE].tolist() == list(range(600))
    assert span.keys[PLACE].iloc[span.labelled].tolist() == used[PLACE].tolist()
    test = used[PLACE].iloc[split(used, spec(label_delay="100h")).test]
    assert span.keys[PLACE].iloc[span.held_out].tolist() == list(range(test.min(), 600))


def test_it_begins_with_the_oldest_row_that_was_used(settings: Settings) -> None:
    declared = spec(training={"candidates": [{"name": "l", "class": "a.B"}], "history_rows": 100})
    used, span = found(settings, declared, labelled=lambda number: number % 2 == 0)
    assert used[PLACE].tolist() == list(range(400, 600, 2))
    assert span.keys[PLACE].tolist() == list(range(400, 600))


@pytest.mark.parametrize("changes", [{"time": None}, {"time": None, "group": "g"}, {}, {"group": "g"}])
def test_of_rows_without_a_label_as_large_a_part_is_held_out_and_none_that_the_tested_model_learnt(
    settings: Settings, changes: dict[str, Any]
) -> None:
    declared = spec(**changes)
    used, span = found(settings, declared, labelled=lambda number: number % 5 < 2, count=3000)
    parts = split(used, declared)
    held = span.keys[PLACE].iloc[span.held_out]
    learnt, test = (used[PLACE].iloc[places] for places in (parts.development, parts.test))
    assert not held.isin(learnt).any()
    assert test.isin(held).all()
    assert (held % 5 < 2).mean() == pytest.approx(0.4, abs=0.02), "labelled and not as in all rows"
    assert list(span.keys[[BATCH, ROW]].itertuples(index=False)) == [
        (f"b{1 + (place >= 1500)}", place % 1500 + 1) for place in span.keys[PLACE]
    ]
    if "group" in changes and "time" in changes:
        assert not set(span.keys["g"].iloc[span.held_out]) & set(used["g"].iloc[parts.development])


def test_where_every_row_has_a_label_it_is_the_rows_that_were_used(settings: Settings) -> None:
    used, span = found(settings, spec(time=None), labelled=lambda number: number >= 0)
    assert span.keys is used
    assert span.held_out.tolist() == split(used, spec(time=None)).test.tolist()
