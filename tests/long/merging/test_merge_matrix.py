"""Every tuner, option and start of the installed peft on every family: merged equal to peft, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from peft import PeftType

from tests.support.matrix_families import FAMILIES, make_base
from tests.support.matrix_outcomes import assert_as_declared
from tests.support.merge_matrix import NOT_MADE, OPTIONS, STARTS, TUNERS, Cell, cannot_be_made


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """The name of a family."""
    return str(request.param)


@pytest.fixture(scope="module")
def base(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the family."""
    return make_base(FAMILIES[family], tmp_path_factory.mktemp("base") / family)


def test_the_matrix_has_every_tuner_of_the_installed_peft() -> None:
    assert {cell.kind for cell in TUNERS} | set(NOT_MADE) == {kind.value for kind in PeftType}


@pytest.mark.parametrize("cell", [*TUNERS, *OPTIONS, *STARTS], ids=lambda cell: cell.name)
def test_a_cell_is_merged_as_peft_does_or_refused(family: str, base: Path, cell: Cell, tmp_path: Path) -> None:
    if reason := cannot_be_made(cell, family):
        pytest.skip(reason)
    assert_as_declared(base, family, cell, tmp_path)
