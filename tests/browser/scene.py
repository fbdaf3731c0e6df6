"""A campaign worth looking at: short and long answers, code, a table, formulas, Chinese, Arabic, emoji, several turns."""

from __future__ import annotations

import io
import uuid
from typing import Any

from annotation.adjudication.services import adjudicate, compare_answers
from annotation.assignment.selectors import screen_for
from annotation.assignment.services import assign_item, change_item_overlap
from annotation.campaigns.services import publish_guidelines
from annotation.items.imports import upload
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.ledger.services import set_terms
from annotation.people.models import User
from annotation.submissions.models import Submission
from annotation.submissions.services import submit
from feedback_types import registry
from feedback_types.base import Answer
from tests.cast import Cast, answer, make_campaign, make_labelers

GUIDELINES = """## What we ask

Read both answers to the end. Prefer the one that **helps the person more**: correct first, then clear, then kind.

- A short correct answer beats a long one with a mistake.
- Style alone never decides.
- When you cannot tell, say *equal*; guessing costs more than it gives.

If something in a text is harmful or private, report it with `x`. You may always skip; nobody counts it against you.
"""

SLEEP_A = """Try to go to bed and get up at the same hour every day, also at weekends. Your body keeps a clock, and \
a steady rhythm sets it.

Three more things help most people:

1. **Light in the morning.** Open the curtains as soon as you are up.
2. **No screens in the last hour.** Read something on paper instead.
3. **A cool, dark room.** About 18 °C is right for most.

If you lie awake for more than twenty minutes, get up and do something quiet until you feel sleepy again."""
SLEEP_B = """Sleep problems are very common and there can be many reasons for them. It is important to sleep well. You \
should try to relax more and not worry so much about it, because worrying makes it worse. Many people also take \
supplements such as melatonin or magnesium; you could take some every evening and increase the amount until it works.

Also avoid coffee in the evening. Good night!"""

CODE_A = """Use a dictionary from each value to its first index:

```python
def first_pair(numbers: list[int], target: int) -> tuple[int, int] | None:
    seen: dict[int, int] = {}
    for i, n in enumerate(numbers):
        if target - n in seen:          # the partner came earlier
            return seen[target - n], i
        seen[n] = i
    return None
```

One pass, so the time is $O(n)$ and the memory $O(n)$."""
CODE_B = """You can compare every pair:

```python
for i in range(len(a)):
    for j in range(len(a)):
        if a[i] + a[j] == t: return (i, j)
```

| approach | time | memory |
|:--|--:|--:|
| every pair | $O(n^2)$ | $O(1)$ |
| dictionary | $O(n)$ | $O(n)$ |

Note that this finds \\(i = j\\) as well, which may be wrong. By the way, \\[ \\sum_{k=1}^{n} k = \\frac{n(n+1)}{2} \\]"""

MIXED_A = """你好！“磨刀不误砍柴工”的意思是：事先做好准备，反而更快。😀

مثال: خطط يومك قبل أن تبدأ العمل.

In English: *sharpening the axe does not delay the cutting of wood.*"""
MIXED_B = "It is a proverb."


def make_scene(cast: Cast, **fields: Any) -> Any:
    campaign = make_campaign(cast, items=0, overlap=2, **fields)
    long = "\n\n".join(f"{SLEEP_A}\n\n{SLEEP_B}" for _ in range(12))
    chat = [
        {"role": "system", "content": "You are a patient tutor."},
        {"role": "user", "content": "What is a prime number?"},
        {"role": "assistant", "content": "A whole number above 1 that only 1 and itself divide."},
        {"role": "user", "content": "Is 91 one?"},
        {"role": "assistant", "content": "No: $91 = 7 \\cdot 13$."},
        {"role": "user", "content": "And how would I have found that without a calculator?"},
    ]
    items = [
        ("I lie awake half the night. What can I do to sleep better?", [SLEEP_A, SLEEP_B]),
        ("Find two numbers in a list that add up to a target, in Python. How fast is it?", [CODE_A, CODE_B]),
        (chat, ["Divide by small primes in turn: 2, 3, 5, 7. At 7 it works: 91 = 70 + 21.", "Guess."]),
        ("Explain 磨刀不误砍柴工.", [MIXED_A, MIXED_B]),
        ("Tell me everything about sleep.", [long, "Sleep is good."]),
        ("What is 17 × 24?", ["408", "It is 398."]),
    ]
    add_items(
        campaign=campaign,
        items=[
            NewItem(p, [NewResponse(t, source_name="canary-policy") for t in texts]) for p, texts in items
        ],
    )
    table = b"id;question;answer_a;answer_b;topic\nq-1;How do I keep bread?;In a **linen** bag.;In the fridge.;kitchen\n"
    table += b"q-2;Warum ist der Himmel blau?;Streuung: $\\lambda^{-4}$.;;Physik\n"
    upload(actor=cast.adam, campaign=campaign, stream=io.BytesIO(table), file_name="questions.csv")
    publish_guidelines(actor=cast.adam, campaign=campaign, markdown=GUIDELINES)
    campaign.refresh_from_db()
    return set_terms(
        actor=cast.adam, campaign=campaign, version=campaign.version, currency="EUR", pay_per="answer", rate="0.12",
        budget="20", pays_late=True,
    )  # fmt: skip


def dispute(campaign: Any, admin: Any, reviewer: Any) -> None:
    """Two people differ on the scene's first two items; the reviewer has settled the first."""
    settled, other = campaign.items.order_by("pk")[:2]
    for item in (settled, other):
        change_item_overlap(actor=admin, item=item, overlap=4)
        for n, person in enumerate(campaign_judges(campaign)):
            lease = assign_item(actor=admin, campaign=campaign, item_id=item.pk, labeler=person)
            likes_shorter = len(screen_for(lease).responses[0].text) < len(
                screen_for(lease).responses[1].text
            )
            strength = 3 if likes_shorter == (n == 0) else -3
            better = registry.get("comparison").load(
                {
                    "items": lease.response_order,
                    "ranks": [1, 2] if strength > 0 else [2, 1],
                    "strength": strength,
                }
            )
            rest = [a for a in answer(lease, seed=n) if a.question != "better"]
            submit(
                labeler=person, assignment_id=lease.pk, idempotency_key=uuid.uuid4(),
                answers=[Answer("better", None, better), *rest],
            )  # fmt: skip
    compare_answers()
    first, second = Submission.objects.filter(item=settled, labeler__username__startswith="judge").order_by(
        "pk"
    )
    settled.campaign = campaign
    adjudicate(
        reviewer=reviewer, item=settled, act="choose", chosen=second.pk, errors={first.pk: "style"},
        reason="It says what to do, in order; the other is vague and tells people to take more and more.",
        idempotency_key=uuid.uuid4(),
    )  # fmt: skip


def campaign_judges(campaign: Any) -> list[Any]:
    """Two labelers who always differ."""
    known = list(User.objects.filter(username__startswith="judge").order_by("pk"))
    return known or make_labelers(campaign, 2, "judge")
