"""Policies that somebody else serves: named, tried, changed and taken away by admins. A key is typed in and never shown.

GET  /endpoints/          GET/POST /endpoints/new/     /endpoints/<id>/          POST …/try/   …/remove/
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from annotation import access
from annotation.endpoints import services
from annotation.endpoints.models import Endpoint
from annotation.errors import Refused
from annotation.views.pages import page, person


def _seconds(name: str, label: Any, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, help_text=help_text, min_value=1, max_value=services.SECONDS[name],
        initial=getattr(Endpoint(), name),
    )  # fmt: skip


class EndpointForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("For admins; labelers never see it."),
        max_length=80,
    )
    base_url = forms.CharField(
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Up to and without /chat/completions, such as https://api.example.org/v1."),
        max_length=300, widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )  # fmt: skip
    model = forms.CharField(
        label=gettext_lazy("Model"), help_text=gettext_lazy("As the endpoint calls it."), max_length=200,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )  # fmt: skip
    key = forms.CharField(
        label=gettext_lazy("Key"), help_text=gettext_lazy("If it wants one. It is encrypted and never shown again."),
        required=False, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    forget_key = forms.BooleanField(label=gettext_lazy("Take the stored key away"), required=False)
    continuation = forms.ChoiceField(
        label=gettext_lazy("Going on from a text that has begun"),
        help_text=gettext_lazy("Needed for taking over: the labeler edits, and the policy goes on."),
        choices=Endpoint.Continuation.choices, initial=Endpoint.Continuation.NONE,
    )  # fmt: skip
    length_field = forms.ChoiceField(
        label=gettext_lazy("Its name for the most tokens"), choices=Endpoint.LengthField.choices
    )
    connect_s = _seconds("connect_s", gettext_lazy("Wait for the connection, in seconds"))
    first_token_s = _seconds("first_token_s", gettext_lazy("Wait for the first token, in seconds"))
    between_tokens_s = _seconds("between_tokens_s", gettext_lazy("Wait between tokens, in seconds"))
    total_s = _seconds("total_s", gettext_lazy("A whole response, in seconds"))
    is_shared = forms.BooleanField(
        label=gettext_lazy("Other admins may use it"),
        help_text=gettext_lazy("They cannot change it."),
        required=False,
    )
    is_active = forms.BooleanField(label=gettext_lazy("Switched on"), required=False, initial=True)

    DETAILS = ("length_field", "connect_s", "first_token_s", "between_tokens_s", "total_s")

    def __init__(self, *args: Any, has_key: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if has_key:
            self.fields["key"].help_text = _("One is stored. Leave this empty to keep it.")
        else:
            del self.fields["forget_key"]

    def values(self) -> dict[str, Any]:
        """What services take; without `key` the stored one stays."""
        values = dict(self.cleaned_data)
        key, forgets = values.pop("key"), values.pop("forget_key", False)
        return values | ({"key": key} if key or forgets else {})

    def details(self) -> list[forms.BoundField]:
        return [self[name] for name in self.DETAILS]

    def details_are_wrong(self) -> bool:
        return bool(set(self.DETAILS) & self.errors.keys())


@page
def endpoints(request: HttpRequest) -> HttpResponse:
    access.may_use_endpoints(request.user)
    rows = access.endpoints_for(request.user).select_related("created_by").order_by("name", "pk")
    return render(request, "endpoints/list.html", {"endpoints": rows, "hosts": settings.ENDPOINT_HOSTS})


@sensitive_post_parameters("key")
@page(methods=["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    access.may_use_endpoints(request.user)
    form = EndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_endpoint(actor=person(request), **form.values())
            messages.success(request, _("The endpoint is saved. Try it."))
            return redirect("endpoint", made.pk)
        except Refused as refused:
            _add(form, refused)
    context = {"form": form, "hosts": settings.ENDPOINT_HOSTS}
    return render(request, "endpoints/endpoint.html", context, status=422 if form.errors else 200)


@sensitive_post_parameters("key")
@page(methods=["GET", "HEAD", "POST"])
def change(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    endpoint = access.endpoint_for_admin(request.user, endpoint_id)
    form = _form(endpoint, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_endpoint(actor=person(request), endpoint=endpoint, changes=form.values())
            messages.success(request, _("The endpoint is saved."))
            return redirect("endpoint", endpoint.pk)
        except Refused as refused:
            _add(form, refused)
    context = _context(endpoint) | {"form": form}
    return render(request, "endpoints/endpoint.html", context, status=422 if form.errors else 200)


@page(methods=["POST"])
def try_it(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Sends a short prompt and shows what came, and how soon; nothing of it is stored."""
    endpoint = access.endpoint_for_admin(request.user, endpoint_id)
    prompt = request.POST.get("prompt", "")
    context = _context(endpoint) | {"form": _form(endpoint), "prompt": prompt}
    try:
        context["trial"] = services.try_endpoint(actor=person(request), endpoint=endpoint, prompt=prompt)
    except Refused as refused:
        context["wrong"] = [sentence for sentences in refused.fields.values() for sentence in sentences]
    return render(request, "endpoints/endpoint.html", context, status=422 if "wrong" in context else 200)


@page(methods=["POST"])
def remove(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    endpoint = access.endpoint_for_admin(request.user, endpoint_id)
    services.remove_endpoint(actor=person(request), endpoint=endpoint)
    messages.success(request, _("The endpoint is removed, and its key is gone."))
    return redirect("endpoints")


def _context(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "hosts": settings.ENDPOINT_HOSTS,
        "prompt": _("Write one sentence about the sea."),
        "longest_prompt": services.TRIAL_CHARACTERS,
    }


def _form(endpoint: Endpoint, data: Any = None) -> EndpointForm:
    initial = {name: getattr(endpoint, name) for name in services.PLAIN}
    return EndpointForm(data, initial=initial, has_key=endpoint.has_key)


def _add(form: EndpointForm, refused: Refused) -> None:
    for name, sentences in (refused.fields or {"": [refused.message]}).items():
        form.add_error(name if name in form.fields else None, sentences)
