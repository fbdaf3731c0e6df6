"""One script and one style sheet for all widgets: complete, compressed, kept for a year, in the reader's language."""

import gzip
import re

import brotli
import pytest
from django.test import Client
from django.utils import translation

from annotation.views.assets import bundle_urls
from feedback_types import registry

pytestmark = pytest.mark.django_db


def test_bundle_holds_every_type():
    script = Client().get(bundle_urls()["js"]).content.decode()

    registered = set(re.findall(r'Whetstone\.widget\(\s*"([a-z_]+)"', script))
    assert registered == set(registry.folders())


@pytest.mark.parametrize("kind", ["js", "css"])
def test_bundle_is_kept_for_a_year_and_compressed(kind):
    url = bundle_urls()[kind]
    plain = Client().get(url)

    assert (
        plain["Cache-Control"] == "public, max-age=31536000, immutable" and "Accept-Encoding" in plain["Vary"]
    )
    packed = Client().get(url, headers={"accept-encoding": "gzip, br"})
    assert packed["Content-Encoding"] == "br" and brotli.decompress(packed.content) == plain.content
    zipped = Client().get(url, headers={"accept-encoding": "gzip"})
    assert zipped["Content-Encoding"] == "gzip" and gzip.decompress(zipped.content) == plain.content


def test_older_name_gives_what_there_is_and_is_not_kept():
    url = re.sub("[0-9a-f]{12}", "0" * 12, bundle_urls()["css"])
    response = Client().get(url)

    assert response.status_code == 200 and response["Cache-Control"] == "no-cache"


def test_words_come_in_the_language_of_the_page():
    english = Client().get(bundle_urls()["js"]).content.decode()
    with translation.override("zh-hans"):
        url = bundle_urls()["js"]
    chinese = Client().get(url).content.decode()

    assert "widgets.zh-hans." in url and english.startswith("Whetstone.words({});")
    assert '"Your draft is back.":"草稿已恢复。"' in chinese


def test_unknown_language_is_404():
    assert Client().get("/assets/widgets.xx.000000000000.js").status_code == 404
