"""What a model gets, token by token, as HTML, and what two trainings would teach it about the same answer.

The article's labels end one token past the answer. Beside the labels that bound it exactly, one sees the token too
many, and why its trained reader says "10th and 11th centuries gave".
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pages.phrases import tip
from reader.inspection import Inspection, Label, Token

AROUND = 6  # tokens shown to both sides of what is looked at
MOST_QUESTION = 24  # tokens of the question

PIECE = (
    "How the reader's tokenizer spells the token. In BERT's, ## goes on with the word before; in others, Ġ or ▁ stands "
    "for a space."
)
LABEL = "The two positions that a training pulls the model towards: the first and the last token of the answer."
PARTS = {"question": "question", "context": "text", "special": "separator"}
NO_ANSWER = "“no answer”"  # what the token that a model points at to abstain stands for


def labels(inspection: Inspection, context: str) -> str:
    """The tokens around the answer with their characters, and both recipes' labels beside each other."""
    says = _recipes(inspection, context) if inspection.gold else ""
    return f'<div class="inside">{_window_says(inspection)}{says}{_token_table(inspection, context)}</div>'


def _window_says(inspection: Inspection) -> str:
    tokens = inspection.tokens
    start, end = inspection.stretches[inspection.window]
    count = len(inspection.stretches)
    which = f"Window {inspection.window + 1:,} of {count:,}" if count > 1 else "One window"
    parts = {part: sum(token.part == part for token in tokens) for part in PARTS}
    return (
        f'<p class="facts">{which}, characters {start:,} to {end:,}: {len(tokens):,} tokens, of them '
        f"{parts['question']:,} of the question, {parts['context']:,} of the text and {parts['special']:,} "
        "that separate.</p>"
    )


# The two labelings


def _recipes(inspection: Inspection, context: str) -> str:
    corrected, article = inspection.corrected, inspection.article
    if corrected is None or article is None:
        return ""
    shown = inspection.window
    return (
        '<div class="inside-recipes">'
        f"{_recipe('corrected', 'Labels that bound the answer', corrected, shown, _corrected_says(inspection))}"
        f"{_recipe('article', 'The article’s labels', article, shown, _article_says(inspection, context))}</div>"
    )


def _recipe(kind: str, title: str, label: Label, shown: int, says: str) -> str:
    elsewhere = f" of window {label.window + 1:,}" if label.window != shown else ""
    tokens = f"token {label.first}" if label.first == label.last else f"tokens {label.first} to {label.last}"
    where = f"{tokens}{elsewhere}"
    text = f'<q dir="auto">{escape(label.text)}</q>' if label.text else "not answerable"
    return (
        f'<section class="inside-recipe {kind}"><h3>{title}</h3><p class="says">{text}</p>'
        f'<p class="facts">{where}. {says}</p></section>'
    )


def _corrected_says(inspection: Inspection) -> str:
    if not inspection.corrected or not inspection.corrected.text:
        return "No window holds the whole answer, so each is taught that it holds none."
    gold = inspection.gold
    if gold and inspection.corrected.text != gold.text.strip():
        return "The whole tokens that touch the answer; it begins or ends within one of them."
    return "Exactly the tokens that touch the answer."


def _article_says(inspection: Inspection, context: str) -> str:
    article, corrected = inspection.article, inspection.corrected
    if not article or not corrected:
        return ""
    if not article.text:
        _, end = inspection.stretches[0]
        return (
            f"The text is cut after its first window, at character {end:,}, and the answer lies behind it: the model "
            "is taught that there is none."
        )
    more = context[corrected.end : article.end].strip()
    if more:
        return f'One token too many: <q dir="auto">{escape(more)}</q>. A reader trained so learns to say it too.'
    return "One token too many: the separator after the text."


# The tokens


def _token_table(inspection: Inspection, context: str) -> str:
    many = len(inspection.stretches) > 1
    rows, before = [], -1
    columns = 5 + many + 2 * bool(inspection.gold)
    for index in _shown(inspection):
        if index > before + 1:
            left_out = index - before - 1
            rows.append(f'<tr class="left-out-tokens"><td colspan="{columns}">⋯ {left_out:,} more tokens</td></tr>')
        rows.append(_token_row(inspection.tokens[index], inspection, context, many))
        before = index
    head = (
        '<th scope="col" class="number">#</th><th scope="col">Text</th>'
        + (f'<th scope="col">{tip("Exact", LABEL)}</th><th scope="col">Article’s</th>' if inspection.gold else "")
        + f'<th scope="col">{tip("Piece", PIECE)}</th><th scope="col">Part</th>'
        '<th scope="col" class="number">Characters</th>' + ('<th scope="col">In windows</th>' if many else "")
    )
    return (
        '<div class="wide" role="region" tabindex="0" aria-label="Tokens">'
        f'<table class="plain tokens"><caption>Tokens, as the model gets them</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _shown(inspection: Inspection) -> list[int]:
    """The separators, the question, and what stands around the labels (or at the window's first words)."""
    tokens = inspection.tokens
    asked = [token.index for token in tokens if token.part == "question"]
    shown = {token.index for token in tokens if token.part == "special"} | set(asked[:MOST_QUESTION])
    looked_at = [
        place
        for label in (inspection.corrected, inspection.article)
        if label and label.window == inspection.window and label.text
        for place in (label.first, label.last)
    ] or [token.index for token in tokens if token.part == "context"][:1]
    for place in looked_at:
        shown |= set(range(place - AROUND, place + AROUND + 1))
    return sorted(shown & set(range(len(tokens))))


def _token_row(token: Token, inspection: Inspection, context: str, many: bool) -> str:
    text = escape(context[token.start : token.end])
    part = NO_ANSWER if token.index == inspection.null_index else PARTS[token.part]
    characters = f"{token.start:,}–{token.end:,}" if token.part == "context" else ""
    windows = f"<td>{_windows(token.windows)}</td>" if many else ""
    taught = ""
    if inspection.gold:
        taught = _mark(token, inspection.corrected, inspection.window)
        taught += _mark(token, inspection.article, inspection.window)
    return (
        f'<tr class="{token.part}"><td class="number">{token.index}</td><td dir="auto">{text}</td>{taught}'
        f'<td><code dir="auto">{escape(token.piece)}</code></td><td>{part}</td>'
        f'<td class="number">{characters}</td>{windows}</tr>'
    )


def _mark(token: Token, label: Label | None, shown: int) -> str:
    if label is None or label.window != shown or not label.first <= token.index <= label.last:
        return "<td></td>"
    edges = [word for word, place in (("start", label.first), ("end", label.last)) if place == token.index]
    return f'<td class="taught">{", ".join(edges) or "│"}</td>'


def _windows(windows: Sequence[int]) -> str:
    return ", ".join(f"{window + 1:,}" for window in windows)
