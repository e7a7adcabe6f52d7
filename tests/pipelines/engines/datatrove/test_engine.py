"""The same bytes as from the local engine, through datatrove."""

from pathlib import Path

from tiny_stages import Append, Counting, DropWord, split

from corpus.flows import exact_dedup, from_splits
from corpus.lease import Lease
from corpus.shards import ShardWriter
from corpus.storage import Folder
from pipelines.engines import local
from pipelines.engines.datatrove import engine as datatrove
from pipelines.engines.engine import Circumstances

SPLITS = [split(0, (0, 10)), split(1, (10, 10)), split(2, (5, 12), (12, 40))]
PLAN = exact_dedup(from_splits([Counting(), DropWord(word="7"), Append(word="end")]), 2)


def files(root: Path) -> dict[str, bytes]:
    folder = root / "corpus"
    paths = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "run")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_plan_with_a_shuffle_gives_the_local_engine_s_bytes(tmp_path: Path) -> None:
    made = []
    for module, settings in ((local, []), (datatrove, [f"folder={tmp_path}/shared"])):
        root = tmp_path / module.__name__
        here = Circumstances(2, settings, root / "scratch", lambda _: None)
        folder = Folder(str(root / "corpus" / "pages" / "dev"))
        writer = ShardWriter(folder, "f" * 64, Lease.take(folder / "run"))
        with module.opened(here) as engine:
            assert list(engine.run(PLAN, {"splits": SPLITS}, writer, lambda *_: None)) == [0, 1, 2]
            assert engine.usage.cpu_seconds > 0
        made.append(files(root))
    assert made[0] == made[1]
    assert len(made[0]) == 9
