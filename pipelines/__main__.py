"""`python -m pipelines` is `millstream`; `spark-submit .../pipelines/__main__.py run ...` too."""

import sys
from pathlib import Path

if not __package__:  # run as a script: its folder would hide the standard library's modules of the same name
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pipelines.cli import main

if __name__ == "__main__":
    main()
