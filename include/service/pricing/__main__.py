"""What a month of imported models costs: ``python -m include.service.pricing --models 10 --then versions=1``.

``--then`` adds a column for another policy.
"""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError

from include.service.limits import load_limits
from include.service.pricing.month import CostItem, MonthlyUse, month_costs
from include.service.training_instances import load_training_instances

_NAME_WIDTH, _FIGURE_WIDTH = 28, 20


def _arguments(argv: list[str]) -> tuple[MonthlyUse, MonthlyUse | None]:
    parser = argparse.ArgumentParser(prog="python -m include.service.pricing", description=__doc__)
    for name, field in MonthlyUse.model_fields.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=str(field.default),
            help=f"{field.description} (default: {field.default})",
        )
    parser.add_argument("--then", nargs="+", metavar="name=value", help="what another policy changes, e.g. versions=1")
    given = vars(parser.parse_args(argv))
    then = given.pop("then")
    now = {name: value for name, value in given.items() if value is not None}
    try:
        changes = dict(change.split("=", 1) for change in then or ())
        return MonthlyUse(**now), MonthlyUse(**now | changes) if then else None
    except (ValidationError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("then",), "msg": "not name=value"}
        parser.error(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _dollars(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.2f}"


def _total(costs: tuple[CostItem, ...]) -> str:
    known = [cost.dollars for cost in costs if cost.dollars is not None]
    return f"{sum(known):,.2f}{'' if len(known) == len(costs) else ' + unknown'}"


def main(argv: list[str]) -> int:
    """Print the table and return the exit code."""
    uses = [use for use in _arguments(argv) if use]
    costs = [month_costs(use) for use in uses]
    rows = [("USD a month", *("now", "then")[: len(uses)])]
    rows += [(parts[0].name, *(_dollars(part.dollars) for part in parts)) for parts in zip(*costs, strict=True)]
    rows.append(("Total", *map(_total, costs)))
    for name, *figures in rows:
        print(f"{name:<{_NAME_WIDTH}}", *(f"{figure:>{_FIGURE_WIDTH}}" for figure in figures))
    limits = load_limits()
    print(
        f"\nPrices of {limits.prices.as_of} (Bedrock), {limits.s3_prices.as_of} (S3) and "
        f"{load_training_instances().as_of} (SageMaker). Importing is free."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
