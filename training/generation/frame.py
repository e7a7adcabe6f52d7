"""How a text is put to a model: as the objective put texts to it that the model learnt from."""

from dataclasses import dataclass

from corpus.errors import ConfigError
from tokenizer.specials import Specials
from training.objectives import OBJECTIVES
from training.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Tokens around the prompt, what the decoder begins with where an encoder reads the prompt, and whether a decoder
    sees all of the prompt from each place in it."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    decoder_start: int | None = None
    prefix: bool = False

    @classmethod
    def of(cls, objective: str, specials: Specials) -> "Frame":
        """That of an objective (training/objectives): decoders go on from <eod> prompt, an encoder reads prompt <eod>,
        BART's <start> prompt <eod>; decoders behind it begin with <pad>, BART's with <eod>."""
        eod = specials.eod
        if objective == "bart":
            return cls(before=(_special(specials, "start"),), after=(eod,), decoder_start=eod)
        if OBJECTIVES[objective].kind == "encoder-decoder":
            return cls(after=(eod,), decoder_start=_special(specials, "pad"))
        return cls(before=(eod,), prefix=objective == "prefix_lm")


def natural(spec: ModelSpec) -> str:
    """The objective that a family was published with: for a model of which nothing else is known."""
    if spec.kind == "encoder-decoder":
        return "bart" if spec.family == "bart" else "span_corruption"
    if spec.kind == "encoder":
        return "masked"
    return "prefix_lm" if spec.relative_both_ways else "causal"


def _special(specials: Specials, name: str) -> int:
    found = getattr(specials, name)
    if found is None:
        raise ConfigError(f"the vocabulary has no {name} token, which this model begins with; take that of its family")
    return int(found)
