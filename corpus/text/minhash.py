"""MinHash with banding: texts that share most of their word n-grams share a band key, and others hardly ever do.

Two texts whose n-gram sets have the Jaccard similarity s agree in one minimum with probability s, in all of a band
with s^rows, and in one band or more with 1 - (1 - s^rows)^bands.

`plain_band_keys` is the definition; `MinHash.band_keys` is the same over the bytes of many texts, compiled, and
tested equal. Integers only: the same keys on every machine. What is compiled is imported where it is called: numba
takes a fifth of a second, and who only names the parameters needs none of it.
"""

from dataclasses import dataclass
from hashlib import shake_256

import numpy as np
from numpy.typing import ArrayLike, NDArray

Hashes = NDArray[np.uint64]

_64 = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True)
class MinHash:
    """The parameters that signatures, edges and manifest must share, in one object.

    5-grams in 14 bands of 8 rows are FineWeb's (Penedo et al. 2024): `recall` is .05 at s = .5, .56 at .7, .77 at
    .75, .92 at .8. ValueError for a count below 1 or a negative seed.
    """

    ngram: int = 5
    bands: int = 14
    rows: int = 8
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (("ngram", 1), ("bands", 1), ("rows", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"minhash {name} is {getattr(self, name)}; it must be {least} or more")

    @property
    def threshold(self) -> float:
        """The similarity about which pairs begin to be found: (1 / bands) ** (1 / rows), .72 for 14 bands of 8."""
        return float((1 / self.bands) ** (1 / self.rows))

    def recall(self, jaccard: float) -> float:
        """The probability that a pair of this similarity shares a band key: 1 - (1 - s^rows)^bands."""
        return float(1 - (1 - jaccard**self.rows) ** self.bands)

    def permutations(self) -> tuple[Hashes, Hashes]:
        """Factors (odd, so that h -> a h + b mod 2^64 is a permutation) and summands, one a row of each band."""
        stream = shake_256(f"minhash {self.seed}".encode()).digest(16 * self.bands * self.rows)
        factors, summands = np.frombuffer(stream, "<u8").astype(np.uint64).reshape(2, -1)
        return factors | np.uint64(1), summands

    def signatures(self, offsets: ArrayLike, data: ArrayLike) -> tuple[Hashes, NDArray[np.bool_]]:
        """Minima, one row a text and one column a permutation, and a mask: False where a text has no word.

        Texts as in `shingles`. The share of columns in which two rows agree estimates the similarity s.
        """
        from corpus.text.minima import minima
        from corpus.text.shingles import shingles

        places, hashes = shingles(offsets, data, self.ngram)
        return minima(places, hashes, *self.permutations()), np.diff(places) > 0

    def band_keys(self, offsets: ArrayLike, data: ArrayLike) -> tuple[Hashes, NDArray[np.bool_]]:
        """Keys, one row a text and one column a band, and the mask of texts that have words.

        The band's number enters its key, so that keys of different bands do not meet. Two texts without a word are
        not alike: their rows mean nothing.
        """
        from corpus.text.shingles import mix64

        minima, has_words = self.signatures(offsets, data)
        keys: Hashes = mix64(np.tile(np.arange(1, self.bands + 1, dtype=np.uint64), (len(minima), 1)))
        for row in range(self.rows):
            keys = mix64(keys ^ minima[:, row :: self.rows])
        return keys, has_words


def plain_band_keys(text: str, minhash: MinHash) -> list[int] | None:
    """One key a band; None for a text without words."""
    from corpus.text.shingles import mix, plain_shingles

    hashes = plain_shingles(text, minhash.ngram)
    if not hashes:
        return None
    factors, summands = (array.tolist() for array in minhash.permutations())
    minima = [min((a * h + b) & _64 for h in hashes) for a, b in zip(factors, summands, strict=True)]
    keys = []
    for band in range(minhash.bands):
        key = mix(band + 1)
        for value in minima[band * minhash.rows : (band + 1) * minhash.rows]:
            key = mix(key ^ value)
        keys.append(key)
    return keys
