"""A small browser without scripts: cookies, forms, links. What it can do, a person without JavaScript can do.

browser = Browser("http://127.0.0.1:8000")
browser.sign_in("labeler-1", "secret")
page = browser.get("/campaigns/everyday/label/")
page = page.form("answer").submit({"better-strength": "2"})
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx


class PageError(RuntimeError):
    """The server answered with an error, or the page is not what a person would expect there."""


@dataclass
class Form:
    """One form as it stands on the page: where it goes, and what its fields hold now."""

    page: Page
    action: str
    attributes: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)  # every control, also those that hold nothing yet

    def submit(self, values: Mapping[str, Any]) -> Page:
        """Post the form with some fields changed; None clears one. Raises PageError for a field that is not there."""
        unknown = set(values) - self.names
        if unknown:
            raise PageError(f"{self.page.url}: the form has no field {', '.join(sorted(unknown))}")
        data = {name: list(old) for name, old in self.fields.items()}
        for name, value in values.items():
            if value is None or value is False:
                data.pop(name, None)
            else:
                data[name] = (
                    [str(v) for v in value]
                    if isinstance(value, list | tuple)
                    else ["on" if value is True else str(value)]
                )
        return self.page.browser.post(urljoin(self.page.url, self.action), data)


@dataclass
class Page:
    browser: Browser
    url: str
    html: str
    forms: list[Form] = field(default_factory=list)
    elements: list[dict[str, str]] = field(
        default_factory=list
    )  # start tags with attributes, in order; "_tag", "_text" for JSON scripts

    def form(self, attribute: str) -> Form:
        """The first form that carries an attribute. Raises PageError when there is none."""
        for form in self.forms:
            if attribute in form.attributes:
                return form
        raise PageError(f"{self.url}: no form with {attribute} on this page")

    def has_form(self, attribute: str) -> bool:
        return any(attribute in form.attributes for form in self.forms)

    def having(self, attribute: str) -> list[dict[str, str]]:
        """Elements that carry an attribute, in the order of the page."""
        return [e for e in self.elements if attribute in e]

    def with_class(self, name: str) -> list[dict[str, str]]:
        return [e for e in self.elements if name in e.get("class", "").split()]


class _Reader(HTMLParser):
    """Collects forms and elements; a control outside a form belongs to the one its `form` attribute names."""

    def __init__(self, page: Page):
        super().__init__(convert_charrefs=True)
        self.page = page
        self.current: Form | None = None
        self.text_of: dict[str, str] | None = None  # element whose text is being collected
        self.select: tuple[Form, str] | None = None
        self.first_option: str | None = None
        self.area: tuple[Form, str] | None = None

    def _owner(self, a: dict[str, str]) -> Form | None:
        if "form" in a:
            return next((f for f in self.page.forms if f.attributes.get("id") == a["form"]), None)
        return self.current

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        element = {"_tag": tag, **a}
        self.page.elements.append(element)
        if tag == "form":
            self.current = Form(self.page, a.get("action", "") or self.page.url, a)
            self.page.forms.append(self.current)
        elif tag == "script" and a.get("type") == "application/json":
            element["_text"] = ""
            self.text_of = element
        elif tag in {"input", "select", "textarea", "button"} and a.get("name") and "disabled" not in a:
            form = self._owner(a)
            if form is None:
                return
            name = a["name"]
            form.names.add(name)
            if tag == "input":
                kind = a.get("type", "text")
                if kind in {"radio", "checkbox"}:
                    if "checked" in a:
                        form.fields.setdefault(name, []).append(a.get("value", "on"))
                elif kind not in {"submit", "button", "image", "file", "reset"}:
                    form.fields.setdefault(name, []).append(a.get("value", ""))
            elif tag == "textarea":
                self.area = (form, name)
                form.fields.setdefault(name, []).append("")
            elif tag == "select":
                self.select, self.first_option = (form, name), None
        elif tag == "option" and self.select:
            form, name = self.select
            if self.first_option is None:
                self.first_option = a.get("value", "")
            if "selected" in a:
                form.fields.setdefault(name, []).append(a.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.current = None
        elif tag == "script":
            self.text_of = None
        elif tag == "textarea" and self.area:
            form, name = self.area
            # A parser drops the first newline of a textarea, as browsers do.
            form.fields[name][-1] = form.fields[name][-1].removeprefix("\n")
            self.area = None
        elif tag == "select" and self.select:
            form, name = self.select
            if name not in form.fields and self.first_option is not None:
                form.fields[name] = [self.first_option]
            self.select = None

    def handle_data(self, data: str) -> None:
        if self.text_of is not None:
            self.text_of["_text"] += data
        elif self.area is not None:
            form, name = self.area
            form.fields[name][-1] += data


class Browser:
    """One person's session. Redirects are followed; an answer of 400 or more raises, except those in `expected`."""

    def __init__(self, base_url: str, timeout_s: float = 30.0):
        self.client = httpx.Client(base_url=base_url, follow_redirects=True, timeout=timeout_s)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()

    def get(self, path: str, **params: Any) -> Page:
        return self._page(self.client.get(path, params=params or None))

    def post(self, path: str, data: Mapping[str, Any]) -> Page:
        headers = {"Referer": str(self.client.base_url)}
        return self._page(self.client.post(path, data=dict(data), headers=headers))

    def sign_in(self, username: str, password: str) -> Page:
        page = self.get("/accounts/login/")
        form = next((f for f in page.forms if {"login", "password"} <= f.names), None)
        if form is None:
            raise PageError("the sign-in page has no sign-in form")
        page = form.submit({"login": username, "password": password})
        if any({"login", "password"} <= f.names for f in page.forms):
            raise PageError(f"{username} could not sign in")
        return page

    def _page(self, response: httpx.Response) -> Page:
        if response.status_code >= 400:
            raise PageError(
                f"{response.request.method} {response.url}: {response.status_code}\n{response.text[:600]}"
            )
        page = Page(self, str(response.url), response.text)
        _Reader(page).feed(response.text)
        return page


def json_of(element: Mapping[str, str]) -> Any:
    """The data of a JSON script element."""
    return json.loads(element["_text"])
