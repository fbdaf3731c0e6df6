"""Pages of people, campaigns and labeling."""

from __future__ import annotations

from django.urls import path, re_path

from annotation.views import assets, doors, home, label

urlpatterns = [
    path("", home.home, name="home"),
    path("work/", home.my_work, name="my_work"),
    path("preferences/", home.preferences, name="preferences"),
    path("sign-in/<str:token>/", doors.sign_in, name="sign_in_link"),
    path("join/<str:token>/", doors.join, name="join"),
    # Widgets of all feedback types; the hash in the name is the version.
    re_path(
        r"^assets/widgets\.(?P<language>[a-z-]{2,10})\.(?P<digest>[0-9a-f]{12})\.js$",
        assets.widgets_js,
        name="widgets_js",
    ),
    re_path(r"^assets/widgets\.(?P<digest>[0-9a-f]{12})\.css$", assets.widgets_css, name="widgets_css"),
    # Labeling
    path("campaigns/<slug:slug>/guidelines/", label.guidelines_page, name="guidelines"),
    path("campaigns/<slug:slug>/label/", label.label, name="label"),
    path("campaigns/<slug:slug>/label/next/", label.next_item, name="label_next"),
    path("campaigns/<slug:slug>/label/token/", label.token, name="label_token"),
    path("campaigns/<slug:slug>/label/undo/", label.undo, name="label_undo"),
    path("campaigns/<slug:slug>/label/undo/<uuid:submission_id>/", label.undo, name="label_change"),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/", label.submit, name="label_submit"),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/draft/", label.draft, name="label_draft"),
    path(
        "campaigns/<slug:slug>/label/<int:assignment_id>/heartbeat/", label.heartbeat, name="label_heartbeat"
    ),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/skip/", label.skip, name="label_skip"),
    path("campaigns/<slug:slug>/label/<int:assignment_id>/flag/", label.flag, name="label_flag"),
]
