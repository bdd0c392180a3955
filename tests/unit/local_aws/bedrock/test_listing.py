from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.listing import list_page

START = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass(frozen=True)
class Job:
    sequence: int
    status: str = "Completed"

    @property
    def name(self) -> str:
        return f"job-{self.sequence}"

    @property
    def created(self) -> datetime:
        return START + timedelta(minutes=self.sequence)


def names(items: list[Job], **params: Any) -> list[str]:
    return [item.name for item in list_page(items, params)[0]]


JOBS = [Job(number) for number in range(1, 8)]


def test_the_newest_come_first_unless_asked_otherwise() -> None:
    assert names(JOBS, maxResults=2) == ["job-7", "job-6"]
    assert names(JOBS, maxResults=2, sortOrder="Ascending") == ["job-1", "job-2"]


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_hold_every_item_once(order: str) -> None:
    seen, token = [], None
    while token is not None or not seen:
        params = {"maxResults": 2, "sortOrder": order} | ({"nextToken": token} if token else {})
        page, token = list_page(JOBS, params)
        seen += [item.sequence for item in page]
    assert seen == sorted(range(1, 8), reverse=order == "Descending")


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_hold_every_item_once_although_items_come_and_go_between_them(order: str) -> None:
    items, seen, token = list(JOBS), [], None
    while True:
        params = {"maxResults": 2, "sortOrder": order} | ({"nextToken": token} if token else {})
        page, token = list_page(items, params)
        seen += [item.sequence for item in page]
        if token is None:
            break
        items.remove(page[-1])
        items.append(Job(max(item.sequence for item in items) + 1) if order == "Descending" else Job(0))
    assert [number for number in seen if number <= 7] == sorted(range(1, 8), reverse=order == "Descending")


def test_the_last_page_has_no_token() -> None:
    assert list_page(JOBS, {"maxResults": 7})[1] is None


def test_filters_by_name_status_and_time_all_have_to_hold() -> None:
    mixed = [Job(1, "Failed"), Job(2, "Failed"), Job(12, "Completed")]
    assert names(mixed, nameContains="2") == ["job-12", "job-2"]
    assert names(mixed, nameContains="2", statusEquals="Failed") == ["job-2"]
    assert names(mixed, creationTimeAfter="2026-11-22T00:01:00Z") == ["job-12", "job-2"]
    assert names(mixed, creationTimeBefore="2026-11-22T00:02:00Z", creationTimeAfter="2026-11-22T00:00:30Z") == [
        "job-1"
    ]


@pytest.mark.parametrize("params", [{"nextToken": "bm9uc2Vuc2U="}, {"nextToken": "%"}, {"creationTimeAfter": "soon"}])
def test_a_token_or_time_that_cannot_be_read_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        list_page(JOBS, params)
