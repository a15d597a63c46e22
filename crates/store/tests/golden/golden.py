"""Writes golden.json, the golden vectors of the random streams and content keys.

Independent of the Rust code: BLAKE3, the encoding of keys, Threefry-4x32-20 and the Box-Muller
transform are written again here from their descriptions, in plain Python. Single precision is
imitated by rounding after every operation, which is exact for + - * / and the square root.

    python3 golden.py > golden.json
"""

import json
import math
import struct

MASK = 0xFFFFFFFF

# BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020) for inputs of one chunk.
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
      0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]


def rotate_right(x, n):
    return (x >> n | x << (32 - n)) & MASK


def compress(chaining, words, length, flags):
    v = chaining + IV[:4] + [0, 0, length, flags]

    def g(a, b, c, d, x, y):
        for word, down, up in ((x, 16, 12), (y, 8, 7)):
            v[a] = (v[a] + v[b] + word) & MASK
            v[d] = rotate_right(v[d] ^ v[a], down)
            v[c] = (v[c] + v[d]) & MASK
            v[b] = rotate_right(v[b] ^ v[c], up)

    for _ in range(7):
        for i in range(4):
            g(i, 4 + i, 8 + i, 12 + i, words[2 * i], words[2 * i + 1])
        for i in range(4):
            g(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4,
              words[8 + 2 * i], words[9 + 2 * i])
        words = [words[j] for j in PERMUTATION]
    return [v[i] ^ v[i + 8] for i in range(8)]


def blake3(data):
    assert len(data) <= 1024
    blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    chaining = IV
    for i, block in enumerate(blocks):
        flags = (1 if i == 0 else 0) | (2 | 8 if i == len(blocks) - 1 else 0)
        words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
        chaining = compress(chaining, words, len(block), flags)
    return struct.pack("<8I", *chaining)


# From the test vectors published with BLAKE3: the empty input.
assert blake3(b"").hex().startswith("af1349b9f5f9a1a6a0404dea36dcc949")


def part(kind, label, value):
    label = label.encode()
    return kind + struct.pack("<Q", len(label)) + label + struct.pack("<Q", len(value)) + value


def stream(seed, purpose, coordinates):
    return stream_from(part(b"d", "domain", b"stream/1")
                       + part(b"n", "seed", struct.pack("<Q", seed)), purpose, coordinates)


def child(parent, purpose, coordinates):
    parent = struct.pack("<4I", *parent)
    return stream_from(part(b"d", "domain", b"stream-child/1")
                       + part(b"b", "parent", parent), purpose, coordinates)


def stream_from(root, purpose, coordinates):
    coordinates = b"".join(struct.pack("<Q", c) for c in coordinates)
    data = root + part(b"t", "purpose", purpose.encode()) + part(b"b", "coordinates", coordinates)
    return list(struct.unpack("<4I", blake3(data)[:16]))


# Threefry (Salmon et al., 2011).
ROTATIONS = [(10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20)]


def threefry(key, counter):
    schedule = key + [0x1BD11BDA ^ key[0] ^ key[1] ^ key[2] ^ key[3]]
    x = [(c + k) & MASK for c, k in zip(counter, key)]
    for r in range(20):
        for (a, b), n in zip([(0, 1), (2, 3)] if r % 2 == 0 else [(0, 3), (2, 1)],
                             ROTATIONS[r % 8]):
            x[a] = (x[a] + x[b]) & MASK
            x[b] = rotate_right(x[b], 32 - n) ^ x[a]
        if r % 4 == 3:
            s = r // 4 + 1
            x = [(x[i] + schedule[(s + i) % 5] + (s if i == 3 else 0)) & MASK for i in range(4)]
    return x


# From the known answers published with Random123.
assert threefry([0] * 4, [0] * 4) == [0x9C6CA96A, 0xE17EAE66, 0xFC10ECD4, 0x5256A7D8]


def block(key, index, number):
    return threefry(key, [number & MASK, number >> 32, index & MASK, index >> 32])


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def signed(word):
    return word - (1 << 32) if word >> 31 else word


def ln(x):
    mantissa, exponent = math.frexp(x)
    # frexp gives [1/2, 1); wanted is [sqrt(1/2), sqrt(2)), its lower end in single precision.
    if mantissa < f32(math.sqrt(0.5)):
        mantissa, exponent = 2 * mantissa, exponent - 1
    s = f32(f32(mantissa - 1) / f32(mantissa + 1))
    s2 = f32(s * s)
    series = f32(1 / 7)
    for n in (5, 3, 1):
        series = f32(f32(1 / n) + f32(s2 * series))
    return f32(f32(exponent * f32(math.log(2))) + f32(f32(2 * s) * series))


def taylor(coefficients, x2):
    total = 0.0
    for c in reversed(coefficients):
        total = f32(f32(c) + f32(x2 * total))
    return total


def box_muller(a, b):
    u = f32(f32((a >> 1) | 1) * 2.0 ** -31)
    radius = f32(math.sqrt(f32(-2 * ln(u))))
    quarter = ((b + (1 << 29)) & MASK) >> 30
    angle = f32(f32(signed(((b << 2) & MASK) | 2)) * f32(f32(math.pi / 2) * 2.0 ** -32))
    a2 = f32(angle * angle)
    cosine = taylor([1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320], a2)
    sine = f32(angle + f32(f32(angle * a2) * taylor([-1 / 6, 1 / 120, -1 / 5040, 1 / 362880], a2)))
    for _ in range(quarter):
        sine, cosine = cosine, -sine
    return f32(radius * cosine), f32(radius * sine)


def case(name, seed, purpose, coordinates, children, index):
    key = stream(seed, purpose, coordinates)
    for purpose_, coordinates_ in children:
        key = child(key, purpose_, coordinates_)
    words = [w for number in range(70) for w in block(key, index, number)]
    normals = [z for i in range(0, len(words), 2) for z in box_muller(words[i], words[i + 1])]
    return {
        "name": name, "seed": seed, "purpose": purpose, "coordinates": coordinates,
        "children": [{"purpose": p, "coordinates": c} for p, c in children], "index": index,
        "words": words[:12],
        "uniform_bits": [bits(f32((w >> 8) * 2.0 ** -24)) for w in words[:12]],
        # The last ones lie beyond a chunk of 64 blocks.
        "normal_bits": [bits(z) for z in normals[:12] + normals[-12:]],
    }


def text(value):
    return b"s" + struct.pack("<Q", len(value)) + value.encode()


def key_of_every_kind_of_part():
    """The parts that tests/it/golden.rs adds, in its order."""
    inner = blake3(part(b"d", "domain", b"inner"))
    # {"z": [1, -2, 0.5, null, true], "a": "x"}, its members sorted.
    document = (b"o" + struct.pack("<Q", 2) + text("a") + text("x") + text("z")
                + b"a" + struct.pack("<Q", 5) + b"u" + struct.pack("<Q", 1)
                + b"i" + struct.pack("<q", -2) + b"f" + struct.pack("<d", 0.5) + b"0" + b"b\x01")
    return blake3(part(b"d", "domain", b"golden/1")
                  + part(b"b", "bytes", b"\x00\xff")
                  + part(b"t", "text", "ä".encode())
                  + part(b"n", "number", struct.pack("<Q", 2**40))
                  + part(b"k", "key", inner)
                  + part(b"f", "f32s", struct.pack("<3f", 1.0, -0.0, 0.1))
                  + part(b"j", "json", document)).hex()


cases = [
    case("plain", 0, "", [], [], 0),
    case("batches", 7, "batch", [3], [], 17),
    case("several coordinates", 2**64 - 1, "chain noise", [2, 40, 2**63], [], 2**40 + 5),
    case("child", 1, "replica", [4], [("init", []), ("blocks", [1, 0])], 2**64 - 1),
]
print(json.dumps({"key": key_of_every_kind_of_part(), "streams": cases}, indent=1))
