"""Times one peer on one workload and prints one JSON object.

    python benches/peers/peer.py --peer eager --workload tiny --threads 2 --seconds 10

Peers of training: `eager` (PyTorch) and `compiled` (torch.compile of network and loss), both with the fused AdamW.
Peers of SGLD, chains one after another: `loop` (written by hand in PyTorch) and `devinterp` (its `sample`).
"""

import argparse
import copy
import gc
import itertools
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path

# Read when tqdm is imported, which PyTorch does. devinterp has no switch for its progress bars.
os.environ["TQDM_DISABLE"] = "1"

try:
    import torch

    from workloads import WORKLOADS, Transformer, batches, mean_loss, token_losses
except ModuleNotFoundError as error:
    print(f"peer.py: the Python module `{error.name}` is missing; see benches/README.md.", file=sys.stderr)
    sys.exit(2)

SEED = 0
WARM_UP_SECONDS = 0.5
# However slow a step is, there are so many of them.
LEAST_STEPS = 3

LR, WEIGHT_DECAY = 1e-3, 0.01
# The defaults of `[analysis.llc]`. They do not matter to the time as long as the chains stay finite.
EPSILON, NBETA, GAMMA = 3e-4, 100.0, 100.0


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    task, measure = PEERS[args.peer]
    steps, chain_steps_per_s = measure(WORKLOADS[args.workload], args)
    print(json.dumps(report(args, task, steps, chain_steps_per_s)))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--workload", choices=WORKLOADS, required=True)
    parser.add_argument("--threads", type=positive(int), default=2)
    parser.add_argument("--seconds", type=positive(float), default=10.0, help="to measure for, without the warm-up")
    parser.add_argument("--chains", type=positive(int), default=4, help="of SGLD")
    return parser.parse_args()


def positive(kind):
    def parse(text):
        number = kind(text)
        if not 0 < number < math.inf:
            raise ValueError
        return number

    # What argparse calls it when it complains.
    parse.__name__ = f"positive {kind.__name__}"
    return parse


def report(args, task, steps, chain_steps_per_s):
    """`steps`: the seconds that each took."""
    return {
        "peer": args.peer,
        "task": task,
        "workload": args.workload,
        "threads": args.threads,
        "ms_per_replica_step": 1e3 * statistics.median(steps),
        "ms_p10": 1e3 * percentile(steps, 10),
        "ms_p90": 1e3 * percentile(steps, 90),
        "chain_steps_per_s": chain_steps_per_s,
        "peak_rss_mb": peak_rss_mb(),
        "steps": len(steps),
        "torch": torch.__version__,
        "devinterp": version("devinterp"),
    }


def percentile(values, percent):
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def peak_rss_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # KiB, but bytes on macOS.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def time_steps(step, seconds):
    """Calls `step` for so many seconds; the seconds that each call took."""
    durations = []
    end = time.perf_counter() + seconds
    while len(durations) < LEAST_STEPS or time.perf_counter() < end:
        begin = time.perf_counter()
        step()
        durations.append(time.perf_counter() - begin)
    return durations


# --- training -----------------------------------------------------------------------------------------------------


def eager(workload, args):
    return train(workload, args.seconds, mean_loss), None


def compiled(workload, args):
    return train(workload, args.seconds, torch.compile(mean_loss, dynamic=False)), None


def train(workload, seconds, loss_of):
    model = Transformer(workload)
    pool = itertools.cycle(batches(workload))
    # On a CPU the fused implementation is the fastest of PyTorch's three.
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)

    def step():
        optimizer.zero_grad()
        loss_of(model, next(pool)).backward()
        optimizer.step()

    # Compilation happens here.
    time_steps(step, WARM_UP_SECONDS)
    return time_steps(step, seconds)


# --- SGLD by hand -------------------------------------------------------------------------------------------------


class Chain:
    """w ← w − (ε/2)(nβ·g + γ·(w − w*)) + √ε·N(0, 1), from w = w*."""

    def __init__(self, model, pool):
        self.model = copy.deepcopy(model)
        self.pool = itertools.cycle(pool)
        self.weights = list(self.model.parameters())
        self.origin = [w.detach().clone() for w in self.weights]
        # The noise of all parameters is drawn in one call, and seen through views.
        self.noise = torch.empty(sum(w.numel() for w in self.weights))
        parts = self.noise.split([w.numel() for w in self.weights])
        self.noise_of = [part.view_as(w) for part, w in zip(parts, self.weights)]
        self.losses = []

    def step(self):
        self.model.zero_grad()
        loss = mean_loss(self.model, next(self.pool))
        loss.backward()
        self.losses.append(loss.item())
        self.update()

    @torch.no_grad()
    def update(self):
        self.noise.normal_()
        # The pull is the only term that reads w, so it comes first; no temporary is needed.
        torch._foreach_lerp_(self.weights, self.origin, EPSILON / 2 * GAMMA)
        torch._foreach_add_(self.weights, [w.grad for w in self.weights], alpha=-EPSILON / 2 * NBETA)
        torch._foreach_add_(self.weights, self.noise_of, alpha=math.sqrt(EPSILON))


def loop(workload, args):
    model, pool = Transformer(workload), batches(workload)
    time_steps(Chain(model, pool).step, WARM_UP_SECONDS)
    steps = []
    for _ in range(args.chains):
        chain = Chain(model, pool)
        steps += time_steps(chain.step, args.seconds / args.chains)
        if not math.isfinite(chain.losses[-1]):
            sys.exit("peer.py: a chain of `loop` has diverged.")
    return steps, len(steps) / sum(steps)


# --- SGLD with devinterp ------------------------------------------------------------------------------------------


def devinterp(workload, args):
    sampler = Devinterp(workload)
    draws = draws_that_fill(sampler, args.seconds / args.chains)
    starts, end = sampler.sample(args.chains, draws)
    return durations_within_chains(starts, draws), len(starts) / (end - starts[0])


def draws_that_fill(sampler, seconds):
    """Found out by ever longer chains, which are also the warm-up."""
    draws = LEAST_STEPS
    while True:
        starts, end = sampler.sample(chains=1, draws=draws)
        took = end - starts[0]
        if took >= WARM_UP_SECONDS:
            return max(LEAST_STEPS, round(seconds * draws / took))
        draws *= 2


class Devinterp:
    """devinterp's estimator without what is not a chain step: no burn-in, no observables, no estimate at the end."""

    def __init__(self, workload):
        try:
            from devinterp.slt import sampling
        except ModuleNotFoundError as error:
            print(f"peer.py: the Python module `{error.name}` is missing; see benches/README.md.", file=sys.stderr)
            sys.exit(2)
        # A chain that has diverged is only warned of, and ends early: its steps would be counted as fast.
        warnings.filterwarnings("error", message="Chain failed")
        self.sampling = sampling
        self.model = Transformer(workload)
        self.batch = workload.batch
        # A list will do for its dataset. Each chain reads it once and keeps the batches.
        self.rows = [{"input_ids": row} for batch in batches(workload) for row in batch]
        # It collects garbage before and after each chain, which takes long with all the modules that it imports. In a
        # run as short as this one that would weigh more than in use; what is there now is left out of it.
        gc.freeze()

    def sample(self, chains, draws):
        """When each step of each chain began, and when the last one had ended and was written."""
        starts = []

        def losses(model, tokens):
            # It is called without gradients for the loss at w*, before the first chain. That cannot be left out, so
            # the clock starts with the first step.
            if torch.is_grad_enabled():
                starts.append(time.perf_counter())
            return token_losses(model, tokens)

        with tempfile.TemporaryDirectory() as folder:
            self.sampling.sample(
                self.model,
                self.rows,
                observables={},
                loss_fn=losses,
                lr=EPSILON,
                n_beta=NBETA,
                localization=GAMMA,
                num_chains=chains,
                num_draws=draws,
                num_burnin_steps=0,
                num_init_loss_batches=1,
                batch_size=self.batch,
                shuffle=False,
                device="cpu",
                output_path=Path(folder) / "samples.zarr",
            )
            end = time.perf_counter()
        return starts, end


def durations_within_chains(starts, draws):
    """From the start of a step to the start of the next, but not from one chain to the next."""
    return [b - a for i, (a, b) in enumerate(itertools.pairwise(starts), 1) if i % draws != 0]


PEERS = {
    "eager": ("train", eager),
    "compiled": ("train", compiled),
    "loop": ("sgld", loop),
    "devinterp": ("sgld", devinterp),
}

if __name__ == "__main__":
    main()
