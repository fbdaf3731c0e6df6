"""Which aspects a comment is about: a rule that suggests, from its words alone. The labeler has the last word.

Each aspect has keywords: its own name, those of VOCABULARY under that name, and the campaign's. A keyword may carry a
sign, "-" for blame and "+" for praise, and end in "*" for any ending.

    1. Keywords are found as whole words, whatever their case; those written without spaces (Chinese, Japanese) anywhere.
       Longer ones go first and take their place, so that "incorrect" is not "correct".
    2. A negation among the two words before (or the two characters before, without spaces) turns the sign round.
    3. An aspect that is met is suggested. Its polarity is the sign of the sum; where that is 0, the verdict's; else -1.

    >>> suggest("Not clear.", None, {"clarity": keywords_of("clarity"), "accuracy": keywords_of("accuracy")})
    [Aspect(name='clarity', polarity=-1)]

Reading is linear in the length of the comment for a fixed list. Source: lexicon rules of aspect mining (Hu & Liu 2004).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from feedback_types.natural_language.schema import Aspect

VERSION = 1  # of the rule and its words; rises when a suggestion can change

VOCABULARY: Mapping[str, str] = {
    "accuracy": "-wrong, -incorrect*, -inaccura*, -error*, -mistake*, -false, -untrue, -bug*, -hallucinat*, -miscalculat*, "
    "+correct, +correctly, +accurate, +accurately, +true, fact*, -错误, -错, -不对, -不准确, -不正确, +正确, +准确, 事实",
    "completeness": "-missing, -misses, -incomplete*, -omit*, -forgets, -forgot, -lacks, +complete, "
    "+completely, +thorough*, "
    "+covers, +comprehensive, -遗漏, -缺少, -不完整, -漏, +完整, +全面",
    "clarity": "-unclear*, -confus*, -vague*, -ambiguous*, -hard to follow, +clear, +clearly, +readable, +easy to follow, "
    "understand*, -含糊, -不清楚, -混乱, +清楚, +清晰, +易懂",
    "tone": "-rude, -condescending, -arrogant, -cold, -preachy, +friendly, +polite, +kind, +warm, "
    "+respectful, -粗鲁, -傲慢, "
    "-不礼貌, +友好, +礼貌, 语气",
    "relevance": "-irrelevant, -off topic, -off-topic, -beside the point, +relevant, +to the point, "
    "-无关, -跑题, +相关, +切题",
    "length": "-too long, -verbose, -wordy, -repetit*, -repeats, -too short, +concise, +brief, +succinct, "
    "-啰嗦, -冗长, -太长, "
    "-太短, +简洁, +简短",
    "style": "-awkward*, -clumsy, -bland, -cliche*, -clichés, +well written, +well-written, +elegant*, "
    "+vivid*, -生硬, +优美, +流畅",
    "safety": "-dangerous*, -harmful*, -unsafe, -illegal, -toxic, +safe, +safely, -危险, -有害, +安全",
    "reasoning": "-illogical, -contradict*, -nonsens*, -does not follow, +logical*, +well reasoned, "
    "logic, -矛盾, -不合逻辑, "
    "+合理, 逻辑, 推理",
}
NEGATIONS = frozenset(
    "not no never without isn't aren't wasn't weren't doesn't don't didn't can't cannot hardly nor n't".split()
)
NEGATORS = "不没無无未非"
WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
SIGNS = {"+": 1, "-": -1, "−": -1}

Keywords = Sequence[tuple[str, int]]  # (keyword, sign); sign 0 for a word that only says what it is about


def keywords_of(name: str, own: Sequence[str] = ()) -> list[tuple[str, int]]:
    """The keywords of an aspect: its name, the known ones, and those of the campaign's lines ("tone: -rude, +kind")."""
    lists = [VOCABULARY.get(name.casefold(), "")]
    lists += [
        line.partition(":")[2] for line in own if line.partition(":")[0].strip().casefold() == name.casefold()
    ]
    found = {name.casefold(): 0}
    for word in ",".join(lists).replace("，", ",").split(","):
        word = word.strip().casefold()
        sign = SIGNS.get(word[:1], 0)
        bare = word[1:].strip() if sign else word
        if bare.strip("*"):
            found[bare] = sign
    return list(found.items())


def suggest(text: str, verdict: int | None, aspects: Mapping[str, Keywords]) -> list[Aspect]:
    """Aspects that the comment seems to be about, in the order of `aspects`."""
    folded = text.replace("’", "'").casefold()
    words = [(m.start(), m[0]) for m in WORD.finditer(folded)]
    found = []
    for name, keywords in aspects.items():
        signs = _signs(folded, words, keywords)
        if signs:
            total = sum(signs)
            polarity = (total > 0) - (total < 0) or (1 if verdict == 1 else -1)
            found.append(Aspect(name=name, polarity=1 if polarity > 0 else -1))
    return found


def _signs(folded: str, words: Sequence[tuple[int, str]], keywords: Keywords) -> list[int]:
    """The sign of each keyword that occurs, turned round after a negation."""
    taken: list[tuple[int, int]] = []
    signs = []
    for keyword, sign in sorted(keywords, key=lambda k: -len(k[0])):
        for place in re.finditer(_pattern(keyword), folded):
            if any(place.start() < end and start < place.end() for start, end in taken):
                continue
            taken.append(place.span())
            signs.append(-sign if _negated(folded, words, place.start(), keyword) else sign)
    return signs


def _pattern(keyword: str) -> str:
    if UNSPACED.search(keyword):
        return re.escape(keyword.rstrip("*"))
    ending = r"[^\W_]*" if keyword.endswith("*") else ""
    return rf"(?<![^\W_]){re.escape(keyword.rstrip('*'))}{ending}(?![^\W_])"


def _negated(folded: str, words: Sequence[tuple[int, str]], at: int, keyword: str) -> bool:
    if UNSPACED.search(keyword):
        return any(c in NEGATORS for c in folded[max(0, at - 2) : at])
    before = [word for start, word in words if start < at][-2:]
    return any(word in NEGATIONS for word in before)


SCRIPTS = {
    "ja": r"[\u3040-\u30ff]",
    "ko": r"[\uac00-\ud7af]",
    "zh": r"[\u3400-\u9fff]",
    "ru": r"[\u0400-\u04ff]",
    "ar": r"[\u0600-\u06ff]",
    "he": r"[\u0590-\u05ff]",
    "hi": r"[\u0900-\u097f]",
    "th": r"[\u0e00-\u0e7f]",
    "el": r"[\u0370-\u03ff]",
}


def language_of(text: str, offered: Sequence[str]) -> str:
    """The language of a comment, as far as most of its letters tell; else the first of those on offer.

    Han letters are Japanese beside kana, else Chinese (each counts for three: it is a word more than a letter).
    """
    counts = {code: len(re.findall(letters, text)) for code, letters in SCRIPTS.items()}
    counts["zh"] *= 3
    if counts["ja"]:
        counts["ja"], counts["zh"] = counts["ja"] * 3 + counts["zh"], 0
    code = max(counts, key=lambda name: counts[name])
    latin = len(re.findall(r"[A-Za-z\u00c0-\u024f]", text))
    bases = {tag: tag.split("-")[0] for tag in offered}
    if counts[code] > latin:
        return next((tag for tag, base in bases.items() if base == code), offered[0])
    return next((tag for tag, base in bases.items() if base not in SCRIPTS), offered[0])
