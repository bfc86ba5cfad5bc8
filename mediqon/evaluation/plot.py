"""Error by horizon and calibration as one SVG picture, without any library."""

from collections.abc import Sequence

from mediqon.evaluation.methods import LABELS, OURS
from mediqon.evaluation.scores import HORIZONS, Scores

COLOURS = {
    "slot": "#999999",
    "configured": "#d98c00",
    "rolling5": "#b5495b",
    "last": "#8a63d2",
    "history": "#2f7ebc",
    OURS: "#0a7a4b",
}
WIDTH, HEIGHT, MARGIN = 460, 320, 52
LEGEND_LINE = 18


def draw(scores: Scores, title: str) -> str:
    """Left: mean absolute error of each method by minutes until the call. Right: how often a call fell into each tenth
    of the range that was given; honest is one tenth each."""
    legend = len(scores.methods) * LEGEND_LINE + 30
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT + legend}" role="img"'
            ' font-family="sans-serif" font-size="12">',
            f"<title>{title}</title>",
            f'<rect width="{2 * WIDTH}" height="{HEIGHT + legend}" fill="white"/>',
            *_errors(scores),
            *_tenths(scores.tenths),
            *_legend(scores),
            "</svg>",
        ]
    )


def _errors(scores: Scores) -> list[str]:
    labels = [f"{low:g}–{high:g}" for low, high in zip((0.0, *HORIZONS), HORIZONS, strict=False)]
    labels.append(f"{HORIZONS[-1]:g}+")
    lines = {
        name: [horizon[name].mae if name in horizon else None for horizon in scores.horizons] for name in scores.methods
    }
    top = max((value for line in lines.values() for value in line if value is not None), default=1.0) * 1.05
    across = (WIDTH - 1.5 * MARGIN) / (len(labels) - 1)
    drawn = _axes(0, "Mean absolute error, minutes, by minutes until the call", top)
    drawn += [
        f'<text x="{MARGIN + across * index:.0f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{label}</text>'
        for index, label in enumerate(labels)
    ]
    for name, line in lines.items():
        points = " ".join(
            f"{MARGIN + across * index:.1f},{_height(value, top):.1f}"
            for index, value in enumerate(line)
            if value is not None
        )
        width = 3 if name == OURS else 1.5
        drawn.append(f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="{width}" points="{points}"/>')
    return drawn


def _tenths(tenths: Sequence[int]) -> list[str]:
    whole = sum(tenths) or 1
    shares = [count / whole for count in tenths]
    top = max(*shares, 0.1) * 1.25
    bar = (WIDTH - 1.5 * MARGIN) / len(tenths)
    drawn = _axes(WIDTH, "Share of calls in each tenth of what was predicted", 100 * top)
    for index, share in enumerate(shares):
        y = _height(share, top)
        drawn.append(
            f'<rect x="{WIDTH + MARGIN + bar * index + 2:.1f}" y="{y:.1f}" width="{bar - 4:.1f}"'
            f' height="{HEIGHT - MARGIN - y:.1f}" fill="{COLOURS[OURS]}"/>'
        )
    even = _height(0.1, top)
    right = 2 * WIDTH - MARGIN / 2
    drawn.append(
        f'<line x1="{WIDTH + MARGIN}" x2="{right}" y1="{even}" y2="{even}" stroke="#c00" stroke-dasharray="4"/>'
    )
    return drawn


def _legend(scores: Scores) -> list[str]:
    drawn: list[str] = []
    for index, name in enumerate(scores.methods):
        y = HEIGHT + 16 + index * LEGEND_LINE
        drawn.append(f'<rect x="{MARGIN}" y="{y - 9}" width="24" height="4" fill="{COLOURS[name]}"/>')
        drawn.append(f'<text x="{MARGIN + 32}" y="{y}">{LABELS[name]}</text>')
    return drawn


def _axes(left: float, title: str, top: float) -> list[str]:
    bottom = HEIGHT - MARGIN
    drawn = [
        f'<text x="{left + MARGIN}" y="24" font-weight="bold">{title}</text>',
        f'<line x1="{left + MARGIN}" x2="{left + WIDTH - MARGIN / 2}" y1="{bottom}" y2="{bottom}" stroke="#444"/>',
    ]
    for quarter in range(5):
        y = _height(top * quarter / 4, top)
        drawn.append(f'<text x="{left + MARGIN - 8}" y="{y + 4:.0f}" text-anchor="end">{top * quarter / 4:.0f}</text>')
    return drawn


def _height(value: float, top: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / top
