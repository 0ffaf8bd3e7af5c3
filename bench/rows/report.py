# SPDX-License-Identifier: Apache-2.0
"""The report of a run: a table in Markdown, and plots."""
import os

import disturbance
import plot


def number(value, unit):
    if unit == "frames/s":
        return f"{value * 1e-6:.3g} M" if value >= 1e5 else f"{value:.0f}"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def cell(contest, side):
    if contest.median(side) is None:
        return "-"
    low, high = contest.span(side)
    unit = contest.row.unit
    lost = [figure.lost for figure in contest.samples[side] if figure.lost is not None]
    losses = f"; {max(lost):.0%} lost" if lost and max(lost) > 0.005 else ""
    return f"{number(contest.median(side), unit)} [{number(low, unit)} to {number(high, unit)}]{losses}"


def row_line(contest):
    row = contest.row
    ratio = contest.ratio()
    return " | ".join(["", f"`{row.name}`: {row.work}", row.peer, row.unit, cell(contest, "ours"),
                       cell(contest, "theirs"),
                       (f"{ratio:.2f}" if ratio else "-") + (" (less is better)" if row.less_is_better else ""),
                       disturbed_cell(contest), ""]).strip()


def disturbed_cell(contest):
    total = sum(len(samples) for samples in contest.samples.values())
    repeats = f", {contest.repeated} repeated" if contest.repeated else ""
    failure = f"; failed: {contest.failure.splitlines()[0]:.200}".replace("|", "/") if contest.failure else ""
    return f"{contest.disturbed()} of {total}{repeats}{failure}"


def commands(contest):
    for side, texts in contest.commands.items():
        for text in texts:
            yield f"- `{contest.row.name}`, {side}: `{text}`"


def growth_lines(name, growth, values):
    yield f"### {growth.name}: {growth.work}"
    yield ""
    yield f"![{growth.name}]({name})"
    yield ""
    yield f"| {growth.x} | " + " | ".join(str(x) for x in growth.xs) + " |"
    yield "|---" * (len(growth.xs) + 1) + "|"
    for line, figures in values.items():
        cells = ["-" if figure is None else number(figure, growth.unit) for figure in figures]
        yield f"| {line}, {growth.unit} | " + " | ".join(cells) + " |"
    yield ""


def write(folder, name, facts, judge, contests, grown):
    """`grown`: [(Growth, {line: [value or None]})]. Returns the report's file."""
    os.makedirs(folder, exist_ok=True)
    lines = [f"# Benchmarks: {name}", "", *(f"- {fact}" for fact in facts),
             f"- cache line's round trip between the two cores: median {judge.median_ns():.0f} ns, from "
             f"{min(judge.cache_line_ns):.0f} to {max(judge.cache_line_ns):.0f}, {len(judge.cache_line_ns)} times", "",
             disturbance.RULE, "",
             "Medians, with the range in brackets. The ratio is that of the medians, ours to theirs.", ""]
    if contests:
        plots = {contest.row.name: contest.times() for contest in contests if contest.ratio()}
        lines += ["| row | peer | unit | ours | theirs | ratio | disturbed |", "|---|---|---|---|---|---|---|",
                  *map(row_line, contests), ""]
        if plots:
            save(folder, f"{name}-ratios.svg", plot.ratios("how many times as fast as the peer", plots))
            lines += [f"![ratios]({name}-ratios.svg)", ""]
        lines += ["## Commands", "", *(line for contest in contests for line in commands(contest)), ""]
    if grown:
        lines += ["## Growth", ""]
        for growth, values in grown:
            picture = f"{name}-{growth.name}.svg"
            title = f"{growth.work} ({growth.unit})".replace("`", "")
            save(folder, picture, plot.lines(title, growth.x, growth.xs, values))
            lines += growth_lines(picture, growth, values)
    return save(folder, f"{name}.md", "\n".join(lines).rstrip() + "\n")


def save(folder, name, text):
    """The file appears as a whole."""
    file = os.path.join(folder, name)
    with open(file + ".new", "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(file + ".new", file)
    return file
