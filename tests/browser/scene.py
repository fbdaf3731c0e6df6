"""A campaign worth looking at: short and long answers, code, a table, formulas, Chinese, Arabic, emoji, several turns."""

from __future__ import annotations

from typing import Any

from annotation.campaigns.services import publish_guidelines
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.ledger.services import set_terms
from tests.cast import Cast, make_campaign

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
    publish_guidelines(actor=cast.adam, campaign=campaign, markdown=GUIDELINES)
    campaign.refresh_from_db()
    return set_terms(
        actor=cast.adam, campaign=campaign, version=campaign.version, currency="EUR", pay_per="answer", rate="0.12",
        budget="20", pays_late=True,
    )  # fmt: skip
