"""Pages of people, campaigns and labeling."""

from __future__ import annotations

urlpatterns: list = []
