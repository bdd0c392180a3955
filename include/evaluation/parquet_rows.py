"""Read Parquet from standard input and write each row as a line of JSON; ``dataset_formats`` runs it within limits.

Standard input is a file: of a data set that is larger than the memory, only some rows are read at a time.

A Parquet file of a kilobyte can say it holds little and unpack to a gigabyte: only a limit of the process holds.
"""

from __future__ import annotations

import json
import sys
from typing import Any

# Few, so that a long value that all rows share is not in memory too often.
BATCH_ROWS = 256


def main() -> None:
    """Write the rows in order; on failure, end with a line that gives the reason."""
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(1)
    try:
        file = parquet.ParquetFile(sys.stdin.buffer, pre_buffer=False)
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            for values in _without_nanoseconds(batch).to_pylist():
                sys.stdout.write(json.dumps(values, default=_other) + "\n")
        sys.stdout.flush()
    except (pyarrow.ArrowException, OSError, MemoryError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))


def _without_nanoseconds(batch: Any) -> Any:
    """Return the batch with times in nanoseconds as text: Python has no such value."""
    import pyarrow

    columns = [column.cast(pyarrow.string()) if _is_in_nanoseconds(column.type) else column for column in batch.columns]
    return pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _is_in_nanoseconds(kind: Any) -> bool:
    return str(kind).startswith(("timestamp[ns", "time64[ns", "duration[ns"))


def _other(value: Any) -> dict[str, str]:
    """Return a placeholder for values without a JSON type, such as bytes or dates; they are never text fields."""
    return {"type": type(value).__name__}


if __name__ == "__main__":
    main()
