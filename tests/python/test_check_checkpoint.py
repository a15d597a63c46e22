"""A test of `check_checkpoint.py` itself, against the PyTorch values beside the model crate's tests.

Every golden variant becomes a two-replica checkpoint (the golden weights and another draw); the checker has to accept
PyTorch's log-probabilities and to refuse them once one is off by 2e-4, once they are asked of the wrong replica, and
once a tensor is renamed. A small script stands in for the binary, to try `--binary`.

    python3 test_check_checkpoint.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "crates" / "model" / "tests" / "golden"
NAMES = ["other-0", "golden-1"]


def check(*arguments):
    """Exit code and output of the checker."""
    command = [sys.executable, HERE / "check_checkpoint.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def expect(code, *arguments):
    got, output = check(*arguments)
    assert got == code, f"expected exit code {code}, got {got}:\n{output}"
    return output


def stand_in(folder, answer):
    """An executable that prints `answer` whatever it is asked."""
    (folder / "answer.json").write_text(json.dumps(answer))
    path = folder / "stand-in"
    path.write_text(f"#!/bin/sh\ncat '{folder / 'answer.json'}'\n")
    path.chmod(0o755)
    return path


def one_variant(golden, folder):
    with safe_open(golden, framework="numpy") as file:
        config = json.loads(file.metadata()["config"])
        config["activation"] = config.pop("act")  # as config.json has it
        values = {name: file.get_tensor(name) for name in file.keys()}
    weights = {name.removeprefix("weights/"): w for name, w in values.items() if name.startswith("weights/")}
    rng = np.random.default_rng(1)
    stacked = {n: np.stack([rng.standard_normal(w.shape).astype(np.float32), w]) for n, w in weights.items()}
    (folder / "config.json").write_text(json.dumps(config | {"init": {"kind": "unrelated"}}))
    checkpoint, classic = folder / "step-0000000010.safetensors", folder / "model.safetensors"
    save_file(stacked, checkpoint, {"replicas": json.dumps(NAMES)})
    save_file(weights, classic)

    logits = values["logits"][0].astype(np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    answer = {"schema": 1, "tokens": values["tokens"][0, :-1].astype(int).tolist(), "log_probs": log_probs.tolist()}
    good, bad, short = folder / "good.json", folder / "bad.json", folder / "short.json"
    good.write_text(json.dumps(answer))
    log_probs[3, 5] += 2e-4
    bad.write_text(json.dumps(answer | {"log_probs": log_probs.tolist()}))
    short.write_text(json.dumps(answer | {"log_probs": answer["log_probs"][:-1]}))

    print(f"{golden.stem}: {expect(0, checkpoint, '--replica', 'golden-1', '--predicted', good).strip()}")
    expect(0, classic, "--predicted", good)
    assert "position 3, token 5" in expect(1, checkpoint, "--replica", "golden-1", "--predicted", bad)
    expect(1, checkpoint, "--replica", "golden-1", "--predicted", short)
    expect(1, checkpoint, "--replica", "other-0", "--predicted", good)
    expect(2, checkpoint, "--predicted", good)
    assert "golden-1" in expect(2, checkpoint, "--replica", "third", "--predicted", good)

    tokens = ",".join(map(str, answer["tokens"]))
    binary = stand_in(folder, answer)
    expect(0, checkpoint, "--replica", "golden-1", "--binary", binary, "--tokens", tokens)
    expect(1, checkpoint, "--binary", binary, "--tokens", tokens)  # the other replica is asked too
    expect(2, checkpoint, "--replica", "golden-1", "--binary", binary, "--tokens", "1,2")
    expect(2, checkpoint, "--replica", "golden-1", "--binary", "/bin/false")

    renamed = {name.replace("W_Q", "W_q"): w for name, w in stacked.items()}
    save_file(renamed, checkpoint, {"replicas": json.dumps(NAMES)})
    assert "W_q" in expect(2, checkpoint, "--replica", "golden-1", "--predicted", good)
    stacked["embed.W_E"][1] = np.nan
    save_file(stacked, checkpoint, {"replicas": json.dumps(NAMES)})
    assert "not finite" in expect(2, checkpoint, "--replica", "golden-1", "--predicted", good)


def main():
    files = sorted(GOLDEN.glob("*.safetensors"))
    assert len(files) == 4, f"{GOLDEN}: expected four golden files, found {len(files)}"
    for golden in files:
        with tempfile.TemporaryDirectory() as folder:
            one_variant(golden, pathlib.Path(folder))
    print("all as expected")


if __name__ == "__main__":
    main()
