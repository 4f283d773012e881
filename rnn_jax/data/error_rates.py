"""How wrong transcripts are: words, characters, sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from rnn_jax.data.errors import extra


class ErrorRates(NamedTuple):
    """Shares; those of words and characters may be above 1, for what was never said."""

    words: float
    characters: float
    sentences: float  # that are not right in every character

    def __str__(self) -> str:
        return (
            f"word errors {self.words:.2%}, character errors {self.characters:.2%}, "
            f"{1 - self.sentences:.1%} all right"
        )


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates:
    """Error rates of transcripts by jiwer: the least edits over the length of what was said.

        (substitutions + insertions + deletions) / (words, or characters, of the references)

    Args:
        references: what was said; none may be empty.
        hypotheses: what was understood, as many.

    Raises:
        ValueError: if their numbers differ, or there are none.
        InputError: if jiwer is not installed.

    Example:
        >>> print(error_rates(["one two", "six"], ["one too", "six"]))
        word errors 33.33%, character errors 10.00%, 50.0% all right
    """
    if len(references) != len(hypotheses) or not references:
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    with extra("error rates", "jiwer"):
        import jiwer
    given = list(references), list(hypotheses)
    wrong = sum(a != b for a, b in zip(*given)) / len(references)
    return ErrorRates(jiwer.process_words(*given).wer, jiwer.process_characters(*given).cer, wrong)
