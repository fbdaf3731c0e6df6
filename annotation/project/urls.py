"""Root urls. The apps bring their own; this file says only where they hang."""

from django.urls import include, path

from annotation.project.health import healthz

urlpatterns = [
    path("healthz", healthz),
    path("accounts/", include("allauth.urls")),
    path("api/", include("annotation.api.urls")),
    path("", include("training_bridge.urls")),
    path("", include("annotation.urls")),
]

handler500 = "annotation.project.health.server_error"
