"""Reads a file as the pipeline does, from its bytes to typed rows and rejects, without servers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from system.pipeline import stages
from system.pipeline.manifest import Content, Source, cut
from system.pipeline.schema import Schema
from system.pipeline.source import decode, is_plain

Rows = list[tuple[Any, ...]]


def people(**changes: Any) -> Schema:
    """Two columns, as most tests need them."""
    fields = [{"name": "name"}, {"name": "age", "type": "integer"}]
    return Schema.model_validate({"dataset": "people", "fields": fields} | changes)


def cut_whole(path: Path, schema: Schema, chunk_bytes: int) -> Content:
    """Decode a file beside itself where that is needed, and cut it."""
    text = path
    if not is_plain(path, schema):
        text = path.with_suffix(".text")
        decode(path, schema, text)
    return cut(Source(number=0, name=path.name, path=text), schema, chunk_bytes)


def read_whole(
    path: Path, schema: Schema, chunk_bytes: int = 1 << 20, known: Mapping[str, Sequence[Any]] | None = None
) -> tuple[Rows, dict[int, str]]:
    """Return the good rows, columns as declared, and why others were rejected, by row number."""
    content = cut_whole(path, schema, chunk_bytes)
    names = [field.name for field in schema.fields]
    arranged = schema.arranged(content.columns)
    good: Rows = []
    rejected: dict[int, str] = {}
    for chunk in content.chunks:
        data = Path(chunk.file).read_bytes()[chunk.offset : chunk.offset + chunk.length]
        parsed, typed = stages.read(data, chunk.rows, arranged)
        unknown = {
            field.name: [value for value in values if value not in (known or {}).get(field.name, ())]
            for field, _, values in stages.references(typed, arranged)
        }
        judged = stages.judge(parsed, typed, unknown, arranged)
        good += judged.good.select(names).rows()
        rejected |= {chunk.first_row + index: reason for index, reason in judged.rejected.iter_rows()}
    return good, rejected
