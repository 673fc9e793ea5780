"""Prints the Parquet files of a folder, in the order of their names, as pyarrow and DuckDB each read them: one JSON object."""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet as parquet


def plain(value):
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    raise TypeError(f"{type(value)} is not expected in a dataset")


paths = [str(path) for path in sorted(Path(sys.argv[1]).glob("*.parquet"))]
tables = [parquet.read_table(path) for path in paths]
table = pyarrow.concat_tables(tables)
database = duckdb.connect()
database.execute("SET TimeZone = 'UTC'")
relation = database.read_parquet(paths)
read = {
    "pyarrow": {
        "types": {field.name: str(field.type) for field in table.schema},
        "rows": table.to_pylist(),
    },
    "duckdb": {
        "types": dict(zip(relation.columns, map(str, relation.types))),
        "rows": relation.to_arrow_table().to_pylist(),
    },
}
print(json.dumps(read, default=plain))
