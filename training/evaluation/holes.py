"""What stands in a hole of a text, asked of an encoder-decoder in the way that its objective taught it to say."""

from collections.abc import Sequence

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.evaluation.answers import Asked
from training.generation.frame import Frame
from training.objective import IGNORED

SENTINELS = ("span_corruption", "independent_sentinels")
SUFFIX = "prefix_lm_encoder_decoder"


def hole(
    objective: str, specials: Specials, left: Sequence[int], asked: Sequence[int], right: Sequence[int] = ()
) -> Asked:
    """The row that asks for `asked` between left and right; ConfigError for an objective that marks no holes.

        to your [party] last week  ->  inputs to your <X> last week </s>, tokens <pad> <X>, target party after <X>
        of BART                    ->  inputs <s> to your <M> last week </s>, tokens </s> <s> to your, target party

    BART says the whole text, so that its decoder has read what stands before the hole a second time.
    """
    frame = Frame.of(objective, specials)
    assert frame.decoder_start is not None
    if objective == "bart" and specials.mask is not None:
        mark, said = [specials.mask], [*frame.before, *left]
    elif objective in SENTINELS and specials.sentinels:
        mark, said = [specials.sentinels[0]], [specials.sentinels[0]]
    elif objective == SUFFIX and not right:
        mark, said = [], []
    else:
        raise ConfigError(f'a model of the objective "{objective}" cannot be asked what stands in a hole of a text')
    return {
        "inputs": [*frame.before, *left, *mark, *right, *frame.after],
        "tokens": [frame.decoder_start, *said, *asked[:-1]],
        "targets": [IGNORED] * len(said) + list(asked),
    }
