"""The golden values against TransformerLens itself: same tensor names, same numbers.

Loads the weights of every golden file beside the model crate's tests into a `HookedTransformer` and compares logits,
loss, attention patterns, residual streams and every gradient. What our names and conventions mean (above all where
shortformer positions are added, and which entries rotary positions pair) is thereby checked against the library they
are taken from. What TransformerLens does not know is spelled out in `load`: tied unembeddings and missing biases.

    pip install "transformer-lens<4" && python3 check_transformer_lens.py

Version 4 of the library no longer has `HookedTransformer`. Not part of CI: it brings a great many dependencies along.

Output (TransformerLens 3.9.0, PyTorch 2.15.0), the largest difference over the compared tensors of each file:

    attention_only     33 tensors, 2.3e-07 (resid_post/1)
    gelu_tied          44 tensors, 4.7e-07 (resid_post/1)
    rotary_no_norm     34 tensors, 9.6e-07 (logits)
    shortformer_relu   32 tensors, 4.1e-07 (resid_post/1)
"""

import json
import pathlib
import sys

import torch
from safetensors import safe_open
from transformer_lens import HookedTransformer, HookedTransformerConfig

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "crates" / "model" / "tests" / "golden"
TOLERANCE = 5e-6  # both sides compute in float64; the golden values were rounded to float32 when written


def build(c):
    """The TransformerLens model of one of our configurations, in float64."""
    positions = {"learned": "standard", "shortformer": "shortformer", "rotary": "rotary"}[c["positions"]]
    settings = dict(
        n_layers=c["n_layers"],
        n_heads=c["n_heads"],
        d_model=c["d_model"],
        d_head=c["d_head"],
        n_ctx=c["n_ctx"],
        d_vocab=c["d_vocab"],
        attn_only=c["d_mlp"] == 0,
        normalization_type="LN" if c["norm"] == "pre" else None,
        positional_embedding_type=positions,
        dtype=torch.float64,
        device="cpu",
    )
    if c["d_mlp"] > 0:
        settings |= dict(d_mlp=c["d_mlp"], act_fn=c["act"])
    if positions == "rotary":
        settings |= dict(rotary_dim=c["d_head"])
    return HookedTransformer(HookedTransformerConfig(**settings))


def load(model, c, weights):
    """Our tensors, name by name. A tied unembedding is W_Eᵀ, a missing bias zero; TransformerLens always has both."""
    state = {name: tensor.double() for name, tensor in weights.items()}
    if c["tied"]:
        state["unembed.W_U"] = weights["embed.W_E"].double().T.contiguous()
    own = model.state_dict()
    for name, tensor in own.items():
        if name.endswith((".mask", ".IGNORE", ".rotary_sin", ".rotary_cos")):
            state[name] = tensor
        elif name not in state:
            assert not c["bias"] and ".b_" in name, f"no value for {name}"
            state[name] = torch.zeros_like(tensor)
    model.load_state_dict(state, strict=True)


def compare(path):
    """Largest difference over every quantity of one file, and its name."""
    with safe_open(path, framework="pt") as file:
        c = json.loads(file.metadata()["config"])
        values = {name: file.get_tensor(name) for name in file.keys()}
    weights = {n.removeprefix("weights/"): w for n, w in values.items() if n.startswith("weights/")}
    model = build(c)
    load(model, c, weights)
    tokens = values["tokens"].long()
    logits, cache = model.run_with_cache(tokens[:, :-1])
    log_probs = torch.log_softmax(model(tokens[:, :-1]), dim=-1)
    loss = -log_probs.gather(-1, tokens[:, 1:, None]).mean()
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    if c["tied"]:
        gradients["embed.W_E"] = gradients["embed.W_E"] + gradients["unembed.W_U"].T
    theirs = {"logits": logits, "loss": loss.reshape(1)} | {f"grads/{name}": gradients[name] for name in weights}
    for layer in range(c["n_layers"]):
        theirs[f"pattern/{layer}"] = cache["pattern", layer]
        theirs[f"resid_pre/{layer}"] = cache["resid_pre", layer]
    theirs[f"resid_post/{c['n_layers'] - 1}"] = cache["resid_post", c["n_layers"] - 1]
    differences = {name: (value.detach() - values[name]).abs().max().item() for name, value in theirs.items()}
    worst = max(differences, key=differences.get)
    return len(theirs), worst, differences[worst]


def main():
    files = sorted(GOLDEN.glob("*.safetensors"))
    assert files, f"{GOLDEN}: no golden files"
    failed = False
    for path in files:
        count, name, difference = compare(path)
        failed |= not difference <= TOLERANCE
        print(f"{path.stem:<18} {count} tensors, {difference:.1e} ({name})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
