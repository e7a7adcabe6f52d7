"""The arms' documents: nothing that is held out, nothing twice, shares of the rejects put back, each arm a run."""

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from small_ablation import ARMS, N_BAD, N_GOOD, Small, bad, good, recipe, written
from small_run import millstream

from pipelines.ablation import corpora
from pipelines.session import working

DOSES = {f"rejects_{p}": {"like": "clean", "put_back": {"among": "unfiltered", "share": p / 100}} for p in (10, 25, 75)}


def ids(small: Small, arm: str, *, changes: tuple[str, ...] = ()) -> list[str]:
    """The training documents of an arm, as its tokens will be made from them."""
    parts = corpora.parts(small.ablation(*changes), small.place, arm)
    return [id_ for part in parts for batch in part() for id_ in batch["id"].to_pylist()]


def stored(small: Small, arm: str, name: str) -> list[dict[str, Any]]:
    """The documents of a corpus of an arm."""
    root = small.root / "corpora" / arm / name / "dev"
    files = [shard["files"]["data"]["file"] for shard in small.manifest(f"corpora/{arm}/{name}")["shards"]]
    return [row for file in files for row in pq.read_table(root / file).to_pylist()]


@pytest.fixture
def dosed(ablated: Small, world: Path, tmp_path: Path) -> Small:
    """The finished corpora with more arms over them, which need no corpora of their own."""
    return Small(written(tmp_path, recipe(world, arms=ARMS | DOSES)), ablated.root)


def test_corpora_are_what_the_archive_was_made_of(ablated: Small) -> None:
    texts = {arm: {row["text"] for row in stored(ablated, arm, "corpus/deduped")} for arm in ("clean", "unfiltered")}
    kept = {good(n) for n in range(N_GOOD)}
    assert texts["clean"] == kept
    assert texts["unfiltered"] == kept | {bad(n) for n in range(N_BAD)}


def test_tokens_are_of_all_documents_that_are_not_held_out(ablated: Small) -> None:
    for arm in ("clean", "unfiltered"):
        out = {row["id"] for row in stored(ablated, arm, "corpus/heldout")}
        every = {row["id"] for row in stored(ablated, arm, "corpus/deduped")}
        found = ablated.documents(arm)
        assert out < every
        assert out
        assert len(found) == len(set(found))
        assert set(found) == every - out
    assert set(ablated.documents("clean")) < set(ablated.documents("unfiltered"))


def test_the_same_pages_are_held_out_in_all_arms(ablated: Small) -> None:
    clean, unfiltered = (
        {row["id"] for row in stored(ablated, arm, "corpus/heldout")} for arm in ("clean", "unfiltered")
    )
    assert clean < unfiltered
    assert not clean & set(ablated.documents("unfiltered"))
    assert not unfiltered & set(ablated.documents("rejects_50"))


def test_shares_of_the_rejects_are_put_back_and_nest(dosed: Small) -> None:
    clean, unfiltered = set(ids(dosed, "clean")), set(ids(dosed, "unfiltered"))
    back = {}
    for arm in ("rejects_10", "rejects_25", "rejects_50", "rejects_75"):
        found = ids(dosed, arm)
        assert len(found) == len(set(found)), "no document stands twice"
        assert clean < set(found) <= unfiltered or arm == "rejects_10"
        back[arm] = set(found) - clean
    assert back["rejects_10"] <= back["rejects_25"] < back["rejects_50"] < back["rejects_75"] < unfiltered - clean
    rejects = len(unfiltered - clean)
    # by a hash of each id: a draw of `rejects` with sd of at most sqrt(rejects) / 2
    assert abs(len(back["rejects_50"]) - rejects / 2) <= 2 * rejects**0.5
    assert ids(dosed, "rejects_50") == dosed.documents("rejects_50")


def test_all_of_the_rejects_are_the_unfiltered_arm_and_none_the_clean_one(ablated: Small) -> None:
    whole, nothing = (
        ids(ablated, "rejects_50", changes=(f"arms.rejects_50.put_back.share={share}",)) for share in (1, 0)
    )
    assert sorted(whole) == sorted(ids(ablated, "unfiltered"))
    assert nothing == ids(ablated, "clean")


def test_an_arm_is_a_run_of_its_own(ablated: Small) -> None:
    root = ablated.root / "corpora" / "clean"
    shown = millstream("show", "corpus/pages", "--root", root)
    assert (shown.code, shown.err) == (0, "")
    assert f"languages en {N_GOOD}" in " ".join(shown.out.split())
    checked = millstream("verify", "--root", root)
    assert (checked.code, checked.err) == (0, "")
    (page, *_) = stored(ablated, "clean", "corpus/deduped")
    told = millstream("explain", page["id"], "--root", root)
    assert (told.code, told.err) == (0, "")
    assert page["url"] in told.out


def test_archives_are_read_once_for_each_way_to_read_them(world: Path, tmp_path: Path) -> None:
    tier = {"set": {"extract.tier": "resiliparse"}}
    more = {"main_text": tier, "all_main_text": {"set": {"extract.tier": "resiliparse", "rules": []}}}
    small = Small(written(tmp_path, recipe(world, arms=ARMS | more)), tmp_path / "root")
    with working(small.place, "local", 1, [], Console(file=io.StringIO())) as runner:
        corpora.build(small.ablation(), runner, None)
    read = {
        arm: (small.root / "corpora" / arm / "corpus/extracted").resolve()
        for arm in ("clean", "unfiltered", "main_text", "all_main_text")
    }
    assert read["clean"] == read["unfiltered"]
    assert read["main_text"] == read["all_main_text"]
    assert {path.name for path in (small.root / "extracted").iterdir()} == {path.name for path in read.values()}
    assert len(set(read.values())) == 2
    tiers = [small.manifest(f"corpora/{arm}/corpus/extracted")["recipe"] for arm in ("clean", "main_text")]
    assert tiers[0] != tiers[1]


def test_a_folder_in_the_place_of_the_link_is_no_reason_to_lose_it(ablated: Small, tmp_path: Path) -> None:
    small = ablated.copied(tmp_path)
    place = small.root / "corpora/clean/corpus/extracted"
    place.unlink()
    (place / "dev").mkdir(parents=True)
    said = small.ran()
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "is a folder, where a link to" in said.err
    assert (place / "dev").is_dir()
