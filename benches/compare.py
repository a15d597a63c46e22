"""Ontogeny against its peers, in pairs of fresh processes. Needs only the standard library; the peers need more.

    python benches/compare.py
    python benches/compare.py --task sgld --workload tiny --pairs 3

See benches/README.md for what is measured and how the ratios are formed.
"""

import argparse
import datetime
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "benches" / "peers" / "peer.py"

PEERS = {"train": ["eager", "compiled"], "sgld": ["loop", "devinterp"]}
WORKLOADS = ["tiny", "small", "paper"]
SIMD = ["avx512", "avx2", "portable"]
CHAINS = 4

# What is compared for each task. A bar on times is an upper one, a bar on speeds a lower one.
QUANTITY = {"train": "ms_per_replica_step", "sgld": "chain_steps_per_s"}
BARS = {
    ("train", "tiny", "eager"): 0.35,
    ("train", "small", "eager"): 0.40,
    ("train", "paper", "eager"): 0.50,
    ("sgld", "tiny", "devinterp"): 5.0,
    ("sgld", "small", "devinterp"): 4.0,
    ("sgld", "tiny", "loop"): 3.5,
    ("sgld", "small", "loop"): 2.8,
}

# Average number of running processes over the last minute, above which something else is going on.
IDLE_LOAD = 0.5
# Some of the peers' libraries have two dozen lines to say after the error itself.
STDERR_LINES = 40


def main():
    args = parse_arguments()
    if not args.binary.is_file():
        sys.exit(f"compare.py: there is no binary at {args.binary}; `cargo build --release` makes it.")
    load = load_average()
    if load is not None and load > IDLE_LOAD:
        print(f"warning: the load average is {load:.2f}; on a busy machine the ratios mean little.", file=sys.stderr)

    today = datetime.date.today().isoformat()
    cpu = cpu_model()
    path = args.out / f"{today}-{slug(cpu)}{'-' + args.simd if args.simd else ''}.json"
    comparisons = []
    for task, workload, peer in selected(args):
        comparison = compare(args, task, workload, peer) | {"load_average_before": load}
        comparisons.append(comparison)
        # After each, so that a failure later on loses nothing.
        write_results(path, {"date": today, "machine": machine(cpu), "simd": args.simd}, comparison)

    print()
    print_table(comparisons)
    print(f"\n{path}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/ontogeny", help="target/release/ontogeny")
    parser.add_argument("--task", choices=[*PEERS, "all"], default="all")
    parser.add_argument("--workload", choices=[*WORKLOADS, "all"], default="all")
    parser.add_argument("--pairs", type=positive(int), default=5)
    parser.add_argument("--seconds", type=positive(float), default=8.0, help="of each process, without its warm-up")
    parser.add_argument("--threads", type=positive(int), default=2, help="of each process")
    parser.add_argument(
        "--replicas",
        type=positive(int),
        help=f"that ours trains, or its chains; otherwise as many as threads, or {CHAINS} chains",
    )
    parser.add_argument("--simd", choices=SIMD, help="what ours is held to; otherwise the best there is")
    parser.add_argument("--out", type=Path, default=ROOT / "benches/results", help="benches/results")
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


def selected(args):
    for task in PEERS if args.task == "all" else [args.task]:
        for workload in WORKLOADS if args.workload == "all" else [args.workload]:
            for peer in PEERS[task]:
                yield task, workload, peer


# --- measuring ----------------------------------------------------------------------------------------------------


def compare(args, task, workload, peer):
    pairs = [run_pair(args, task, workload, peer, i) for i in range(args.pairs)]
    ratios = [pair["ratio"] for pair in pairs]
    quantity = QUANTITY[task]
    ratio = {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
    bar = BARS.get((task, workload, peer))
    return {
        "task": task,
        "workload": workload,
        "peer": peer,
        "quantity": quantity,
        "ours": statistics.median(pair["ours"][quantity] for pair in pairs),
        "theirs": statistics.median(pair["theirs"][quantity] for pair in pairs),
        "ratio": ratio,
        "bar": bar,
        "met": None if bar is None else is_met(task, ratio["median"], bar),
        "threads": args.threads,
        "replicas": replicas(args, task),
        "seconds": args.seconds,
        "versions": versions(pairs[-1]),
        "pairs": pairs,
    }


def is_met(task, ratio, bar):
    return ratio <= bar if task == "train" else ratio >= bar


def replicas(args, task):
    return args.replicas or (args.threads if task == "train" else CHAINS)


def versions(pair):
    theirs = pair["theirs"]
    return {
        "ontogeny": pair["ours"].get("version"),
        "torch": theirs.get("torch"),
        "devinterp": theirs.get("devinterp"),
        "python": platform.python_version(),
    }


def run_pair(args, task, workload, peer, i):
    """Whoever runs second finds a warmer machine, so the order alternates."""
    runs = {"ours": lambda: run_ours(args, task, workload), "theirs": lambda: run_theirs(args, workload, peer)}
    order = ["ours", "theirs"] if i % 2 == 0 else ["theirs", "ours"]
    results = {side: runs[side]() for side in order}
    quantity = QUANTITY[task]
    ours, theirs = (number(results[side], quantity, side) for side in ("ours", "theirs"))
    ratio = ours / theirs
    print(
        f"{task} {workload} {peer}  pair {i + 1}/{args.pairs}  {quantity}: "
        f"ours {digits(ours)}, theirs {digits(theirs)}, ratio {digits(ratio)}",
        flush=True,
    )
    return {"order": order, "ratio": ratio, "ours": results["ours"], "theirs": results["theirs"]}


def number(result, quantity, side):
    value = result.get(quantity)
    if not isinstance(value, (int, float)) or not 0 < value < math.inf:
        sys.exit(f"compare.py: the result of {side} has no positive number `{quantity}`, but {value!r}.")
    return value


def run_ours(args, task, workload):
    command = [
        *(str(args.binary.resolve()), "bench", "--task", task, "--workload", workload),
        *("--threads", str(args.threads), "--seconds", f"{args.seconds:g}"),
        *("--replicas", str(replicas(args, task)), "--json"),
    ]
    # Without --simd it is not to be held to anything by accident: the name of the results would not tell.
    environment = {key: value for key, value in os.environ.items() if key != "ONTOGENY_SIMD"}
    if args.simd:
        environment["ONTOGENY_SIMD"] = args.simd
    return run_json(command, environment)


def run_theirs(args, workload, peer):
    command = [
        *(sys.executable, str(PEER), "--peer", peer, "--workload", workload),
        *("--threads", str(args.threads), "--seconds", f"{args.seconds:g}"),
    ]
    return run_json(command, os.environ)


def run_json(command, environment):
    """Runs a process that prints one JSON object."""
    shown = " ".join(command)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"compare.py: `{shown}` could not be started: {error.strerror}.")
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-STDERR_LINES:])
        sys.exit(f"compare.py: `{shown}` failed with exit code {done.returncode}:\n{last}")
    try:
        result = json.loads(done.stdout)
    except json.JSONDecodeError:
        result = None
    if not isinstance(result, dict):
        sys.exit(f"compare.py: `{shown}` printed something other than one JSON object:\n{done.stdout[-500:]}")
    return result


# --- the machine --------------------------------------------------------------------------------------------------


def machine(cpu):
    return {"cpu": cpu, "cores": cores(), "os": f"{platform.system()} {platform.release()}"}


def cores():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count()


def cpu_model():
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or platform.machine()
    try:
        cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*:\s*(.+)$", cpus, re.MULTILINE)
    return name[1].strip() if name else platform.machine()


def load_average():
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


# --- results ------------------------------------------------------------------------------------------------------


def write_results(path, head, comparison):
    """Puts a comparison among those of the file, in the place of an earlier one of the same."""
    others = [c for c in read_comparisons(path) if key(c) != key(comparison)]
    merged = sorted([*others, comparison], key=place)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete, so that nobody sees half a file.
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(head | {"comparisons": merged}, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_comparisons(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))["comparisons"]
    except FileNotFoundError:
        return []
    except (json.JSONDecodeError, KeyError, TypeError):
        sys.exit(f"compare.py: {path} is not a file of results; move it away and run again.")


def key(comparison):
    return comparison["task"], comparison["workload"], comparison["peer"]


def place(comparison):
    task, workload, peer = key(comparison)
    return list(PEERS).index(task), WORKLOADS.index(workload), PEERS[task].index(peer)


def print_table(comparisons):
    head = ("task", "workload", "peer", "quantity", "ours", "theirs", "ratio (min..max)", "bar")
    rows = [head, *(table_row(c) for c in comparisons)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def table_row(c):
    ratio = c["ratio"]
    return (
        *key(c),
        c["quantity"],
        digits(c["ours"]),
        digits(c["theirs"]),
        f"{digits(ratio['median'])} ({digits(ratio['min'])}..{digits(ratio['max'])})",
        bar_cell(c),
    )


def bar_cell(c):
    if c["bar"] is None:
        return "-"
    sign = "<=" if c["task"] == "train" else ">="
    return f"{sign} {c['bar']:g}: {'met' if c['met'] else 'not met'}"


def digits(value):
    """Three of them, and more only before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
