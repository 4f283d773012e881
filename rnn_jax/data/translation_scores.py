"""How good translations are: BLEU and chrF by sacrebleu, with its signatures."""

from collections.abc import Sequence
from typing import NamedTuple

from rnn_jax.data.errors import InputError, extra


class Scores(NamedTuple):
    """Both from 0 to 100, and the share of sentences that are right in every character."""

    bleu: float
    chrf: float
    exact: float
    signatures: tuple[str, str]  # of BLEU and of chrF: state them with the numbers

    def __str__(self) -> str:
        bleu, chrf = self.signatures
        return (
            f"BLEU {self.bleu:.1f}, chrF {self.chrf:.1f}, {self.exact:.1%} exact\n"
            f"BLEU|{bleu}\nchrF|{chrf}"
        )


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a"
) -> Scores:
    """BLEU and chrF over all sentences together.

    Args:
        hypotheses: the translations.
        references: what they should be, as many.
        tokenize: how sacrebleu cuts a sentence into words: "13a", "none" for text that is tokenised
            already, "char", "intl", ...

    Raises:
        ValueError: if their numbers differ, or there are none.
        InputError: if sacrebleu is not installed, or has no such tokenizer.

    Example:
        >>> from importlib.util import find_spec
        >>> if find_spec("sacrebleu"):  # (5/6 * 1 * 1 * 1) ** (1/4)
        ...     found = translation_scores(["a b c d e", "f"], ["a b c d e", "g"], tokenize="none")
        ...     assert (round(found.bleu, 1), found.exact) == (95.5, 0.5)

    References:
        Papineni et al., BLEU: a method for automatic evaluation of machine translation, 2002,
        doi:10.3115/1073083.1073135.
        Popovic, chrF: character n-gram F-score for automatic MT evaluation, 2015,
        doi:10.18653/v1/W15-3049.
        Post, A call for clarity in reporting BLEU scores, 2018, arXiv:1804.08771.
    """
    if len(references) != len(hypotheses) or not references:
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    with extra("scores of translations", "sacrebleu"):
        import sacrebleu
    known = sacrebleu.BLEU.TOKENIZERS
    if tokenize not in known:
        raise InputError(f"tokenize: {tokenize!r} is not one of {', '.join(sorted(known))}")
    # force: text that is tokenised already is no mistake where the tokenizer is "none".
    bleu, chrf = sacrebleu.BLEU(tokenize=tokenize, force=tokenize == "none"), sacrebleu.CHRF()
    found = [metric.corpus_score(list(hypotheses), [list(references)]) for metric in (bleu, chrf)]
    exact = sum(a == b for a, b in zip(hypotheses, references, strict=True)) / len(references)
    signatures = str(bleu.get_signature()), str(chrf.get_signature())
    return Scores(found[0].score, found[1].score, exact, signatures)
