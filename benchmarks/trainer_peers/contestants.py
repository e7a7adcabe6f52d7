"""Who can be asked to train."""

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALL = ("gpt2", "bert", "t5")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A file of this folder, the words it is given, the families that it has, and the environment that it needs, if
    there is one of that name beside the checkout's files."""

    title: str
    file: str
    words: tuple[str, ...] = ()
    families: tuple[str, ...] = ALL
    environment: str | None = None

    def python(self) -> Path:
        """Of its environment, else the one that runs this."""
        own = ROOT / (self.environment or "") / "bin" / "python"
        return own if self.environment and own.exists() else Path(sys.executable)


CONTESTANTS = {
    "bare": Contestant(title="bare loop", file="bare.py"),
    "bare-ours": Contestant(title="bare loop around our model", file="bare_ours.py"),
    "ours": Contestant(title="millstream", file="ours.py"),
    "ours-muon": Contestant(title="millstream, Muon", file="ours.py", words=("muon",)),
    "hugging-face": Contestant(title="Hugging Face Trainer", file="hf_trainer.py"),
    "litgpt": Contestant(title="litgpt", file="litgpt_fabric.py", families=("gpt2",), environment=".venv-litgpt"),
}
