"""The same plan over the same inputs gives the same bytes, however it is cut, by however many workers, whoever dies."""

import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_run import archive
from tiny_stages import Append, Counting, DropWord, Mishap, Prefix, Repeat, Wrong, split

from corpus.errors import DataError, SchemaError
from corpus.flows import exact_dedup, from_splits, mapped, near_dedup, stored, unseen
from corpus.lease import Lease
from corpus.plan import Attach, Group, Map, Plan, Reduce, Union, schema_of
from corpus.schema import DOCUMENT
from corpus.shards import ShardWriter
from corpus.splits import Part, Split
from corpus.stages.extract import Extract
from corpus.stages.keys import ExactKey
from corpus.stages.measure import Measure
from corpus.stages.mix import Copies
from corpus.stages.quota import FillQuota, Sizes
from corpus.stages.warc import WarcReader
from corpus.storage import TEMPORARY, Folder
from corpus.text.minhash import MinHash
from pipelines.corpus_steps import stored_shards
from pipelines.engines.engine import Inputs, StoredFile, StoredShard, Usage
from pipelines.engines.phased import Crew, PhasedEngine
from pipelines.engines.pool import Pool, Task
from pipelines.engines.tasks import RowsSink, ScratchRows

SPLITS = [split(0, (0, 10)), split(1, (10, 10)), split(2, (5, 12), (12, 12), (12, 40)), split(3, (45, 60))]
"""Four shards; one is empty, one is of three files, and five documents of the first come again in that one."""
N_ROWS = [10, 0, 35, 15]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


@dataclass
class Hands:
    """A crew without processes. It takes the last task first, does each `times` times, and stops for good before task
    number `stop`."""

    times: int = 1
    stop: int | None = None
    begun: int = 0
    usage: Usage = field(default_factory=Usage)

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, int]]:
        for task in reversed(tasks):
            if self.begun == self.stop:
                raise KeyboardInterrupt
            self.begun += 1
            told: list[int] = []
            for _ in range(self.times):
                told = []
                task.run(told.append)
            yield 1, sum(told)


def writer_in(root: Path, fingerprint: str = "f" * 64, **settings: Any) -> ShardWriter:
    folder = Folder(str(root / "corpus" / "pages" / "dev"))
    return ShardWriter(folder, fingerprint, Lease.take(folder / "run"), **settings)


def made(crew: Crew, root: Path, plan: Plan, inputs: Inputs, **settings: Any) -> ShardWriter:
    """The plan's shards in root/corpus/pages/dev."""
    writer = writer_in(root, **settings)
    numbers = PhasedEngine(crew, root / "scratch").run(plan, inputs, writer, lambda *_: None)
    assert writer.committed() == set(numbers)
    return writer


def durable(root: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    files = {name: path for name, path in files.items() if "/run/" not in name and TEMPORARY not in name}
    return {name: path.read_bytes() for name, path in sorted(files.items())}


def kept(writer: ShardWriter, shard_bytes: int = 0) -> list[StoredShard]:
    """The writer's kept documents as inputs; with `shard_bytes` neighbours together."""
    files = []
    for record in writer.records(sorted(writer.committed())):
        data = record.info.files["data"]
        files.append(StoredFile(record.info.shard, writer.folder.path(data.file), data.rows or 0, data.size))
    return stored_shards(files, shard_bytes)


def rows(writer: ShardWriter, role: str | None = None) -> list[dict[str, Any]]:
    """The rows of all shards: file after file those of a role, or kept and dropped ones by home."""
    found: list[dict[str, Any]] = []
    for record in writer.records(sorted(writer.committed())):
        for name, file in record.info.files.items():
            if role in (None, name):
                found += pq.read_table(writer.folder.path(file.file)).to_pylist()
    return found if role else sorted(found, key=lambda row: (row["shard"], row["row"]))


def whole_line(crew: Crew, root: Path, batch_rows: int) -> dict[str, bytes]:
    """A reader, filters, a guarded stage, two dedups and a mixture, with all batches cut at `batch_rows`."""
    again = Repeat(times=1, batch_rows=batch_rows)  # rows as they are, cut anew
    word = DropWord(word="7")
    first = from_splits([Counting(batch_rows=batch_rows), word, Mishap(), again, Append(word="x"), Measure()])
    pages = made(crew, root / "a", first, {"splits": SPLITS})
    source = mapped(stored("pages", schema_of(first)), [again])
    deduped = near_dedup(exact_dedup(source), MinHash(ngram=1, bands=1, rows=3))
    found = made(crew, root / "b", deduped, {"pages": kept(pages)})
    train = mapped(stored("deduped", schema_of(deduped)), [again])
    filled = Group(Map(train, Sizes()), FillQuota(quotas=(("web", 150),), seed=1))
    made(crew, root / "c", Map(Attach(train, filled), Copies()), {"deduped": kept(found)})
    assert not any(path.is_file() for path in root.rglob("scratch/**/*"))
    return durable(root)


def test_batches_and_workers_change_nothing(tmp_path: Path) -> None:
    outcomes = [whole_line(Hands(times=2), tmp_path / "hands", 5)]
    for n_workers, batch_rows in ((1, 1000), (2, 7), (3, 2)):
        with Pool(n_workers) as pool:
            outcomes.append(whole_line(pool, tmp_path / str(n_workers), batch_rows))
    assert len(outcomes[0]) == 3 * 3 * 4
    records = b"".join(data for name, data in outcomes[0].items() if name.endswith(".json"))
    for reason in (b"has_word", b"exact_duplicate", b"near_duplicate", b"over_quota"):
        assert reason in records
    for other in outcomes[1:]:
        assert sorted(other) == sorted(outcomes[0])
        assert [name for name in other if other[name] != outcomes[0][name]] == []


def test_rows_are_conserved_and_counted(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting(), DropWord(word="word"), Append(word="x")])
    writer = made(pool, tmp_path, plan, {"splits": SPLITS})
    assert [(row["shard"], row["row"]) for row in rows(writer)] == [
        (shard, n) for shard, n_rows in enumerate(N_ROWS) for n in range(n_rows)
    ]
    assert [sum(t.documents for t in record.tally) for record in writer.records(range(4))] == N_ROWS


def test_what_is_done_is_not_done_again(pool: Pool, tmp_path: Path) -> None:
    """Two of four shards are lost; these alone come back, as they were."""
    plan = from_splits([Counting(), DropWord(word="word")])
    writer = made(pool, tmp_path, plan, {"splits": SPLITS})
    before = durable(tmp_path)
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in before}
    lost = [name for name in before if Path(name).name.startswith(("00001", "00002"))]
    for name in lost:
        (tmp_path / name).unlink()
    told: list[tuple[str, int, int, int]] = []
    engine = PhasedEngine(pool, tmp_path / "scratch")
    engine.run(plan, {"splits": SPLITS}, writer, lambda *line: told.append(line))
    assert durable(tmp_path) == before
    assert {n for n in times if (tmp_path / n).stat().st_mtime_ns != times[n]} == set(lost)
    assert told[0] == ("pages", 2, 4, 0)
    assert told[-1] == ("pages", 4, 4, 35)


def test_what_only_finished_shards_needed_is_not_made_again(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting()])
    shards = kept(made(pool, tmp_path / "a", plan, {"splits": SPLITS}))
    deduped = exact_dedup(stored("pages", schema_of(plan)))
    writer = made(pool, tmp_path / "b", deduped, {"pages": shards})
    told: list[str] = []
    engine = PhasedEngine(pool, tmp_path / "scratch")
    engine.run(deduped, {"pages": shards}, writer, lambda name, *_: told.append(name))
    assert told == ["pages"]
    assert not (tmp_path / "scratch").exists()


def deduped(schema: pa.Schema) -> Plan:
    return near_dedup(exact_dedup(stored("pages", schema)), MinHash(ngram=1, bands=1, rows=3))


def test_stored_shards_put_together_hold_the_same(pool: Pool, tmp_path: Path) -> None:
    """Documents keep their homes and their order, and verdicts find them, whatever shard they lie in."""
    plan = from_splits([Counting(), DropWord(word="7"), Measure()])
    splits = [split(n, (3 * n, 3 * n + 5)) for n in range(20)]
    pages = made(pool, tmp_path / "a", plan, {"splits": splits})
    size = max(file.size for shard in kept(pages) for file in shard.files)
    outcomes = []
    for shard_bytes, n_shards in ((0, 20), (4 * size, None), (10**9, 1)):
        inputs = kept(pages, shard_bytes)
        assert len(inputs) == (n_shards or len(inputs))
        again = made(pool, tmp_path / str(shard_bytes), deduped(schema_of(plan)), {"pages": inputs}, reject_samples=99)
        assert again.committed() == set(range(len(inputs)))
        outcomes.append([rows(again, role) for role in ("data", "rejects")])
    assert {row["drop_reason"] for row in outcomes[0][1]} == {"exact_duplicate", "near_duplicate"}
    assert outcomes[0] == outcomes[1] == outcomes[2]
    homes = [(row["shard"], row["row"]) for row in outcomes[2][0]]
    assert homes == sorted(homes)
    assert {shard for shard, _ in homes} > {0, 10, 19}


@pytest.mark.parametrize("stop", [0, 3, 11, 30, 38])
def test_stopped_anywhere_and_gone_on_with(tmp_path: Path, stop: int) -> None:
    """With stored shards put together; what was finished, in scratch too, is not done again."""
    plan = from_splits([Counting(), Measure()])
    inputs = {"pages": kept(made(Hands(), tmp_path / "a", plan, {"splits": SPLITS}), 9000)}
    assert 1 < len(inputs["pages"]) < len(SPLITS)
    whole, stopped = Hands(), Hands(stop=stop)
    made(whole, tmp_path / "whole", deduped(schema_of(plan)), inputs)
    assert whole.begun > stop
    with pytest.raises(KeyboardInterrupt):
        made(stopped, tmp_path / "b", deduped(schema_of(plan)), inputs)
    again = Hands()
    made(again, tmp_path / "b", deduped(schema_of(plan)), inputs)
    assert again.begun == whole.begun - stop
    assert durable(tmp_path / "b") == durable(tmp_path / "whole")


@pytest.mark.parametrize("stop", [0, 3, 25, 50, 58])
def test_an_earlier_corpus_however_often_it_stops(tmp_path: Path, stop: int) -> None:
    """Both corpora have shards of the same numbers; each has tasks of its own, and no finished one is done again."""
    plan = from_splits([Counting()])
    pages = kept(made(Hands(), tmp_path / "pages", plan, {"splits": SPLITS}))
    then = kept(made(Hands(), tmp_path / "then", plan, {"splits": [split(0, (30, 50)), split(1, (58, 70))]}))
    inputs = {"pages": pages, "then": then}
    against = unseen(deduped(schema_of(plan)), {"then": stored("then", DOCUMENT)}, ExactKey(), "seen_text")
    whole, stopped = Hands(), Hands(stop=stop)
    found = rows(made(whole, tmp_path / "whole", against, inputs))
    assert {row["drop_reason"] for row in found if row.get("drop_reason")} == {
        *("exact_duplicate", "near_duplicate", "seen_text")
    }
    assert whole.begun > stop
    with pytest.raises(KeyboardInterrupt):
        made(stopped, tmp_path / "b", against, inputs)
    again = Hands(times=2)
    made(again, tmp_path / "b", against, inputs)
    assert again.begun == whole.begun - stop
    assert durable(tmp_path / "b") == durable(tmp_path / "whole")


def test_a_union_of_unions_has_the_rows_of_all(pool: Pool, tmp_path: Path) -> None:
    """Rows of one input, twice, in other places of the expression: what they are counted by."""
    plan = from_splits([Counting()])
    pages, schema = kept(made(pool, tmp_path / "a", plan, {"splits": SPLITS})), schema_of(plan)
    keys = Map(stored("pages", schema), ExactKey())
    nested = Union((keys, Union((keys, Map(mapped(stored("pages", schema), [DropWord(word="word")]), ExactKey())))))
    counts = Reduce(nested, "key", (("n_alike", "count", "id"),), spread=True)
    found = rows(made(pool, tmp_path / "b", Attach(stored("pages", schema), counts), {"pages": pages}))
    alone = Counter(row["text"] for row in found)
    assert all(row["n_alike"] == (2 if "word" in row["text"] else 3) * alone[row["text"]] for row in found)


def test_rows_that_another_build_left_are_taken_away(tmp_path: Path) -> None:
    plan = from_splits([Counting()])
    inputs = {"pages": kept(made(Hands(), tmp_path / "a", plan, {"splits": SPLITS}))}
    engine = PhasedEngine(Hands(stop=6), tmp_path / "scratch")
    with pytest.raises(KeyboardInterrupt):
        engine.run(deduped(schema_of(plan)), inputs, writer_in(tmp_path / "b"), lambda *_: None)
    (left,) = (tmp_path / "scratch").glob("*/*")
    engine = PhasedEngine(Hands(stop=2), tmp_path / "scratch")
    with pytest.raises(KeyboardInterrupt):
        engine.run(deduped(schema_of(plan)), inputs, writer_in(tmp_path / "b", "0" * 64), lambda *_: None)
    (other,) = (tmp_path / "scratch").glob("*/*")
    assert (left.parent, left.name) == (other.parent, "f" * 16) != (other.parent, other.name)
    assert [path for path in other.rglob("*.arrow") if "f" * 16 in str(path)] == []


@pytest.fixture
def few_files() -> Iterator[None]:
    """No more than eight further files may be open at once."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 9, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_rows_of_300_tasks_with_a_handful_of_files(tmp_path: Path, few_files: None) -> None:
    schema = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("key", pa.int64())])
    keyed, homes = RowsSink(str(tmp_path / "keyed"), "key", 4), RowsSink(str(tmp_path / "homes"))
    for task in range(300):
        own = [{"shard": 299 - task, "row": n, "key": n} for n in range(9)]
        batch = pa.RecordBatch.from_pylist([*own, {"shard": 7, "row": 1000 + task, "key": 8}], schema=schema)
        keyed.write(task, [batch], schema)
        homes.write(task, [batch], schema)
    everyone = tuple(range(300))
    assert keyed.finished() == homes.finished() == set(everyone)
    buckets = [ScratchRows(keyed, everyone).bucket(n, schema) for n in range(4)]
    assert sum(bucket.num_rows for bucket in buckets) == 3000
    assert sum(len(set(bucket.column("key").to_pylist())) for bucket in buckets) == 9
    found = ScratchRows(homes, everyone).of_homes(7, 8)
    assert Counter(found.column("shard").to_pylist()) == {7: 309, 8: 9}
    assert ScratchRows(homes, everyone).of_homes(300, 400).num_rows == 0


def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    """The process that is at work dies of SIGKILL in the middle of a shard."""
    outcomes = []
    for killed in (True, False):
        root = tmp_path / str(killed)
        root.mkdir()
        flag = tmp_path / f"flag-{killed}"
        if not killed:
            flag.touch()
        with Pool(2) as pool:
            plan = from_splits(
                [Counting(), Prefix(number=12, word="crash-once"), Mishap(guarded=False, flag=str(flag))]
            )
            made(pool, root, plan, {"splits": SPLITS})
        assert flag.exists()
        outcomes.append(durable(root))
    assert outcomes[0] == outcomes[1]


def test_a_shard_that_always_kills_is_named(tmp_path: Path) -> None:
    plan = from_splits([Counting(), Prefix(number=20, word="crash"), Mishap(guarded=False)])
    with Pool(2) as pool, pytest.raises(DataError, match="pages, shard 2: 3 workers died over it"):
        made(pool, tmp_path, plan, {"splits": SPLITS})
    assert [name for name in durable(tmp_path) if "/00002" in name] == []


@pytest.mark.parametrize(
    ("way", "kind", "message"),
    [("loses", DataError, "leaves none out"), ("reason", SchemaError, "never_declared")],
)
def test_a_wrong_stage_is_told_as_such(
    pool: Pool, tmp_path: Path, way: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        made(pool, tmp_path, from_splits([Counting(), Wrong(way=way)]), {"splits": SPLITS})


def test_too_many_faults_stop_the_run(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting(), Prefix(number=50, word="raise"), Mishap()])
    with pytest.raises(
        DataError, match=r"shard 3: 1 of 15 records are faults.*the first: f:5:0, mishap: stage_error .ValueError"
    ):
        made(pool, tmp_path, plan, {"splits": SPLITS}, max_fault_share=0.01)
    assert not (tmp_path / "corpus/pages/dev/commits" / ("f" * 16) / "00003.json").exists()


def test_verdicts_go_to_documents_in_their_homes() -> None:
    """Attach joins shard by shard; rows that have left their shards are refused before any work."""
    pages = stored("pages", schema_of(from_splits([Counting()])))
    strayed = Reduce(Map(pages, ExactKey()), "key", (("n", "count", "id"),), spread=True)
    with pytest.raises(SchemaError, match="Attach"):
        schema_of(Attach(strayed, stored("verdicts", schema_of(strayed))))


def test_a_stored_shard_of_another_length_is_found(pool: Pool, tmp_path: Path) -> None:
    plan = from_splits([Counting()])
    shards = kept(made(pool, tmp_path / "a", plan, {"splits": SPLITS}))
    (file,) = shards[3].files
    shards[3] = replace(shards[3], files=(*shards[0].files, replace(file, path=shards[0].files[0].path)))
    with pytest.raises(DataError, match="has 10 rows, but its manifest says 15"):
        made(pool, tmp_path / "b", stored("pages", schema_of(plan)), {"pages": shards})


REASONS = dict.fromkeys(["crash", "spin", "sleep", "eat"], "extractor_crash") | {"raise": "stage_error"}


@pytest.mark.parametrize("watch", [True, False])
def test_pages_that_crash_or_hang_are_dropped_and_counted(tmp_path: Path, watch: bool) -> None:
    words = [
        "one page",
        "crash page",
        "two page",
        "spin page",
        "sleep page",
        "three page",
        "eat page",
        "raise page",
        "end",
    ]
    reasons = [REASONS.get(word.split()[0]) for word in words]
    path = archive(tmp_path / "web.warc.gz", words)
    one = Split(0, (Part("web", str(path), path.name, path.stat().st_size, 0, path.stat().st_size),))
    plan = from_splits([WarcReader(), Extract(), Mishap(watch=watch, bounds=(0.3, 0.05, 0.4, 2**26))])
    with Pool(1) as pool:
        writer = made(pool, tmp_path, plan, {"splits": [one]}, max_fault_share=1.0)
    found = rows(writer)
    assert [row.get("drop_reason") for row in found] == reasons
    for word, row in zip(words, found, strict=True):
        assert row["text"] == (word if row.get("drop_reason") == "stage_error" else row["text"])
        if row.get("drop_reason") is None:
            assert row["text"] == word.upper()
    (record,) = writer.records([0])
    assert {(t.drop_reason, t.documents) for t in record.tally} == {
        (None, 4),
        ("extractor_crash", 4),
        ("stage_error", 1),
    }
