"""`millstream budget`: what it prints, its JSON, its errors, and that it stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import millstream

from pipelines.recipe import load, shipped
from training.budget import MFU

ROOT = Path(__file__).parents[2]
TRAINING = [name for name in shipped() if load(name).training]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("name", TRAINING)
def test_every_recipe_that_trains_has_a_budget(name: str) -> None:
    said = millstream("budget", name)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{name}  ")
    assert "…" not in said.out, "cut on a narrow terminal"


def test_a_person_reads_the_plan() -> None:
    out = " ".join(millstream("budget", "llama_1b", "--cards", 16, "--price", 2).out.split())
    for words in (
        "llama_1b llama, 1,100,048,384 parameters",
        "tokens 25,165,824,000 in 24,000 steps",
        "FLOPs 1.84e+20, 7.31e+09 a token",
        "cards 16 x h100-sxm, 989 TFLOP/s (bfloat16), 40% of it",
        "time 8.1 hours, 865,780 tokens a second",
        "cost $258.38 at $2.00 an hour for a card",
        "memory of a card in GiB with 16 rows at once",
        "ddp ddp fsdp 16 fsdp 16 hsdp 8 hsdp 8",
        "this recipe 1.10 B 25.17 B 22.9 near the optimum",
    ):
        assert words in out


def test_the_page_shows_what_is_printed() -> None:
    page = (ROOT / "docs" / "budget.md").read_text()
    shown = [
        line.strip() for line in page[page.index("    llama_1b  llama") : page.index("## What is exact")].splitlines()
    ]
    printed = [line.strip() for line in millstream("budget", "llama_1b").out.splitlines()]
    assert [line for line in shown if line] == [line for line in printed if line]


def test_programs_read_the_same_numbers() -> None:
    said = json.loads(millstream("budget", "llama_1b", "--json").out)
    assert (said["recipe"], said["n_params"], said["tokens"]) == ("llama_1b", 1_100_048_384, 25_165_824_000)
    peak = said["cards"]["count"] * said["cards"]["card"]["flops"] * said["cards"]["mfu"]
    assert said["hours"] * 3600 * peak == pytest.approx(said["flops"])
    assert [(fit["layout"], fit["recompute"]) for fit in said["layouts"]] == [
        ("ddp", False), ("ddp", True), ("fsdp", False), ("fsdp", True),
    ]  # fmt: skip
    assert all(sum(fit["memory"].values()) == fit["total"] for fit in said["layouts"])
    assert {optimal["law"] for optimal in said["optima"]} >= {"Besiroglu et al. 2024"}


def test_other_flops_have_another_optimum() -> None:
    """Chinchilla for Gopher's FLOPs, whatever the recipe."""
    said = json.loads(millstream("budget", "tiny_gpt", "--flops", 5.76e23, "--json").out)
    by_law = {optimal["law"]: optimal["n_params"] for optimal in said["optima"]}
    assert by_law["20 tokens a parameter"] == pytest.approx(70e9, rel=0.02)
    assert "this recipe" not in millstream("budget", "tiny_gpt", "--flops", 5.76e23).out


def test_a_card_without_bfloat16_is_told() -> None:
    assert "no bfloat16 there" in millstream("budget", "tiny_gpt", "--card", "t4").out
    assert "no bfloat16 there" not in millstream("budget", "tiny_gpt", "--card", "l4").out


def test_a_card_may_be_named_as_torch_names_it() -> None:
    assert millstream("budget", "tiny_gpt", "--card", "NVIDIA L4") == millstream("budget", "tiny_gpt", "--card", "l4")


def test_the_usual_share_is_the_one_that_help_names() -> None:
    assert f"Default: {MFU:g}." in " ".join(millstream("budget", "--help").out.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("tiny_gpt", "--card", "h100"),
            ("did you mean h100-sxm or h100-nvl or", "known: ", "a100-sxm-80"),
        ),
        (("tiny_gpt", "--card", "rtx4090"), ("did you mean rtx-4090",)),
        (("tiny_gpt", "--mfu", 0), ("--mfu 0", "above 0")),
        (("tiny_gpt", "--mfu", 40), ("--mfu 40", "at most 1")),
        (("tiny_gpt", "--price", -1), ("--price -1", "dollars an hour")),
        (("tiny_gpt", "--flops", 0), ("--flops 0", "above 0")),
        (("tiny_gpt", "--cards", 3), ("batch_rows 16 does not split over 3 cards",)),
        (("c4_en",), ("recipe c4_en has no training section",)),
        (("tiny_gpt", "--set", "training.steps=0"), ("training.steps",)),
    ],
)
def test_mistakes_are_one_line(words: tuple[object, ...], said: tuple[str, ...]) -> None:
    result = millstream("budget", *words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert [word for word in said if word not in result.err] == []


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from pipelines.budget_command import budget\n"
        "budget('llama_1b', [], 'h100-sxm', 8, None, None, None, False)\n"
        "sys.exit(bool({'torch', 'lightning', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
