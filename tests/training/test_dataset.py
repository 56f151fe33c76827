"""The rows of a training are frozen, labelled for good, and enough, or the reason is said."""

from datetime import timedelta

import pandas as pd
import pytest

from ml.data.labels import LabelTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.training import dataset
from tests.training.worlds import NOW, accept, declare, visits


def read(settings: Settings, spec: ModelSpec, version: int) -> dataset.Dataset:
    dataset.forget()
    return dataset.read(settings, spec, version=version, as_of=NOW)


def test_rows_without_a_label_are_left_out(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    frame.loc[:49, "bought"] = None
    found = read(settings, spec, accept(settings, spec, frame, batch="a" * 32))
    assert len(found.frame) == 150
    assert found.frame["bought"].notna().all()


def test_rows_accepted_later_do_not_change_a_frozen_version(settings: Settings) -> None:
    spec = declare(settings)
    version = accept(settings, spec, visits(200), batch="a" * 32)
    before = read(settings, spec, version)
    accept(settings, spec, visits(100, seed=1), batch="b" * 32)
    pd.testing.assert_frame_equal(read(settings, spec, version).frame, before.frame)


def test_only_the_newest_rows_are_used_where_history_is_bounded(settings: Settings) -> None:
    spec = declare(settings, time="at", training={"history_rows": 100})
    version = accept(settings, spec, visits(300), batch="a" * 32)
    found = read(settings, spec, version).frame
    assert found["at"].tolist() == visits(300)["at"].tail(100).astype(found["at"].dtype).tolist()


@pytest.mark.parametrize("time", ["at", None])
def test_the_newest_labelled_rows_are_found_behind_rows_whose_labels_are_late(settings: Settings, time: str | None) -> None:
    spec = declare(settings, time=time, training={"history_rows": 100})
    frame = visits(1000)
    frame.loc[400:, "bought"] = None
    found = read(settings, spec, accept(settings, spec, frame, batch="a" * 32)).frame
    assert found["visit"].tolist() == frame["visit"].iloc[300:400].tolist()


def test_rows_that_are_left_out_make_room_for_older_ones(settings: Settings) -> None:
    spec = declare(settings, time="at", training={"history_rows": 100})
    version = accept(settings, spec, visits(300), batch="b1")
    known = {"version": version, "as_of": NOW, "columns": ()}
    newest = dataset.row_keys(dataset.labelled(settings, spec, **known))
    assert dataset.labelled(settings, spec, **known, without=newest)["_row"].tolist() == list(range(101, 201))
    assert dataset.labelled(settings, spec, **known, without=newest[:0])["_row"].tolist() == list(range(201, 301))


def test_late_labels_count_as_of_the_moment_of_freezing(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    late = pd.DataFrame({"id": frame["visit"].head(60), "label": frame["bought"].head(60)})
    frame.loc[:59, "bought"] = None
    version = accept(settings, spec, frame, batch="a" * 32)
    LabelTable.of(settings, "shop").append(late, delivery="c" * 32, arrived_at=NOW)
    dataset.forget()
    assert len(read(settings, spec, version).frame) == 200
    before = dataset.read(settings, spec, version=version, as_of=NOW.replace(year=2025))
    assert len(before.frame) == 140


def test_labels_that_come_after_a_version_of_them_do_not_change_what_was_frozen_with_it(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    late = pd.DataFrame({"id": frame["visit"].head(60), "label": frame["bought"].head(60)})
    frame.loc[:59, "bought"] = None
    version = accept(settings, spec, frame, batch="a" * 32)
    labels = LabelTable.of(settings, "shop")
    first = labels.append(late.head(20), delivery="c" * 32, arrived_at=NOW)
    labels.append(late.tail(40), delivery="d" * 32, arrived_at=NOW)

    def rows(labels_version: int | None) -> int:
        dataset.forget()
        return len(dataset.read(settings, spec, version=version, as_of=NOW, labels_version=labels_version).frame)

    assert rows(first) == 160
    assert rows(None) == 140  # there were none when it was frozen
    assert len(read(settings, spec, version).frame) == 200


def test_too_few_rows_are_refused_with_their_number(settings: Settings) -> None:
    spec = declare(settings)
    with pytest.raises(NoData, match="49 accepted rows have a value in 'bought'; a training needs 50"):
        read(settings, spec, accept(settings, spec, visits(49), batch="a" * 32))
    assert len(read(settings, spec, accept(settings, spec, visits(1, seed=1), batch="b" * 32)).frame) == 50


def test_one_class_only_is_refused(settings: Settings) -> None:
    spec = declare(settings)
    with pytest.raises(NoData, match="all 100 labelled rows have the same 'bought', 'yes'"):
        read(settings, spec, accept(settings, spec, visits(100).assign(bought="yes"), batch="a" * 32))


def test_a_positive_that_yaml_read_as_true_is_explained(settings: Settings) -> None:
    spec = declare(settings, positive=True)
    with pytest.raises(ModelOwnerError, match=r"'True' is not among the values of 'bought': '(yes|no)', '(yes|no)'.*in quotes"):
        read(settings, spec, accept(settings, spec, visits(100), batch="a" * 32))


def test_three_classes_are_not_binary(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(100)
    frame.loc[:9, "bought"] = "perhaps"
    with pytest.raises(ModelOwnerError, match="task: binary, but 'bought' has 3 values"):
        read(settings, spec, accept(settings, spec, frame, batch="a" * 32))


def test_blank_labels_are_none(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    frame.loc[:19, "bought"] = ""
    frame.loc[20:29, "bought"] = "  "
    found = read(settings, spec, accept(settings, spec, frame, batch="a" * 32)).frame
    assert len(found) == 170
    assert set(found["bought"]) == {"yes", "no"}


def test_rows_whose_labels_are_not_final_at_the_moment_of_freezing_are_left_out(settings: Settings) -> None:
    """The delay ends with the moment itself; a row without a time is as old as its arrival."""
    frame = visits(200)
    frame["at"] = pd.Timestamp(NOW) - pd.to_timedelta(range(200), unit="h")
    frame.loc[150, "at"] = pd.NaT
    spec = declare(settings, time="at", label_delay="48h")
    version = accept(settings, spec, frame, batch="a" * 32)
    assert read(settings, spec, version).frame["visit"].tolist() == [name for name in frame["visit"].iloc[48:] if name != "0-150"]
    dataset.forget()
    later = dataset.read(settings, spec, version=version, as_of=NOW + timedelta(hours=10))
    assert len(later.frame) == 200 - 38 - 1
    dataset.forget()
    assert len(dataset.read(settings, spec, version=version, as_of=NOW + timedelta(hours=48)).frame) == 200


def test_without_a_time_a_row_is_as_old_as_its_arrival(settings: Settings) -> None:
    spec = declare(settings, label_delay="2d")
    version = accept(settings, spec, visits(200), batch="a" * 32)
    for days, rows in ((1.99, 0), (2, 200)):
        dataset.forget()
        as_of = NOW + timedelta(days=days)
        found = dataset.labelled(settings, spec, version=version, as_of=as_of, columns=())
        assert len(found) == rows
    with pytest.raises(NoData, match=r"0 accepted rows have a value in 'bought' and were 2d \(label_delay\) old at 2026-01-01 00:00"):
        read(settings, spec, version)


def test_the_newest_final_rows_are_found_behind_those_that_are_not(settings: Settings) -> None:
    spec = declare(settings, time="at", label_delay="30d", training={"history_rows": 100})
    frame = visits(1000)
    frame["at"] = pd.Timestamp(NOW) - pd.to_timedelta(range(1000, 0, -1), unit="h")
    found = read(settings, spec, accept(settings, spec, frame, batch="a" * 32)).frame
    assert found["visit"].tolist() == frame["visit"].iloc[181:281].tolist()


def test_the_group_is_read_where_it_is_declared(settings: Settings) -> None:
    spec = declare(settings, group="mood")
    found = read(settings, spec, accept(settings, spec, visits(300), batch="a" * 32))
    assert not {*found.development["mood"]} & {*found.test["mood"]}


def test_one_class_in_the_rows_to_learn_from_is_refused_with_the_cure(settings: Settings) -> None:
    spec = declare(settings, time="at")
    frame = visits(300).assign(bought="no")
    frame.loc[270:, "bought"] = "yes"
    said = r"all 240 rows to learn from \(the other 60 of 300 .* split by 'at'\) .* same 'bought', 'no'.*lower training.test_share"
    with pytest.raises(NoData, match=said):
        read(settings, spec, accept(settings, spec, frame, batch="a" * 32))


def test_groups_that_leave_nothing_to_learn_from_are_refused_with_numbers_and_cure(settings: Settings) -> None:
    spec = declare(settings, time="at", group="mood")
    said = "of 300 labelled rows, split by 'at' and 'mood', 0 are left to learn from and 60 to judge with; .*3 groups.*take group out"
    with pytest.raises(NoData, match=said):
        read(settings, spec, accept(settings, spec, visits(300), batch="a" * 32))


def test_one_group_cannot_be_split(settings: Settings) -> None:
    spec = declare(settings, group="mood")
    with pytest.raises(NoData, match="100 are left to learn from and 0 to judge with; the 100 rows are of 1 groups"):
        read(settings, spec, accept(settings, spec, visits(100).assign(mood="fair"), batch="a" * 32))
