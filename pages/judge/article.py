"""The article, reproduced, as HTML: its two tables, its three questions, and any two texts scored word by word.

Published figures are set in italics, under a heading of their own, as everywhere in Judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from pages.highlight import Kind, Mark, legend, reading_view, surroundings
from pages.judge.browse import gold_texts, margin_text, number, shortened
from pages.judge.runs import OpenedRun, data_name
from pages.phrases import MARGIN, tip
from pages.readers import label_of
from pages.theme import OUTCOME_WORDS
from reader import leaderboard
from reader.bench import Compared, Explained, Rouge, Squad, explain
from reader.exports import counted

DEV = (11_873, 5_945)  # questions of SQuAD 2.0's dev set, and how many of them are unanswerable
HUB = "rajpurkar/squad_v2:validation"  # the name of all of them, for Evaluate
AROUND = 260  # characters of the text shown before and after a span

LONGEST_TEXT = 2_000  # characters
MOST_STOPS = 50  # full stops: ROUGE-L compares every two sentences, and takes seconds where there are hundreds
MOST_GRAMS = 60  # shown of one side
MOST_NAMED = 3  # in a sentence

ROUGE_1 = (
    "ROUGE-1 F between the reader's span and the best right answer, from 0 to 1, counted by the package that the "
    "article uses: it compares sets of words, minds case and splits at full stops."
)
EXACT = "1 where both are the same after SQuAD's normalisation, or else 0."
F1 = "How many words both share after SQuAD's normalisation: 2pr / (p + r)."
ROUGE_N = {
    "rouge1": ("ROUGE-1", "Words, each once; full stops separate them."),
    "rouge2": ("ROUGE-2", "Pairs of neighbouring words, each once."),
    "rougeL": ("ROUGE-L", "Words, each once; shared are those in a longest common subsequence of two sentences."),
}
RULES = {
    "counted": "",
    "both empty": "Both sides are empty, which counts as 1. White space and punctuation alone count as empty.",
    "one empty": "One side is empty, which counts as 0. White space and punctuation alone count as empty.",
    "gold too short": "Not defined where the right answer has fewer than two words, and left out of the mean.",
    "too long": "Not counted, as one of the texts has more than 500 words.",
}
GRAM_LEGEND = '<p class="legend"><span class="gram shared">shared</span> <span class="gram">not shared</span></p>'
NONE_RIGHT = "none: not answerable from this text"


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the article's two tables: ROUGE-1 F, forced, over all questions and over the answerable ones."""

    reader: str
    everything: float
    answerable: float


@dataclass(frozen=True, slots=True)
class Question:
    """One of the article's three questions: where it stands in the dev set (from 0), its id there and its words."""

    row: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A run, and what it is called beside the other one."""

    name: str
    opened: OpenedRun


# Published figures are kept in one place; the article's own reader comes first, as in the article.
PUBLISHED = tuple(
    Published(row.reader, row.rouge1_forced, row.rouge1_forced_answerable)
    for row in reversed(leaderboard.PUBLISHED)
    if row.rouge1_forced is not None and row.rouge1_forced_answerable is not None
)
BASELINE = next(row for row in leaderboard.PUBLISHED if row.exact is not None and row.rouge1_forced is not None)
VERIFIED = (BASELINE.reader, BASELINE.exact, BASELINE.f1)  # EM and F1, verified by the Hub

QUESTIONS = (
    Question(5, "5ad39d53604f3c001a3fe8d1", "Who gave their name to Normandy in the 1000's and 1100's"),
    Question(24, "5ad3ad61604f3c001a3fec0d", "when did Nors encampments ivolve into destructive incursions?"),
    Question(
        1917,
        "5ad3c46a604f3c001a3fefb5",
        "In what year did Jeronimo de Ayanz y Beaumont patent a water pump for draining patients?",
    ),
)


def _runs(opened: OpenedRun, other: OpenedRun | None) -> list[Shown]:
    name = label_of(opened.run.info["reader"])
    if other is None or other.key == opened.key:
        return [Shown(name, opened)]
    second = label_of(other.run.info["reader"])
    return [Shown(name, opened), Shown(f"{second} (compared)" if second == name else second, other)]


# The tables


def tables(opened: OpenedRun, other: OpenedRun | None = None) -> str:
    """The article's two tables beside the same measure of one or two runs, why they differ, and what silence does."""
    runs = _runs(opened, other)
    return (
        '<div class="article-tables"><section><h2>The article’s two tables</h2>'
        f"<p>{tip('ROUGE-1 F', ROUGE_1)} when the reader is forced to answer, as the article counts it.</p>"
        f'<div class="article-pair">{_forced_table("All questions", runs, answerable=False)}'
        f"{_forced_table('Answerable questions only', runs, answerable=True)}</div>{_notes(runs)}</section>"
        f"<section><h2>Why the first table is lower</h2>{_arithmetic(runs)}</section>"
        f"<section><h2>When the reader may keep silent</h2>{_silence(runs)}</section></div>"
    )


def _forced(opened: OpenedRun) -> tuple[float | None, float | None]:
    """ROUGE-1 F over all and over the answerable questions, when forced; None where that is not known."""
    rouge = opened.figures["rouge"]
    if rouge["protocol"] != "forced":
        return None, None
    return rouge["raw"]["all"]["rouge1"]["f"], rouge["raw"]["answerable"]["rouge1"]["f"]


def _forced_table(caption: str, runs: Sequence[Shown], *, answerable: bool) -> str:
    measured = "".join(
        f"{_head(shown.name, f'measured here, on {_data(shown.opened)}')}{_cell(_forced(shown.opened)[answerable], 3)}"
        "</tr>"
        for shown in runs
    )
    published = "".join(
        f"{_head(row.reader, published=True)}{_cell(row.answerable if answerable else row.everything, 3)}</tr>"
        for row in PUBLISHED
    )
    return _table(
        ("Reader", "ROUGE-1 F"),
        f"{measured}{_divider('Published by the article on SQuAD 2.0 dev, not run here', 2)}{published}",
        caption,
    )


def _notes(runs: Sequence[Shown]) -> str:
    notes = [
        f"{shown.name} keeps silent in its saved answers already, so what it would score when forced is not known."
        for shown in runs
        if _forced(shown.opened)[0] is None
    ] + [
        f"{shown.name} was asked other questions than the published rows, so its figures are not comparable with them. "
        f"The article’s {DEV[0]:,} are {HUB}."
        for shown in runs
        if not _on_dev(shown.opened)
    ]
    return "".join(f'<p class="quiet">{escape(note)}</p>' for note in notes)


def _on_dev(opened: OpenedRun) -> bool:
    data = opened.run.info["data"]
    return (data["examples"], data["unanswerable"]) == DEV


def _arithmetic(runs: Sequence[Shown]) -> str:
    sums = []
    for shown in runs:
        everything, answerable = _forced(shown.opened)
        data = shown.opened.run.info["data"]
        if everything is not None and answerable is not None:
            product = _product(answerable, 4, data["examples"], data["unanswerable"])
            sums.append(f"<li><b>{escape(shown.name)}</b> {product}, measured {number(everything, 4)}</li>")
    sums += [
        f'<li class="published"><span>{escape(row.reader)}</span> {_product(row.answerable, 3, *DEV)}, published '
        f"{number(row.everything, 3)}</li>"
        for row in PUBLISHED
    ]
    return (
        "<p>Whatever a forced reader says where there is no answer, it scores 0. So the average over all is the "
        "average over the answerable questions times their share, and tells nothing of how well a reader keeps "
        f'silent.</p><ul class="article-sums">{"".join(sums)}</ul>'
    )


def _product(average: float, digits: int, total: int, unanswerable: int) -> str:
    answerable = total - unanswerable
    return f"{number(average, digits)} × {answerable:,} / {total:,} = {number(average * answerable / total, 4)}"


def _silence(runs: Sequence[Shown]) -> str:
    says = "".join(f"<p>{_change(shown)}</p>" for shown in runs)
    measured = "".join(
        _head(shown.name, _rule(shown.opened))
        + "".join(_cell(value, 3) for value in _as_decided(shown.opened))
        + "".join(_cell(shown.opened.figures["metrics"].get(key)) for key in ("exact", "f1"))
        + "</tr>"
        for shown in runs
    )
    name, exact, f1 = VERIFIED
    published = (
        f"{_head(name, 'verified by the Hub', published=True)}{_cell(None)}{_cell(None)}{_cell(exact)}{_cell(f1)}</tr>"
    )
    return says + _table(
        ("Reader", "R-1 all", "R-1 answerable", "EM", "F1"),
        f"{measured}{_divider('Published on SQuAD 2.0 dev, not run here', 5)}{published}",
    )


def _as_decided(opened: OpenedRun) -> tuple[float, float | None]:
    """ROUGE-1 F over all and over the answerable questions at the threshold that the run is read at."""
    scores = opened.decided["rouge1_f"].to_numpy(dtype=np.float64)
    answerable = scores[~opened.decided["is_impossible"].to_numpy(dtype=np.bool_)]
    return float(scores.mean()), float(answerable.mean()) if len(answerable) else None


def _rule(opened: OpenedRun) -> str:
    if opened.movable:
        return f"silent above a margin of {margin_text(opened.threshold or 0.0)}"
    return "silent as it was saved" if _forced(opened)[0] is None else "never silent"


def _change(shown: Shown) -> str:
    """What the threshold does to ROUGE-1, as a sentence."""
    opened, name = shown.opened, f"<b>{escape(shown.name)}</b>"
    if not opened.movable:
        return f"{name}: {escape(opened.run.why_no_thresholds)}"
    outcomes, data = opened.figures["outcomes"], opened.run.info["data"]
    silent = outcomes["abstained"] + outcomes["missed"]
    kinds = (
        (outcomes["abstained"], data["unanswerable"], "unanswerable", 1),
        (outcomes["missed"], data["examples"] - data["unanswerable"], "answerable", 0),
    )
    parts = [f"{kept:,} of {of:,} {kind} ones, which now score {score}" for kept, of, kind, score in kinds if of]
    scored = f"{name} keeps silent on {silent:,} of {counted(data['examples'], 'question')}: {', and '.join(parts)}."
    moves = [
        f"{where} {_moves(before, after)}"
        for where, before, after in zip(("all", "the answerable"), _forced(opened), _as_decided(opened), strict=True)
        if before is not None and after is not None
    ]
    return f"{scored} ROUGE-1 over {', over '.join(moves)}." if moves else scored


def _moves(before: float, after: float) -> str:
    old, new = number(before, 3), number(after, 3)
    if old == new:
        return f"stays at {new}"
    return f"{'rises' if after > before else 'falls'} from {old} to {new}"


def _data(opened: OpenedRun) -> str:
    return data_name(opened.run.info["data"]["source"])


def _table(head: tuple[str, ...], body: str, caption: str = "") -> str:
    first, *rest = head
    return (
        f'<div class="wide"><table class="plain">{f"<caption>{caption}</caption>" if caption else ""}'
        f'<thead><tr><th scope="col">{first}</th>'
        + "".join(f'<th scope="col" class="number">{title}</th>' for title in rest)
        + f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _head(name: str, note: str = "", *, published: bool = False) -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    kind = ' class="published"' if published else ""
    return f'<tr{kind}><th scope="row">{escape(name)}{small}</th>'


def _divider(says: str, columns: int) -> str:
    return f'<tr class="divider"><th colspan="{columns}" scope="rowgroup">{says}</th></tr>'


def _cell(value: float | None, digits: int = 2) -> str:
    return f'<td class="number">{"–" if value is None else number(value, digits)}</td>'


# The three questions


def three_questions(opened: OpenedRun, other: OpenedRun | None = None) -> str:
    """The article's three questions, all of them unanswerable, and what each run says to them."""
    runs = _runs(opened, other)
    notes = "".join(f'<p class="quiet">{note}</p>' for note in map(_lacking, runs) if note)
    questions = "".join(_question(question, runs) for question in QUESTIONS)
    kinds: list[Kind] = [
        kind for kind in ("predicted", "compared") if re.search(f'<mark class="[^"]*{kind}', questions)
    ]
    return (
        '<section class="article-questions"><h2>The article’s three questions</h2>'
        "<p>None of them can be answered from its text: the right answer is to keep silent.</p>"
        f"{notes}{questions}{legend(kinds) if kinds else ''}</section>"
    )


def _lacking(shown: Shown) -> str:
    held = sum(question.id in shown.opened.rows for question in QUESTIONS)
    if held == len(QUESTIONS):
        return ""
    return (
        f"The questions that {escape(shown.name)} was asked ({escape(_data(shown.opened))}) hold {held or 'none'} of "
        f"the three. To see what it says, evaluate it on <code>{HUB}</code> or on your own copy of dev-v2.0.json."
    )


def _question(question: Question, runs: Sequence[Shown]) -> str:
    held = [(shown, row) for shown in runs if (row := _row(shown.opened, question.id)) is not None]
    text = held[0][1]["question"] if held else question.text
    heading = (
        f'<p class="facts">row {question.row} of the dev set, counted from 0</p><h3 dir="auto">{escape(text)}</h3>'
    )
    if not held:
        return f'<article class="article-question"><div>{heading}</div></article>'
    right = "; ".join(escape(shortened(gold)) for gold in gold_texts(held[0][1]["answers"])) or NONE_RIGHT
    says = "".join(_says(shown, row) for shown, row in held)
    return (
        f'<article class="article-question"><div>{heading}<dl class="pairs"><dt>Right answer</dt><dd>{right}</dd>{says}'
        f"</dl></div>{_context(question, runs)}</article>"
    )


def _row(opened: OpenedRun, example: str) -> dict[Any, Any] | None:
    at = opened.rows.get(example)
    return None if at is None else opened.decided.iloc[at].to_dict()


def _says(shown: Shown, row: dict[Any, Any]) -> str:
    said = f"“<bdi>{escape(shortened(row['prediction']))}</bdi>”" if row["answered"] else "nothing"
    if not row["answered"] and row["span"]:
        said += f"; its closest reading: “<bdi>{escape(shortened(row['span']))}</bdi>”"
    margin = "its margin is not known"
    if shown.opened.movable:
        threshold = shown.opened.threshold or 0.0
        side = "above" if row["null_score_diff"] > threshold else "not above"
        margin = (
            f"{tip('margin', MARGIN)} {margin_text(row['null_score_diff'])}, {side} the threshold of "
            f"{margin_text(threshold)}"
        )
    return (
        f"<dt>{escape(shown.name)} says</dt><dd>"
        f'<span class="outcome {row["outcome"]}">{OUTCOME_WORDS[row["outcome"]]}</span> {said}'
        f"<small>{margin}</small></dd>"
    )


def _context(question: Question, runs: Sequence[Shown]) -> str:
    """The text around what is said: the first run's answer filled, the other's dashed."""
    kinds: tuple[Kind, ...] = ("predicted", "compared")
    rows = [(row, kind) for shown, kind in zip(runs, kinds, strict=False) if (row := _row(shown.opened, question.id))]
    context = rows[0][0]["context"]
    placed = [(row, kind) for row, kind in rows if row["span_start"] >= 0 and row["context"] == context]
    marks = [Mark(row["span_start"], row["span_end"], kind) for row, kind in placed if row["answered"]]
    start, end = (placed[0][0]["span_start"], placed[0][0]["span_end"]) if placed else (0, 0)
    return reading_view(
        surroundings(context, start, end, reach=AROUND), marks, label=f"Text of the dev set's row {question.row}"
    )


# Two texts, scored


def bench(said: str, gold: str) -> str:
    """All scores of what is said against the right answer: why they are so, and n-gram by n-gram."""
    problem = _refusal(said, gold)
    if problem:
        return f'<p class="quiet" role="status">{problem}</p>'
    explained = explain(said, gold)
    kinds = zip(explained.raw.rouge, explained.normalized.rouge, strict=True)
    same = (explained.raw.said, explained.raw.gold) == (explained.normalized.said, explained.normalized.gold)
    return (
        f'<div class="bench"><p class="bench-why" role="status">{_why_squad(explained)} {_why_rouge(explained)}</p>'
        f"{_scores(explained)}{GRAM_LEGEND}{_squad(explained.squad)}"
        f"{''.join(_kind(raw, normalized, same=same) for raw, normalized in kinds)}</div>"
    )


def _refusal(said: str, gold: str) -> str:
    """Why two texts are not scored; "" where they are."""
    # They may come straight over HTTP, and so be anything.
    if not isinstance(said, str) or not isinstance(gold, str):
        return "Type two texts to score one against the other."
    longest = max(len(said), len(gold))
    if longest > LONGEST_TEXT:
        return f"A text of {longest:,} characters is too long to be shown word by word: type at most {LONGEST_TEXT:,}."
    if max(said.count("."), gold.count(".")) > MOST_STOPS:
        return f"ROUGE-L compares each two sentences, so type no more than {MOST_STOPS} full stops."
    return ""


def _why_squad(explained: Explained) -> str:
    squad = explained.squad
    if explained.raw.said == explained.raw.gold:
        return "Both texts are the same, so EM and F1 are 1."
    left, right = (_quoted(" ".join(words)) for words in (squad.said, squad.gold))
    if squad.exact:
        return f"SQuAD leaves out case, punctuation and articles, and sees {left} twice: EM and F1 are 1."
    if not squad.shared:
        return f"SQuAD compares {left} with {right}, which share no word: EM and F1 are 0."
    if squad.f1 == 1.0:
        return "SQuAD sees the same words in another order: EM is 0 and F1 is 1."
    return (
        f"By SQuAD’s count {len(squad.shared)} of {len(squad.said)} words said and {len(squad.shared)} of "
        f"{len(squad.gold)} right words are shared: "
        f"EM is 0 and F1 is {number(squad.f1, 3)}."
    )


def _why_rouge(explained: Explained) -> str:
    found = explained.raw.rouge[0]
    if found.rule != "counted":
        sides = "either side" if found.rule == "both empty" else "one of the sides"
        return f"ROUGE-1 finds no word on {sides}, which counts as {number(found.f, 0)}."
    if found.f == 1.0:
        return f"ROUGE-1 finds every word on both sides{_tolerance(explained.raw)}, so it is 1."
    if found.f == 0.0:
        return f"ROUGE-1 finds no shared word{_strictness(explained)}, so it is 0."
    alone = [gram[0] for gram in (*found.said, *found.gold) if gram not in found.shared]
    named = ", ".join(_word(word) for word in alone[:MOST_NAMED])
    more = f" and {len(alone) - MOST_NAMED} more" if len(alone) > MOST_NAMED else ""
    return (
        f"ROUGE-1 takes the words as they are written and finds {named}{more} on one side only, so it is "
        f"{number(found.f, 3)}."
    )


def _tolerance(raw: Compared) -> str:
    """Why different texts have the same words."""
    said, gold = (text.replace(".", " ").split() for text in (raw.said, raw.gold))
    why = []
    if raw.said != raw.gold and "." in raw.said + raw.gold:
        why.append("splits at full stops")
    if said != gold:
        why.append("minds no order" if sorted(said) == sorted(gold) else "counts each word once")
    return f", for it {' and '.join(why)}" if why else ""


def _strictness(explained: Explained) -> str:
    """Why texts that are alike have no word in common."""
    first = explained.raw.rouge[0]
    said, gold = ({gram[0].lower() for gram in side} for side in (first.said, first.gold))
    if said & gold:
        return ", for it minds case"
    return ", for punctuation stays with its word" if explained.normalized.rouge[0].shared else ""


def _scores(explained: Explained) -> str:
    """The five figures, ROUGE as written, and on normalised texts below it."""
    squad = explained.squad
    shown = [
        ("Exact match", EXACT, number(squad.exact, 0), "normalised"),
        ("F1", F1, number(squad.f1, 3), "normalised"),
    ] + [
        (*ROUGE_N[raw.kind], _figure(raw), f"normalised: {_figure(normalized)}")
        for raw, normalized in zip(explained.raw.rouge, explained.normalized.rouge, strict=True)
    ]
    return (
        '<dl class="tiles">'
        + "".join(
            f"<div><dt>{tip(name, explanation)}</dt><dd>{value}</dd><dd>{note}</dd></div>"
            for name, explanation, value, note in shown
        )
        + "</dl>"
    )


def _figure(found: Rouge) -> str:
    return number(found.f, 3)


def _squad(squad: Squad) -> str:
    if squad.said and squad.gold:
        counts = _precision_recall(len(squad.said), len(squad.gold), len(squad.shared), "F1", squad.f1)
    else:
        empty = "One side is" if squad.said or squad.gold else "Both sides are"
        counts = f'<p class="quiet">{empty} empty, which counts as {number(squad.f1, 0)}.</p>'
    return (
        "<section><h3>Exact match and F1</h3><p>Words after SQuAD’s normalisation (lower case, no punctuation, no a, "
        "an, the), each as often as it stands there.</p>"
        f"{_sides(squad.said, squad.gold, squad.shared)}{counts}</section>"
    )


def _kind(raw: Rouge, normalized: Rouge, *, same: bool) -> str:
    name, counts = ROUGE_N[raw.kind]
    columns = [("As written and normalised alike", raw)] if same else []
    columns = columns or [("As written", raw), ("Normalised", normalized)]
    return f'<section><h3>{name}</h3><p>{counts}</p><div class="bench-columns">' + (
        "".join(f"<div><h4>{title}</h4>{_counted(found)}</div>" for title, found in columns) + "</div></section>"
    )


def _counted(found: Rouge) -> str:
    rule = f'<p class="quiet">{RULES[found.rule]}</p>' if RULES[found.rule] else ""
    if found.rule != "counted":
        return rule
    said, gold, shared = ([" ".join(gram) for gram in side] for side in (found.said, found.gold, found.shared))
    order = ""
    if found.common:
        sequences = ", ".join(_quoted(" ".join(sequence)) for sequence in found.common[:MOST_NAMED])
        more = f" and {len(found.common) - MOST_NAMED} more" if len(found.common) > MOST_NAMED else ""
        order = f'<p class="quiet">In the same order: {sequences}{more}</p>'
    return f"{_sides(said, gold, shared)}{order}{_precision_recall(len(said), len(gold), len(shared), 'F', found.f)}"


def _precision_recall(said: int, gold: int, shared: int, name: str, f: float) -> str:
    precision, recall = (
        f"{what} {shared:,} / {count:,}{f' = {number(shared / count, 3)}' if count else ''}"
        for what, count in (("precision", said), ("recall", gold))
    )
    return f'<p class="bench-sum">{precision} · {recall} · <b>{name} {number(f, 3)}</b></p>'


def _sides(said: Sequence[str], gold: Sequence[str], shared: Sequence[str]) -> str:
    return (
        f'<dl class="grams"><dt>Said</dt><dd>{_grams(said, shared)}</dd>'
        f"<dt>Right answer</dt><dd>{_grams(gold, shared)}</dd></dl>"
    )


def _grams(grams: Sequence[str], shared: Iterable[str]) -> str:
    """A side's n-grams in order, those that count as shared set off; of a repeated word as many as are shared."""
    if not grams:
        return '<span class="quiet">none</span>'
    left = Counter(shared)
    chips = []
    for gram in grams[:MOST_GRAMS]:
        both = left[gram] > 0
        left[gram] -= both
        title = "shared" if both else "not shared"
        chips.append(f'<li class="gram{" shared" if both else ""}" dir="auto" title="{title}">{_chip(gram)}</li>')
    if len(grams) > MOST_GRAMS:
        chips.append(f'<li class="quiet">and {len(grams) - MOST_GRAMS:,} more</li>')
    return f"<ul>{''.join(chips)}</ul>"


def _chip(gram: str) -> str:
    return escape(gram) if gram.strip() else "<i>an empty word</i>"


def _word(word: str) -> str:
    return _quoted(word) if word else "an empty word"


def _quoted(text: str) -> str:
    return f"“<bdi>{escape(shortened(text))}</bdi>”" if text else "nothing"
