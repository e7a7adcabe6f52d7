"""What is measured per target: by hand, where there is nothing to measure, and how much of real text is asked for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpus.html.main_content import main_text
from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training.evaluation.targets import once, per_target
from training.models import Term
from training.objective import IGNORED, Row
from training.objectives import objective

ARCHIVE = Path(__file__).parents[2] / "samples" / "web" / "debian-docs.warc.gz"
PAGES = 12
ROW_LEN = 128


class Rows(list[list[int]]):
    """Each row's targets."""

    def row(self, i: int) -> Row:
        return Row(np.array(self[i]))


TASK: Any = SimpleNamespace(kind="decoder", draw=lambda row, rng: {"targets_T": row.tokens_S})


class Model:
    """Two nats for each target."""

    output = SimpleNamespace(weight=torch.zeros(1))

    def terms(self, batch: Any) -> dict[str, Term]:
        n = (batch["targets"] != IGNORED).sum()
        return {"tokens": Term(2.0 * n, n)}


def measured(training: list[list[int]], held_out: list[list[int]]) -> dict[str, Any]:
    model: Any = Model()
    return per_target(model, TASK, Rows(training), Rows(held_out), 4, 0)  # type: ignore[arg-type]


def test_the_unigram_model_by_hand() -> None:
    """Targets 1 1 3 of a vocabulary of 4, one added to each: 1 3 1 2 of 7."""
    found = measured([[1, IGNORED, 1], [3, IGNORED, IGNORED]], [[1, 0, IGNORED], [3, IGNORED, IGNORED]])
    by_hand = -np.log(np.array([3, 1, 2]) / 7).mean()
    assert found["tokens"] == {
        "nats_per_target": 2.0, "targets": 3, "unigram_nats_per_target": pytest.approx(by_hand)
    }  # fmt: skip


def test_a_row_without_targets_counts_nothing() -> None:
    nothing = [IGNORED] * 3
    assert measured([[1, 2, 3]], [nothing, [1, 2, 3]]) == measured([[1, 2, 3]], [[1, 2, 3]])
    assert measured([[1, 2, 3]], [nothing]) == measured([[1, 2, 3]], []) == {}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Pages of the sample."""
    found: list[str] = []
    with ARCHIVE.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
            if str(record.http_headers.get("Content-Type", "")).startswith("text/html"):
                found.append(main_text(record.reader.read().decode(errors="replace")))
            if len(found) == PAGES:
                break
    return found


def shards_of(texts: list[str], model: str, specials: str | None, folder: Path) -> tuple[Vocab, list[TokenShard]]:
    vocab = Vocab.of(vocabularies.train(model, texts, 1200, specials))
    origins = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(texts))]})
    batch = vocab.encoded(origins, texts, marks=True)
    write_shard(Folder(str(folder)), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    return vocab, [TokenShard.open(folder, 0, vocab.size)]


def inside(count: int, n: int, share: float) -> bool:
    """Within four standard deviations of a binomial: wrong once in 16,000 draws."""
    return bool(abs(count - n * share) <= 4 * (n * share * (1 - share)) ** 0.5)


@pytest.mark.parametrize(
    ("name", "model", "specials"), [("masked", "wordpiece", None), ("roberta", "bpe-bytes", "roberta")]
)
def test_encoders_are_asked_for_15_percent_of_real_text(
    name: str, model: str, specials: str | None, texts: list[str], tmp_path: Path
) -> None:
    """80 % masked, 10 % random, 10 % kept; a random entry may be the token itself."""
    vocab, shards = shards_of(texts, model, specials, tmp_path)
    task = objective(name, specials=vocab.specials)
    rows = task.rows(shards, ROW_LEN, 0)
    drawn = [task.draw(rows.row(i), np.random.default_rng(i)) for i in range(len(rows))]
    tokens_N, targets_N = (np.concatenate([one[key] for one in drawn]) for key in ("tokens_T", "targets_T"))
    chosen_N = targets_N != IGNORED
    n = int(chosen_N.sum())
    assert n > 1000
    assert inside(n, len(targets_N), 0.15)
    masked_N = tokens_N[chosen_N] == vocab.specials.mask
    assert inside(int(masked_N.sum()), n, 0.8)
    assert inside(int((tokens_N == targets_N)[chosen_N].sum()), n, 0.1 + 0.1 / vocab.size)
    assert not (tokens_N[~chosen_N] == vocab.specials.mask).any()


def test_spans_take_15_percent_of_real_text(texts: list[str], tmp_path: Path) -> None:
    """In spans of three on the average, each behind a sentinel."""
    vocab, shards = shards_of(texts, "unigram", "t5", tmp_path)
    task = objective("span_corruption", specials=vocab.specials)
    rows = task.rows(shards, ROW_LEN, 0)
    row_lens = [len(rows.row(i).tokens_S) for i in range(len(rows))]
    drawn = [task.draw(rows.row(i), np.random.default_rng(i)) for i in range(len(rows))]
    targets_N = np.concatenate([one["targets_T"] for one in drawn])
    inputs_N = np.concatenate([one["inputs_I"] for one in drawn])
    sentinels = vocab.specials.sentinels
    spans = int(np.isin(inputs_N, sentinels).sum())
    ends = len(drawn)  # eods that close the targets; those of the text may be noise
    noise = int((~np.isin(targets_N, [IGNORED, vocab.specials.pad or 0, *sentinels])).sum()) - ends
    assert inside(noise, sum(row_lens), 0.15)
    assert noise / spans == pytest.approx(3, rel=0.1)


def test_pairs_are_made_once() -> None:
    vocab = Vocab.of(vocabularies.train("wordpiece", ["one and two make three."], 300))
    pairs, masked = (once(objective(name, specials=vocab.specials)) for name in ("next_sentence", "masked"))
    assert vars(pairs)["copies"] == 1
    assert masked == objective("masked", specials=vocab.specials)
