"""Opening the stores that URLs name."""

from typing import Any

import fsspec

from ml.errors import OperatorError, StoreUnavailable

_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "sftp": "paramiko",
}
"""Scheme of a URL → the package that fsspec reads it with. None is in the lock: each brings a cloud's whole client library."""
_TABLE_SCHEMES = ("file", "s3", "s3a", "gs", "az", "abfs", "abfss")
"""What both fsspec and Delta Lake write to, each with its own client: fsspec's memory:// is not what Delta Lake calls so."""


def store_of(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL or path, and the path in it.

    Raises:
        OperatorError: The package that reads such URLs is not installed.
        ValueError: No package is known that does.
        OSError: The store did not answer.
    """
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        scheme = url.split("://", 1)[0]
        cure = f"install the package {_PACKAGES[scheme]}" if scheme in _PACKAGES else str(error)
        raise OperatorError(
            f"{scheme}:// URLs cannot be opened: {cure} in the environment of Perennial, and in that of Airflow's workers"
        ) from error
    return fs, path


def own_store_of(url: str, *, variable: str) -> tuple[Any, str]:
    """The same for a store of Perennial's own, whose URL the variable gives.

    Raises:
        OperatorError: The package that reads such URLs is not installed.
        StoreUnavailable: The store did not answer, or nobody knows how to.
    """
    try:
        return store_of(url)
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"the store that {variable} names cannot be opened: {error}. Check the variable") from error


def table_store_of(url: str) -> tuple[Any, str]:
    """The file system of a Delta table's URL, and the path in it; raises as `own_store_of`, also where no table can be kept."""
    scheme = url.split("://", 1)[0] if "://" in url else "file"
    if scheme not in _TABLE_SCHEMES:
        raise OperatorError(f"PERENNIAL_TABLES_URL: tables cannot be kept at {scheme}://; use a path, s3://, gs:// or abfss://")
    return own_store_of(url, variable="PERENNIAL_TABLES_URL")
