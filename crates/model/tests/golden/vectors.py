"""An independent PyTorch reference for the transformers of `ontogeny_model` that read vectors.

Written from the formulas. For each variant below it draws weights, inputs and targets in single
precision, and computes outputs, the weighted squared error and every gradient in double precision,
and writes all of it to `vectors.json` beside this file. Each position counts by its weight, 1 in the
mean, as in in-context regression, where only every other position predicts.

    python3 vectors.py
"""

import json
import math
import pathlib

import torch

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES, POSITIONS, D_IN = 3, 6, 4
WEIGHTS = [2.0, 0.0] * (POSITIONS // 2)
SHAPE = dict(n_layers=2, n_heads=2, d_model=8, d_head=4, d_mlp=12)
VARIANTS = {
    "one_output": dict(SHAPE, block="standard", positions="learned", d_out=1),
    # The authors' block of in-context regression: x <- x + block(x), attention without biases.
    "doubled": dict(SHAPE, block="doubled", positions="learned", d_out=2),
    "relative": dict(SHAPE, block="standard", positions="relative", d_out=3),
}


def shapes(c):
    """Name to shape, in the order of the forward pass."""
    d, h, k, m = c["d_model"], c["n_heads"], c["d_head"], c["d_mlp"]
    found = {"embed.W_E": (D_IN, d)}
    if c["positions"] == "learned":
        found["pos_embed.W_pos"] = (POSITIONS, d)
    for layer in range(c["n_layers"]):
        b = f"blocks.{layer}."
        found |= {b + "ln1.w": (d,), b + "ln1.b": (d,)}
        for letter in "QKV":
            found[b + f"attn.W_{letter}"] = (h, d, k)
            if c["block"] == "standard":
                found[b + f"attn.b_{letter}"] = (h, k)
        found[b + "attn.W_O"] = (h, k, d)
        if c["block"] == "standard":
            found[b + "attn.b_O"] = (d,)
        if c["positions"] == "relative":
            found[b + "attn.b_rel"] = (h, POSITIONS)
        found |= {b + "ln2.w": (d,), b + "ln2.b": (d,)}
        found |= {b + "mlp.W_in": (d, m), b + "mlp.b_in": (m,)}
        found |= {b + "mlp.W_out": (m, d), b + "mlp.b_out": (d,)}
    return found | {
        "ln_final.w": (d,),
        "ln_final.b": (d,),
        "unembed.W_U": (d, c["d_out"]),
        "unembed.b_U": (c["d_out"],),
    }


def forward(c, p, values):
    """values [example, position, d_in] to outputs [example, position, d_out]."""
    n = values.shape[1]

    def norm(x, name):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], p[name + ".w"], p[name + ".b"], 1e-5)

    def attention(x, b):
        def heads(letter):
            y = torch.einsum("bpd,hdk->bhpk", x, p[b + f"W_{letter}"])
            bias = p.get(b + f"b_{letter}")
            return y if bias is None else y + bias[:, None]

        q, k, v = heads("Q"), heads("K"), heads("V")
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        if c["positions"] == "relative":
            distance = torch.arange(n)[:, None] - torch.arange(n)[None, :]
            scores = scores + p[b + "b_rel"][:, distance.clamp(min=0)]
        scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1), -math.inf)
        y = torch.einsum("bhqk,hkd->bqd", scores.softmax(-1) @ v, p[b + "W_O"])
        return y + p[b + "b_O"] if b + "b_O" in p else y

    x = values @ p["embed.W_E"]
    if c["positions"] == "learned":
        x = x + p["pos_embed.W_pos"][:n]
    for layer in range(c["n_layers"]):
        b, before = f"blocks.{layer}.", x
        x = x + attention(norm(x, b + "ln1"), b + "attn.")
        hidden = torch.relu(norm(x, b + "ln2") @ p[b + "mlp.W_in"] + p[b + "mlp.b_in"])
        x = x + hidden @ p[b + "mlp.W_out"] + p[b + "mlp.b_out"]
        if c["block"] == "doubled":
            x = before + x
    return norm(x, "ln_final") @ p["unembed.W_U"] + p["unembed.b_U"]


def loss_of(c, p, inputs, targets):
    """Squared error summed over components, weighted by position, averaged over all rows."""
    errors = ((forward(c, p, inputs) - targets) ** 2).sum(-1)
    return (errors * torch.tensor(WEIGHTS, dtype=errors.dtype)).mean()


def main():
    out = {}
    for seed, (name, c) in enumerate(VARIANTS.items()):
        generator = torch.Generator().manual_seed(100 + seed)
        draw = lambda *shape: torch.randn(*shape, generator=generator)
        drawn = {key: 0.5 * draw(*shape) + float(key.endswith(".w")) for key, shape in shapes(c).items()}
        inputs, targets = draw(EXAMPLES, POSITIONS, D_IN), draw(EXAMPLES, POSITIONS, c["d_out"])
        weights = {key: value.double().requires_grad_() for key, value in drawn.items()}
        loss = loss_of(c, weights, inputs.double(), targets.double())
        loss.backward()

        def of_parts(*parts):
            return loss_of(c, dict(zip(weights, parts)), inputs.double(), targets.double())

        parts = [value.detach().clone().requires_grad_() for value in weights.values()]
        assert torch.autograd.gradcheck(of_parts, parts)
        flat = lambda tensor: tensor.detach().flatten().tolist()
        config = {
            **{key: value for key, value in c.items() if key not in ("d_out", "block")},
            "activation": "relu",
            "norm": "pre",
            "tied": False,
            "bias": True,
            "n_ctx": POSITIONS,
            "vectors": {"d_in": D_IN, "d_out": c["d_out"]},
            "init": {"kind": "standard", "scale": 1.0},
        }
        if c["block"] != "standard":
            config["block"] = c["block"]
        out[name] = {
            "config": config,
            "positions": POSITIONS,
            "row_weights": WEIGHTS,
            "weights": {key: {"shape": list(value.shape), "values": flat(value)} for key, value in drawn.items()},
            "inputs": flat(inputs),
            "targets": flat(targets),
            "outputs": flat(forward(c, weights, inputs.double())),
            "loss": loss.item(),
            "gradients": {key: flat(value.grad) for key, value in weights.items()},
        }
    (HERE / "vectors.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
