"""What becomes of a cell of the merge matrix: merged equal to peft, or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel

from include.errors import ModelImportError
from tests.support.edited_adapters import merge_to_folder
from tests.support.matrix_families import FAMILIES, load, logits
from tests.support.merge_matrix import Cell, make_adapter
from tests.support.tiny_models import load_weights

# Of float32 logits between -5 and 5; the adapters change them by 0.01 to 5.
TOLERANCE, LEAST_EFFECT = 1e-4, 0.01
MERGED = "merged"


def outcome(base: Path, family: str, cell: Cell, folder: Path) -> str:
    """Return "merged", once tensors and logits were found to be peft's, or the message of the refusal."""
    tuned = make_adapter(base, FAMILIES[family], cell, folder / "adapter")
    torch.manual_seed(99)  # other random numbers than those that the adapter began with
    try:
        merge_to_folder(base, folder / "adapter", folder)
    except ModelImportError as error:
        return str(error)
    trained, merged = logits(tuned), logits(load(folder / "ours"))
    assert (trained - logits(load(base))).abs().max() > LEAST_EFFECT
    torch.testing.assert_close(merged, trained, rtol=0, atol=TOLERANCE)
    theirs = PeftModel.from_pretrained(load(base), folder / "adapter").merge_and_unload().state_dict()
    ours = load_weights(folder / "ours")
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    return MERGED


def assert_as_declared(base: Path, family: str, cell: Cell, folder: Path) -> None:
    """Raise AssertionError unless the cell is merged, or refused for the reason that it declares for this family."""
    found = outcome(base, family, cell, folder)
    if cell.refused and (not cell.only or family in cell.only):
        assert cell.refused in found
    else:
        assert found == MERGED
