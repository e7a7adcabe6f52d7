"""The command line. Every command only reads its arguments and calls what does the work."""

import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from corpus.errors import ConfigError, MillstreamError
from pipelines.wording import printable

STOPPED = 130
"""What typer returns after Ctrl-C."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="From web archives to a clean corpus, a vocabulary, token shards, a trained model and a report.",
    epilog="Start with: `millstream run demo` · An error is one line; `--debug` anywhere shows where it came from. "
    "Exit codes: 1 the machine (a full disk), 2 what was asked for, 3 the data, 4 a measure outside its bound, "
    "5 another run is building it",
)

RecipeName = Annotated[str, typer.Argument(help="A shipped recipe's name, or a .yaml file's path.", metavar="RECIPE")]
Root = Annotated[str | None, typer.Option(help="Folder of all that a run makes. Default: runs/RECIPE.", metavar="DIR")]
RunRoot = Annotated[str | None, typer.Option(help="The run's folder. Default: the latest in runs/.", metavar="DIR")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="dotted.path=value over the recipe; the value is YAML.", metavar="PATH=VALUE"),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Only the first N records of the input; steps and budgets stay as they are.", metavar="N"),
]
Only = Annotated[str | None, typer.Option(help="Only this artifact and what it is made from.", metavar="NAME")]
RunVersion = Annotated[str | None, typer.Option("--version", help="Default: the one asked for last.", metavar="NAME")]
Version = Annotated[str, typer.Option(help="dev is rebuilt when the recipe changes; any other is released for good.")]
Building = Annotated[
    Literal["take-over", "wait", "refuse"],
    typer.Option(
        "--if-building",
        help="Where another run, alive, builds an artifact of these: take it over, and the other stops; wait until it "
        "is done; or refuse, with exit code 5.",
    ),
]


@app.command(
    epilog="Examples: `millstream run demo` · `millstream run c4_en --set 'sources.web.paths=[\"/data/*.warc.gz\"]' "
    "--workers 8` · `millstream run demo --limit 50 --only corpus/deduped --root runs/try` · `millstream run demo "
    "--engine spark --engine-set master=spark://host:7077`"
)
def run(
    recipe: RecipeName,
    root: Root = None,
    engine: Annotated[
        str, typer.Option(help="local: processes on this machine; spark; datatrove. All give the same bytes.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: the machine's cores.")] = None,
    engine_sets: Annotated[
        list[str] | None,
        typer.Option("--engine-set", help="A setting of the engine; it changes no result.", metavar="NAME=VALUE"),
    ] = None,
    limit: Limit = None,
    sets: Sets = None,
    only: Only = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="With --only: just that artifact, from inputs that are there; no report.")
    ] = False,
    version: Version = "dev",
    if_building: Building = "take-over",
) -> None:
    """Build what a recipe asks for; what is done already stays. Kill it at any time: the next run goes on."""
    from pipelines import commands

    commands.run(
        recipe, root, engine, workers, engine_sets or [], limit, sets or [], only, version, if_building, alone=alone
    )


@app.command(
    epilog="Examples: `millstream train demo` · `millstream train gpt2_small --devices 8 --root /data/gpt2` · on Slurm "
    "`srun millstream train gpt2_small --root /shared/gpt2` · several hosts by torchrun: docs/nodes.md"
)
def train(
    recipe: RecipeName,
    root: Root = None,
    devices: Annotated[int, typer.Option(min=1, help="On this host; more than one are started by torchrun.")] = 1,
    limit: Limit = None,
    sets: Sets = None,
    version: Version = "dev",
    if_building: Building = "take-over",
) -> None:
    """Train a recipe's model, on one device or many; kill it at any time: the next run goes on. Several ranks need the
    token shards to be there: `millstream run RECIPE --only tokens/main` makes them."""
    from pipelines import train_command

    train_command.train(recipe, root, devices, limit, sets or [], version, if_building)


@app.command(epilog="Example: `millstream plan demo --set corpus.language.min_score=0.5`")
def plan(
    recipe: RecipeName,
    root: Root = None,
    limit: Limit = None,
    sets: Sets = None,
    only: Only = None,
    version: Version = "dev",
) -> None:
    """Show the artifact graph, the columns, what is done and what would run. Nothing is run."""
    from pipelines import commands

    commands.plan(recipe, root, limit, sets or [], only, version)


@app.command(
    epilog="Examples: `millstream budget gpt2_small` · `millstream budget llama_1b --card a100-sxm-80 --cards 16 "
    "--price 1.2` · `millstream budget llama_1b --flops 1e21`"
)
def budget(
    recipe: RecipeName,
    sets: Sets = None,
    card: Annotated[
        str, typer.Option(help="An accelerator by name; a wrong one lists them.", metavar="NAME")
    ] = "h100-sxm",
    cards: Annotated[int, typer.Option(min=1, help="How many of them.")] = 8,
    mfu: Annotated[
        float | None, typer.Option(help="The share of their peak that is reached. Default: 0.4.", metavar="SHARE")
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="Dollars an hour for a card. Default: a usual price.", metavar="DOLLARS")
    ] = None,
    flops: Annotated[
        float | None, typer.Option(help="The best size for so many FLOPs, not for the recipe's.", metavar="NUMBER")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="All numbers, for programs.")] = False,
) -> None:
    """Tell what a recipe's training will cost, and whether it fits in memory. Nothing is run."""
    from pipelines import budget_command

    budget_command.budget(recipe, sets or [], card, cards, mfu, price, flops, json)


@app.command(
    epilog="Examples: `millstream ablate c4_vs_unfiltered_small --set 'sources.web.paths=[\"/data/*.warc.gz\"]' --set "
    "evaluation.data=/data/eval` · `millstream ablate ./mine.yaml --workers 8`"
)
def ablate(
    recipe: RecipeName,
    root: Root = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trainings side by side. Default: the machine's cores.")
    ] = None,
    limit: Limit = None,
    sets: Sets = None,
    version: Version = "dev",
    if_building: Building = "take-over",
) -> None:
    """Train small models on several corpora of the same archives and tell which corpus is better, and how sure that is.
    Kill it at any time: the next run goes on. docs/ablation.md says what a recipe may ask."""
    from pipelines.ablation import command

    command.ablate(recipe, root, workers, limit, sets or [], version, if_building)


@app.command(epilog="Example: `millstream init c4_en > my_corpus.yaml`")
def init(name: Annotated[str, typer.Argument(help="A shipped recipe's name.", metavar="NAME")]) -> None:
    """Print a shipped recipe, to start one's own from."""
    from pipelines.recipe import text_of

    typer.echo(text_of(name), nl=False)


@app.command(epilog="Example: `millstream show corpus/pages`")
def show(
    name: Annotated[str, typer.Argument(help="An artifact: corpus/pages, vocab/main, ...", metavar="NAME")],
    root: RunRoot = None,
    json: Annotated[bool, typer.Option("--json", help="The manifest as it is stored.")] = False,
    version: RunVersion = None,
) -> None:
    """Show an artifact's manifest as a person reads it."""
    from pipelines import commands

    commands.show(name, root, version, json)


@app.command(epilog="Examples: `millstream verify` · `millstream verify corpus/deduped --root runs/demo`")
def verify(
    name: Annotated[str | None, typer.Argument(help="One artifact. Default: all of the run.", metavar="[NAME]")] = None,
    root: RunRoot = None,
    version: RunVersion = None,
) -> None:
    """Hash every shard again and check the laws. Exit code 3 on any difference."""
    from pipelines import commands

    commands.verify(name, root, version)


@app.command(epilog="Example: `millstream explain https://www.debian.org/doc/`")
def explain(
    document: Annotated[str, typer.Argument(help="A page's URL, or a document's id.", metavar="URL|ID")],
    root: RunRoot = None,
    version: RunVersion = None,
) -> None:
    """Tell the life of one document: where it was read, what each stage said, where its tokens are."""
    from pipelines import commands

    commands.explain(document, root, version)


@app.command(epilog="Example: `millstream report --root runs/demo`")
def report(root: RunRoot = None, version: RunVersion = None) -> None:
    """Write report.html again, from the manifests."""
    from pipelines import commands

    commands.report(root, version)


Model = Annotated[
    Path | None, typer.Option("--model", help="A folder that `export` wrote, in place of a run.", metavar="DIR")
]


@app.command(
    epilog='Examples: `millstream generate "The house"` · `millstream generate --beams 4 "summarize: ..." --root '
    'runs/tiny_t5` · `millstream generate --shots capitals.yaml "France" --temperature 0`'
)
def generate(
    prompt: Annotated[str, typer.Argument(help="What the text begins with; an encoder-decoder reads it.")] = "",
    shots: Annotated[
        Path | None,
        typer.Option(
            help='Solved examples to put before the prompt: .jsonl with a {"prompt": ..., "completion": ...} a line, '
            "or YAML with such `examples` and, if you like, a `template`.",
            metavar="FILE",
        ),
    ] = None,
    model: Model = None,
    root: RunRoot = None,
    version: RunVersion = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most so many tokens.")] = 64,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token each time.")] = 0.8,
    top_k: Annotated[int, typer.Option(min=0, help="Only the k likeliest tokens; 0 is all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest tokens that together reach p.")] = 0.95,
    beams: Annotated[int, typer.Option(min=1, help="Above 1: search for the likeliest text, drawing nothing.")] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Let a trained decoder or encoder-decoder write."""
    from pipelines import model_commands

    model_commands.generate(
        prompt, shots, model, root, version, max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
        beams=beams, seed=seed,
    )  # fmt: skip


@app.command(epilog='Example: `millstream fill "The [MASK] is open." --root runs/tiny_bert`')
def fill(
    text: Annotated[str, typer.Argument(help="Text with masks, written as the vocabulary names them.")],
    top: Annotated[int, typer.Option(min=1, help="Guesses for each mask.")] = 5,
    model: Model = None,
    root: RunRoot = None,
    version: RunVersion = None,
) -> None:
    """Let a trained encoder guess what is behind the masks."""
    from pipelines import model_commands

    model_commands.fill(text, model, root, version, top)


@app.command(epilog="Example: `millstream export my_model --root runs/tiny_gpt`, then `from_pretrained('my_model')`")
def export(
    out: Annotated[Path, typer.Argument(help="A new folder for config, weights and tokenizer.", metavar="DIR")],
    root: RunRoot = None,
    version: RunVersion = None,
) -> None:
    """Write the trained model as Hugging Face's transformers reads it, the vocabulary with it."""
    from pipelines import model_commands

    model_commands.export(out, root, version)


@app.command(
    epilog="Example: `millstream promote --root runs/monthly --version 2026-47 --verdict runs/c4_vs_unfiltered_small`"
)
def promote(
    root: Annotated[str, typer.Option(help="Folder of the run that made the corpus.", metavar="DIR")],
    version: Annotated[str, typer.Option(help="The corpus version to promote.", metavar="NAME")],
    verdict: Annotated[str, typer.Option(help="Folder of the ablation whose gate is to hold.", metavar="DIR")],
    verdict_version: Annotated[str, typer.Option(help="The version of its verdict.", metavar="NAME")] = "dev",
) -> None:
    """Make a corpus version the one in use, if an ablation's gate holds: ROOT/promoted.json names it. Exit code 4, and
    nothing changed, where the gate does not hold."""
    from pipelines import promote_command

    promote_command.promote(root, version, verdict, verdict_version)


def main() -> None:
    """The `millstream` command: errors are one line; `--debug` shows where they came from."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        code = app(arguments or ["--help"], prog_name="millstream", standalone_mode=False)
    except Exception as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        line, code = _told(error)
        print(printable(" ".join(line.split())), file=sys.stderr)
    if code == STOPPED:
        print("millstream: stopped; what was finished is kept, run again to go on", file=sys.stderr)
    sys.exit(code)


def _told(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, MillstreamError):
        return f"millstream: {error}", error.exit_code
    if said := getattr(error, "format_message", None):  # a misused command line; typer exports no class for these
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "millstream"
        return f"{command}: {said()} See: {command} --help", ConfigError.exit_code
    return f"millstream: {type(error).__name__}: {error}. Nobody foresaw this; --debug shows where it came from", 1
