"""The exact expectation of the SGLD estimate on a quadratic loss, against simulation with NumPy.

The Rust sampler is tested against a closed form; this script tests the closed form, in code that shares nothing with it.

Loss L(w) = ½ Σ_i h_i w_i², start w_0 = w* = 0, full-batch gradient, T steps of
    w ← w − (ε/2)(nβ·h·w + γ·w) + √ε·N(0, 1),
the loss of draw k = 0 … T−1 read before its step, draws k < B left out, λ̂ = nβ·(mean_{B≤k<T} L(w_k) − L(w*)).
With a_i = nβ·h_i + γ and ρ_i = 1 − ε·a_i/2, each coordinate is a linear recursion, w ← ρ_i·w + √ε·N, so
    E[w_i²] after k steps = ε(1 − ρ_i^{2k})/(1 − ρ_i²) = (1 − ρ_i^{2k}) / [a_i(1 − ε·a_i/4)],   stable iff ε·a_i < 4,
    E[λ̂] = Σ_i ½·nβ·h_i / [a_i(1 − ε·a_i/4)] · mean_{B≤k<T}(1 − ρ_i^{2k}).
For ε → 0 and T → ∞ this is Σ_i ½·nβ·h_i/a_i, printed beside it as "limit".

Command and output (NumPy 2.4.6, seed 0, about 10 s on one core):

    $ python3 sgld_quadratic.py
    case                            limit  formula  simulated ± standard error      z
    four curvatures               1.29949  1.89895   1.89902 ± 0.00066            +0.11
    the same, burn-in 500         1.29949  1.90112   1.90171 ± 0.00075            +0.79
    the same, small step          1.29949  1.31789   1.31769 ± 0.00171            -0.11
    ten equal                     4.54545  4.80229   4.80044 ± 0.00248            -0.75
    short chain                   1.29949  1.16221   1.16194 ± 0.00154            -0.17
    near instability (εa = 3.6)   0.45000  4.50000   4.50133 ± 0.00348            +0.38
    overshooting (ρ < 0)          0.89286  1.85057   1.85108 ± 0.00106            +0.49
    largest |z| 0.79 over 7 cases (fails above 4)
"""

import sys

import numpy as np

CASES = [
    # name, h, ε, nβ, γ, T, B, chains
    ("four curvatures", [1.0, 4.0, 0.25, 0.0], 1e-2, 50.0, 5.0, 2000, 0, 8000),
    ("the same, burn-in 500", [1.0, 4.0, 0.25, 0.0], 1e-2, 50.0, 5.0, 2000, 500, 8000),
    ("the same, small step", [1.0, 4.0, 0.25, 0.0], 1e-3, 50.0, 5.0, 2000, 0, 8000),
    ("ten equal", [1.0] * 10, 2e-3, 100.0, 10.0, 3000, 0, 2000),
    ("short chain", [1.0, 4.0, 0.25, 0.0], 1e-3, 50.0, 5.0, 100, 20, 100_000),
    ("near instability (εa = 3.6)", [1.0], 3.6e-2, 90.0, 10.0, 400, 100, 50_000),
    ("overshooting (ρ < 0)", [2.0, 0.5], 2.5e-2, 50.0, 5.0, 50, 0, 100_000),
]


def exact(h, eps, nbeta, gamma, steps, burn_in):
    """E[λ̂] at finite ε and T."""
    h = np.asarray(h)
    a = nbeta * h + gamma
    if (eps * a >= 4).any():
        raise ValueError(f"unstable: ε·a = {eps * a.max():g}, must be below 4")
    rho = 1 - eps * a / 2
    k = np.arange(burn_in, steps)
    approach = (1 - rho[:, None] ** (2 * k)).mean(axis=1)
    return float((0.5 * nbeta * h / (a * (1 - eps * a / 4)) * approach).sum())


def simulate(h, eps, nbeta, gamma, steps, burn_in, chains, rng):
    """Mean of λ̂ over independent chains and its standard error. Written as the update rule reads, not as ρ·w."""
    h = np.asarray(h)
    w = np.zeros((chains, len(h)))
    total = np.zeros(chains)
    for k in range(steps):
        if k >= burn_in:
            total += 0.5 * (h * w**2).sum(axis=1)
        gradient = h * w
        w = w - eps / 2 * (nbeta * gradient + gamma * w) + np.sqrt(eps) * rng.standard_normal(w.shape)
    llc = nbeta * total / (steps - burn_in)
    return llc.mean(), llc.std(ddof=1) / np.sqrt(chains)


def main():
    rng = np.random.default_rng(0)
    print(f"{'case':<28} {'limit':>8} {'formula':>8}  simulated ± standard error      z")
    worst = 0.0
    for name, h, eps, nbeta, gamma, steps, burn_in, chains in CASES:
        formula = exact(h, eps, nbeta, gamma, steps, burn_in)
        mean, error = simulate(h, eps, nbeta, gamma, steps, burn_in, chains, rng)
        limit = sum(0.5 * nbeta * x / (nbeta * x + gamma) for x in h)
        z = (mean - formula) / error
        worst = max(worst, abs(z))
        print(f"{name:<28} {limit:8.5f} {formula:8.5f}  {mean:8.5f} ± {error:.5f}            {z:+5.2f}")
    print(f"largest |z| {worst:.2f} over {len(CASES)} cases (fails above 4)")
    return 0 if worst <= 4 else 1


if __name__ == "__main__":
    sys.exit(main())
