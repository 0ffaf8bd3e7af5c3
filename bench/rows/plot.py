# SPDX-License-Identifier: Apache-2.0
"""Plots: lines over a logarithmic axis, or bars, as SVG."""
import html
import math

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 80, 40, 20, 60
COLOURS = ["#1f6fb4", "#d1622b", "#3a9a4e", "#8c5aa8", "#777777"]


def text(x, y, words, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(str(words))}</text>'


def short(number):
    for divisor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= divisor:
            return f"{number / divisor:.3g}{letter}"
    return f"{number:.3g}"


def frame(title, x_name, most, body):
    """The value axis goes from 0 to `most`."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
             'font-size="12">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             text(WIDTH / 2, 20, title), text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 15, x_name)]
    for i in range(5):
        y = height_of(most * i / 4, most)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, y + 4, short(most * i / 4), "end"))
    return "\n".join([*parts, *body, "</svg>", ""])


def height_of(value, most):
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most


def lines(title, x_name, xs, values):
    """`values`: {name: a value for each x, or None}."""
    most = 1.05 * max((value for line in values.values() for value in line if value is not None), default=1) or 1
    low, high = math.log2(min(xs)), math.log2(max(xs))
    place = {x: LEFT + 20 + (WIDTH - RIGHT - LEFT - 40) * (math.log2(x) - low) / ((high - low) or 1) for x in xs}
    body = [text(place[x], HEIGHT - BOTTOM + 18, x) for x in xs]
    for number, (name, line) in enumerate(values.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(place[x], height_of(value, most)) for x, value in zip(xs, line) if value is not None]
        body.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                    + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        body.append(f'<g fill="{colour}">{text(WIDTH - RIGHT - 10, TOP + 14 * (number + 1), name, "end")}</g>')
    return frame(title, x_name, most, body)


def ratios(title, named):
    """A bar for each name, from 0, and a line at 1."""
    height = 24 * len(named) + TOP + 20
    most = 1.05 * max([1.0, *named.values()])
    scale = (WIDTH - 220 - 60) / most
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
             'font-size="12">', f'<rect width="{WIDTH}" height="{height}" fill="white"/>', text(WIDTH / 2, 20, title)]
    for number, (name, ratio) in enumerate(named.items()):
        y = TOP + 24 * number
        parts += [f'<rect x="220" y="{y}" width="{ratio * scale:.1f}" height="16" fill="{COLOURS[0]}"/>',
                  text(212, y + 13, name, "end"), text(226 + ratio * scale, y + 13, f"{ratio:.2f}", "start")]
    parts.append(f'<path d="M{220 + scale:.1f} {TOP - 8}V{height - 12}" stroke="{COLOURS[1]}"/>')
    return "\n".join([*parts, "</svg>", ""])
