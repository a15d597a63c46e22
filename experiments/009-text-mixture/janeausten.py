"""The six novels of the R package janeaustenr, a text file for each chapter: python3 janeausten.py DATA_FOLDER OUT_FOLDER

Reads R's lazy-load database (Rdata.rdx, the index; Rdata.rdb, the values) without R: each value is
a length, a type of compression and R's XDR serialization, of which only character vectors are needed.
"""
import bz2, lzma, os, re, struct, sys, zlib

def unpack(data):
    """A value of the .rdb: 4 bytes of length, then zlib data, or a letter for the compression."""
    body = data[4:]
    kind = body[:1]
    if kind == b"2":
        return bz2.decompress(body[1:])
    if kind == b"Z":
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}]).decompress(body[1:])
    return zlib.decompress(body)

class Reader:
    def __init__(self, data):
        assert data[:2] == b"X\n", data[:8]
        self.data, self.at, self.references = data, 2, []
        version = self.integers(3)[0]
        if version == 3:
            self.take(self.integers(1)[0])

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def integers(self, n):
        return struct.unpack(">%di" % n, self.take(4 * n))

    def item(self):
        flags = self.integers(1)[0]
        kind, attributes, tag = flags & 255, flags & 0x200, flags & 0x400
        if kind in (254, 253, 251, 242, 241):  # NULL and other constants
            return None
        if kind == 255:
            index = flags >> 8 or self.integers(1)[0]
            return self.references[index - 1]
        if kind == 1:  # symbol
            name = self.item()
            self.references.append(name)
            return name
        if kind == 2:  # pairlist
            pairs = []
            while True:
                if attributes:
                    self.item()
                name = self.item() if tag else None
                pairs.append((name, self.item()))
                flags = self.integers(1)[0]
                if flags & 255 != 2:
                    assert flags & 255 == 254, flags
                    return pairs
                attributes, tag = flags & 0x200, flags & 0x400
        if kind == 9:  # one string
            n = self.integers(1)[0]
            return None if n == -1 else self.take(n).decode("latin-1" if flags >> 12 & 4 else "utf-8")
        n = self.integers(1)[0]
        if kind in (10, 13):
            value = list(self.integers(n))
        elif kind == 14:
            value = list(struct.unpack(">%dd" % n, self.take(8 * n)))
        elif kind in (16, 19):
            value = [self.item() for _ in range(n)]
        else:
            raise ValueError("type %d" % kind)
        if attributes:
            pairs = dict(self.item())
            if kind == 19 and "names" in pairs:
                value = dict(zip(pairs["names"], value))
        return value

folder, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)
packed = open(os.path.join(folder, "Rdata.rdx"), "rb").read()
index = Reader(zlib.decompress(packed, zlib.MAX_WBITS | 32)).item()
values = open(os.path.join(folder, "Rdata.rdb"), "rb").read()
for name, (start, length) in sorted(index["variables"].items()):
    lines = Reader(unpack(values[start:start + length])).item()
    # A document is a chapter, and a paragraph is a line of it.
    chapters = []
    for line in lines:
        if re.match(r"\s*chapter\b", line, re.IGNORECASE) or not chapters:
            chapters.append([])
        chapters[-1].append(line.strip())
    for number, chapter in enumerate(chapters):
        paragraphs = [" ".join(p.split()) for p in "\n".join(chapter).split("\n\n")]
        text = "\n".join(p for p in paragraphs if p) + "\n"
        path = os.path.join(out, "%s-%02d.txt" % (name, number))
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    print(name, len(chapters))
