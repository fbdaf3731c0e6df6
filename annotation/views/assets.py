"""Scripts and styles of all feedback types as one file each, so that a new folder needs no template change.

    /assets/widgets.en.5f0c2a91b3d4.js      words of the language first, then every type's widget.js
    /assets/widgets.5f0c2a91b3d4.css

The name carries a hash of the content: a browser keeps it for a year, and a change is a new name.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from typing import Any, NamedTuple

import brotli
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

from feedback_types import registry

YEAR_S = 365 * 24 * 3600
MEDIA_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


class Bundle(NamedTuple):
    digest: str
    plain: bytes
    gzipped: bytes
    brotli: bytes


def bundle_urls() -> dict[str, str]:
    """Addresses of the current bundles in the language of the request."""
    language = _language(get_language())
    return {
        "js": reverse("widgets_js", args=[language, _script(language).digest]),
        "css": reverse("widgets_css", args=[_styles().digest]),
    }


def widgets_js(request: HttpRequest, language: str, digest: str) -> HttpResponse:
    if language not in dict(settings.LANGUAGES):
        raise Http404
    return _serve(request, _script(language), digest, "js")


def widgets_css(request: HttpRequest, digest: str) -> HttpResponse:
    return _serve(request, _styles(), digest, "css")


def _serve(request: HttpRequest, bundle: Bundle, digest: str, kind: str) -> HttpResponse:
    accepted = request.headers.get("Accept-Encoding", "")
    encoding, body = "", bundle.plain
    if "br" in accepted:
        encoding, body = "br", bundle.brotli
    elif "gzip" in accepted:
        encoding, body = "gzip", bundle.gzipped
    response = HttpResponse(body, content_type=MEDIA_TYPES[kind])
    response["Vary"] = "Accept-Encoding"
    if encoding:
        response["Content-Encoding"] = encoding
    # A page from before an update asks for an older name: it gets what there is now, but must not keep it.
    is_current = digest == bundle.digest and not settings.DEBUG
    response["Cache-Control"] = f"public, max-age={YEAR_S}, immutable" if is_current else "no-cache"
    return response


def _script(language: str) -> Bundle:
    return _make_script(language) if not settings.DEBUG else _make_script.__wrapped__(language)


def _styles() -> Bundle:
    return _make_styles() if not settings.DEBUG else _make_styles.__wrapped__()


@cache
def _make_script(language: str) -> Bundle:
    words = json.dumps(_words(language), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return _bundle([f"Whetstone.words({words});".encode(), *_files("js")])


@cache
def _make_styles() -> Bundle:
    return _bundle(_files("css"))


def _files(kind: str) -> list[bytes]:
    parts = []
    for slug in registry.folders():
        path = finders.find(f"feedback_types/{slug}/widget.{kind}")
        if path is not None:
            with open(str(path), "rb") as file:
                parts.append(file.read())
    return parts


def _bundle(parts: list[bytes]) -> Bundle:
    plain = b"\n".join(parts)
    digest = hashlib.sha256(plain).hexdigest()[:12]
    return Bundle(digest, plain, gzip.compress(plain, mtime=0), brotli.compress(plain))


def _words(language: str) -> dict[str, Any]:
    """Translations of the `djangojs` domain; English needs none."""
    view = JavaScriptCatalog()
    view.translation = DjangoTranslation(
        language, domain="djangojs", localedirs=[str(path) for path in settings.LOCALE_PATHS]
    )
    return {} if language == "en" else view.get_catalog()


def _language(code: str | None) -> str:
    return code if code in dict(settings.LANGUAGES) else "en"
