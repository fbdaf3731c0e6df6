"""Pages for researchers."""

from __future__ import annotations

urlpatterns: list = []
