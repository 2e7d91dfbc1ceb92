"""Draws results.json of all.mjs: a bar for each contender, an SVG for each comparison.

    python scripts/benchmark/plot.py docs/performance/results.json docs/performance
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# The same figures give the same bytes.
matplotlib.rcParams["svg.hashsalt"] = "reward-model-score"
import matplotlib.pyplot as plt


def draw(comparison, path):
    contenders = comparison["contenders"][::-1]
    rates = [contender["tokensPerSecond"] for contender in contenders]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.4 * len(contenders)), layout="constrained")
    colours = ["#2b6cb0" if c["name"].startswith("reward-model-score") else "#a0aec0" for c in contenders]
    bars = axes.barh([contender["name"] for contender in contenders], rates, color=colours)
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=3)
    axes.set_xlabel("useful tokens/s")
    axes.set_title(f"{comparison['shape']}, {comparison['dtype']}, {comparison['rows']} rows of "
                   f"{comparison['shortest']}–{comparison['longest']} tokens", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, max(rates) * 1.12)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    for comparison in json.loads(Path(sys.argv[1]).read_text())["comparisons"]:
        draw(comparison, Path(sys.argv[2]) / f"{comparison['name']}.svg")
