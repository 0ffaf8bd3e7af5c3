# SPDX-License-Identifier: Apache-2.0
"""Plots: lines over a logarithmic axis, and bars of ratios, as SVG."""
import html
import math

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 680, 360, 60, 40, 120, 60
COLOURS = ["#1f6fb4", "#d1622b", "#3a9a4e", "#8c5aa8", "#777777"]
GAP = 14  # between lines of text
MOST_RATIO = 16


def text(x, y, words, anchor="middle", colour="black"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(str(words))}</text>'


def picture(height, title, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                      'font-family="sans-serif" font-size="12">',
                      f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
                      text(WIDTH / 2, 20, title), *parts, "</svg>", ""])


def short(number):
    for divisor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= divisor:
            return f"{number / divisor:.3g}{letter}"
    return f"{number:.3g}"


def ticks(least, most):
    """From 0, or at most `least`, to at least `most`, at round numbers."""
    if most <= 0:
        return [0, 1]
    power = 10 ** math.floor(math.log10(most / 4))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * 5 >= most)
    return [step * i for i in range(math.floor(min(least, 0) / step), math.ceil(most / step) + 1)]


def lines(title, x_name, xs, values):
    """`values`: {name: a value for each x, or None}."""
    known = [value for line in values.values() for value in line if value is not None] or [1]
    marks = ticks(min(known), max(known))
    low, high = math.log2(min(xs)), math.log2(max(xs))

    def across(x):
        return LEFT + 20 + (WIDTH - RIGHT - LEFT - 40) * (math.log2(x) - low) / ((high - low) or 1)

    def up(value):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - marks[0]) / (marks[-1] - marks[0])

    parts = [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 15, x_name)]
    for mark in marks:
        parts += [f'<path d="M{LEFT} {up(mark):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
                  text(LEFT - 8, up(mark) + 4, short(mark), "end")]
    parts += [text(across(x), HEIGHT - BOTTOM + 18, x) for x in xs]
    names = []
    for number, (name, line) in enumerate(values.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(across(x), up(value)) for x, value in zip(xs, line) if value is not None]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                     + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        if points:
            names.append((points[-1][1], name, colour))
    lowest = -math.inf
    for y, name, colour in sorted(names):
        lowest = max(y, lowest + GAP)
        parts.append(text(WIDTH - RIGHT + 8, lowest + 4, name, "start", colour))
    return picture(HEIGHT, title, parts)


def ratios(title, named):
    """A bar for each name, to the right of 1 if above it, and to the left if below: twice is as long as half."""
    left, right, row = 180, WIDTH - 60, 22
    middle = (left + right) / 2
    height = TOP + row * len(named) + 20
    parts = []
    for number, (name, ratio) in enumerate(named.items()):
        y = TOP + row * number
        shown = min(max(ratio, 1 / MOST_RATIO), MOST_RATIO)
        end = middle + (right - middle) * math.log2(shown) / math.log2(MOST_RATIO)
        colour = COLOURS[0] if ratio >= 1 else COLOURS[1]
        parts += [f'<rect x="{min(middle, end):.1f}" y="{y}" width="{abs(end - middle):.1f}" height="14" '
                  f'fill="{colour}"/>',
                  text(left - 30, y + 12, name, "end"),
                  text(end + 6, y + 12, f"{ratio:.2f}", "start") if ratio >= 1
                  else text(end - 6, y + 12, f"{ratio:.2f}", "end")]
    parts.append(f'<path d="M{middle} {TOP - 8}V{height - 12}" stroke="black"/>')
    return picture(height, title, parts)
