"""trafilatura as a server: pages come in on stdin, their texts go out on stdout, with the CPU seconds that each took.

    .venv-datatrove/bin/python benchmarks/extraction_peer.py

A line of JSON asks, a line answers: `["fresh"]` forgets earlier pages and gives the version; `[setting, html]` gives
`[text, seconds]`. A page that raises has no text, as in datatrove.
"""

import json
import sys
import time
from typing import Any

SETTINGS: dict[str, dict[str, Any]] = {
    # datatrove 0.10, pipeline/extractors/trafilatura.py, with its defaults
    "trafilatura as in datatrove": {"favor_precision": True, "include_comments": False, "deduplicate": True},
    "trafilatura": {},
    "trafilatura, fast": {"fast": True},
    # as trafilatura's own comparison calls it: no gold has the comments under an article
    "trafilatura, no comments": {"include_comments": False},
}


def answer(asked: list[str]) -> Any:
    import trafilatura
    from trafilatura.meta import reset_caches

    if asked == ["fresh"]:
        reset_caches()  # `deduplicate` remembers what earlier pages held
        return trafilatura.__version__
    setting, html = asked
    start = time.process_time()
    try:
        text = trafilatura.extract(html, **SETTINGS[setting])
    except Exception:  # whatever the peer raises
        text = None
    return text or "", time.process_time() - start


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
