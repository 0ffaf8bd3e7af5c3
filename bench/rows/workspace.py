# SPDX-License-Identifier: Apache-2.0
"""The source tree and its builds, and the packages that are needed."""
import os
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


def run_step(command):
    """Shows the output. A failure has been explained there."""
    if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise RuntimeError(f"failed: {' '.join(command)}")


def need_packages(*packages):
    run_step(["bash", "-c", 'set -euo pipefail; source scripts/lib.sh; need_packages "$@"', "scripts/bench", *packages])


def build(preset, programs):
    """Returns their folder."""
    use_ccache = "set -euo pipefail; source scripts/lib.sh; use_ccache; "
    run_step(["bash", "-c", use_ccache + f"cmake --preset {preset} >/dev/null && "
              f"cmake --build --preset {preset} --target {' '.join(programs)}"])
    return os.path.join(ROOT, "build", preset, "bench")
