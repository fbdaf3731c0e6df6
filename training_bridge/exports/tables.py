"""The tables of `native/`: their columns, and how rows become JSONL and Parquet. Nested values are JSON text in Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from training_bridge.exports.files import OPTIONS, HashingFile

BATCH_ROWS, BATCH_BYTES = 20_000, 8 << 20  # of a Parquet row group: rows may be few and long

JSON_TEXT = pa.string()
FEEDBACK_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("submission", pa.string()),
        ("campaign", pa.int64()),
        ("item", pa.int64()),
        ("round", pa.int32()),
        ("prompt", pa.int64()),
        ("responses", pa.list_(pa.int64())),
        ("chosen_by", pa.string()),
        ("question", pa.string()),
        ("type", pa.string()),
        ("version", pa.int32()),
        ("target", pa.int64()),
        ("payload", JSON_TEXT),
        ("choice_set", JSON_TEXT),
        ("settings", JSON_TEXT),
        ("required", pa.bool_()),
        ("labeler", pa.string()),
        ("labeler_kind", pa.string()),
        ("status", pa.string()),
        ("revision", pa.int32()),
        ("protocol_version", pa.int32()),
        ("guidelines_version", pa.int32()),
        ("active_ms", pa.int64()),
        ("total_ms", pa.int64()),
        ("device_class", pa.string()),
        ("submitted_at", pa.string()),
        ("split", pa.string()),
    ]
)
# Of a cut with settled answers: which decision an answer is of; null for a labeler's.
SETTLED_SCHEMA = FEEDBACK_SCHEMA.append(pa.field("adjudication", pa.int64()))
PROMPT_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("messages", JSON_TEXT),
        ("language", pa.string()),
        ("external_id", pa.string()),
        ("split", pa.string()),
        ("sha256", pa.string()),
    ]
)
RESPONSE_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("prompt", pa.int64()),
        ("text", pa.string()),
        ("sha256", pa.string()),
        ("source", pa.string()),
        ("policy", pa.string()),
        ("sampling", JSON_TEXT),
    ]
)
AS_TEXT = ("payload", "choice_set", "settings", "messages", "sampling")


class ParquetFile:
    """One Parquet file of `native/`, 20,000 rows or 8 MB of them at a time."""

    def __init__(self, root: Path, name: str, schema: pa.Schema):
        self.schema = schema
        self.parquet = HashingFile(root, f"native/{name}.parquet")
        self.writer = pq.ParquetWriter(self.parquet, schema, compression="zstd", version="2.6")
        self.columns: dict[str, list[Any]] = {field.name: [] for field in schema}
        self.waiting = self.waiting_bytes = 0

    def add(self, row: Mapping[str, Any]) -> None:
        for name, values in self.columns.items():
            value = row[name]
            if value is not None and name in AS_TEXT:
                value = orjson.dumps(value, option=OPTIONS).decode()
            if isinstance(value, str):
                self.waiting_bytes += len(value)
            values.append(value)
        self.waiting += 1
        if self.waiting == BATCH_ROWS or self.waiting_bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        arrays = [pa.array(self.columns[field.name], field.type) for field in self.schema]
        self.writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        self.parquet.rows += self.waiting
        self.waiting = self.waiting_bytes = 0
        for values in self.columns.values():
            values.clear()
        del arrays
        pa.default_memory_pool().release_unused()

    def close(self) -> HashingFile:
        self.flush()
        self.writer.close()
        self.parquet.close()
        return self.parquet


class Table:
    """One table of `native/`, written as JSONL and Parquet at once."""

    def __init__(self, root: Path, name: str, schema: pa.Schema):
        self.jsonl = HashingFile(root, f"native/{name}.jsonl")
        self.parquet = ParquetFile(root, name, schema)

    def add(self, row: dict[str, Any]) -> int:
        """Writes one row; returns the offset behind its line."""
        self.jsonl.write_row(row)
        self.parquet.add(row)
        return self.jsonl.bytes

    def close(self) -> list[HashingFile]:
        self.jsonl.close()
        return [self.jsonl, self.parquet.close()]
