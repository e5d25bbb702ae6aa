"""What the measures of transfer mean, in the words of the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure as it is printed.

    Attributes:
        title: name in words.
        meaning: what it says.
        beside: what stands beside it, to read it against; "" where nothing does.
        higher_is_better: None where neither is.
    """

    title: str
    meaning: str
    beside: str
    higher_is_better: bool | None


SHARES = ("attributed", "prompted", "layout")
"""Measures in [0, 1]; the others are cosines."""

MEASURES = {
    "style": Measure(
        "Style",
        "Cosine of a picture with the reference whose style it is to have. StyleBench and MegaStyle (arXiv 2604.08364) "
        "print this, times 100, as style similarity.",
        "the same with the references of the other styles: what a picture gets that took up none of them",
        True,
    ),
    "attributed": Measure(
        "Recognised",
        "Share of the pictures that are nearer to their own reference than to any other of the grid. It does not "
        "depend on how an encoder spreads its cosines.",
        "chance: one over the number of references",
        True,
    ),
    "gain": Measure(
        "Gain",
        "Cosine of a picture with its reference, less that of the content picture as it was before. Only for backends "
        "that are given content pictures.",
        "",
        True,
    ),
    "leak": Measure(
        "Content leak",
        "How much of what the reference shows has come along, in cosines of the content encoder: with pictures that "
        "show the reference’s content in other styles, less with pictures of those same styles that show other "
        "contents. 0: nothing. Needs a set whose contents are labelled and drawn in several styles.",
        "the same for the references themselves: what a copy would get",
        False,
    ),
    "layout": Measure(
        "Layout leak",
        "How much of the reference’s arrangement is in the picture: where edges of which direction lie, 0 to 1 "
        "(stylesearch.transfer.leak). Needs no encoder.",
        "the same with the reference of another style",
        False,
    ),
    "text": Measure(
        "Prompt",
        "Cosine of a picture with its prompt, by the text tower of the content encoder. With OpenAI’s CLIP, times 100, "
        "this is the CLIP text score that StyleBench and MegaStyle print.",
        "the same with the other prompts of the grid",
        True,
    ),
    "prompted": Measure(
        "Prompt recognised",
        "Share of the pictures that are nearer to their own prompt than to any other of the grid.",
        "chance: one over the number of prompts",
        True,
    ),
    "diversity": Measure(
        "Diversity",
        "One less the cosine, by the content encoder, between pictures made from one reference. Low where a backend "
        "makes the same picture whatever is asked for. A style held better lowers it, too.",
        "",
        None,
    ),
}
