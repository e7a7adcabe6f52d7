"""Draws the pictures of docs/attention.md from the masks themselves: python docs/draw_attention.py

Legend: T queries, K keys.
"""

from pathlib import Path

import torch

from training.models.mask import Mask

CELL, MARGIN = 20, 46
COLOURS = {0: "#9a9a9a", 1: "#0072b2", 2: "#e69f00"}  # padding and two documents; Okabe and Ito's, safe for all eyes
ROW = [1, 1, 1, 2, 2, 2, 2, 0]
PREFIX = [1, 1, 0, 1, 1, 0, 0, 0]
INPUTS, TARGETS = [1, 1, 1, 1, 2, 2, 2, 0], [1, 1, 2, 2, 2, 0]


def pictures() -> dict[str, str]:
    """File names and what they hold."""
    row_1T, prefix_1T = torch.tensor([ROW]), torch.tensor([PREFIX])
    targets_1T, inputs_1K = torch.tensor([TARGETS]), torch.tensor([INPUTS])
    across = Mask(queries_BT=targets_1T, keys_BK=inputs_1K)
    return {
        "attention_all.svg": picture(Mask.within(row_1T, "all"), ROW, ROW),
        "attention_causal.svg": picture(Mask.within(row_1T, "past"), ROW, ROW),
        "attention_prefix.svg": picture(Mask.within(row_1T, "past", prefix_1T), ROW, ROW, prefix_K=PREFIX),
        "attention_cross.svg": picture(across, TARGETS, INPUTS, rows="target", columns="input"),
    }


def picture(
    mask: Mask,
    queries_T: list[int],
    keys_K: list[int],
    *,
    prefix_K: list[int] | None = None,
    rows: str = "query",
    columns: str = "key",
) -> str:
    """An SVG: a filled cell where the query of its row sees the key of its column. Positions bear the number of their
    document, in a ring where they are prefix."""
    n_rows, n_columns = len(queries_T), len(keys_K)
    (seen_TK,) = mask.dense(1, n_rows, n_columns, torch.device("cpu"))[0].tolist()
    right, bottom = MARGIN + n_columns * CELL, MARGIN + n_rows * CELL
    lines = [_text(MARGIN / 2, 34, rows), _text(MARGIN + n_columns * CELL / 2, 14, columns)]
    for j, document in enumerate(keys_K):
        x = MARGIN + j * CELL + CELL / 2
        lines.append(_text(x, 37, str(document)))
        if prefix_K and prefix_K[j]:
            lines.append(f'<circle cx="{x:g}" cy="33" r="8" fill="none" stroke="#222"/>')
    for i, document in enumerate(queries_T):
        lines.append(_text(MARGIN - 10, MARGIN + i * CELL + 14, str(document)))
        lefts = (MARGIN + j * CELL for j in range(n_columns) if seen_TK[i][j])
        cells = "".join(f"M{x} {MARGIN + i * CELL}h{CELL}v{CELL}h-{CELL}z" for x in lefts)
        lines.append(f'<path d="{cells}" fill="{COLOURS[document]}"/>')
    across = "".join(f"M{MARGIN} {MARGIN + i * CELL}H{right}" for i in range(n_rows + 1))
    down = "".join(f"M{MARGIN + j * CELL} {MARGIN}V{bottom}" for j in range(n_columns + 1))
    size = f'width="{right + 6}" height="{bottom + 6}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="#fff"/>',
            *lines,
            f'<path d="{across}{down}" stroke="#ccc"/>',
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="#222">{text}</text>'


if __name__ == "__main__":
    for name, svg in pictures().items():
        (Path(__file__).parent / name).write_text(svg, encoding="utf-8")
