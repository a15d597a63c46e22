"""Recompute a checkpoint's log-probabilities outside the project, with NumPy alone, and compare them with `predict`'s.

This script knows `config.json` and the tensor names, nothing else of the project: no file of it, and no PyTorch.

    check_checkpoint.py CHECKPOINT --replica NAME --predicted FILE.json
    check_checkpoint.py CHECKPOINT --binary path/to/ontogeny [--replica NAME] [--tokens 3,17,4]

CHECKPOINT is a safetensors file with `config.json` beside it: a run's checkpoint, whose tensors carry a leading replica
axis named by the metadata key `replicas` (a JSON array), or an exported replica in the classic shapes without it.
FILE.json is what `ontogeny predict CHECKPOINT --replica NAME --tokens 3,17,4 --json` printed ("-" reads standard input).
With `--binary` the script runs that command itself, for every replica unless one is named, on `--tokens` or else on a
full context of tokens drawn with a fixed seed.

Exit code 0 if every log-probability agrees to the tolerance (1e-4), 1 if one does not, 2 if there was nothing to compare.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
from safetensors import safe_open

LAYER_NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0
CONFIG_KEYS = "n_layers n_heads d_model d_head d_mlp activation norm positions tied bias n_ctx d_vocab".split()


class Refused(Exception):
    """The inputs do not allow a comparison; the message says why."""


def read_checkpoint(path):
    """→ (config, {replica name: {tensor name: float64 array in the classic shape}}), replicas in file order."""
    config_path = path.parent / "config.json"
    if not config_path.is_file():
        raise Refused(f"{config_path}: not found; it has to lie beside the checkpoint")
    config = json.loads(config_path.read_text())
    missing = [key for key in CONFIG_KEYS if key not in config]
    if missing:
        raise Refused(f"{config_path}: lacks {', '.join(missing)}")
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
    shapes = expected_shapes(config)
    if tensors.keys() != shapes.keys():
        raise Refused(f"{path}: tensors missing or not expected: {sorted(tensors.keys() ^ shapes.keys())}")
    stacked = tensors["embed.W_E"].ndim == 3
    if stacked and "replicas" not in metadata:
        raise Refused(f"{path}: tensors have a replica axis, but the metadata has no key `replicas`")
    names = json.loads(metadata["replicas"]) if stacked else [None]
    for name, tensor in tensors.items():
        wanted = (len(names), *shapes[name]) if stacked else shapes[name]
        if tensor.shape != wanted:
            raise Refused(f"{path}: {name} has shape {tensor.shape}, expected {wanted}")
    if not stacked:
        return config, {None: tensors}
    return config, {replica: {n: t[i] for n, t in tensors.items()} for i, replica in enumerate(names)}


def expected_shapes(c):
    """Tensor name → classic shape, as the configuration implies."""
    heads, d, k, m = c["n_heads"], c["d_model"], c["d_head"], c["d_mlp"]
    norm, bias = c["norm"] == "pre", c["bias"]
    shapes = {"embed.W_E": (c["d_vocab"], d)}
    if c["positions"] != "rotary":
        shapes["pos_embed.W_pos"] = (c["n_ctx"], d)
    for layer in range(c["n_layers"]):
        block = {f"attn.W_{letter}": (heads, d, k) for letter in "QKV"} | {"attn.W_O": (heads, k, d)}
        if norm:
            block |= {"ln1.w": (d,), "ln1.b": (d,)}
        if bias:
            block |= {f"attn.b_{letter}": (heads, k) for letter in "QKV"} | {"attn.b_O": (d,)}
        if m > 0:
            block |= {"mlp.W_in": (d, m), "mlp.W_out": (m, d)}
            block |= {"ln2.w": (d,), "ln2.b": (d,)} if norm else {}
            block |= {"mlp.b_in": (m,), "mlp.b_out": (d,)} if bias else {}
        shapes |= {f"blocks.{layer}.{name}": shape for name, shape in block.items()}
    if norm:
        shapes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    if not c["tied"]:
        shapes["unembed.W_U"] = (d, c["d_vocab"])
    if bias:
        shapes["unembed.b_U"] = (c["d_vocab"],)
    return shapes


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def rotate(x):
    """Half-split rotary positions, x [position, d_head]: entries i and i + d_head/2 as a complex number, turned."""
    positions, d_head = x.shape
    half = d_head // 2
    frequency = ROTARY_BASE ** (-2.0 * np.arange(half) / d_head)
    turned = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * np.outer(np.arange(positions), frequency))
    return np.concatenate([turned.real, turned.imag], axis=1)


def log_probs(c, w, tokens):
    """Next-token log-probabilities [position, d_vocab] of one replica, natural logarithm, in float64."""
    n = len(tokens)

    def norm(x, name):
        if c["norm"] == "none":
            return x
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + LAYER_NORM_EPS) * w[name + ".w"] + w[name + ".b"]

    def activation(x):
        if c["activation"] == "relu":
            return np.maximum(x, 0.0)
        return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))

    x = w["embed.W_E"][tokens]
    if c["positions"] == "learned":
        x = x + w["pos_embed.W_pos"][:n]
    for layer in range(c["n_layers"]):
        b = f"blocks.{layer}."
        v_in = norm(x, b + "ln1")
        qk_in = v_in + w["pos_embed.W_pos"][:n] if c["positions"] == "shortformer" else v_in
        out = np.zeros_like(x)
        for head in range(c["n_heads"]):
            q, k, v = (
                source @ w[f"{b}attn.W_{letter}"][head] + (w[f"{b}attn.b_{letter}"][head] if c["bias"] else 0.0)
                for letter, source in (("Q", qk_in), ("K", qk_in), ("V", v_in))
            )
            if c["positions"] == "rotary":
                q, k = rotate(q), rotate(k)
            for i in range(n):  # a query sees keys 0..=i and no mask is needed
                attention = np.exp(log_softmax(k[: i + 1] @ q[i] / math.sqrt(c["d_head"])))
                out[i] += attention @ v[: i + 1] @ w[b + "attn.W_O"][head]
        x = x + out + (w[b + "attn.b_O"] if c["bias"] else 0.0)
        if c["d_mlp"] > 0:
            hidden = activation(norm(x, b + "ln2") @ w[b + "mlp.W_in"] + (w[b + "mlp.b_in"] if c["bias"] else 0.0))
            x = x + hidden @ w[b + "mlp.W_out"] + (w[b + "mlp.b_out"] if c["bias"] else 0.0)
    unembed = w["embed.W_E"].T if c["tied"] else w["unembed.W_U"]
    return log_softmax(norm(x, "ln_final") @ unembed + (w["unembed.b_U"] if c["bias"] else 0.0))


def predicted(binary, checkpoint, replica, tokens):
    """What `ontogeny predict … --json` prints: one JSON object and nothing else."""
    command = [binary, "predict", str(checkpoint), "--tokens", ",".join(map(str, tokens)), "--json"]
    command += ["--replica", replica] if replica is not None else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def compare(config, weights, answer, label, tolerance):
    """Prints the largest difference; → whether all agree to the tolerance."""
    tokens = np.array(answer["tokens"], dtype=np.int64)
    if not 0 < len(tokens) <= config["n_ctx"] or tokens.min() < 0 or tokens.max() >= config["d_vocab"]:
        raise Refused(f"tokens {tokens.tolist()} do not fit n_ctx {config['n_ctx']} and d_vocab {config['d_vocab']}")
    ours = log_probs(config, weights, tokens)
    theirs = np.array(answer["log_probs"], dtype=np.float64)
    if theirs.shape != ours.shape:
        print(f"{label}: log_probs has shape {theirs.shape}, expected {ours.shape}")
        return False
    difference = np.abs(ours - theirs)
    position, token = np.unravel_index(np.argmax(difference), difference.shape)
    agree = bool((difference <= tolerance).all())  # false for NaN
    print(
        f"{label}: largest difference {difference.max():.3e} at position {position}, token {token} "
        f"({difference.size} log-probabilities, tolerance {tolerance:g}): {'agree' if agree else 'DISAGREE'}"
    )
    return agree


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--replica", help="replica name; may be left out if there is only one, or with --binary")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--predicted", metavar="FILE", help="output of `ontogeny predict --json`, or - for stdin")
    source.add_argument("--binary", help="the ontogeny binary, to be asked for its prediction")
    parser.add_argument("--tokens", help="with --binary: comma-separated tokens")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    config, replicas = read_checkpoint(arguments.checkpoint)

    if arguments.replica is None:
        chosen = list(replicas)
        if arguments.predicted and len(chosen) > 1:
            raise Refused(f"--replica is needed: the file holds {', '.join(chosen)}")
    elif arguments.replica in replicas:
        chosen = [arguments.replica]
    else:
        raise Refused(f"no replica {arguments.replica!r}; the file holds {list(replicas)}")

    if arguments.tokens:
        tokens = [int(token) for token in arguments.tokens.split(",")]
    else:
        tokens = np.random.default_rng(17).integers(config["d_vocab"], size=config["n_ctx"]).tolist()
    compared, agreed = 0, 0
    for replica in chosen:
        weights, label = replicas[replica], replica or "exported replica"
        if not all(np.isfinite(tensor).all() for tensor in weights.values()):
            print(f"{label}: weights are not finite, nothing to compare")
            continue
        if arguments.binary:
            answer = predicted(arguments.binary, arguments.checkpoint, replica, tokens)
            if answer["tokens"] != tokens:
                raise Refused(f"asked for tokens {tokens}, the answer is for {answer['tokens']}")
        else:
            stdin = arguments.predicted == "-"
            answer = json.loads(sys.stdin.read() if stdin else pathlib.Path(arguments.predicted).read_text())
        compared += 1
        agreed += compare(config, weights, answer, label, arguments.tolerance)
    if compared == 0:
        raise Refused("no replica could be compared")
    return 0 if agreed == compared else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Refused, OSError, KeyError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
