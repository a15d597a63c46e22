"""The learning coefficient by Ontogeny and by devinterp 2.0.1, of one checkpoint, at one set of hyperparameters.

    python experiments/003-devinterp/compare.py CHECKPOINT --config CONFIG --binary target/release/ontogeny

Both sample exp(−nβ·L(w) − (γ/2)‖w − w*‖²) by w ← w − (ε/2)(nβ·g + γ(w − w*)) + √ε·N(0, 1), from w = w*, with L the mean
cross-entropy of a token in nats and g its gradient on a minibatch. devinterp's `lr`, `n_beta` and `localization` are ε,
nβ and γ of this very rule (`SGMCMC.step`, `GaussianPrior.grad`), so nothing is converted but the number of draws: ours
counts the burn-in among the draws, devinterp adds it to them. Both take a draw's loss before the draw's step, on the
minibatch of that step.

What is left different is what each tool does by itself:

- L(w*): ours takes it on the minibatches of the draws that count. devinterp takes it on the first 32 minibatches of its
  loader (`num_init_loss_batches`), once for each chain, and subtracts the mean over the chains.
- The mean: ours leaves the burn-in out. devinterp's `compute_llc` averages over all steps, those of the burn-in
  included; that is "as reported". "Burn-in left out" is computed here, from the same call.
- Minibatches: our chains have their own. devinterp's share theirs (`match_sampling_input_ids_across_chains`), unless
  `--their-minibatches own`; while they share them, its chains' standard error does not contain the minibatches' noise.

The clock of ours is the `seconds` that it reports, of the sampling alone. The clock of devinterp runs from the first
step of the first chain to the end of the call: the loss at w* is not in it, writing the samples to disk is (TMPDIR says
where). Its minibatches are drawn, without repeats, from sequences that were made before, by `ontogeny data`.

Seconds to 5 %: with λ̂(T) from the first T draws of the long run, burn-in 0, the least T from which on λ̂ stays within
5 % of the tool's own long-run value (the whole long run after the burn-in), times the seconds that a draw of all chains
took in that run. λ̂(T) is the mean over the last half of the T draws, or over all of them. The long-run value is an
estimate too, and shares the later draws with what is held against it.

Needs benches/peers/workloads.py for the network, hence a checkpoint of its architecture, and one replica in it. The
machine must be idle otherwise.
"""

import argparse
import datetime
import gc
import hashlib
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path

# Read when tqdm is imported, which PyTorch does. devinterp has no switch for its progress bars.
os.environ["TQDM_DISABLE"] = "1"

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "benches" / "peers"), str(ROOT / "tests" / "python")]

try:
    import numpy as np
    import torch
    from devinterp.slt import sampling
    from devinterp.slt.llc import compute_llc

    from check_checkpoint import Refused, log_probs, read_checkpoint
    from workloads import N_LAYERS, Transformer, Workload, token_losses
except ModuleNotFoundError as problem:
    print(f"compare.py: the Python module `{problem.name}` is missing; see benches/README.md.", file=sys.stderr)
    sys.exit(2)

SIDES = ["ours", "theirs"]
# Of the repetitions; the long runs have the one after them.
FIRST_SEED = 7
# Of `ontogeny data`.
POOL_SEED = 901
# devinterp's default, said aloud.
INIT_LOSS_BATCHES = 32
# Share of the long-run value that the estimate has to stay within.
NEAR = 0.05
# Sequences on which the networks are compared, and how far apart they may be, in nats.
CHECKED, TOLERANCE = 8, 1e-4


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    # A chain that has diverged is only warned of, and ends early.
    warnings.filterwarnings("error", message="Chain failed")
    config, weights = read_replica(args.checkpoint)
    network = as_torch(config, weights, args.batch)
    pool = sequences(args, config)
    results = start(args, weights, network, pool)
    kept = kept_results(args, results)
    check(args, config, weights, network, pool, results)
    tools = {
        "ours": lambda: Ours(args),
        "theirs": lambda: Theirs(args, network, pool, results["check"]["loss_of_pool"]),
    }
    tools = {side: tools[side]() for side in ([args.only] if args.only else SIDES)}

    calls = {side: [] for side in tools}
    for i in range(args.calls):
        # Whoever runs second finds a warmer machine, so the order alternates.
        for side in list(tools)[:: 1 if i % 2 == 0 else -1]:
            call = tools[side].call(FIRST_SEED + i)
            calls[side].append(call)
            print(f"call {i + 1}/{args.calls}  {tools[side].line(call)}", flush=True)
    for side, tool in tools.items():
        long = tool.long(FIRST_SEED + args.calls)
        results[side] = {"summary": tool.summary(calls[side]), "long": long, "calls": calls[side]}
        print(f"long run   {tool.line(long)}", flush=True)
        # After each, so that a failure later on loses nothing.
        write(args.out, {**results, **kept})
    results = {**results, **kept}
    if "baseline" in results.get("ours", {}).get("long", {}):
        c = results["check"]
        print(f"L(w*) in our long run: {results['ours']['long']['baseline']:.4f}", end="; ")
        print(f"on the sequences for devinterp: {c['loss_of_pool']:.4f} ± {c['loss_of_pool_se']:.4f}")
    if all(side in results for side in SIDES):
        results["comparison"] = compared(results["ours"], results["theirs"])
    write(args.out, results)
    print()
    print_table(results)
    print(f"\n{args.out}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a run's checkpoint, in its folder")
    parser.add_argument("--config", type=Path, required=True, help="configuration of the run, for its source")
    parser.add_argument("--binary", default="ontogeny", help="the ontogeny binary")
    parser.add_argument("--calls", type=whole(2), default=6, help="repetitions with seeds of their own")
    parser.add_argument("--epsilon", type=positive, default=3e-4)
    parser.add_argument("--localization", type=positive, default=100.0)
    parser.add_argument("--nbeta", type=positive, default=100.0)
    parser.add_argument("--chains", type=whole(2), default=4)
    parser.add_argument("--batch", type=whole(1), default=32)
    parser.add_argument("--draws", type=whole(2), default=120, help="of a chain, those of the burn-in included")
    parser.add_argument("--burn-in", type=whole(1), default=80)
    parser.add_argument("--long", type=whole(1), default=10, help="times as many draws in the long run")
    parser.add_argument("--threads", type=whole(1), default=2, help="of PyTorch; ours takes every core")
    parser.add_argument("--pool", type=whole(1), help="sequences for devinterp; as many as a long chain reads")
    parser.add_argument("--their-minibatches", choices=["shared", "own"], default="shared", help="of its chains")
    parser.add_argument("--out", type=Path, default=Path("results.json"))
    parser.add_argument("--only", choices=SIDES, help="the other's numbers in --out are kept, if all settings agree")
    args = parser.parse_args()
    if args.burn_in >= args.draws:
        parser.error("--burn-in has to leave draws")
    args.pool = args.pool or max(args.draws * args.long, INIT_LOSS_BATCHES) * args.batch
    if args.pool < args.batch:
        parser.error("--pool has to be a minibatch at least")
    return args


def whole(least):
    def parse(text):
        number = int(text)
        if number < least:
            raise ValueError
        return number

    # What argparse calls it when it complains.
    parse.__name__ = f"whole number of at least {least}"
    return parse


def positive(text):
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def run_json(command):
    """Runs a process that prints one JSON object."""
    shown = " ".join(command) if len(command) < 40 else " ".join(command[:40]) + " …"
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Refused(f"`{shown}` could not be started: {error.strerror}") from error
    if done.returncode != 0:
        raise Refused(f"`{shown}` failed with exit code {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


# --- what is compared ---------------------------------------------------------------------------------------------


def read_replica(checkpoint):
    config, replicas = read_checkpoint(checkpoint)
    if len(replicas) != 1:
        raise Refused(f"{checkpoint} holds {len(replicas)} replicas, and has to hold one")
    return config, next(iter(replicas.values()))


def as_torch(c, w, batch):
    """The network of workloads.py with the weights of a checkpoint."""
    wanted = {"n_layers": N_LAYERS, "d_mlp": 0, "norm": "pre", "positions": "learned", "tied": False, "bias": True}
    wanted["d_head"] = c["d_model"] / c["n_heads"]
    other = [f"{key} = {c[key]} in place of {value:g}" for key, value in wanted.items() if c[key] != value]
    if other:
        raise Refused(f"the network of benches/peers/workloads.py is another: {', '.join(other)}")
    d = c["d_model"]
    state = {
        "embed.weight": w["embed.W_E"],
        "positions": w["pos_embed.W_pos"],
        "norm.weight": w["ln_final.w"],
        "norm.bias": w["ln_final.b"],
        "unembed.weight": w["unembed.W_U"].T,
        "unembed.bias": w["unembed.b_U"],
    }
    for layer in range(N_LAYERS):
        block = f"blocks.{layer}."
        # [head, d_model, d_head] → [head and d_head, d_model], those of Q, K and V one below the other.
        qkv = [w[f"{block}attn.W_{letter}"].transpose(0, 2, 1).reshape(d, d) for letter in "QKV"]
        state |= {
            f"{block}norm.weight": w[f"{block}ln1.w"],
            f"{block}norm.bias": w[f"{block}ln1.b"],
            f"{block}attention.qkv.weight": np.concatenate(qkv),
            f"{block}attention.qkv.bias": np.concatenate([w[f"{block}attn.b_{letter}"].reshape(d) for letter in "QKV"]),
            f"{block}attention.out.weight": w[f"{block}attn.W_O"].reshape(d, d).T,
            f"{block}attention.out.bias": w[f"{block}attn.b_O"],
        }
    network = Transformer(Workload(c["d_vocab"], c["n_ctx"], d, c["n_heads"], batch))
    # Every tensor is asked for and every shape compared.
    network.load_state_dict({name: torch.tensor(t, dtype=torch.float32) for name, t in state.items()})
    return network


def sequences(args, config):
    """Sequences of the source, [pool, n_ctx + 1]."""
    command = [args.binary, "data", str(args.config), "--json", "--samples", str(args.pool)]
    sources = run_json([*command, "--set", f"analysis.seed={POOL_SEED}"])["sources"]
    if len(sources) != 1:
        raise Refused(f"{args.config} has {len(sources)} sources, and has to have one")
    try:
        pool = torch.tensor([[int(token) for token in row] for row in sources[0]["samples"]])
    except ValueError as error:
        raise Refused(f"{args.config}: the tokens of its source are not printed as numbers") from error
    if pool.shape != (args.pool, config["n_ctx"] + 1) or not 0 <= pool.min() <= pool.max() < config["d_vocab"]:
        raise Refused(f"{args.config}: its source does not fit the checkpoint")
    return pool


def start(args, weights, network, pool):
    """What is known before anything was measured."""
    parameters = sum(t.size for t in weights.values())
    if parameters != sum(p.numel() for p in network.parameters()):
        raise Refused("the network in PyTorch has another number of parameters than the checkpoint")
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {
            "cpu": cpu_model(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load_average_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
        "versions": {
            "ontogeny": subprocess.run([args.binary, "--version"], capture_output=True, text=True).stdout.strip(),
            "devinterp": metadata.version("devinterp"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "checkpoint": {
            "name": args.checkpoint.name,
            "sha256": hashlib.sha256(args.checkpoint.read_bytes()).hexdigest(),
            "parameters": parameters,
        },
        "settings": {
            "epsilon": args.epsilon,
            "nbeta": args.nbeta,
            "localization": args.localization,
            "chains": args.chains,
            "batch": args.batch,
            "draws": args.draws,
            "burn_in": args.burn_in,
            "calls": args.calls,
            "long": args.long,
            "first_seed": FIRST_SEED,
            "threads_of_torch": args.threads,
            "pool": len(pool),
            "init_loss_batches": INIT_LOSS_BATCHES,
            "their_minibatches": args.their_minibatches,
        },
    }


def cpu_model():
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def kept_results(args, results):
    """What an earlier run with the other --only measured, if it measured the same."""
    if args.only is None or not args.out.is_file():
        return {}
    earlier = json.loads(args.out.read_text())
    if any(earlier.get(key) != results[key] for key in ("checkpoint", "settings", "versions")):
        return {}
    if earlier["machine"]["cpu"] != results["machine"]["cpu"]:
        return {}
    return {side: earlier[side] for side in SIDES if side != args.only and side in earlier}


@torch.no_grad()
def check(args, config, weights, network, pool, results):
    """Whether the network in PyTorch is the one of the checkpoint, by the losses of both on the same sequences."""
    some = pool[:CHECKED]
    theirs = token_losses(network, some).double().numpy()
    ours = []
    for row in some.tolist():
        tokens = ",".join(map(str, row[:-1]))
        answer = run_json([args.binary, "predict", str(args.checkpoint), "--tokens", tokens, "--json"])
        predicted = np.array(answer["log_probs"], dtype=np.float64)
        ours.append(-predicted[np.arange(len(row) - 1), row[1:]])
    row = some[0].numpy()
    alone = -log_probs(config, weights, row[:-1])[np.arange(len(row) - 1), row[1:]]
    of_pool = torch.cat([token_losses(network, rows).double().mean(1) for rows in pool.split(args.batch)]).numpy()
    results["check"] = {
        "sequences": CHECKED,
        "loss_ours": float(np.mean(ours)),
        "loss_theirs": float(np.mean(theirs)),
        "largest_difference_of_a_token": float(np.abs(np.array(ours) - theirs).max()),
        "largest_difference_to_numpy": float(np.abs(alone - theirs[0]).max()),
        # What our baseline and devinterp's initial loss are estimates of.
        "loss_of_pool": float(of_pool.mean()),
        "loss_of_pool_se": float(of_pool.std(ddof=1) / math.sqrt(len(of_pool))),
        "loss_of_a_sequence_sd": float(of_pool.std(ddof=1)),
    }
    c = results["check"]
    print(
        f"loss of {CHECKED} sequences: {c['loss_ours']:.6f} by ontogeny, {c['loss_theirs']:.6f} in PyTorch; "
        f"a token differs by {c['largest_difference_of_a_token']:.1e} at most ({c['largest_difference_to_numpy']:.1e} "
        f"from NumPy in float64)\n"
        f"loss at w* on {len(pool)} sequences: {c['loss_of_pool']:.4f} ± {c['loss_of_pool_se']:.4f}",
        flush=True,
    )
    worst = max(c["largest_difference_of_a_token"], c["largest_difference_to_numpy"])
    if not worst <= TOLERANCE:
        raise Refused(f"the networks differ by {worst:.1e} nats")


# --- ours ---------------------------------------------------------------------------------------------------------


class Ours:
    def __init__(self, args):
        self.args = args

    def estimate(self, seed, draws, burn_in):
        a = self.args
        settings = {
            "analysis.seed": seed,
            "analysis.llc.draws": draws,
            "analysis.llc.burn_in": burn_in,
            "analysis.llc.epsilon": a.epsilon,
            "analysis.llc.nbeta": a.nbeta,
            "analysis.llc.localization": a.localization,
            "analysis.llc.chains": a.chains,
            "analysis.llc.batch": a.batch,
            # These are the defaults, but the run's configuration may say something else.
            "analysis.llc.sampler": "sgld",
            "analysis.llc.weight_decay": 0.0,
            "analysis.llc.data": "train",
            "analysis.llc.baseline": "paired",
        }
        command = [a.binary, "llc", str(a.checkpoint), "--json"]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        estimates = run_json(command)["estimates"]
        if [e["component"] for e in estimates] != ["all"]:
            raise Refused("`ontogeny llc` estimated other components than `all`, and its seconds would be those of all")
        [estimate] = estimates
        # A path of this machine.
        estimate.pop("checkpoint", None)
        if len(estimate["trace"]) != draws - burn_in or None in estimate["by_chain"]:
            raise Refused(f"`ontogeny llc` kept {len(estimate['trace'])} draws, or lost a chain: {estimate['reason']}")
        return estimate

    def call(self, seed):
        return {"seed": seed, **self.estimate(seed, self.args.draws, self.args.burn_in)}

    def long(self, seed):
        a = self.args
        draws = a.draws * a.long
        long = {"seed": seed, **self.estimate(seed, draws, a.burn_in)}
        # Noise and minibatches are the same, and no draw is left out.
        whole = self.estimate(seed, draws, 0)
        again = float(np.mean(whole["trace"][a.burn_in :]))
        long["without_burn_in"] = {"mean_after_burn_in": again, "seconds": whole["seconds"], "trace": whole["trace"]}
        del long["trace"]
        return long | {"settling": settling(whole["trace"], long["mean"], whole["seconds"] / draws)}

    def summary(self, calls):
        return {"ours": summary(calls, calls)}

    def line(self, call):
        return f"ours   {call['mean']:8.2f} ± {call['se']:.2f}, {call['seconds']:.2f} s, {call['verdict']}"


# --- devinterp ----------------------------------------------------------------------------------------------------


class Theirs:
    def __init__(self, args, network, pool, loss_of_pool):
        self.args, self.network, self.loss_of_pool = args, network, loss_of_pool
        # A list will do for its dataset.
        self.rows = [{"input_ids": row} for row in pool]
        # It collects garbage before and after each chain, which takes long with all the modules that it imports.
        gc.freeze()
        # Warm-up.
        self.sample(seed=0, chains=1, draws=args.draws, burn_in=0)

    def sample(self, seed, chains, draws, burn_in):
        """`draws` as devinterp counts them: after the burn-in. → its own estimate, and seconds."""
        a = self.args
        first_step = None

        def losses(model, tokens):
            nonlocal first_step
            # It is called without gradients for the loss at w*, before the first chain.
            if first_step is None and torch.is_grad_enabled():
                first_step = time.perf_counter()
            return token_losses(model, tokens)

        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            samples = sampling.sample(
                self.network,
                self.rows,
                observables={},
                loss_fn=losses,
                lr=a.epsilon,
                n_beta=a.nbeta,
                localization=a.localization,
                num_chains=chains,
                num_draws=draws,
                num_burnin_steps=burn_in,
                num_init_loss_batches=INIT_LOSS_BATCHES,
                batch_size=a.batch,
                match_sampling_input_ids_across_chains=a.their_minibatches == "shared",
                # Chain c takes seed + c, so seeds of calls must lie further apart than chains.
                init_seed=1000 * seed,
                device="cpu",
                output_path=Path(folder) / "samples.zarr",
            )
            end = time.perf_counter()
            llc = compute_llc(samples).load()
        return llc, {"seconds": end - first_step, "seconds_of_init_loss": first_step - begin}

    def call(self, seed):
        a = self.args
        return self.measure(seed, a.draws)[0]

    def measure(self, seed, draws):
        a = self.args
        llc, seconds = self.sample(seed, a.chains, draws - a.burn_in, a.burn_in)
        losses, init_loss = llc.loss_trace.values.astype(np.float64), float(llc.init_loss)
        if losses.shape != (a.chains, draws) or not np.isfinite(losses).all():
            raise Refused(f"devinterp's losses have the shape {losses.shape}, or are not finite")
        trace = a.nbeta * (losses - init_loss)
        call = {
            "seed": seed,
            "as_reported": over_chains(llc.llc_per_chain.values) | {"llc_std": float(llc.llc_std)},
            "burn_in_left_out": over_chains(trace[:, a.burn_in :].mean(1)),
            "init_loss": init_loss,
            # By how much the initial loss moves both, in units of λ̂; minibatches that the chains read too counteract.
            "init_loss_above_pool": a.nbeta * (init_loss - self.loss_of_pool),
            **seconds,
            "losses": [[round(loss, 6) for loss in chain] for chain in losses.tolist()],
        }
        return call, trace.mean(0)

    def long(self, seed):
        draws = self.args.draws * self.args.long
        call, trace = self.measure(seed, draws)
        return call | {"settling": settling(trace, call["burn_in_left_out"]["mean"], call["seconds"] / draws)}

    def summary(self, calls):
        kinds = ("as_reported", "burn_in_left_out")
        return {kind: summary(calls, [call[kind] for call in calls]) for kind in kinds}

    def line(self, call):
        a, b = call["as_reported"], call["burn_in_left_out"]
        return (
            f"theirs {b['mean']:8.2f} ± {b['se']:.2f}, {call['seconds']:.2f} s, "
            f"as reported {a['mean']:.2f} ± {a['se']:.2f}"
        )


def over_chains(estimates):
    estimates = np.asarray(estimates, dtype=np.float64)
    return {
        "mean": float(estimates.mean()),
        "se": float(estimates.std(ddof=1) / math.sqrt(len(estimates))),
        "by_chain": estimates.tolist(),
    }


# --- what is made of it -------------------------------------------------------------------------------------------


def summary(calls, estimates):
    means = np.array([e["mean"] for e in estimates])
    sd = float(means.std(ddof=1))
    return {
        "mean": float(means.mean()),
        "sd_over_calls": sd,
        "se_of_mean": sd / math.sqrt(len(means)),
        "mean_se_within_call": float(np.mean([e["se"] for e in estimates])),
        "seconds_per_call": float(np.mean([call["seconds"] for call in calls])),
    }


def settling(trace, target, seconds_per_draw):
    """When the estimate has come near the target for good. `trace`: nβ(L(w) − L(w*)) of every draw, over all chains."""
    trace = np.asarray(trace, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(trace)])
    ends = np.arange(1, len(trace) + 1)
    rules = {"last_half": ends // 2, "running_mean": np.zeros_like(ends)}
    result = {"target": float(target), "within": NEAR, "seconds_per_draw": seconds_per_draw}
    for rule, begins in rules.items():
        estimates = (sums[ends] - sums[begins]) / (ends - begins)
        draws = settled(np.abs(estimates - target) <= NEAR * abs(target))
        result[rule] = {"draws": draws, "seconds": None if draws is None else draws * seconds_per_draw}
    return result


def settled(near):
    """Number of the first draw from which on all are true; `None` if the last is not."""
    away = np.flatnonzero(~near)
    first = int(away[-1]) + 2 if len(away) else 1
    return first if first <= len(near) else None


def compared(ours, theirs):
    result = {}
    one = ours["summary"]["ours"]
    for kind, other in theirs["summary"].items():
        long = theirs["long"][kind]
        result[kind] = {
            "difference": one["mean"] - other["mean"],
            "z": z(one["mean"], one["se_of_mean"], other["mean"], other["se_of_mean"]),
            "long_difference": ours["long"]["mean"] - long["mean"],
            "long_z": z(ours["long"]["mean"], ours["long"]["se"], long["mean"], long["se"]),
        }
    kind = "burn_in_left_out"
    result["seconds_per_call_ratio"] = one["seconds_per_call"] / theirs["summary"][kind]["seconds_per_call"]
    for rule in ("last_half", "running_mean"):
        a, b = (side["long"]["settling"][rule]["seconds"] for side in (ours, theirs))
        result[f"seconds_to_settle_ratio_{rule}"] = None if a is None or b is None else a / b
    return result


def z(a, error_of_a, b, error_of_b):
    error = math.hypot(error_of_a, error_of_b)
    return (a - b) / error if error > 0 else None


def write(path, results):
    text = json.dumps(results, indent=2, ensure_ascii=False)
    # Numbers of one list in one line.
    text = re.sub(r"\[[-+.\deE,\s]+\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def print_table(results):
    header = ["", "mean λ̂", "sd over calls", "se in a call", "s a call"]
    lines = [[*header, "long run", "s to 5 %", "s to 5 %, mean of all"]]
    names = {"ours": "ours", "as_reported": "theirs, as reported", "burn_in_left_out": "theirs, burn-in left out"}
    for side in SIDES:
        for kind, s in results.get(side, {}).get("summary", {}).items():
            long = results[side]["long"]
            # Of what devinterp reports there is no trace: it is always a mean over all steps.
            settled = ["–", "–"]
            if kind != "as_reported":
                settled = [digits(long["settling"][rule]["seconds"]) for rule in ("last_half", "running_mean")]
            of_long = long if kind == "ours" else long[kind]
            line = [f"{s['mean']:.2f} ± {s['se_of_mean']:.2f}", f"{s['sd_over_calls']:.2f}"]
            line += [f"{s['mean_se_within_call']:.2f}", digits(s["seconds_per_call"])]
            lines.append([names[kind], *line, f"{of_long['mean']:.2f} ± {of_long['se']:.2f}", *settled])
    widths = [max(len(plain(line[i])) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [cell + " " * (width - len(plain(cell))) for cell, width in zip(line, widths)]
        print("  ".join(cells).rstrip())
    if comparison := results.get("comparison"):
        print()
        for kind in ("as_reported", "burn_in_left_out"):
            c = comparison[kind]
            print(
                f"ours − {names[kind]}: {c['difference']:+.2f}, z = {digits(c['z'])}; "
                f"long runs {c['long_difference']:+.2f}, z = {digits(c['long_z'])}"
            )
        print(
            f"seconds, ours / theirs: a call {digits(comparison['seconds_per_call_ratio'])}, "
            f"to 5 % {digits(comparison['seconds_to_settle_ratio_last_half'])}, "
            f"with the mean of all draws {digits(comparison['seconds_to_settle_ratio_running_mean'])}"
        )


def plain(cell):
    """Without the combining hat, which takes no room."""
    return cell.replace("\u0302", "")


def digits(number):
    return "–" if number is None else f"{number:.3g}"


if __name__ == "__main__":
    try:
        main()
        # What stays frozen is reported as leaked by some of PyTorch's libraries.
        gc.unfreeze()
    except (Refused, OSError, KeyError, ValueError) as problem:
        print(f"compare.py: {problem}", file=sys.stderr)
        sys.exit(2)
