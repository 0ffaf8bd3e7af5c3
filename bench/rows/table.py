# SPDX-License-Identifier: Apache-2.0
"""All rows, the most important first, and what they may depend on."""
import cable
import growths
import memif
import rules
import softroce
import start
import threads
import wire

ROWS = {row.name: row for row in
        [*wire.ROWS[:3], *memif.ROWS, *cable.ROWS, *wire.ROWS[3:], *threads.ROWS, *rules.ROWS, *start.ROWS,
         *softroce.ROWS]}
GROWTHS = {f"growth_{growth.name}": growth for growth in growths.ALL}
