"""What is stored of a key, and what a change of the encryption key does to it."""

from __future__ import annotations

import pytest

from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.keys import reseal, seal, unseal

OLD = "the-old-secret-0123456789-abcdefghijklmnopqrstuvwxyz-ABC"
NEW = "the-new-secret-9876543210-zyxwvutsrqponmlkjihgfedcba-CBA"


def test_it_comes_back_and_does_not_show(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = seal("sk-canary")

    assert unseal(sealed) == "sk-canary"
    assert "canary" not in sealed and sealed != seal("sk-canary")
    assert (seal(""), unseal("")) == ("", "")


def test_a_new_secret_in_front_seals_and_the_old_one_still_opens(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = seal("sk-canary")

    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert unseal(sealed) == "sk-canary"
    again = reseal(sealed)

    settings.ENCRYPTION_KEYS = [NEW]
    assert unseal(again) == "sk-canary"
    with pytest.raises(EndpointFailed, match="Enter it again"):
        unseal(sealed)


@pytest.mark.parametrize("broken", ["nonsense", "gAAAAA", "é", " "])
def test_what_was_altered_is_not_opened(broken):
    with pytest.raises(EndpointFailed) as failed:
        unseal(broken)

    assert failed.value.code == "key_lost"


def test_one_changed_character_is_noticed():
    sealed = seal("sk-canary")
    altered = sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:]

    with pytest.raises(EndpointFailed):
        unseal(altered)
