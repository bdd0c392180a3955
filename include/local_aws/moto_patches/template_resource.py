"""The frame of a resource type that moto's CloudFormation does not know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

Properties = Mapping[str, Any]


class TemplateResource:
    """One resource of a stack. Subclasses say its type, and how it is put and taken away.

    They derive from CloudFormationModel too, directly: moto looks no deeper.
    """

    type_: ClassVar[str]
    #: The property that names the resource; empty when CloudFormation names it.
    name_property: ClassVar[str] = ""

    def __init__(self, name: str, arn: str = "") -> None:
        self.physical_resource_id, self.arn = name, arn

    @classmethod
    def put(cls, name: str, properties: Properties, account_id: str, region_name: str) -> TemplateResource:
        """Make the resource, or change the one of this name."""
        raise NotImplementedError(cls.type_)

    @classmethod
    def take_away(cls, name: str, account_id: str, region_name: str) -> None:
        """Delete the resource."""
        raise NotImplementedError(cls.type_)

    @classmethod
    def cloudformation_name_type(cls) -> str:
        """Return the property that names the resource."""
        return cls.name_property

    @classmethod
    def cloudformation_type(cls) -> str:
        """Return the type as templates write it."""
        return cls.type_

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether GetAtt knows the attribute."""
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return what GetAtt answers."""
        return self.arn

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> TemplateResource:
        """Make the resource."""
        return cls.put(resource_name, cloudformation_json["Properties"], account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> TemplateResource:
        """Create the resource again, under its present or its new name."""
        properties = cloudformation_json["Properties"]
        name = properties.get(cls.name_property, original_resource.physical_resource_id)
        cls.take_away(original_resource.physical_resource_id, account_id, region_name)
        return cls.put(name, properties, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Delete the resource."""
        cls.take_away(resource_name, account_id, region_name)


def policy_text(properties: Properties) -> str:
    """Return the PolicyDocument as JSON. An unquoted Version is a date in YAML."""
    return json.dumps(properties["PolicyDocument"], default=str)
