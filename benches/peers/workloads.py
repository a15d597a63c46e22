"""The workloads of the benchmarks, and the network in PyTorch as its users write it for speed.

All are attention-only transformers of two layers with layer norms before each layer and before the unembedding,
learned positions, biases, and an unembedding of its own. The loss is the mean cross-entropy of the next token over
n_ctx positions. What the weights and tokens are does not matter to the time, so both are random.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

N_LAYERS = 2
POOL = 8


@dataclass(frozen=True)
class Workload:
    d_vocab: int
    n_ctx: int
    d_model: int
    n_heads: int
    batch: int


WORKLOADS = {
    "tiny": Workload(d_vocab=64, n_ctx=64, d_model=64, n_heads=4, batch=32),
    "small": Workload(d_vocab=512, n_ctx=128, d_model=128, n_heads=4, batch=32),
    "paper": Workload(d_vocab=5000, n_ctx=1024, d_model=256, n_heads=8, batch=4),
}


class LayerNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, eps=1e-5)


class Attention(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads = n_heads
        # One product instead of three.
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        batch, positions, d_model = x.shape
        heads = self.qkv(x).view(batch, positions, 3, self.n_heads, d_model // self.n_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(z.transpose(1, 2).reshape(batch, positions, d_model))


class Block(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.norm = LayerNorm(d_model)
        self.attention = Attention(d_model, n_heads)

    def forward(self, x):
        return x + self.attention(self.norm(x))


class Transformer(nn.Module):
    def __init__(self, workload):
        super().__init__()
        self.embed = nn.Embedding(workload.d_vocab, workload.d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(workload.n_ctx, workload.d_model))
        self.blocks = nn.ModuleList(Block(workload.d_model, workload.n_heads) for _ in range(N_LAYERS))
        self.norm = LayerNorm(workload.d_model)
        self.unembed = nn.Linear(workload.d_model, workload.d_vocab)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, inputs):
        """inputs [batch, n_ctx] → logits [batch, n_ctx, d_vocab]."""
        x = self.embed(inputs) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.unembed(self.norm(x))


def mean_loss(model, tokens):
    """In nats; tokens [batch, n_ctx + 1]."""
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def token_losses(model, tokens):
    """The same before the mean, [batch, n_ctx]."""
    logits = model(tokens[:, :-1])
    targets = tokens[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)


def batches(workload):
    """POOL batches of tokens [batch, n_ctx + 1], to be used in turn."""
    shape = (workload.batch, workload.n_ctx + 1)
    return [torch.randint(workload.d_vocab, shape) for _ in range(POOL)]
