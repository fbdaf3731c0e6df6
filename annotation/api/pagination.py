"""Lists come in pages by a cursor over a rising key: page a million costs what page one costs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

MAX_PAGE_SIZE = 500


class KeysetPagination(CursorPagination):
    """`?page_size=1..500`, `?cursor=` as given in `next` and `previous`; anything else is a 400."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    ordering = "id"
    query_parameters = ("cursor", "page_size")

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_PAGE_SIZE:
            raise ParseError(_("page_size is a whole number from 1 to %(n)d.") % {"n": MAX_PAGE_SIZE})
        return int(text)

    def decode_cursor(self, request: Request) -> Any:
        if request.query_params.get("cursor") == "":
            raise ParseError(_("The cursor was altered; take it from next or previous."))
        try:
            cursor = super().decode_cursor(request)
        except Exception as error:  # NotFound for most, other errors for bytes that only look like a cursor
            raise ParseError(_("The cursor was altered; take it from next or previous.")) from error
        if cursor is not None and not self._is_ours(cursor):
            raise ParseError(_("The cursor was altered; take it from next or previous."))
        return cursor

    def _is_ours(self, cursor: Any) -> bool:
        if cursor.offset > MAX_PAGE_SIZE:
            return False
        if cursor.position is None or self.ordering not in ("id", "-id", ("id",), ("-id",)):
            return True
        position = str(cursor.position)
        return position.isascii() and position.isdigit() and len(position) <= 18

    def pages(self, queryset: QuerySet[Any], request: Request, view: Any) -> list[Any]:
        """The rows of the page that was asked for."""
        return list(self.paginate_queryset(queryset, request, view=view) or [])
