"""How time and memory grow with the work: one process of `ontogeny bench` for each point.

The exponent of a column is the slope of a straight line through the logarithms of its last points, where what
does not grow has lost its weight. That of the arithmetic stands beside it: a cost may grow as its arithmetic does.

    python benches/growth.py [--binary target/release/ontogeny] [--seconds 3] [--only replicas,context]
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import subprocess
import sys

# What grows: the option, its values, and what is run. Arithmetic of a point in units of the first.
GROWTH = {
    "replicas": ("--replicas", [1, 2, 4, 8, 16, 32], ["--task", "train"]),
    "chains": ("--replicas", [1, 2, 4, 8, 16, 32], ["--task", "sgld"]),
    "context": ("--context", [32, 64, 128, 256, 512], ["--task", "train", "--replicas", "2"]),
    "vocabulary": ("--vocabulary", [64, 256, 1024, 4096], ["--task", "train", "--replicas", "2"]),
    "checkpoints": ("--checkpoints", [4, 8, 16, 32, 64], ["--task", "analyze"]),
}


def exponent(xs, ys, last=4):
    """Slope of log y against log x by least squares, over the last points."""
    points = [(math.log(x), math.log(y)) for x, y in zip(xs, ys) if y and y > 0][-last:]
    if len(points) < 2:
        return None
    mx = sum(x for x, _ in points) / len(points)
    my = sum(y for _, y in points) / len(points)
    spread = sum((x - mx) ** 2 for x, _ in points)
    return sum((x - mx) * (y - my) for x, y in points) / spread


def measure(binary, option, value, arguments, seconds):
    command = [binary, "bench", "--json", "--workload", "tiny", "--seconds", str(seconds), option, str(value)]
    done = subprocess.run(command + arguments, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command + arguments)} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    copies = found["replicas"]
    checkpoints = found["checkpoints"] or 1
    # An analysis counts each step of a chain: 80 of them to a checkpoint.
    steps = 80 * checkpoints if found["checkpoints"] else 1
    return {
        "value": value,
        "ms": found["ms_per_replica_step"] * copies * steps,
        "peak_rss_mb": found["peak_rss_mb"],
        "gflop": found["gflop_per_replica_step"] * copies * steps,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/ontogeny")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", default=",".join(GROWTH))
    parser.add_argument("--out", default="benches/results")
    options = parser.parse_args()
    if not pathlib.Path(options.binary).exists():
        sys.exit(f"{options.binary} is not there: build it with `cargo build --release`")
    result = {}
    for name in options.only.split(","):
        if name not in GROWTH:
            sys.exit(f"nothing called `{name}` grows; there are {', '.join(GROWTH)}")
        option, values, arguments = GROWTH[name]
        points = [measure(options.binary, option, v, arguments, options.seconds) for v in values]
        column = lambda key: [point[key] for point in points]
        found = {key: exponent(values, column(key)) for key in ("ms", "peak_rss_mb", "gflop")}
        result[name] = {"points": points, "exponents": found}
        print(f"\n{name:<12} {'ms for all':>12} {'peak MB':>9}")
        for point in points:
            print(f"{point['value']:>12} {point['ms']:>12.2f} {point['peak_rss_mb']:>9.0f}")
        print(f"{'exponent':>12} {found['ms']:>12.2f} {found['peak_rss_mb']:>9.2f}   arithmetic {found['gflop']:.2f}")
    folder = pathlib.Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"growth-{datetime.date.today()}.json"
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(partial, path)
    print(f"\nkept in {path}")


if __name__ == "__main__":
    main()
