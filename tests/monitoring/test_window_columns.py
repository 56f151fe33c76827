"""A window is measured against the kept reference alone: the same numbers as of both frames, a few columns at a time."""

import os
import threading
import time
import tracemalloc
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileOpener

from ml.errors import ModelOwnerError, NoData, StoreUnavailable
from ml.monitoring import drift as drifting
from ml.monitoring import profile_file, profiles, window_columns
from ml.monitoring.alarms.own_windows import Cut
from ml.monitoring.drift import Pin, profile_of
from ml.monitoring.looks import look, own_windows
from ml.monitoring.profile_file import BrokenProfile, KeptColumn, ReferenceProfile
from ml.monitoring.window_columns import chunks, measure_columns
from ml.state.records import Drift
from tests.monitoring.two_frames import drifts_of

PINS = [
    *(Pin(name, "numeric", "numeric", "wasserstein", 0.1) for name in ("normal", "ties", "constant", "flag", "holes", "empty")),
    Pin("bins", "numeric", "numeric", "jensenshannon", 0.1),
    Pin("psi", "numeric", "numeric", "psi", 0.1),
    Pin("label", "categorical", "categorical", "jensenshannon", 0.1),
    Pin("late", "categorical", "categorical", "TVD", 0.1),
    Pin("words", "text", "text", drifting.TEXT_METHOD, 0.6),
]
OF = {"run": "r1"}


def frame(count: int, *, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    normal = random.normal(seed / 9, 1, count)
    return pd.DataFrame(
        {
            "normal": normal,
            "ties": normal.round(1),
            "constant": 5.0,
            "flag": (normal > 1).astype(float),
            "holes": np.where(normal > 0, np.nan, np.where(normal < -2, np.inf, normal)),
            "empty": np.nan,
            "bins": normal * 3,
            "psi": normal**3,
            "label": random.choice(["a", "b", "new" if seed else "é", None], count),
            "late": pd.Series(random.choice(["x", "y"], count), dtype=object),
            "words": [" ".join(random.choice(["paid", "fine", "call", "court" if seed else "ok"], 3)) for _ in range(count)],
        }
    )


def kept(folder: Path, reference: pd.DataFrame, pins: Sequence[Pin] = PINS) -> str:
    url = str(folder / "profiles" / "reference.parquet")
    columns = [KeptColumn(pin.column, profile_of(pin, reference[pin.column]), reference[pin.column].head(50)) for pin in pins]
    profile_file.write(url, columns, of=OF, rows=len(reference), tested={"yes": 2})
    return url


def measured(url: str, window: pd.DataFrame, pins: Sequence[Pin] = PINS) -> list[Drift]:
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        return measure_columns(pins, reference=found, read=lambda names: window[list(names)], rows=len(window), draw=1000).drifts


def test_the_numbers_are_those_of_both_frames(tmp_path: Path) -> None:
    reference, window = frame(1500, seed=0), frame(700, seed=3)
    assert measured(kept(tmp_path, reference), window) == drifts_of(PINS, reference=reference, window=window)


def test_arrow_columns_and_small_chunks_give_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, window = frame(1500, seed=0), frame(700, seed=3)
    url = kept(tmp_path, reference)
    table, asked = pa.Table.from_pandas(window), []

    def read(names: Sequence[str]) -> pa.Table:
        asked.append(list(names))
        return table.select(list(names))

    monkeypatch.setattr(window_columns, "CHUNK_CELLS", 2000)
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        result = measure_columns(PINS, reference=found, read=read, rows=700, draw=100)
    assert result.drifts == measured(url, window)
    assert [len(names) for names in asked] == [2, 2, 2, 2, 2, 1]
    assert result.drawn.shape == (100, len(PINS))
    places = profile_file.positions(700, 100)
    pd.testing.assert_series_equal(result.drawn["normal"], window["normal"].iloc[places].reset_index(drop=True))
    assert result.drawn["label"].isna().sum() == window["label"].iloc[places].isna().sum()


def test_under_a_promise_the_kept_windows_judge_and_the_numbers_are_the_same(tmp_path: Path) -> None:
    reference, window, cut = frame(1500, seed=0), frame(200, seed=3), Cut.of(np.arange(1500), window_rows=200)
    columns = []
    for pin in PINS:
        whole = profile_of(pin, reference[pin.column])
        columns.append(KeptColumn(pin.column, whole, reference[pin.column].head(9), own_windows(pin, reference[pin.column], whole, cut)))
    url = str(tmp_path / "reference.parquet")
    profile_file.write(url, columns, of=OF, rows=1500, tested={})
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        kept = [found.own_windows(column.name) for column in columns]
        made = measure_columns(PINS, reference=found, read=lambda names: window[list(names)], rows=200, draw=9, is_promised=True)
    assert kept == [column.own for column in columns]
    assert made.drifts == []
    assert made.looks == [
        look(column_pin, reference=column.profile, window=profile_of(column_pin, window[column_pin.column]), own=column.own)
        for column_pin, column in zip(PINS, columns, strict=True)
    ]
    calibrated = {one.pin.column: one.comparisons[0].calibration is not None for one in made.looks}
    assert [name for name, is_ in calibrated.items() if not is_] == ["constant", "empty", "words"]


def test_a_kept_column_is_what_was_given(tmp_path: Path) -> None:
    reference = frame(300, seed=0)
    with profile_file.opened(kept(tmp_path, reference), of=OF) as found:
        assert found is not None
        assert (found.rows, found.tested) == (300, {"yes": 2})
        assert found.columns == [pin.column for pin in PINS]
        for pin in PINS:
            before, after = profile_of(pin, reference[pin.column]), found.profile(pin.column)
            for name in before.__slots__:
                one, other = getattr(before, name), getattr(after, name)
                assert list(one) == list(other) if hasattr(one, "__len__") else one == other, (pin.column, name)
        assert found.drawn("label").tolist() == reference["label"].head(50).tolist()
        with pytest.raises(NoData, match="has no column 'other'"):
            found.profile("other")


def test_a_broken_page_is_told_from_a_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = kept(tmp_path, frame(100, seed=0))
    path = Path(url)
    whole = path.read_bytes()
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        values = found.profile("normal")
    assert isinstance(values, profiles.NumericProfile)
    stored = values.values[:10].tobytes()
    path.write_bytes(whole.replace(stored, bytes(len(stored)), 1))
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        with pytest.raises(BrokenProfile, match=r"is broken .* it is made anew"):
            found.profile("normal")
    path.write_bytes(whole)
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        monkeypatch.setattr(LocalFileOpener, "read", unanswered)
        with pytest.raises(StoreUnavailable, match="cannot be read: no answer"):
            found.profile("normal")
    with pytest.raises(StoreUnavailable, match="cannot be read: no answer"), profile_file.opened(url, of=OF):
        pass


def unanswered(*_: object) -> bytes:
    raise OSError("no answer")


@pytest.mark.parametrize("broken", ["gone", "other format", "other rows", "half", "footer", "not parquet"])
def test_a_file_that_cannot_be_used_is_none(tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = kept(tmp_path, frame(100, seed=0))
    path, of = Path(url), dict(OF)
    if broken == "gone":
        path.unlink()
    elif broken == "other format":
        monkeypatch.setattr(profile_file, "FORMAT", profile_file.FORMAT + 1)
    elif broken == "other rows":
        of = {"run": "r2"}
    elif broken == "footer":
        content = path.read_bytes()
        length = int.from_bytes(content[-8:-4], "little")
        path.write_bytes(content[: -8 - length] + b"\xff" * length + content[-8:])
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if broken == "half" else b"text")
    with profile_file.opened(url, of=of) as found:
        assert found is None


def test_a_kill_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    url = kept(tmp_path, frame(100, seed=0))
    before = Path(url).read_bytes()

    def killed() -> KeptColumn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile_file.write(url, (killed() for _ in range(1)), of=OF, rows=1, tested={})
    assert Path(url).read_bytes() == before
    assert list(Path(url).parent.iterdir()) == [Path(url)]
    assert kept(tmp_path, frame(100, seed=0)) == url
    assert Path(url).read_bytes() == before, "a second call writes the same bytes"


@pytest.mark.parametrize("side", ["reference", "window"])
def test_a_side_without_rows_is_a_fault(tmp_path: Path, side: str) -> None:
    sides = {"reference": frame(20, seed=0), "window": frame(20, seed=1)} | {side: frame(20, seed=0).head(0)}
    with pytest.raises(NoData, match=f"the {side} has no rows"):
        measured(kept(tmp_path, sides["reference"]), sides["window"])


def test_a_window_of_one_row_is_measured(tmp_path: Path) -> None:
    found = {one.column: one for one in measured(kept(tmp_path, frame(500, seed=0)), frame(1, seed=3))}
    assert found["normal"].drifted
    assert all(np.isfinite(one.value) for one in found.values())


def test_a_column_that_lost_its_values_or_gained_infinities_has_drifted_and_one_that_was_always_empty_has_not(tmp_path: Path) -> None:
    window = frame(400, seed=0).assign(normal=np.nan, ties=np.inf, label=None, words=None)
    found = {one.column: one for one in measured(kept(tmp_path, frame(500, seed=0)), window)}
    assert [found[name].value for name in ("normal", "ties", "words")] == [1.0, 1.0, 1.0]
    assert {found[name].method for name in ("normal", "ties", "label", "words")} == {"missing_share"}
    assert all(found[name].drifted for name in ("normal", "ties", "label", "words"))
    assert not found["empty"].drifted


def test_a_column_of_another_kind_is_a_fault(tmp_path: Path) -> None:
    url = kept(tmp_path, frame(50, seed=0))
    with pytest.raises(ModelOwnerError, match="'label' has another kind now"):
        measured(url, frame(50, seed=0).assign(label=1.0), [Pin("label", "numeric", "numeric", "wasserstein", 0.1)])


def test_columns_are_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, read = kept(tmp_path, frame(100, seed=0)), []
    real = ReferenceProfile._read
    monkeypatch.setattr(ReferenceProfile, "_read", lambda self, groups, *names: read.extend(groups) or real(self, groups, *names))
    measured(url, frame(100, seed=1), PINS[:2])
    assert sorted(read) == [0, 2]


def test_a_profile_longer_than_a_row_group_is_read_whole_and_the_columns_after_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_file, "_GROUP_ROWS", 30)
    reference, window = frame(200, seed=0), frame(100, seed=3)
    url = kept(tmp_path, reference)
    assert measured(url, window) == drifts_of(PINS, reference=reference, window=window)
    with profile_file.opened(url, of=OF) as found:
        assert found is not None
        assert [found.drawn(pin.column).isna().tolist() for pin in PINS] == [reference[pin.column].head(50).isna().tolist() for pin in PINS]


def test_texts_are_measured_one_after_the_other_and_leave_the_warnings_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, window, running, told = frame(200, seed=0), frame(100, seed=3), [], []
    names = ["words", "more", "last"]
    texts = [Pin(name, "text", "text", drifting.TEXT_METHOD, 0.6) for name in names]
    sides = [side.assign(more=side["words"], last=side["words"]) for side in (reference, window)]

    def slow(*sides: pd.Series) -> float:
        running.append(threading.current_thread())
        time.sleep(0.1)
        told.append(len(running))
        running.pop()
        return 0.5

    monkeypatch.setattr(drifting, "_told_apart", slow)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    before = list(warnings.filters)
    found = measured(kept(tmp_path, sides[0], [*texts, *PINS[:2]]), sides[1], [*texts, *PINS[:2]])
    assert told == [1, 1, 1], "what tells texts apart sets the warnings of the whole process"
    assert warnings.filters == before
    assert [one.column for one in found] == [*names, "normal", "ties"]


def test_texts_stand_alone_in_a_chunk_and_no_chunk_is_lost() -> None:
    assert [list(chunk) for chunk in chunks(["a", "t", "b", "c", "u"], rows=1, texts={"t", "u"})] == [["a"], ["t"], ["b", "c"], ["u"]]
    assert list(chunks([], rows=1)) == []


def test_of_a_column_of_texts_only_what_is_drawn_becomes_python_texts() -> None:
    texts = pd.Series([None, *(f"{number} " * 20 for number in range(30_000))], dtype=object)
    column = pa.chunked_array([pa.array(texts[:9_000], pa.string()), pa.array(texts[9_000:], pa.string())])
    whole = profiles.text(texts, rows=500)
    tracemalloc.start()
    found = profiles.text(column, rows=500)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.drawn.tolist() == whole.drawn.tolist() == texts.dropna().sample(500, random_state=0).tolist()
    assert (found.present, found.rows) == (whole.present, whole.rows) == (30_000, 30_001)
    assert peak < 2_000_000, "30,000 texts of 120 letters are 5 MB"


def test_draws_are_bounded_in_order_and_the_same_each_time() -> None:
    found = profile_file.positions(1000, 100)
    assert len(found) == 100
    assert (np.diff(found) > 0).all()
    assert found.tolist() == profile_file.positions(1000, 100).tolist()
    assert profile_file.positions(5, 100).tolist() == [0, 1, 2, 3, 4]
    assert profile_file.plot_rows(100_000, columns=15) == 100_000
    assert profile_file.plot_rows(100_000, columns=800) == 2_500
    assert profile_file.plot_rows(100_000, columns=100_000) == 1000
