"""An independent PyTorch reference for the transformer of `ontogeny_model`.

Written from the formulas, not from the Rust code: it shares nothing with it but the tensor names. For each variant in
`VARIANTS` it writes `<variant>.safetensors` beside this file, with the weights and everything a test may ask of them:
logits, loss, attention patterns, residual streams, every gradient, and ten steps of one or two optimizers. README.md
beside this file lists the keys and the conventions.

    python3 reference.py            # check the mathematics, then write the files
    python3 reference.py --check    # the same, but compare with the files that are there and write nothing

Weights are drawn in double precision and rounded to single, so that both sides start from the same bits. Everything is
then computed in float64 and rounded to float32 when written. A second pass in float32 measures how far single precision
alone moves each quantity; those gaps go into the metadata (`f32_gap`), so that a test's tolerance can be justified.
"""

import argparse
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
LAYER_NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0
BATCH = 3
OPTIMIZER_STEPS = 10

SHAPE = dict(n_layers=2, n_heads=2, d_model=8, n_ctx=6, d_vocab=11)
VARIANTS = {
    "attention_only": dict(SHAPE, d_head=4, d_mlp=0, act="relu", norm="pre", positions="learned", tied=False, bias=True),
    # d_head is not d_model / n_heads here, and the MLP's width is no multiple of either.
    "gelu_tied": dict(SHAPE, d_head=3, d_mlp=12, act="gelu", norm="pre", positions="learned", tied=True, bias=True),
    "shortformer_relu": dict(SHAPE, d_head=4, d_mlp=12, act="relu", norm="pre", positions="shortformer", tied=False, bias=False),
    "rotary_no_norm": dict(SHAPE, d_head=4, d_mlp=12, act="relu", norm="none", positions="rotary", tied=False, bias=True),
    "relative": dict(SHAPE, d_head=4, d_mlp=0, act="relu", norm="pre", positions="relative", tied=False, bias=True),
}

ADAMW = dict(kind="adamw", lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.05)
# Weight decay that joins the gradient, as an L2 penalty does.
ADAM = dict(ADAMW, kind="adam")
SGD = dict(kind="sgd", lr=5e-2, momentum=0.9, weight_decay=0.05)
RUNS = {
    "attention_only": {"adamw": ADAMW, "sgd": SGD},
    "gelu_tied": {"adamw": ADAMW, "adamw_clip": dict(ADAMW, clip=0.5)},
    # A threshold between the gradient norms met, so that some steps are clipped and some are not.
    "shortformer_relu": {"adamw": ADAMW, "sgd_clip": dict(SGD, clip=2.0)},
    "rotary_no_norm": {"adamw": ADAMW},
    "relative": {"adam": ADAM},
}
SEEDS = {name: 20240 + i for i, name in enumerate(VARIANTS)}


def parameter_shapes(c):
    """Name → shape, without a replica axis, in the order of the forward pass."""
    heads, d, k, m = c["n_heads"], c["d_model"], c["d_head"], c["d_mlp"]
    shapes = {"embed.W_E": (c["d_vocab"], d)}
    if c["positions"] in ("learned", "shortformer"):
        shapes["pos_embed.W_pos"] = (c["n_ctx"], d)
    for layer in range(c["n_layers"]):
        b = f"blocks.{layer}."
        if c["norm"] == "pre":
            shapes |= {b + "ln1.w": (d,), b + "ln1.b": (d,)}
        for letter in "QKV":
            shapes[b + f"attn.W_{letter}"] = (heads, d, k)
            if c["bias"]:
                shapes[b + f"attn.b_{letter}"] = (heads, k)
        shapes[b + "attn.W_O"] = (heads, k, d)
        if c["bias"]:
            shapes[b + "attn.b_O"] = (d,)
        if c["positions"] == "relative":
            shapes[b + "attn.b_rel"] = (heads, c["n_ctx"])
        if m > 0:
            if c["norm"] == "pre":
                shapes |= {b + "ln2.w": (d,), b + "ln2.b": (d,)}
            shapes[b + "mlp.W_in"] = (d, m)
            if c["bias"]:
                shapes[b + "mlp.b_in"] = (m,)
            shapes[b + "mlp.W_out"] = (m, d)
            if c["bias"]:
                shapes[b + "mlp.b_out"] = (d,)
    if c["norm"] == "pre":
        shapes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    if not c["tied"]:
        shapes["unembed.W_U"] = (d, c["d_vocab"])
    if c["bias"]:
        shapes["unembed.b_U"] = (c["d_vocab"],)
    return shapes


def draw_weights(c, rng):
    """Normals of standard deviation .5 (about 1 for layer-norm gains), rounded to single precision."""
    weights = {}
    for name, shape in parameter_shapes(c).items():
        w = 0.5 * rng.standard_normal(shape)
        if name.endswith(("ln1.w", "ln2.w", "ln_final.w")):
            w = w + 1.0
        weights[name] = w.astype(np.float32)
    return weights


def layer_norm(x, w, b):
    """Over the last axis, with the biased variance (Ba et al. 2016)."""
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + LAYER_NORM_EPS) * w + b


def rotate(x):
    """Rotary positions (Su et al. 2021) over all of d_head, half-split: entry i is paired with entry i + d_head/2.

    x [batch, head, position, d_head]; the pair at position p turns by the angle p·base^(−2i/d_head).
    """
    d_head, positions = x.shape[-1], x.shape[-2]
    half = d_head // 2
    i = torch.arange(half, dtype=torch.float64)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * ROTARY_BASE ** (-2.0 * i / d_head)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def forward(c, p, inputs):
    """inputs [batch, position] → logits [batch, position, d_vocab] and the trace, a dictionary of activations."""
    n = inputs.shape[1]
    trace = {}

    def norm(x, name):
        return layer_norm(x, p[name + ".w"], p[name + ".b"]) if c["norm"] == "pre" else x

    def bias(name, *shape):
        return p[name].reshape(shape) if c["bias"] else 0.0

    x = p["embed.W_E"][inputs]  # [batch, position, d_model]
    if c["positions"] == "learned":
        x = x + p["pos_embed.W_pos"][:n]
    for layer in range(c["n_layers"]):
        b = f"blocks.{layer}."
        trace[f"resid_pre/{layer}"] = x
        normed = norm(x, b + "ln1")
        # Shortformer (Press et al. 2021) as TransformerLens has it: positions join Q's and K's input after the layer
        # norm, never V's and never the residual stream.
        qk_in = normed + p["pos_embed.W_pos"][:n] if c["positions"] == "shortformer" else normed
        heads, k = c["n_heads"], c["d_head"]
        q = torch.einsum("bpd,hdk->bhpk", qk_in, p[b + "attn.W_Q"]) + bias(b + "attn.b_Q", heads, 1, k)
        key = torch.einsum("bpd,hdk->bhpk", qk_in, p[b + "attn.W_K"]) + bias(b + "attn.b_K", heads, 1, k)
        v = torch.einsum("bpd,hdk->bhpk", normed, p[b + "attn.W_V"]) + bias(b + "attn.b_V", heads, 1, k)
        if c["positions"] == "rotary":
            q, key = rotate(q), rotate(key)
        scores = torch.einsum("bhqk,bhsk->bhqs", q, key) / math.sqrt(k)
        if c["positions"] == "relative":
            # A number for each head and distance from the query back to the key (T5 without buckets).
            distance = torch.arange(n)[:, None] - torch.arange(n)[None, :]
            scores = scores + p[b + "attn.b_rel"][:, distance.clamp(min=0)]
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        pattern = torch.softmax(scores.masked_fill(future, -math.inf), dim=-1)
        trace[f"pattern/{layer}"] = pattern  # [batch, head, query, key]
        z = torch.einsum("bhqs,bhsk->bhqk", pattern, v)
        x = x + torch.einsum("bhqk,hkd->bqd", z, p[b + "attn.W_O"]) + bias(b + "attn.b_O", -1)
        if c["d_mlp"] > 0:
            pre = norm(x, b + "ln2") @ p[b + "mlp.W_in"] + bias(b + "mlp.b_in", -1)
            post = torch.relu(pre) if c["act"] == "relu" else 0.5 * pre * (1.0 + torch.erf(pre / math.sqrt(2.0)))
            x = x + post @ p[b + "mlp.W_out"] + bias(b + "mlp.b_out", -1)
    trace[f"resid_post/{c['n_layers'] - 1}"] = x
    unembed = p["embed.W_E"].T if c["tied"] else p["unembed.W_U"]
    logits = norm(x, "ln_final") @ unembed + bias("unembed.b_U", -1)
    return logits, trace


def loss_of(c, p, tokens):
    """Next-token cross-entropy in nats, the mean over batch and all n_ctx positions. tokens [batch, n_ctx + 1]."""
    logits, _ = forward(c, p, tokens[:, :-1])
    chosen = torch.log_softmax(logits, dim=-1).gather(-1, tokens[:, 1:, None])
    return -chosen.mean()


def parameters(weights, dtype):
    return {name: torch.tensor(w, dtype=dtype, requires_grad=True) for name, w in weights.items()}


def evaluate(c, weights, tokens, dtype):
    """Everything that is read off the untouched weights."""
    p = parameters(weights, dtype)
    loss = loss_of(c, p, tokens)
    loss.backward()
    logits, trace = forward(c, p, tokens[:, :-1])
    values = {"logits": logits, "loss": loss.reshape(1), **trace}
    values |= {f"grads/{name}": w.grad for name, w in p.items()}
    return {name: value.detach() for name, value in values.items()}


def optimize(c, weights, batches, settings, dtype):
    """Ten steps of PyTorch's own optimizer. `losses` and `norms` are read before each update."""
    p = parameters(weights, dtype)
    s = settings
    if s["kind"] in ("adam", "adamw"):
        rule = torch.optim.AdamW if s["kind"] == "adamw" else torch.optim.Adam
        optimizer = rule(
            p.values(), lr=s["lr"], betas=(s["beta1"], s["beta2"]), eps=s["eps"], weight_decay=s["weight_decay"]
        )
    else:
        optimizer = torch.optim.SGD(p.values(), lr=s["lr"], momentum=s["momentum"], weight_decay=s["weight_decay"])
    losses, norms = [], []
    for tokens in batches:
        optimizer.zero_grad()
        loss = loss_of(c, p, tokens)
        loss.backward()
        # clip_grad_norm_ scales by min(1, clip / (norm + 1e-6)) and returns the norm before clipping.
        norms.append(torch.nn.utils.clip_grad_norm_(p.values(), s.get("clip", math.inf)))
        losses.append(loss.detach())
        optimizer.step()
    values = {"losses": torch.stack(losses), "norms": torch.stack(norms)}
    return values | {f"final/{name}": w.detach() for name, w in p.items()}


# --- checks of the mathematics itself -----------------------------------------------------------------------------


def check_finite_differences(c, weights, tokens, gradients, rng, entries=12, h=1e-5):
    """Autograd against central differences in float64; returns the largest difference seen."""
    p = {name: torch.tensor(w, dtype=torch.float64) for name, w in weights.items()}
    worst = 0.0
    for name, w in p.items():
        flat, g = w.view(-1), gradients[f"grads/{name}"].reshape(-1)
        for i in rng.choice(flat.numel(), size=min(entries, flat.numel()), replace=False):
            start = flat[i].item()
            flat[i] = start + h
            up = loss_of(c, p, tokens).item()
            flat[i] = start - h
            down = loss_of(c, p, tokens).item()
            flat[i] = start
            difference = abs((up - down) / (2 * h) - g[i].item())
            assert difference < 1e-8, f"{name}[{i}]: finite difference off by {difference:.2e}"
            worst = max(worst, difference)
    return worst


def check_against_library():
    """The hand-written pieces against PyTorch's own, in float64."""
    torch.manual_seed(0)
    x, w, b = torch.randn(5, 8, dtype=torch.float64), *torch.randn(2, 8, dtype=torch.float64)
    torch.testing.assert_close(layer_norm(x, w, b), F.layer_norm(x, (8,), w, b, LAYER_NORM_EPS), rtol=0, atol=1e-12)
    torch.testing.assert_close(0.5 * x * (1 + torch.erf(x / math.sqrt(2))), F.gelu(x), rtol=0, atol=1e-12)
    # Rotary attention depends on relative position only.
    q, k = torch.randn(2, 1, 1, 1, 4, dtype=torch.float64).expand(2, 1, 1, 6, 4)
    scores = torch.einsum("bhqk,bhsk->bhqs", rotate(q), rotate(k))[0, 0]
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1], rtol=0, atol=1e-12)


def check_trace(c, values, tokens, weights):
    """Patterns are causal distributions; the logits do not see the future; the loss is cross_entropy's."""
    for layer in range(c["n_layers"]):
        pattern = values[f"pattern/{layer}"]
        assert pattern.triu(1).abs().max() == 0.0
        assert (pattern.sum(-1) - 1).abs().max() < 1e-12
    p = {name: torch.tensor(w, dtype=torch.float64) for name, w in weights.items()}
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % c["d_vocab"]
    logits, _ = forward(c, p, changed[:, :-1])
    assert torch.equal(logits[:, :4], values["logits"][:, :4])
    assert not torch.equal(logits[:, 4], values["logits"][:, 4])
    flat = F.cross_entropy(values["logits"].reshape(-1, c["d_vocab"]), tokens[:, 1:].reshape(-1))
    assert abs(flat.item() - values["loss"].item()) < 1e-12


def gaps(double, single, skip):
    """Largest |float64 − float32| by group of keys (`grads/…` and `final/…` are one group each)."""
    out = {}
    for name, value in double.items():
        group, _, rest = name.partition("/")
        if rest in skip and group in ("grads", "final"):
            continue
        gap = (value - single[name].double()).abs().max().item()
        out[group] = max(out.get(group, 0.0), gap)
    return {group: float(f"{gap:.2e}") for group, gap in out.items()}


def build(variant):
    """All tensors and the metadata of one variant's file."""
    c = VARIANTS[variant]
    rng = np.random.Generator(np.random.PCG64(SEEDS[variant]))
    weights = draw_weights(c, rng)
    tokens = torch.tensor(rng.integers(c["d_vocab"], size=(BATCH, c["n_ctx"] + 1)))
    double = evaluate(c, weights, tokens, torch.float64)
    single = evaluate(c, weights, tokens, torch.float32)
    check_trace(c, double, tokens, weights)
    worst = check_finite_differences(c, weights, tokens, double, rng)

    # A key bias adds the same score to every key of a query, so without rotary positions its gradient is exactly zero
    # and AdamW would divide rounding noise by itself: such tensors are named, to be left out of `final` comparisons.
    flat = [n for n in weights if double[f"grads/{n}"].abs().max().item() < 1e-14]
    assert all(n.endswith("attn.b_K") and c["positions"] != "rotary" for n in flat), flat

    tensors = {f"weights/{name}": w for name, w in weights.items()} | {"tokens": tokens} | double
    f32_gap = gaps(double, single, flat)
    for run, settings in RUNS[variant].items():
        batches = torch.tensor(rng.integers(c["d_vocab"], size=(OPTIMIZER_STEPS, BATCH, c["n_ctx"] + 1)))
        values = optimize(c, weights, batches, settings, torch.float64)
        in_single = optimize(c, weights, batches, settings, torch.float32)
        f32_gap |= {f"{run}/{g}": gap for g, gap in gaps(values, in_single, flat).items()}
        tensors |= {f"{run}/tokens": batches} | {f"{run}/{name}": v for name, v in values.items()}
        low, high = values["norms"].min().item(), values["norms"].max().item()
        losses = values["losses"]
        print(f"  {run}: losses {losses[0]:.4f} … {losses[-1]:.4f}, gradient norms {low:.3f} to {high:.3f}")
    metadata = {
        "config": json.dumps(c),
        "optimizers": json.dumps(RUNS[variant]),
        "zero_gradient": json.dumps(flat),
        "f32_gap": json.dumps(f32_gap),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    print(f"  loss {double['loss'].item():.6f}, finite differences within {worst:.1e}, f32 gaps {f32_gap}")
    return {name: np.ascontiguousarray(np.asarray(t), dtype=np.float32) for name, t in tensors.items()}, metadata


def compare(path, tensors):
    """The stored file against freshly computed tensors; exits with a message at the first disagreement."""
    with safe_open(path, framework="numpy") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}
    if stored.keys() != tensors.keys():
        sys.exit(f"{path}: keys differ: {sorted(stored.keys() ^ tensors.keys())}")
    for name, value in tensors.items():
        if stored[name].shape != value.shape or not np.allclose(stored[name], value, rtol=1e-6, atol=1e-7):
            sys.exit(f"{path}: {name} is not what this script computes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored files instead of writing them")
    check_only = parser.parse_args().check
    torch.set_num_threads(1)
    check_against_library()
    for variant in VARIANTS:
        print(variant)
        tensors, metadata = build(variant)
        path = HERE / f"{variant}.safetensors"
        if check_only:
            compare(path, tensors)
        else:
            save_file(tensors, path, metadata)
        print(f"  {path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
