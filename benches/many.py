"""A run of very many replicas and one of very many checkpoints, through the binary: do they end, and at what cost?

    python benches/many.py [--binary target/release/ontogeny]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BASE = """
seeds = {seeds}
[model]
n_heads = {heads}
d_model = {width}
n_ctx = {context}
[data]
kind = "ngram_induction"
d_vocab = {vocabulary}
[training]
steps = {steps}
batch = {batch}
[checkpoints]
{checkpoints}
[analysis]
held_out = 32
repeated = 4
[analysis.llc]
{llc}
"""

RUNS = {
    # `tiny`, with everything that is measured of it.
    "256 replicas": dict(seeds=list(range(256)), heads=4, width=64, context=64, vocabulary=64, steps=20, batch=32,
                         checkpoints="log = 4", llc="chains = 2\ndraws = 4\nburn_in = 2\nbatch = 8"),
    "10000 checkpoints": dict(seeds=[0], heads=2, width=8, context=8, vocabulary=8, steps=9999, batch=4,
                              checkpoints="log = 0\nevery = 1", llc="every = 1000\nchains = 2\ndraws = 10\nburn_in = 5\nbatch = 4"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/ontogeny", type=pathlib.Path)
    binary = parser.parse_args().binary.resolve()
    if not binary.exists():
        sys.exit(f"{binary} is not there: build it with `cargo build --release`")
    for name, values in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "many.toml"
            config.write_text(BASE.format(**values))
            begin = time.monotonic()
            process = subprocess.Popen([binary, "run", config, "--device", "cpu", "--json", "--out", "run"], cwd=folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            out, err = process.communicate()
            seconds = time.monotonic() - begin
            if process.returncode != 0:
                sys.exit(f"{name}: exit {process.returncode}\n{err[-2000:]}")
            found = json.loads(out)
            peak = children_peak_mb()
            print(f"{name}: {seconds:.0f} s in all, {found['seconds']}, {len(found['checkpoints'])} checkpoints of "
                  f"{len(found['replicas'])} replicas, peak memory of all runs so far {peak:.0f} MB, "
                  f"report {os.path.getsize(pathlib.Path(folder) / 'run/report.html') / 1e6:.1f} MB")


def children_peak_mb():
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
