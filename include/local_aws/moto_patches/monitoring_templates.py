"""CloudFormation of alarms and budgets. Both are kept as their APIs keep them; neither is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.budgets.models import budgets_backends
from moto.cloudwatch.models import Dimension, Metric, MetricDataQuery, MetricStat, cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.utilities.utils import get_partition

from include.local_aws.moto_patches.template_resource import Properties, TemplateResource

#: moto's name of each property of an alarm, where it is not a list of other things.
ALARM_PROPERTIES = {
    "Namespace": "namespace",
    "MetricName": "metric_name",
    "ComparisonOperator": "comparison_operator",
    "EvaluationPeriods": "evaluation_periods",
    "DatapointsToAlarm": "datapoints_to_alarm",
    "Period": "period",
    "Threshold": "threshold",
    "Statistic": "statistic",
    "ExtendedStatistic": "extended_statistic",
    "AlarmDescription": "description",
    "AlarmActions": "alarm_actions",
    "OKActions": "ok_actions",
    "InsufficientDataActions": "insufficient_data_actions",
    "Unit": "unit",
    "ActionsEnabled": "actions_enabled",
    "TreatMissingData": "treat_missing_data",
    "EvaluateLowSampleCountPercentile": "evaluate_low_sample_count_percentile",
    "ThresholdMetricId": "threshold_metric_id",
}
REQUIRED_BY_MOTO = ("Namespace", "MetricName", "Period", "Threshold", "Statistic", "AlarmDescription", "AlarmActions")


class Alarm(TemplateResource, CloudFormationModel):  # type: ignore[misc]
    """AWS::CloudWatch::Alarm."""

    type_, name_property = "AWS::CloudWatch::Alarm", "AlarmName"

    @classmethod
    def put(cls, name: str, properties: Properties, account_id: str, region_name: str) -> Alarm:
        """Put the alarm."""
        given: dict[str, Any] = {**dict.fromkeys(REQUIRED_BY_MOTO), "ActionsEnabled": True, **properties}
        alarm = cloudwatch_backends[account_id][region_name].put_metric_alarm(
            name=name,
            dimensions=given.get("Dimensions", []),
            metric_data_queries=[_query(metric) for metric in given.get("Metrics", [])] or None,
            tags=given.get("Tags"),
            **{theirs: given[ours] for ours, theirs in ALARM_PROPERTIES.items() if ours in given},
        )
        return cls(name, alarm.alarm_arn)

    @classmethod
    def take_away(cls, name: str, account_id: str, region_name: str) -> None:
        """Delete the alarm."""
        cloudwatch_backends[account_id][region_name].delete_alarms([name])


class Budget(TemplateResource, CloudFormationModel):  # type: ignore[misc]
    """AWS::Budgets::Budget."""

    type_ = "AWS::Budgets::Budget"

    @classmethod
    def put(cls, name: str, properties: Properties, account_id: str, region_name: str) -> Budget:
        """Create the budget with its notifications; without a name it gets the resource's."""
        budget = dict(properties["Budget"])
        budget.setdefault("BudgetName", name)
        if limit := budget.get("BudgetLimit"):  # a template's number is the API's text
            budget["BudgetLimit"] = {"Amount": str(limit["Amount"]), "Unit": limit["Unit"]}
        notifications = properties.get("NotificationsWithSubscribers", [])
        _budgets(account_id, region_name).create_budget(account_id, budget, [dict(each) for each in notifications])
        return cls(budget["BudgetName"])

    @classmethod
    def take_away(cls, name: str, account_id: str, region_name: str) -> None:
        """Delete the budget."""
        _budgets(account_id, region_name).delete_budget(account_id, name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether GetAtt knows the attribute: there are none."""
        return False


def _budgets(account_id: str, region_name: str) -> Any:
    return budgets_backends[account_id][get_partition(region_name)]


def _query(metric: Mapping[str, Any]) -> MetricDataQuery:
    return MetricDataQuery(
        query_id=metric["Id"],
        label=metric.get("Label"),
        period=metric.get("Period"),
        return_data=str(metric.get("ReturnData", True)).lower(),
        expression=metric.get("Expression"),
        metric_stat=_statistic(metric["MetricStat"]) if "MetricStat" in metric else None,
    )


def _statistic(given: Mapping[str, Any]) -> MetricStat:
    named = given["Metric"]
    dimensions = [Dimension(name=each["Name"], value=each["Value"]) for each in named.get("Dimensions", [])]
    metric = Metric(metric_name=named["MetricName"], namespace=named["Namespace"], dimensions=dimensions)
    return MetricStat(metric=metric, period=given["Period"], stat=given["Stat"], unit=given.get("Unit"))
