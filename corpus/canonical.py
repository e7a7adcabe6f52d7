"""One way to write a value down: the same bytes for the same meaning, in every process."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys, two-space indents and a final newline; ValueError for NaN and infinities."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def fingerprint(value: Any) -> str:
    """64 hex digits that say whether two things were made alike."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
