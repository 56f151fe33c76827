"""Where incoming data is found, and which of its columns the model sees."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ml.spec.types import Column, Declared, Schedule

RESERVED_COLUMNS = frozenset({"_batch", "_row", "_arrived_at"})
"""Names that the accepted table gives to columns of its own."""


class Features(Declared):
    """Which columns the model sees, and how. A column stands in one list only."""

    numeric: tuple[Column, ...] = ()
    """Numbers: missing values are filled with the median."""
    categorical: tuple[Column, ...] = ()
    """Labels: one-hot encoded; values unseen in training are allowed."""
    text: tuple[Column, ...] = ()
    """Free text: TF-IDF of its words."""
    datetime: tuple[Column, ...] = ()
    """Dates and times: taken apart into year, month, weekday and hour."""
    ignore: tuple[Column, ...] = ()
    """Columns that are delivered, kept, and never shown to the model."""

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that the model sees, in the order of the lists."""
        return (*self.numeric, *self.categorical, *self.text, *self.datetime)


class Csv(Declared):
    """How delivered csv files are written."""

    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
    """Texts that mean "no value"."""


class Files(Declared):
    """Deliveries are files: each file is one batch."""

    kind: Literal["files"] = "files"
    urls: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=1)
    """fsspec URLs or patterns (`s3://bucket/in/*.parquet`); relative ones stand below `<home>/incoming`, `./…` in the project."""
    format: Literal["csv", "parquet", "jsonl"] | None = None
    """For files whose name does not tell; `.gz` is unpacked."""
    csv: Csv = Csv()


class Sql(Declared):
    """A delivery is the result of a query: one batch for each different result."""

    kind: Literal["sql"] = "sql"
    url: Annotated[str, StringConstraints(min_length=1)]
    """SQLAlchemy URL. Write passwords as `${VARIABLE}`: the environment fills them in."""
    query: Annotated[str, StringConstraints(min_length=1)]


class Data(Declared):
    """Where incoming data is found, and how often one looks."""

    source: Annotated[Files | Sql, Field(discriminator="kind")]
    schedule: Schedule | None = "@hourly"
