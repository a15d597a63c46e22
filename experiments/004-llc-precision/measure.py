"""How much a paired baseline and common streams save.

    python measure.py RUN --binary ontogeny --steps 1715 2032 --seeds 16 --out results.json

Estimates λ̂ at two checkpoints under several seeds, with the baseline L(w*) on the draws' own minibatches and on as many
minibatches of its own. Under one seed both checkpoints have the same noise and minibatches (common streams); the
estimate of one checkpoint under one seed beside that of the other under the next is what independent streams give.
"""

import argparse
import json
import pathlib
import statistics
import subprocess


def estimates(arguments, checkpoints, seed, baseline):
    """λ̂ at the checkpoints under one seed."""
    settings = [f"analysis.seed={seed}", f'analysis.llc.baseline="{baseline}"']
    # As many forward passes as the paired baseline takes: 4 chains of 40 draws that count.
    settings.append("analysis.llc.baseline_batches=160")
    command = [arguments.binary, "llc", *checkpoints, "--json"]
    command += [part for setting in settings for part in ("--set", setting)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [estimate["mean"] for estimate in json.loads(answer)["estimates"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--binary", default="ontogeny")
    parser.add_argument("--steps", type=int, nargs=2, default=[1715, 2032])
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("results.json"))
    arguments = parser.parse_args()
    checkpoints = [str(arguments.run / f"checkpoints/step-{step:010}.safetensors") for step in arguments.steps]
    found = {
        baseline: [estimates(arguments, checkpoints, seed, baseline) for seed in range(arguments.seeds)]
        for baseline in ("paired", "apart")
    }
    figures = {}
    for baseline, pairs in found.items():
        first, second = zip(*pairs)
        common = [b - a for a, b in pairs]
        # The next seed's estimate of the second checkpoint shares nothing with this seed's of the first.
        independent = [second[(i + 1) % len(second)] - a for i, a in enumerate(first)]
        figures[baseline] = {
            "mean": [statistics.mean(first), statistics.mean(second)],
            "spread": [statistics.stdev(first), statistics.stdev(second)],
            "difference": statistics.mean(common),
            "spread_of_difference_common": statistics.stdev(common),
            "spread_of_difference_independent": statistics.stdev(independent),
        }
        print(baseline, json.dumps(figures[baseline]))
    kept = {"steps": arguments.steps, "seeds": arguments.seeds, "figures": figures, "estimates": found}
    arguments.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
