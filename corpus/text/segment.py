"""What a word and a sentence are.

Sentences are counted as Punkt with its English model would (Kiss and Strunk 2006, as in NLTK up to 3.9, which the
published C4 code calls), without that model's 20,000 words: the decision procedure is Punkt's, and the two word
lists it needs are short. The procedure, for every whitespace-separated word:

    ends in `!` or `?`                              a sentence ends here
    ends in `.`                                     a sentence ends here, but
      abbreviation or ellipsis before               only if the next word opens a sentence: "Inc. However it"
      initial before                                only if no name follows: "plan B. However", not "O. Bach";
                                                    never after the letters among the abbreviations
      number before                                 not if the next word is in lower case: "the 5. august"
    the mark may stand before a bracket or quote    "(Really?) she said." holds two

A mark at the end of the text ends nothing further, and closing quotes and brackets belong to the sentence before.
Limits: no collocations, curly quotes are letters (as for NLTK until 3.9), and what Punkt learnt of a word's case is
known only for the listed openers.
"""

import re
from itertools import pairwise

_ABBREVIATIONS = """
    mr mrs ms messrs dr prof st jr sr gen col lt maj adm sen rep reps
    inc corp co cos ltd bros cie a.s b.v n.v s.a s.p.a
    ave ft u.s u.s.a u.k u.n u.s.s.r d.c l.a n.y n.j n.h n.c n.d n.m s.c r.i w.va
    ala ariz calif colo conn fla ga ill kan ky mich minn nev okla ore pa tenn va vt wash wis
    jan feb aug sep sept oct nov dec tues wed fri
    vs yr mg a.m p.m a.d ph.d m.b.a
    c d e f g h k l m n p r s t v w"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
"""The common ones among those that Punkt's English model (NLTK data, punkt; learnt from the Wall Street Journal) holds:
titles, companies, places, states, months and days, measures, times, single letters; not its pairs of initials. It does
not hold "e.g.", "etc." or "Gov.", so that these end sentences, as they do for the published code."""

_OPENERS = """
    according although among and because both but despite even he how however i if in indeed instead it its later many
    maybe meanwhile moreover most nevertheless nonetheless nor now often perhaps she similarly since so some sometimes
    still such that the their then there therefore these they this those though thus under until what when where
    whether which while who why yet"""
OPENERS = frozenset(_OPENERS.split())
"""Words that newspapers write with a capital at the start of a sentence and hardly ever inside one: most of the model's
frequent sentence starters, and as many of our own; not "all", "a" or "you", which titles and names begin with, so that
Punkt cannot tell ("Inc. All rights reserved." is one)."""

_BESIDE = """)\";}]*:@'({[?!"""
"""What can stand against a word without being part of it; of the marks, the period is not here: it may be a part."""
_SIDE = "[" + re.escape(_BESIDE) + "]"
_MARK = re.compile(rf"[.?!](?:{_SIDE}|$)")
_TOKEN = re.compile(
    rf"""--+ | \.\.+  # a dash, an ellipsis
      | [^("`{{\[:;&\#*@)}}\]\-,] (?:(?!--|\.\.|{_SIDE}|,(?:--|\.\.|{_SIDE}|$)).)*  # a word, its period with it
      | .  # any other character alone""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*\.")
_INITIAL = re.compile(r"[^\W\d]\.")
_MARKED = re.compile(r"(?<!\S)[^\s.?!]*[.?!]\S*")  # a word with a mark in it
_NEXT = re.compile(r"\s*(\S*)")
_CLOSERS = re.compile(r"""["')\]}]+""")


def words(line: str, most: int = -1) -> list[str]:
    """The words of a line: what stands between whitespace, as the published C4 code has it. After `most` words the rest
    of the line is one more."""
    return line.split(None, most)


def n_sentences(text: str) -> int:
    """Number of sentences; 0 only for a text that is empty or blank."""
    found = words(text)
    if not found:
        return 0
    ends = [
        (at, end)
        for at, (word, following) in enumerate(pairwise([*found, ""]))
        if _MARK.search(word) and (end := _sentence_end(word, following))
    ]
    if not ends:
        return 1
    at, end = ends[-1]
    rest = " ".join([found[at][end:], *found[at + 1 :]]).lstrip()
    return len(ends) + (rest != "" and not _CLOSERS.fullmatch(rest))


def sentence_ends(text: str) -> list[int]:
    """The position behind the last character of each sentence; as many as `n_sentences` counts.

    He left. "Why?" she said  ->  [8, 15, 24]: behind the period, the quote, the end
    """
    ends, after_mark = [], 0
    for match in _MARKED.finditer(text):
        following = _NEXT.match(text, match.end())
        assert following
        if _MARK.search(match[0]) and (end := _sentence_end(match[0], following[1])):
            after_mark = match.start() + end
            closers = _CLOSERS.match(text, after_mark)
            ends.append(closers.end() if closers else after_mark)
    stop = len(text.rstrip())
    rest = text[after_mark:stop].lstrip()
    if rest and not (ends and _CLOSERS.fullmatch(rest)):
        ends.append(stop)
    return ends


def _sentence_end(word: str, following: str) -> int:
    """Position behind the last mark of a word where a sentence may end, if one does there or before; else 0."""
    position, last, ended, ends = 0, 0, False, False
    for token, after in pairwise([*_TOKEN.findall(word), following]):
        position += len(token)
        if token[-1] in ".?!" and after:
            inside = position < len(word)
            ended = ended or _ends(token, after[0] if inside else after)
            if not inside:
                last, ends = position, ended or _ends_inside(after)
            elif after[0] in _BESIDE:
                last, ends = position, ended
    return last if ends else 0


def _ends_inside(word: str) -> bool:
    """Whether a sentence ends in the word before its last token; Punkt looks at no more of the next word than that."""
    return any(token[-1] in ".?!" and _ends(token, after) for token, after in pairwise(_TOKEN.findall(word)))


def _ends(token: str, following: str) -> bool:
    """Whether a sentence ends after this token, which ends in a mark, before that following text."""
    if token[-1] != ".":
        return True
    match = _TOKEN.match(following)
    after = match[0] if match else ""
    opens = after[:1].isupper() and after.rstrip(".").lower() in OPENERS
    continues = after[:1].islower() or after in tuple(";:,.!?")
    if token.startswith(".."):
        return opens
    word = token[:-1].lower()
    abbreviation = word in ABBREVIATIONS or word.rpartition("-")[2] in ABBREVIATIONS
    if _INITIAL.fullmatch(token):
        name = after[:1].isupper() and not opens
        return not (abbreviation or continues or name)
    if abbreviation:
        return opens
    return not (continues and _NUMBER.fullmatch(token))
