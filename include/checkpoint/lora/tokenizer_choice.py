"""Choose the tokenizer of a merged model: the one that it was trained with."""

from __future__ import annotations

from pathlib import Path

from include.checkpoint.files.folder import TEKKEN, TOKENIZER_FILES, VOCABULARIES, whole
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint


def with_tokenizer_of(adapter_dir: Path, checkpoint: Checkpoint, reader: RangeReader) -> Checkpoint:
    """Return the checkpoint with the adapter's tokenizer, if the adapter has a complete one."""
    folder = adapter_dir.absolute()
    own = {name: reader.pin(str(folder / name)) for name in TOKENIZER_FILES if (folder / name).is_file()}
    if not own.keys() & set(VOCABULARIES) or "tokenizer_config.json" not in own:
        return checkpoint
    kept = tuple(file for file in checkpoint.files if file.name not in (*TOKENIZER_FILES, TEKKEN))
    brought = tuple(whole(name, pin) for name, pin in own.items())
    note = f"The tokenizer is the adapter's, with which it was trained: {', '.join(own)}."
    return Checkpoint(files=(*kept, *brought), pins=(*checkpoint.pins, *own.values()), notes=(*checkpoint.notes, note))
