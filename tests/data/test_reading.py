import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.data.faults import Unreadable, shown
from ml.data.reading import Delivered, column_faults, kind_of, read
from ml.spec import Csv
from tests.data.models import csv_text, spec_of


def read_bytes(folder: Path, content: bytes, name: str = "a.csv", csv: Csv | None = None, kind: str | None = None) -> Delivered:
    path = folder / "delivery"
    path.write_bytes(content)
    return read(path, name=name, csv=csv or Csv(), kind=kind)


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def pa_bytes(values: pa.Array) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": values}), stream)
    return stream.getvalue()


def text_of(*values: bytes) -> pa.Array:
    """Text that is not checked, as a flipped bit leaves it."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


PARQUET = parquet_bytes(pd.DataFrame({"a": range(1000), "b": "x"}))
NOISE = random.Random(1).randbytes(20_000).hex().encode()
CSV_GZ = gzip.compress(b"a,b\n" + b"\n".join(b"%d,%s" % (i, NOISE[i * 8 : i * 8 + 8]) for i in range(5000)))


@pytest.mark.parametrize(
    "content",
    [
        b"1,M,1\n2,F,2\n",
        b'{"age": 1, "sex": 1, "x": 1}\n{"age": 2}\n',
        b"<!DOCTYPE html>\n",
        b"<html>\n<body>502 Bad Gateway</body>\n",
        b"0;0\n",
    ],
)
def test_a_first_line_without_any_declared_column_is_no_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "delivery"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="first line is no header: none of the declared columns stands in it; it begins") as error:
        read(path, name="a.csv", csv=Csv(), declared=("age", "sex"))
    assert content.decode().splitlines()[0][:8] in str(error.value)


@pytest.mark.parametrize("header", ["age,other", "AGE,SEX", "sex;age", '"sex";"age"', " sex\tage"])
def test_a_header_that_names_one_declared_column_somehow_is_one(tmp_path: Path, header: str) -> None:
    path = tmp_path / "delivery"
    path.write_text(f"{header}\n1,2\n")
    delivered = read(path, name="a.csv", csv=Csv(), declared=("age", "sex"))
    assert delivered.rows.size + len(delivered.failures) == 1


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "a.csv", "the file is empty"),
        (gzip.compress(b"", mtime=0), "a.csv.gz", "empty once unpacked"),
        (b"a,b\n", "a.csv", "only a header"),
        (b"a,b", "a.csv", "only a header"),
        (b"\n\n", "a.csv", "no header"),
        (b"a,b,a\n1,2,3\n", "a.csv", "columns stand twice: 'a'"),
        ("a,b\n1,M\xfcller\n".encode("latin-1"), "a.csv", "line 2 is not utf-8 text: byte 0xfc"),
        (b"a,b\n1,2\n3,x\x00y\n", "a.csv", "a zero byte stands in column 'b', data row 2"),
        ("a,b\n1,2\n".encode("utf-16"), "a.csv", "utf-16, not utf-8"),
        (b'a,b\n1,"2\n3,4\n5,6\n', "a.csv", "never closed"),
        (CSV_GZ[: len(CSV_GZ) // 2], "a.csv.gz", "damaged or cut off"),
        (CSV_GZ[:-6], "a.csv.gz", "damaged or cut off"),
        (CSV_GZ[:2000] + b"\0" * 50 + CSV_GZ[2050:], "a.csv.gz", "gzip file is damaged"),
        (PARQUET[: len(PARQUET) // 2], "a.parquet", "parquet file is damaged or cut off"),
        (PARQUET[:40] + b"\xff" * 400 + PARQUET[440:], "a.parquet", "parquet file is damaged or cut off"),
        (b"a,b\n1,2\n", "a.parquet", "not a parquet file"),
        (PARQUET, "a.csv", "this is a parquet file, not csv"),
        (b"PK\x03\x04abc", "a.csv", "zip archive or a spreadsheet"),
        (b"a,b\n1,2\n", "a.xls", "format of 'a.xls' is not known"),
        (b'{"a": 1}\n{"a": \n', "a.jsonl", "line 2 is not one JSON object"),
        (b"[1]\n", "a.jsonl", "line 1 holds list"),
        (b'{"a": "\xff"}\n', "a.jsonl", "line 1 is not UTF-8"),
        (b"\n", "a.jsonl", "no data rows"),
        (b'{"a": 1}\n{"a": "x\\ud800"}\n', "a.jsonl", "line 2 holds half a character"),
        (b'{"\\udfff": 1}\n', "a.jsonl", "line 1 holds half a character"),
        (b'{"a": ' + b"9" * 5000 + b"}\n", "a.jsonl", "line 1 holds a whole number of thousands of digits"),
        (pa_bytes(text_of(b"north", b"n\xffrth")), "a.parquet", "damaged: column 'a': .*UTF8"),
        (parquet_bytes(pd.DataFrame({"a": pd.Series(dtype=float)})), "a.parquet", "no data rows"),
    ],
)
def test_what_cannot_be_read_has_one_clear_reason(tmp_path: Path, content: bytes, name: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        read_bytes(tmp_path, content, name)
    assert len(str(caught.value)) < 400


def test_an_unknown_encoding_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="encoding 'klingon' is not known"):
        read_bytes(tmp_path, b"a,b\n1,2\n", csv=Csv(encoding="klingon"))


def test_columns_that_stand_twice_in_parquet_are_a_reason(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), stream)
    with pytest.raises(Unreadable, match="columns stand twice"):
        read_bytes(tmp_path, stream.getvalue(), "a.parquet")


def test_csv_is_text_with_quoted_newlines_boms_and_missing_values(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b'\xef\xbb\xbf a ,b\r\n1,"x\ny"\r\nNA,""\r\n\r\n2,"q""q"\r\n')
    assert found.table.to_pydict() == {"a": ["1", None, "2"], "b": ["x\ny", "", 'q"q']} or found.table.to_pydict()["b"][1] is None
    assert found.rows.tolist() == [1, 2, 3]


def test_a_last_row_with_a_closed_multi_line_value_is_fine(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b'a,b\n1,"x\ny"\n').table.num_rows == 1


def test_ragged_rows_are_named_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b'a,b\n1,"2\n2"\n3\n4,5\n6,7,8\n9,10\n')
    assert found.rows.tolist() == [1, 3, 5]
    assert found.failures["row"].tolist() == [2, 4]
    assert found.failures["reason"].tolist() == ["1 fields where the header has 2", "3 fields where the header has 2"]
    assert "2 rows do not have 2 fields" in found.reasons[0]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_a_declared_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    found = read_bytes(tmp_path, "a;b\n1;Müller\n".encode(encoding), csv=Csv(encoding=encoding, separator=";"))
    assert found.table.to_pydict() == {"a": ["1"], "b": ["Müller"]}


def test_gzip_is_known_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, gzip.compress(b"a,b\n1,2\n"), "a.csv").table.num_rows == 1
    assert read_bytes(tmp_path, b"a,b\n1,2\n", "a.csv.gz").table.num_rows == 1
    assert read_bytes(tmp_path, gzip.compress(PARQUET), "a.parquet.gz").table.num_rows == 1000


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "warned"),
    [(b"a,b\n1,2\n", False), (b"a,b\n1,2\r\n", False), (b"a,b\r1,2\r", False), (b"a,b\n1,2", True), (b"a,b\n1,2\n3\n4,", True)],
)
def test_a_csv_without_a_last_newline_is_read_with_a_warning(
    tmp_path: Path, content: bytes, warned: bool, pack: Callable[[bytes], bytes]
) -> None:
    found = read_bytes(tmp_path, pack(content))
    row = len(found.rows) + len(found.failures)
    warning = f"the file does not end with a newline: its last row may be cut off (row {row})"
    assert found.warnings == ([warning] if warned else [])


def test_a_last_newline_is_seen_in_utf_16(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-16-be", "utf-16-le"):
        assert read_bytes(tmp_path, "a,b\n1,2\n".encode(encoding), csv=Csv(encoding=encoding)).warnings == []


@pytest.mark.parametrize(
    ("name", "declared", "kind"),
    [
        ("a.csv", "parquet", "csv"),
        ("A.CSV.GZ", "parquet", "csv"),
        ("a.parquet", "csv", "parquet"),
        ("a.txt", "jsonl", "jsonl"),
        ("a", "jsonl", "jsonl"),
        ("a.csv", None, "csv"),
        ("a", None, None),
    ],
)
def test_the_name_of_a_file_tells_its_format_before_the_declaration_does(name: str, declared: str | None, kind: str | None) -> None:
    assert kind_of(name, declared=declared) == kind


def test_what_is_shown_can_be_stored() -> None:
    assert shown("a\ud800b\x00") == "a\\ud800b\\x00"
    assert len(shown("\ud800" * 500)) == 200


def test_jsonl_with_values_of_several_kinds_becomes_text(tmp_path: Path) -> None:
    lines = [{"a": 1, "b": "x"}, {"a": "one", "b": None}, {"a": None}, {"a": True, "c": {"k": 1}}, {"a": 2.0}]
    found = read_bytes(tmp_path, "\n".join(json.dumps(line) for line in lines).encode(), "a.jsonl")
    assert found.table.column("a").to_pylist() == ["1", "one", None, "True", "2"]
    assert found.table.column_names == ["a", "b", "c"]


def test_the_row_index_that_pandas_writes_is_no_column(tmp_path: Path) -> None:
    content = parquet_bytes(pd.DataFrame({"a": [1, 2]}, index=[5, 9]))
    assert read_bytes(tmp_path, content, "a.parquet").table.column_names == ["a"]


def table_of(text: str) -> pa.Table:
    return pa.table({name: ["1"] for name in text.split(",")})


def test_missing_and_undeclared_columns_are_named() -> None:
    faults = column_faults(table_of("loan,applied,income,region,note,default,x,y"), spec_of())
    assert faults[0] == "missing columns: 'age'"
    assert faults[1].startswith("undeclared columns: 'x', 'y'; name them")


def test_another_separator_is_guessed(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, csv_text().replace(",", ";").encode())
    assert "separated by ';', not by ','" in column_faults(found.table, spec_of(), csv=Csv())[0]


def test_the_target_may_be_absent_only_where_labels_can_arrive_later() -> None:
    table = table_of("loan,applied,income,age,region,note")
    assert column_faults(table, spec_of()) == []
    assert column_faults(table.drop_columns(["loan"]), spec_of(id=None)) == ["missing columns: 'default'"]
