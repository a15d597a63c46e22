//! Configurations.

use std::path::Path;

use anyhow::Result;
use ontogeny_training::config::RunConfig;

use super::{Adapter, Scratch, Verdict};
use crate::dice::Dice;

/// Configurations as files.
pub struct Config {
    scratch: Scratch,
    /// Complete texts, with every default written out.
    texts: Vec<String>,
}

/// Short configurations that are valid.
const SHORT: [&str; 6] = [
    "seeds = [0, 1]\n[model]\nn_layers = 3\nn_heads = 2\nd_model = 32\nd_mlp = 64\nn_ctx = 32\n\
     positions = \"rotary\"\ntied = true\ninit = { kind = \"normal\", scale = 0.5 }\n",
    "name = \"everything\"\n[data]\nkind = \"ngram_induction\"\nzipf = 1\nactive = 2\n[training]\n\
     steps = 100\noptimizer = \"sgd\"\nmomentum = 0.9\nlr = 0.1\nschedule = \"one_cycle\"\nwarmup = 50\n",
    "[checkpoints]\nlog = 0\nevery = 10\nat = [1, 2, 3]\n[analysis]\nllc = { chains = 2 }\n\
     [[phases]]\nat = 20\ndata = { kind = \"ngram_induction\", n_triggers = 0 }\n\
     [[evals]]\nname = \"flat\"\ndata.kind = \"ngram_induction\"\ndata.zipf = 0.0\n",
    "[[arms]]\nname = \"plain\"\n[[arms]]\nname = \"wide\"\n\
     set = { \"model.d_model\" = 64, \"training.lr\" = 0.2, \"data.seed\" = 1 }\n",
    "[data]\nkind = \"text\"\ncorpora = [{ path = \"a\", weight = 2.0 }, { path = \"b\" }]\n",
    "[data]\nkind = \"text\"\nd_vocab = 1000\n[model]\nd_model = 128\nn_ctx = 128\n",
];

const WORDS: [&str; 22] = [
    "\n",
    "= ",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"\"\"",
    "'''",
    "#",
    ".",
    "kind = \"text\"\n",
    "[model]\n",
    "[[arms]]\n",
    "[[phases]]\n",
    "[data]\n",
    "training.lr = ",
    "1979-05-27T07:32:00Z",
    "true",
    "\"model.d_model\"",
    "set = {",
];

impl Config {
    /// Reads the complete texts of the short ones and of the presets.
    pub fn new() -> Result<Self> {
        let mut texts = Vec::new();
        for preset in ["induction", "text"] {
            texts.push(RunConfig::preset(preset, &[])?.resolved_toml);
        }
        for text in SHORT {
            let loaded = RunConfig::parse(text, "short.toml", "short", Path::new(""), &[])?;
            texts.push(loaded.resolved_toml);
            texts.push(text.to_owned());
        }
        let scratch = Scratch::new()?;
        Ok(Self { scratch, texts })
    }
}

/// A value of TOML.
pub fn value(dice: &mut Dice) -> String {
    match dice.below(10) {
        0 => "true".to_owned(),
        1 => format!("{:?}", dice.words(3)),
        2 => format!("[{}, {}]", dice.number(), dice.number()),
        3 => format!(
            "{{ {} = {} }}",
            dice.pick(&["a", "kind", "\"a.b\""]),
            dice.number()
        ),
        4 => dice
            .pick(&["1979-05-27", "07:32:00", "0b11", "''", "[]", "{}", "[[]]"])
            .to_owned(),
        5 => format!(
            "\"{}\"",
            dice.pick(&["text", "sgd", "cosine", "rotary", "ngram_induction"])
        ),
        _ => dice.number(),
    }
}

impl Adapter for Config {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let text = &self.texts[dice.below(self.texts.len())];
        // Some values are others.
        let rarely = 1 << (3 + dice.below(8));
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            match line.split_once(" = ") {
                Some((key, _)) if dice.once_in(rarely) => {
                    lines.push(format!("{key} = {}", value(dice)));
                }
                _ => lines.push(line.to_owned()),
            }
        }
        (lines.join("\n") + "\n").into_bytes()
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let path = self.scratch.put("fuzz.toml", input);
        let loaded = match RunConfig::load(&path, &[]) {
            Ok(loaded) => loaded,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        // What is written out is the same configuration.
        let text = &loaded.resolved_toml;
        match RunConfig::parse(text, "again.toml", "again", Path::new(""), &[]) {
            Ok(again) if again.config == loaded.config => Verdict::Accepted,
            Ok(_) => Verdict::Wrong("the complete text is another configuration".to_owned()),
            Err(error) => Verdict::Wrong(format!("the complete text is refused: {error}")),
        }
    }
}
