"""Prints the images of a folder of Parquet files, row by row, as pyarrow, DuckDB and `datasets` each read them: one JSON object.

An image is told by what Pillow makes of its bytes: format, size, and a digest of its pixels.
"""

import hashlib
import io
import json
import sys
from pathlib import Path

import datasets
import duckdb
import pyarrow
import pyarrow.parquet as parquet
from PIL import Image


def told(image):
    image.load()
    return [image.format, *image.size, hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()]


def decoded(struct):
    return told(Image.open(io.BytesIO(struct["bytes"])))


paths = [str(path) for path in sorted(Path(sys.argv[1]).glob("*.parquet"))]
table = pyarrow.concat_tables([parquet.read_table(path) for path in paths])
images = duckdb.connect().read_parquet(paths).select("image").fetchall()
datasets.disable_progress_bars()
dataset = datasets.load_dataset("parquet", data_files=paths, split="train", cache_dir=sys.argv[2])
print(
    json.dumps(
        {
            "pyarrow": {"type": str(table.schema.field("image").type), "rows": [decoded(row) for row in table["image"].to_pylist()]},
            "duckdb": {"type": "struct", "rows": [decoded(row) for (row,) in images]},
            "datasets": {"type": repr(dataset.features["image"]), "rows": [told(row) for row in dataset["image"]]},
            "features": dataset.features.to_dict(),
        }
    )
)
