"""T5's pretraining objectives: compositions of noise, inputs and targets (Raffel et al. 2020, sections 3.1.4, 3.3).

Each example corrupts the paper's own text (figure 2 and table 3); sentinels are <X> <Y> <Z>, the mask is <M>:

    Thank you for inviting me to your party last week .

Not as in T5: a text shorter than a row is never made on purpose (select_random_chunk, split_tokens); rows are cut from
the shards end to end, and one eod more closes inputs and targets.
"""

from typing import Any

from training.objectives.denoise import Denoise


def span_corruption(**fields: Any) -> Denoise:
    """Spans of 3 tokens on the average become sentinels; the targets say what they stand for (section 3.3.4).

    Thank you <X> to <Y> week .  ->  <X> for inviting me <Y> your party last

    The paper's table closes targets by <Z>; its code has noise end every row, so that the end itself closes them.
    Rows of 512 inputs are made of 568 tokens and have 114 targets.
    """
    return Denoise(name="span_corruption", noise="spans", inputs="sentinels", targets="sentinels", **fields)


def independent_sentinels(**fields: Any) -> Denoise:
    """Single tokens become sentinels, neighbours one together, or with merge=False each its own (table 3, "i.i.d.
    noise, replace spans"; iid_15_u_u.gin).

    Thank you <X> me to your party <Y> week .  ->  <X> for inviting <Y> last <Z>
    """
    return Denoise(name="independent_sentinels", noise="tokens", inputs="sentinels", targets="sentinels", **fields)


def drop_tokens(**fields: Any) -> Denoise:
    """Single tokens go, and are the targets (table 3, "i.i.d. noise, drop tokens"; iid_15_d_d.gin).

    Thank you me to your party week .  ->  for inviting last
    """
    return Denoise(name="drop_tokens", noise="tokens", inputs="drop", targets="noise", **fields)


def mass_style(**fields: Any) -> Denoise:
    """Single tokens become masks, and the whole text is the target (table 3; after Song et al. 2019; iid_15_m_f.gin).

    Thank you <M> <M> me to your party <M> week .  ->  the text
    """
    return Denoise(name="mass_style", noise="tokens", inputs="masks", targets="text", **fields)


def bert_style(**fields: Any) -> Denoise:
    """The same with 10 % random tokens among the masks (table 3; iid_15_r10s90_f.gin).

    Thank you <M> <M> me to your party apple week .  ->  the text

    Random tokens are never special ones; T5's own draw leaves out its first three entries and can hit a sentinel.
    """
    return Denoise(name="bert_style", noise="tokens", inputs="masks_or_random", targets="text", **fields)


def deshuffle(**fields: Any) -> Denoise:
    """The tokens in random order, and the text is the target (table 3; after Liu et al. 2019; all_permute.gin).

    party me for your to . last you inviting week Thank  ->  the text
    """
    return Denoise(name="deshuffle", noise="all", inputs="shuffle", targets="text", **fields)


def prefix_lm_encoder_decoder(**fields: Any) -> Denoise:
    """The encoder reads a prefix of 1 to n - 1 tokens, the decoder says the rest (table 3; prefix_lm.gin).

    Thank you for inviting  ->  me to your party last week .

    Both lengths are row_len, since either part may be nearly all: on the average half of an example is padding.
    """
    return Denoise(name="prefix_lm_encoder_decoder", noise="suffix", inputs="drop", targets="noise", **fields)
