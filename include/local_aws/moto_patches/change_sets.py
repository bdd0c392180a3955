"""Outputs of stacks that are made by a change set, as ``aws cloudformation deploy`` does; moto leaves them out."""

from __future__ import annotations

from collections.abc import Callable

from moto.cloudformation.models import CloudFormationBackend


def install() -> None:
    """Read a stack's outputs once its change set was executed."""
    CloudFormationBackend.execute_change_set = _with_outputs(CloudFormationBackend.execute_change_set)


def _with_outputs(execute: Callable[..., None]) -> Callable[..., None]:
    def execute_with_outputs(self: CloudFormationBackend, change_set_name: str, stack_name: str | None = None) -> None:
        execute(self, change_set_name, stack_name)
        for change_set in self.change_sets.values():
            if change_set_name in (change_set.change_set_name, change_set.change_set_id):
                stack = self.stacks[change_set.stack_id]
                stack._parse_template()
                stack.output_map = stack._create_output_map()

    return execute_with_outputs
