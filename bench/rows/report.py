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


def score(contest):
    """What a floor is compared with."""
    value = contest.score()
    if value is None:
        return "-"
    if contest.ratio() is None:
        return number(value, contest.row.unit)
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def mark(value):
    return "-" if value is None else f"{value:,}" if value >= 1000 else f"{value:g}"


def reached(contest):
    row = contest.row
    if row.floor is None or contest.score() is None:
        return "-"
    return "goal" if contest.reaches(row.goal) else "floor" if contest.reaches(row.floor) else "neither"


def row_line(contest):
    row = contest.row
    return " | ".join(["", f"`{row.name}`: {row.work}", row.peer, row.unit, cell(contest, "ours"),
                       cell(contest, "theirs"), (score(contest) if contest.ratio() else "-") +
                       (" (less is better)" if row.less_is_better else ""),
                       mark(row.floor), mark(row.goal), reached(contest), disturbed_cell(contest), ""]).strip()


def disturbed_cell(contest):
    total = sum(len(samples) for samples in contest.samples.values())
    repeats = f", {contest.repeated} repeated" if contest.repeated else ""
    return f"{contest.disturbed()} of {total}{repeats}{reason(contest, '; ')}"


def reason(contest, before=""):
    """Why there are no figures, or not all."""
    if contest.failure:
        return f"{before}failed: {contest.failure.splitlines()[0]:.200}".replace("|", "/")
    return f"{before}not measured: {contest.missing:.200}".replace("|", "/") if contest.missing else ""


def summary(contests):
    """Which rows reach their floors, in paragraphs."""
    marked = [contest for contest in contests if contest.row.floor is not None and not contest.missing]
    above = [contest for contest in marked if contest.reaches(contest.row.floor)]
    at_goal = [contest for contest in marked if contest.reaches(contest.row.goal)]
    if marked:
        yield f"Rows that reach their floor: {len(above)} of {len(marked)}; their goal: {len(at_goal)}."
    if short := [contest for contest in marked if contest not in above and not contest.failure]:
        yield "Short of the floor: " + ", ".join(
            f"{contest.row.name} ({score(contest)} of {mark(contest.row.floor)})" for contest in short) + "."
    for contest in contests:
        if why := reason(contest):
            yield f"{contest.row.name} {why}."


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
    lines = [f"# Benchmarks: {name}", "", *(line for text in summary(contests) for line in (text, "")),
             *(f"- {fact}" for fact in facts),
             f"- cache line's round trip between the two cores: median {judge.median_ns():.0f} ns, from "
             f"{min(judge.cache_line_ns):.0f} to {max(judge.cache_line_ns):.0f}, {len(judge.cache_line_ns)} times", "",
             disturbance.RULE, "",
             "Medians, with the range in brackets. The ratio is that of the medians, ours to theirs. A floor must be "
             "reached, a goal is where we want to be: of the ratio, or of ours where there is no peer.", ""]
    if contests:
        plots = {contest.row.name: contest.times() for contest in contests if contest.ratio()}
        lines += ["| row | peer | unit | ours | theirs | ratio | floor | goal | reached | disturbed |",
                  "|---" * 10 + "|", *map(row_line, contests), ""]
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
