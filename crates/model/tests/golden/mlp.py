"""An independent PyTorch reference for the fully connected networks of `ontogeny_model`.

Written from the formulas. For each network below it draws weights, inputs and targets in single
precision, computes outputs, the mean squared error (summed over components, averaged over rows) and
every gradient in double precision, and writes all of it to `mlp.json` beside this file.

    python3 mlp.py
"""

import json
import pathlib

import torch

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 5
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
}
NETWORKS = {
    "deep_linear": dict(widths=[4, 3, 5, 2], activation="linear", output="linear", biases="none", tied=False),
    "hidden_gelu": dict(widths=[3, 6, 2], activation="gelu", output="linear", biases="all", tied=False),
    "hidden_silu": dict(widths=[3, 6, 2], activation="silu", output="tanh", biases="all", tied=False),
    "autoencoder": dict(widths=[6, 2, 6], activation="linear", output="relu", biases="output", tied=True),
    "deep_tied": dict(widths=[5, 4, 2, 4, 5], activation="tanh", output="linear", biases="all", tied=True),
}


def parameters(network, generator):
    """Name to tensor, in the order of the layers; a tied layer has no matrix of its own."""
    widths, found = network["widths"], {}
    layers = len(widths) - 1
    for layer in range(layers):
        if not network["tied"] or layer < layers // 2:
            found[f"layers.{layer}.W"] = torch.randn(widths[layer], widths[layer + 1], generator=generator)
        if network["biases"] == "all" or (network["biases"] == "output" and layer == layers - 1):
            found[f"layers.{layer}.b"] = torch.randn(widths[layer + 1], generator=generator)
    return found


def forward(network, weights, x):
    layers = len(network["widths"]) - 1
    for layer in range(layers):
        own = weights.get(f"layers.{layer}.W")
        matrix = own if own is not None else weights[f"layers.{layers - 1 - layer}.W"].T
        x = x @ matrix
        if f"layers.{layer}.b" in weights:
            x = x + weights[f"layers.{layer}.b"]
        name = network["output"] if layer == layers - 1 else network["activation"]
        x = ACTIVATIONS[name](x)
    return x


def main():
    out = {}
    for seed, (name, network) in enumerate(NETWORKS.items()):
        generator = torch.Generator().manual_seed(seed)
        drawn = parameters(network, generator)
        inputs = torch.randn(ROWS, network["widths"][0], generator=generator)
        targets = torch.randn(ROWS, network["widths"][-1], generator=generator)
        weights = {key: value.double().requires_grad_() for key, value in drawn.items()}
        outputs = forward(network, weights, inputs.double())
        loss = ((outputs - targets.double()) ** 2).sum(1).mean()
        loss.backward()

        def of_parts(x, y, *parts):
            return ((forward(network, dict(zip(weights, parts)), x) - y) ** 2).sum(1).mean()

        parts = [value.detach().clone().requires_grad_() for value in weights.values()]
        assert torch.autograd.gradcheck(of_parts, (inputs.double(), targets.double(), *parts))
        flat = lambda tensor: tensor.detach().flatten().tolist()
        out[name] = {
            "config": {
                "kind": "mlp",
                "widths": network["widths"],
                "activation": network["activation"],
                "output_activation": network["output"],
                "biases": network["biases"],
                "tied": network["tied"],
                "init": {"kind": "standard", "scale": 1.0},
            },
            "weights": {key: {"shape": list(value.shape), "values": flat(value)} for key, value in drawn.items()},
            "inputs": flat(inputs),
            "targets": flat(targets),
            "outputs": flat(outputs),
            "loss": loss.item(),
            "gradients": {key: flat(value.grad) for key, value in weights.items()},
        }
    (HERE / "mlp.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
