//! Corpora and tokenizers.

use super::{CASE, Case, refuse_all};

#[test]
fn corpora_that_cannot_be_read() {
    const CORPUS: Case = Case {
        config: "[data]\nkind = \"text\"\ncorpus = \"corpus\"\n",
        line: Some(3),
        key: "data.corpus",
        ..CASE
    };
    // Where the corpus is at fault and not the configuration.
    const WITHIN: Case = Case {
        line: None,
        ..CORPUS
    };
    refuse_all(&[
        Case {
            what: "missing",
            message: "does not exist",
            ..CORPUS
        },
        Case {
            what: "a folder without files",
            files: &[("corpus/.hidden", b"x")],
            message: "holds no files",
            ..CORPUS
        },
        Case {
            what: "no text",
            files: &[("corpus/a.txt", b""), ("corpus/b.txt", b" \n\t\n")],
            message: "its 2 files hold no text",
            ..CORPUS
        },
        Case {
            what: "not UTF-8",
            files: &[("corpus/a.txt", b"good"), ("corpus/b.txt", b"na\xefve")],
            message: "the byte at offset 2 begins no valid character",
            file: "b.txt",
            line: Some(1),
            ..WITHIN
        },
        Case {
            what: "a file of another kind",
            files: &[("corpus/a.pdf", b"%PDF-1.7")],
            message: "unknown kind",
            file: "a.pdf",
            ..WITHIN
        },
        Case {
            what: "a bad line",
            files: &[(
                "corpus/a.jsonl",
                b"{\"text\": \"good\"}\n\n{\"text\": \n{\"text\": \"lost\"}\n",
            )],
            message: "not JSON at column",
            file: "a.jsonl",
            line: Some(3),
            ..CORPUS
        },
        Case {
            what: "lines that call the text otherwise",
            files: &[("corpus/a.jsonl", b"{\"body\": \"good\"}\n")],
            message: "there are: `body`): set `field`",
            file: "a.jsonl",
            line: Some(1),
            ..CORPUS
        },
        Case {
            what: "a truncated archive",
            files: &[("corpus/a.jsonl.zst", b"\x28\xb5\x2f\xfd\x24\x10")],
            message: "cannot be decompressed",
            file: "a.jsonl.zst",
            ..WITHIN
        },
        Case {
            what: "no parquet",
            files: &[("corpus/a.parquet", b"PAR1 and no more")],
            file: "a.parquet",
            ..WITHIN
        },
        Case {
            what: "a context longer than the text",
            config: "[data]\nkind = \"text\"\ncorpus = \"corpus\"\n[model]\nn_ctx = 512\n",
            files: &[
                ("corpus/a.txt", b"Too short, alas."),
                ("corpus/b.txt", b"Not much longer."),
            ],
            message: "fewer than the 513 of one sequence",
            line: Some(5),
            key: "model.n_ctx",
            ..CASE
        },
        Case {
            what: "a vocabulary larger than the text yields",
            config: "[model]\nn_ctx = 4\n[data]\nkind = \"text\"\ncorpus = \"corpus\"\nd_vocab = 900\n",
            files: &[
                ("corpus/a.txt", b"Too short, alas."),
                ("corpus/b.txt", b"Not much longer."),
            ],
            message: "ask for fewer",
            line: Some(6),
            key: "data.d_vocab",
            ..CASE
        },
        Case {
            what: "an eval at fault",
            config: "[[evals]]\nname = \"news\"\n[evals.data]\nkind = \"text\"\ncorpus = \"corpus\"\n",
            message: "does not exist",
            line: Some(5),
            key: "evals[0].data.corpus",
            ..CASE
        },
    ]);
}

#[test]
fn mixtures_that_cannot_be_made() {
    const MIXTURE: Case = Case {
        config: "[data]\nkind = \"text\"\n[[data.corpora]]\npath = \"good\"\n\
                 [[data.corpora]]\npath = \"other\"\n[model]\nn_ctx = 4\n",
        files: &[
            ("good/a.txt", b"The river follows the miller."),
            ("good/b.txt", b"And nobody mends the lantern."),
        ],
        line: Some(6),
        key: "data.corpora[1].path",
        ..CASE
    };
    refuse_all(&[
        Case {
            what: "one is missing",
            message: "does not exist",
            ..MIXTURE
        },
        Case {
            what: "one is not UTF-8",
            files: &[("good/a.txt", b"The river."), ("other/a.txt", b"na\xefve")],
            message: "the byte at offset 2 begins no valid character",
            file: "a.txt",
            line: Some(1),
            key: "data.corpora",
            ..MIXTURE
        },
        Case {
            what: "one is there twice",
            config: "[data]\nkind = \"text\"\ncorpora = [{ path = \"good\" }, { path = \"./good\" }]\n",
            message: "is ./good, which is `corpora[0]` already",
            line: Some(3),
            ..MIXTURE
        },
        Case {
            what: "both forms",
            config: "[data]\nkind = \"text\"\ncorpus = \"good\"\ncorpora = [{ path = \"good\" }]\n",
            message: "stands beside `corpus`",
            line: Some(4),
            key: "data.corpora",
            ..MIXTURE
        },
        Case {
            what: "a segment as long as a sequence",
            config: "[data]\nkind = \"ngram_induction\"\nrepeat = 0.5\nsegment = 17\n[model]\nn_ctx = 16\n",
            files: &[],
            message: "a sequence has 17 tokens (n_ctx + 1)",
            line: Some(4),
            key: "data.segment",
            ..MIXTURE
        },
    ]);
}

#[test]
fn tokenizers_that_cannot_be_used() {
    const TOKENIZER: Case = Case {
        config: "[data]\nkind = \"text\"\ntokenizer = \"tokenizer.json\"\n",
        line: Some(3),
        key: "data.tokenizer",
        ..CASE
    };
    refuse_all(&[
        Case {
            what: "missing",
            message: "does not exist",
            ..TOKENIZER
        },
        Case {
            what: "no JSON",
            files: &[("tokenizer.json", b"{ \"model\": ")],
            message: "not a tokenizer.json",
            ..TOKENIZER
        },
        Case {
            what: "other JSON",
            files: &[("tokenizer.json", b"{\"a\": 1}")],
            message: "not a tokenizer.json",
            ..TOKENIZER
        },
    ]);
}

/// What was found out only after the corpus was tokenized: its tokens do not stay either.
#[test]
fn nothing_stays_of_a_corpus_whose_run_is_refused() {
    const TEXT: &[u8] =
        b"The river follows the miller, and nobody mends the lantern of the winter.";
    refuse_all(&[
        Case {
            what: "a vocabulary smaller than the tokenizer's",
            config: "[data]\nkind = \"text\"\ncorpus = \"corpus\"\nd_vocab = 260\n[model]\nn_ctx = 4\nd_vocab = 200\n",
            files: &[("corpus/a.txt", TEXT), ("corpus/b.txt", TEXT)],
            message: "at least the 260 tokens of the source",
            line: Some(7),
            key: "model.d_vocab",
            ..CASE
        },
        Case {
            what: "a start that is not there",
            config: "[data]\nkind = \"text\"\ncorpus = \"corpus\"\nd_vocab = 260\n[model]\nn_ctx = 4\n\
                     [training]\nstart_from = \"gone.safetensors\"\n",
            files: &[("corpus/a.txt", TEXT), ("corpus/b.txt", TEXT)],
            message: "gone.safetensors`: No such file",
            line: Some(8),
            key: "training.start_from",
            ..CASE
        },
    ]);
}
