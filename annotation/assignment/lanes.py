"""Lanes: which items a labeler may be given, by language and skills, at a cost that does not know how many items there are.

The open places of a campaign stand in lanes, one for each language with each set of skills. A labeler's lanes are looked up
in the lease statement itself, so a change on the people page holds from the next item on.
"""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import gettext as _

from annotation.assignment.models import Lane
from annotation.errors import Invalid

MAX_LANES = 256  # each is one index probe of a lease

# Whether the labeler of membership m, or a labeler without one, may be given items of lane l. Languages match if they are
# the same or one is the other's more general form: who reads `en-gb` or `en` gets `en`, who reads `zh` gets `zh-hant`.
MAY = """(
  (m.id IS NULL OR cardinality(m.languages) = 0 OR l.language = ''
   OR EXISTS (SELECT 1 FROM unnest(m.languages) AS reads(code)
              WHERE starts_with(l.language || '-', code || '-') OR starts_with(code || '-', l.language || '-')))
  AND l.skills::text[] <@ coalesce(m.skills, '{}')::text[])
"""


class Lanes:
    """The lanes of one campaign as a writer of items needs them: found, or made. The writers' lock is held."""

    def __init__(self, campaign_id: int) -> None:
        self.campaign_id = campaign_id
        rows = Lane.objects.filter(campaign_id=campaign_id).values_list("language", "skills", "number")
        self._numbers = {(language, tuple(skills)): number for language, skills, number in rows}

    def number(self, language: str, skills: Collection[str]) -> int:
        """The lane of items in this language that ask for these skills. Raises Invalid for a lane too many."""
        key = language.lower(), tuple(sorted(set(skills)))
        if key not in self._numbers:
            if len(self._numbers) >= MAX_LANES:
                message = _(
                    "There are %(n)d combinations of languages and skills already; ask for fewer different ones."
                ) % {"n": MAX_LANES}
                raise Invalid(message, code="too_many_lanes", fields={"skills": [message]})
            number = len(self._numbers) + 1
            Lane.objects.create(
                campaign_id=self.campaign_id, number=number, language=key[0], skills=list(key[1])
            )
            self._numbers[key] = number
        return self._numbers[key]
