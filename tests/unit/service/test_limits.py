from __future__ import annotations

from datetime import date

from transformers import AutoConfig

from include.service.limits import load_limits


def test_every_block_of_limits_says_when_and_where_it_was_read() -> None:
    for block in load_limits().model_dump().values():
        assert date.fromisoformat(block["as_of"]) <= date.today()  # noqa: DTZ011
        assert block["source"]


def test_every_architecture_is_one_that_transformers_knows_under_this_name() -> None:
    unknown_to_this_version = {"gpt_oss"}
    for model_type in load_limits().architectures.supported.keys() - unknown_to_this_version:
        assert AutoConfig.for_model(model_type).model_type == model_type


def test_every_priced_region_imports_models() -> None:
    limits = load_limits()
    for prices in limits.prices.per_unit_minute.values():
        assert prices.keys() <= set(limits.regions.names)
