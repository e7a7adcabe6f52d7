"""fastText's quantised language model (lid.176.ftz, Joulin et al. 2016), read and asked at some four times the speed.

`fasttext.load_model` is the definition: labels and scores are equal bit by bit on a machine whose fastText was built
without fused multiplication (x86 wheels are), as the same float32 sums are made in the same order. Its format is that
of version 12 (fastText, src/fasttext.cc, dictionary.cc, quantmatrix.cc); only what that one file needs is read here.

A line is its words and the end of the line; a word is itself where the dictionary has it, and its n-grams of 2 to 4
characters between "<" and ">". Each of these is a row of 16 numbers, whose mean goes down the tree of labels.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MAGIC, _VERSION, _HIERARCHICAL, _SUPERVISED = 793712314, 12, 1, 3
_EOS, _LABEL = b"</s>", b"__label__"
_PRUNED = np.uint16(0xFFFF)
_FNV_BASIS, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_LEAST = np.float32(math.log(1e-5))  # log-probabilities below it are not followed


class LanguageModel:
    """The model of a file's bytes; ValueError where it is another kind than lid.176.ftz."""

    def __init__(self, data: bytes) -> None:
        file = _File(data)
        magic, version, dim, *_, n_grams, loss, kind, buckets, least, most, _ = file.numbers("i4", 14)
        file.numbers("f8", 1)
        _, n_words, n_labels = file.numbers("i4", 3)
        _, n_pruned = file.numbers("i8", 2)
        asked = (magic, version, n_grams, loss, kind)
        if asked != (_MAGIC, _VERSION, 1, _HIERARCHICAL, _SUPERVISED) or n_pruned <= 0:
            raise ValueError("not a quantised fastText model of labels over words and a tree")
        entries = [file.entry() for _ in range(n_words + n_labels)]
        pruned = file.numbers("i4", 2 * n_pruned).reshape(-1, 2)
        rows = np.full(buckets, _PRUNED, np.uint16)
        rows[pruned[:, 0]] = n_words + pruned[:, 1]
        inputs, (quantised,) = file.quantised(), file.numbers("?", 1)
        if quantised or dim != inputs.shape[1]:
            raise ValueError("a model whose output is quantised too, which is not known here")
        shape = file.numbers("i8", 2)
        outputs = file.numbers("f4", int(shape.prod())).reshape(shape)
        words = [word for word, _ in entries[:n_words]]
        self.labels = [word.removeprefix(_LABEL).decode() for word, _ in entries[n_words:]]
        places = np.cumsum([0, *map(len, words)])
        letters = np.frombuffer(b"".join(words), np.uint8)
        tree = _tree([count for _, count in entries[n_words:]])
        slots, prefix = _slots(places, letters), np.frombuffer(_LABEL, np.uint8)
        eos = words.index(_EOS)
        self._tables = (
            slots, places, letters, rows, int(least), int(most), inputs, outputs, tree, eos, prefix
        )  # fmt: skip

    def predict(self, lines: Sequence[str]) -> tuple[list[str | None], NDArray[np.float32]]:
        """The likeliest label of each line and its probability; None where every label is all but impossible."""
        encoded = [line.encode() for line in lines]
        places = np.cumsum([0, *map(len, encoded)])
        numbers, scores = _predicted(places, np.frombuffer(b"".join(encoded), np.uint8), *self._tables)
        return [self.labels[number] if number >= 0 else None for number in numbers.tolist()], scores


class _File:
    """Numbers and words from the start on, in little-endian order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def numbers(self, kind: str, n: int) -> Any:
        found = np.frombuffer(self._data, np.dtype(kind).newbyteorder("<"), n, self._at)
        self._at += found.nbytes
        return found

    def entry(self) -> tuple[bytes, int]:
        """A word of the dictionary and how often it came."""
        end = self._data.index(b"\0", self._at)
        word, count = self._data[self._at : end], int.from_bytes(self._data[end + 1 : end + 9], "little")
        self._at = end + 10  # a byte for the kind of entry comes last
        return word, count

    def quantised(self) -> NDArray[np.float32]:
        """A matrix that was cut into parts of few columns, each one of 256, its rows scaled by one of 256 norms."""
        (is_quantised, has_norms), (n_rows, _), (n_codes,) = (
            self.numbers("?", 2),
            self.numbers("i8", 2),
            self.numbers("i4", 1),
        )
        codes = self.numbers("u1", n_codes).reshape(n_rows, -1)
        if not (is_quantised and has_norms):
            raise ValueError("a matrix that is not quantised with norms")
        parts = self._centroids()
        norm_codes = self.numbers("u1", n_rows)
        norms = self._centroids()[0, :, 0][norm_codes]
        joined = np.concatenate([part[codes[:, at]] for at, part in enumerate(parts)], axis=1)
        return np.ascontiguousarray(joined * norms[:, None])

    def _centroids(self) -> NDArray[np.float32]:
        """[parts, 256, columns]; all parts have the same number of columns."""
        dim, n_parts, n_columns, n_last = self.numbers("i4", 4)
        if n_last != n_columns:
            raise ValueError("a matrix whose last part is narrower")
        return np.asarray(self.numbers("f4", dim * 256).reshape(n_parts, 256, n_columns))


def _tree(counts: Sequence[int]) -> NDArray[np.int32]:
    """The children of the inner nodes of Huffman's tree over labels by falling count; the last node is the root."""
    n = len(counts)
    weights = [*counts, *[10**15] * (n - 1)]
    children = np.zeros((n - 1, 2), np.int32)
    leaf, inner = n - 1, n
    for node in range(n, 2 * n - 1):
        for side in (0, 1):
            if leaf >= 0 and weights[leaf] < weights[inner]:
                children[node - n, side], leaf = leaf, leaf - 1
            else:
                children[node - n, side], inner = inner, inner + 1
        weights[node] = sum(weights[child] for child in children[node - n])
    return children


@njit(cache=True)
def _stirred(value: Any, byte: Any) -> Any:
    """FNV-1a of 32 bits, a byte further; bytes are signed, as fastText has them."""
    return np.uint32((value ^ np.uint32(np.int8(byte))) * _FNV_PRIME)


@njit(cache=True)
def _hash(data: Any, start: int, end: int) -> Any:
    value = _FNV_BASIS
    for at in range(start, end):
        value = _stirred(value, data[at])
    return value


@njit(cache=True)
def _slots(places: Any, letters: Any) -> Any:
    """An open hash table of the words' numbers."""
    slots = np.full(2**15, -1, np.int32)  # four times the words of lid.176
    for word in range(places.size - 1):
        slot = _hash(letters, places[word], places[word + 1]) & 0x7FFF
        while slots[slot] >= 0:
            slot = (slot + 1) & 0x7FFF
        slots[slot] = word
    return slots


@njit(cache=True)
def _number(data: Any, start: int, end: int, slots: Any, places: Any, letters: Any) -> int:
    """The number of a word, -1 for one that the dictionary has not."""
    slot = _hash(data, start, end) & 0x7FFF
    while slots[slot] >= 0:
        first, n = places[slots[slot]], places[slots[slot] + 1] - places[slots[slot]]
        if n == end - start:
            same = True
            for i in range(n):
                same = same and letters[first + i] == data[start + i]
            if same:
                return int(slots[slot])
        slot = (slot + 1) & 0x7FFF
    return -1


@njit(cache=True)
def _add(hidden: Any, row: Any) -> None:
    for i in range(hidden.size):
        hidden[i] += row[i]


@njit(cache=True)
def _add_grams(word: Any, rows: Any, least: int, most: int, inputs: Any, hidden: Any) -> int:
    """How many n-grams of the word have a row; all are added to `hidden`."""
    n_added = 0
    for start in range(word.size):
        if word[start] & 0xC0 == 0x80:
            continue
        value, end = _FNV_BASIS, start
        for n in range(1, most + 1):
            if end == word.size:
                break
            first = end
            while end == first or (end < word.size and word[end] & 0xC0 == 0x80):
                value = _stirred(value, word[end])
                end += 1
            if n >= least and not (n == 1 and (start == 0 or end == word.size)):
                row = rows[value % np.uint32(rows.size)]
                if row != _PRUNED:
                    n_added += 1
                    _add(hidden, inputs[row])
    return n_added


@njit(cache=True)
def _best(hidden: Any, outputs: Any, tree: Any) -> tuple[int, np.float32]:
    """The leaf with the greatest sum of log-probabilities from the root, and that sum; -1 where none can be reached."""
    n = tree.shape[0] + 1
    nodes, sums = np.empty(2 * n, np.int32), np.empty(2 * n, np.float32)
    nodes[0], sums[0], depth = 2 * n - 2, np.float32(0), 1
    best, best_sum = -1, np.float32(-np.inf)
    while depth:
        depth -= 1
        node, so_far = nodes[depth], sums[depth]
        if so_far < _LEAST or (best >= 0 and so_far < best_sum):
            continue
        if node < n:
            best, best_sum = node, so_far
            continue
        dot = np.float32(0)
        for i in range(hidden.size):
            dot += outputs[node - n, i] * hidden[i]
        right = np.float32(1.0 / np.float64(np.float32(1) + np.float32(math.exp(-dot))))
        for side, share in ((1, right), (0, np.float32(1.0 - np.float64(right)))):  # the left one is taken up first
            nodes[depth] = tree[node - n, side]
            sums[depth] = so_far + np.float32(math.log(np.float64(share) + 1e-5))
            depth += 1
    return best, best_sum


@njit(cache=True)
def _is_label(word: Any, prefix: Any) -> bool:
    """Whether a word between its "<" and ">" would name a label, and so is no word."""
    same = word.size - 2 >= prefix.size
    for i in range(prefix.size):
        same = same and word[i + 1] == prefix[i]
    return bool(same)


@njit(cache=True, nogil=True)
def _predicted(
    lines: Any, data: Any, slots: Any, places: Any, letters: Any, rows: Any, least: int, most: int, inputs: Any,
    outputs: Any, tree: Any, eos: int, prefix: Any,
) -> Any:  # fmt: skip
    numbers, scores = np.full(lines.size - 1, -1, np.int32), np.zeros(lines.size - 1, np.float32)
    word, hidden = np.empty(data.size + 2, np.uint8), np.empty(inputs.shape[1], np.float32)
    for line in range(lines.size - 1):
        n_added, at, end = 1, lines[line], lines[line + 1]
        hidden[:] = 0
        while at < end:
            start, word[0] = at, ord("<")
            while at < end and not (data[at] == 0x20 or 9 <= data[at] <= 13 or data[at] == 0):
                at += 1
                word[at - start] = data[at - 1]
            word[at - start + 1] = ord(">")
            whole = word[: at - start + 2]
            number = _number(data, start, at, slots, places, letters)
            at += 1
            if number == eos:
                break
            if number >= 0:
                _add(hidden, inputs[number])
                n_added += 1
            if whole.size > 2 and (number >= 0 or not _is_label(whole, prefix)):
                n_added += _add_grams(whole, rows, least, most, inputs, hidden)
        _add(hidden, inputs[eos])
        share = np.float32(1.0 / n_added)
        for i in range(hidden.size):
            hidden[i] *= share
        numbers[line], score = _best(hidden, outputs, tree)
        scores[line] = np.float32(math.exp(score))
    return numbers, scores
