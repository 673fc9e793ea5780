"""Prints each Parquet file of a folder as a line of JSON, read by pyarrow: the reader that most users have."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as parquet

for path in sorted(Path(sys.argv[1]).glob("*.parquet")):
    rows = [
        {"rowId": row["tiding"]["row_id"], "question": row["question"], "answer": row.get("generation")}
        for row in parquet.read_table(path).to_pylist()
    ]
    print(json.dumps({"name": path.name, "rows": rows}))
