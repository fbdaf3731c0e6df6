"""Lists of the API: newest first, a page at a time."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiView
from annotation.api.pagination import KeysetPagination


class NewestFirst(KeysetPagination):
    """Newest first, by time; the cursor of a list is no cursor of another."""

    ordering = "-created_at"

    def _is_ours(self, cursor: Any) -> bool:
        try:
            return super()._is_ours(cursor) and (
                cursor.position is None or parse_datetime(cursor.position) is not None
            )
        except ValueError:
            return False


def newest(view: ApiView, request: Request, queryset: QuerySet[Any], describe: Any) -> Response:
    paginator = NewestFirst()
    rows = paginator.pages(queryset, request, view)
    return paginator.get_paginated_response([describe(row) for row in rows])


def user_of(request: Request) -> Any:
    return request.user
