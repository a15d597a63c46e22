//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::bench::{Named, Task};
use crate::stretch::{ForkPoint, Stretch};

/// Train small transformers and watch their structure come about, stage by stage.
#[derive(Debug, Parser)]
#[command(
    name = "ontogeny",
    version,
    about,
    after_help = "Begin with `ontogeny run`: it trains, analyses and reports the embedded default \
                  (two layers on a synthetic language with bigrams, trigrams and induction) in a \
                  few minutes on a CPU, and says where the report is.\n\nExit codes: 0 done; 1 \
                  failed; 2 the command line was not understood; 3 trained to the end, but every \
                  replica stopped being finite and was frozen; 130 interrupted.",
    max_term_width = 100
)]
pub struct Arguments {
    /// Print one JSON object on standard output and nothing else there; a failure ends with a JSON
    /// object on the last line of standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train, analyse and report: a configuration in, an HTML report out.
    ///
    /// The same command goes on where it was stopped or killed, to the same bits. Ctrl-C, SIGTERM
    /// and SIGHUP stop it in order (exit codes 130, 143 and 129); only a second Ctrl-C ends it at
    /// once. It goes on without its terminal where SIGHUP is ignored, as under nohup, and without
    /// anybody who reads what it prints.
    Run(RunArguments),
    /// Train the replicas of a configuration and keep checkpoints on its schedule.
    Train(RunArguments),
    /// Measure every checkpoint of a run: losses, oracles, heads, λ̂; then find its stages.
    ///
    /// Settings come from the run's own config.toml; `--set` changes those of the analysis. What
    /// was measured before under the same settings is not measured again.
    Analyze(FolderArguments),
    /// Draw the report of a run that was analysed: one HTML file that opens offline.
    Report(FolderArguments),
    /// Put the arms of experiments beside each other: when stages begin, how much earlier in which,
    /// and how that depends on a knob.
    ///
    /// A stage that has not come by the end of a run is not taken for absent: times are compared as
    /// survival times with right-censoring. Intervals are over seeds, at 90 %. The tables are
    /// printed; compare.html with all figures, compare.md, compare.json and compare.parquet are
    /// written.
    Compare(CompareArguments),
    /// Replay a stretch of a run, bit for bit, and keep more checkpoints there.
    ///
    /// The replay begins at the last state that was kept before the stretch. Where it comes by a
    /// checkpoint of the run the weights must have the same bits; else nothing is added. Without
    /// --around, the stretches are those around the boundaries that the analysis found, each
    /// interval widened by half its width on a log axis on both sides.
    Densify(DensifyArguments),
    /// Go on from a step of a run with something changed: other data, another learning rate.
    ///
    /// The new run has the old one's configuration with the --set changes, its weights and moments
    /// at the step, and its count of steps; without a change it reproduces the old one.
    /// `RUN@400,800,1600` makes one run from each step.
    Fork(ForkArguments),
    /// Print what a checkpoint predicts: log-probabilities of the next token at each position.
    Predict(PredictArguments),
    /// Show a configuration's source: samples, entropies under each oracle, token frequencies.
    Data(DataArguments),
    /// Cut one replica out of a checkpoint, in the classic shapes that other tools read.
    Export(ExportArguments),
    /// Time training, sampling or analysis on this machine, beside what its matrix products could
    /// do.
    ///
    /// Workloads are attention-only networks of two layers on random tokens: tiny (vocabulary 64,
    /// context 64, width 64, batch 32), small (512, 128, 128, 32) and paper (5000, 1024, 256, 4).
    /// The machine should have nothing else to do. `benches/compare.py` runs PyTorch and devinterp
    /// beside it.
    Bench(BenchArguments),
    /// Estimate λ̂ at single checkpoints of a run, with all diagnostics and a verdict.
    ///
    /// Settings are those of the run's `[analysis.llc]`, changed by --set: other components,
    /// another sampler, or `--set 'analysis.llc.draws="auto"'` to go on until the estimate is
    /// precise. Nothing is written.
    Llc(LlcArguments),
    /// Ask which of two checkpoints a Bayesian posterior prefers, and from how many samples on.
    ///
    /// The log-odds of A over B at n samples are nΔℓ + ln n·Δλ: a solution of lower loss wins in
    /// the end, a simpler one before. Δℓ is paired over the same held-out sequences, Δλ̂ over
    /// chains that share their noise. Estimates that the run's analysis has are read, others are
    /// made and kept with it.
    Select(SelectArguments),
    /// Decompose the outputs of all checkpoints of a run into joint principal components.
    ///
    /// Rows are checkpoints of all replicas, columns the probabilities of the next token at fixed
    /// places of held-out sequences; the source's oracles are projected afterwards. Writes
    /// `analysis/dynamics.json`, which the report draws.
    Dynamics(DynamicsArguments),
    /// Find the sampler's settings: step ε, localization γ, burn-in and draws, by measurement.
    ///
    /// A geometric grid of ε and γ about the steepest curvature runs as one stack at some
    /// checkpoints; the setting on which λ̂ depends least is recommended for the whole run and
    /// written as a block of configuration, with a picture of the grid. Where λ̂ depends on the
    /// settings everywhere, that is said.
    Calibrate(CalibrateArguments),
    /// Hold the estimator against models whose learning coefficient is known.
    ///
    /// Each case prints the estimate, its standard error, what a perfect sampler would say at the
    /// same nβ, γ and box (where that can be computed), the coefficient λ itself, and a verdict. λ
    /// is the limit of large nβ: a finite one gives another number. Losses: quadratic ½Σhw²;
    /// normal_crossing Πw^2k; rrr and dln ½‖W…W − T‖² about a truth of the given rank;
    /// superposition E‖x − f(x)‖²; regular KL of a categorical distribution.
    #[command(after_help = VALIDATE_HELP)]
    Validate(ValidateArguments),
    /// Find the stages in a table: a CSV or Parquet file of anyone's, or a run that was analysed.
    ///
    /// A stage is one episode of change on ln(step + 1), a boundary the place of least speed
    /// between two episodes. Each of --y and --y2 is looked at by itself, and boundaries of several
    /// curves that are the same place count once. A file may have a column `replica`.
    /// docs/stages.md says what is estimated, and `ontogeny validate --detector` how well.
    Stages(StagesArguments),
    /// List the devices of this machine, and what `--device auto` would take.
    Devices,
}

/// A configuration and where its run goes.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Configuration file; without one, the embedded default `induction`.
    pub config: Option<PathBuf>,
    /// Change a key: `--set training.steps=2000 --set "seeds=[0,1,2]"`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder of the run; by default `runs/<name>-<hash of what decides the weights>`.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Where to compute: auto (a real GPU, else the CPU), cpu, gpu, gpu:N or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Plain progress lines even on a terminal.
    #[arg(long)]
    pub plain: bool,
}

/// The folder of a run.
#[derive(Debug, Args)]
pub struct FolderArguments {
    /// Folder of the run.
    pub run: PathBuf,
    /// Change a key of `analysis`, `stages` or `report`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to compute: auto, cpu, gpu, gpu:N or cuda:N; by default as the run was trained.
    #[arg(long)]
    pub device: Option<String>,
}

/// Where a run is to have more checkpoints.
#[derive(Debug, Args)]
pub struct DensifyArguments {
    /// Folder of the run.
    pub run: PathBuf,
    /// First and last step of the stretch; by default around each boundary of the analysis.
    #[arg(long, value_name = "LO..HI")]
    pub around: Option<Stretch>,
    /// How many more in each stretch, evenly on a log axis between those there are.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub checkpoints: u32,
    /// At every multiple of K instead.
    #[arg(long, value_name = "K", conflicts_with = "checkpoints", value_parser = clap::value_parser!(u64).range(1..))]
    pub every: Option<u64>,
    /// Analyse and report again when they are there.
    #[arg(long)]
    pub analyze: bool,
    /// Where to compute; must be the kind of device that trained the run, which is the default.
    #[arg(long)]
    pub device: Option<String>,
}

/// A run's state and what is to be different from there.
#[derive(Debug, Args)]
pub struct ForkArguments {
    /// Folder of the run and the step, or several: `runs/t-7a0598f9@400,800`.
    #[arg(value_name = "RUN@STEP", value_parser = OsStringValueParser::new().try_map(ForkPoint::parse))]
    pub point: ForkPoint,
    /// Go on with this replica alone; by default with all.
    #[arg(long, value_name = "NAME")]
    pub replica: Option<String>,
    /// Change a key: `--set data.zipf=1`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Last step of the new run, counted from the old one's start; by default the old one's last.
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Folder of the new run, by default `runs/<name>-at<step>-<hash>`; of several, the folder they
    /// go into.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Train, and leave analysis and report for later.
    #[arg(long)]
    pub train_only: bool,
    /// Where to compute; must be the kind of device that trained the run, which is the default.
    #[arg(long)]
    pub device: Option<String>,
    /// Plain progress lines even on a terminal.
    #[arg(long)]
    pub plain: bool,
}

/// A checkpoint and what it is to continue.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// Checkpoint file (`…/checkpoints/step-….safetensors`).
    pub checkpoint: PathBuf,
    /// Which replica; needed only if the checkpoint holds several.
    #[arg(long)]
    pub replica: Option<String>,
    /// Token numbers, separated by commas: `3,17,4`.
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = token_number,
        allow_negative_numbers = true,
        required_unless_present = "text"
    )]
    pub tokens: Option<Vec<u32>>,
    /// Text, in the words of the run's tokenizer.
    #[arg(long, conflicts_with = "tokens")]
    pub text: Option<OsString>,
    /// Where to compute.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// A token's number as it stands on the command line.
fn token_number(text: &str) -> Result<u32, String> {
    text.trim()
        .parse()
        .map_err(|_| "tokens are whole numbers from 0 on, separated by commas: 3,17,4".to_owned())
}

/// A configuration whose source is to be shown.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// Configuration file; without one, the embedded default `induction`.
    pub config: Option<PathBuf>,
    /// Change a key. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Sequences to print.
    #[arg(long, default_value_t = 3)]
    pub samples: usize,
}

/// A checkpoint, a replica and where the copy goes.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Checkpoint file.
    pub checkpoint: PathBuf,
    /// Which replica; needed only if the checkpoint holds several.
    #[arg(long)]
    pub replica: Option<String>,
    /// Folder for `model.safetensors` and `config.json`.
    #[arg(long, value_name = "FOLDER", default_value = "export")]
    pub out: PathBuf,
}

/// What is to be timed.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Updates in training, steps of the sampler, or everything measured of a checkpoint.
    #[arg(long, value_enum, default_value_t = Task::Train)]
    pub task: Task,
    /// Shape of the network and of its batches.
    #[arg(long, value_enum, default_value_t = Named::Small)]
    pub workload: Named,
    /// Networks in training, or chains; several, separated by commas, are measured one after the
    /// other. By default one for each thread in training, 4 chains in sampling, and 1, 2, 4, 8 and
    /// 16 on a GPU.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub replicas: Option<Vec<u32>>,
    /// Positions of a sequence, in place of the workload's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=16384))]
    pub context: Option<u32>,
    /// Size of the vocabulary, in place of the workload's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=65536))]
    pub vocabulary: Option<u32>,
    /// Checkpoints whose analysis is timed.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub checkpoints: u32,
    /// Threads of the CPU; by default every core.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Seconds to measure for, each time.
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Where to compute: cpu, gpu, gpu:N, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

const VALIDATE_HELP: &str = "\
A file for --spec holds one instance, for example

  kind = \"quadratic\"
  curvatures = [1.0, 4.0]

or kind = \"normal_crossing\" with powers = [1, 2]; \"rrr\" with inputs, hidden, outputs and rank; \"dln\" with
widths = [3, 3, 3] and rank; \"superposition\" with k = 5, \"5+\" or 6; \"regular\" with dimension.";

/// What to validate.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// A case or a kind; by default all that ship.
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
    /// A TOML file with an instance of your own.
    #[arg(long, value_name = "FILE", conflicts_with = "case")]
    pub spec: Option<PathBuf>,
    /// In place of single models: train linear networks whose stages have closed forms, estimate λ̂
    /// along the way, detect the stages, and hold transition times, boundaries and the final λ̂
    /// against the truth. Under two minutes.
    #[arg(long, conflicts_with_all = ["case", "spec", "sampler"])]
    pub stages: bool,
    /// The sampler; by default SGLD where the expectation is exact, and SGNHT, which mixes faster,
    /// where λ alone is known.
    #[arg(long, value_enum)]
    pub sampler: Option<SamplerName>,
    /// Seed of all chains.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Hold the stage detector, instead of the estimator, against curves whose boundaries are
    /// known.
    #[arg(long, conflicts_with_all = ["case", "spec", "sampler"])]
    pub detector: bool,
    /// With --detector: curves of each family.
    #[arg(long, value_name = "N", default_value_t = 150, requires = "detector")]
    pub seeds: u64,
}

/// Where stages are sought.
#[derive(Debug, Args)]
pub struct StagesArguments {
    /// A text file of cells separated by commas, tabs, `;`, `|` or spaces, a Parquet file, or the
    /// folder of a run that was analysed.
    pub table: PathBuf,
    /// The file's column of steps.
    #[arg(long, value_name = "COLUMN")]
    pub x: Option<String>,
    /// The file's column with the curve, such as λ̂.
    #[arg(long, value_name = "COLUMN")]
    pub y: Option<String>,
    /// A further curve, such as the loss. May be repeated.
    #[arg(long, value_name = "COLUMN")]
    pub y2: Vec<String>,
    /// A column with standard errors of --y from checkpoint to checkpoint; without one they are
    /// fitted. A spread over chains or draws is not one.
    #[arg(long, value_name = "COLUMN")]
    pub err: Option<String>,
    /// The column that names replicas, such as `seed`; by default the one called `replica`, if
    /// there is one.
    #[arg(long, value_name = "COLUMN")]
    pub replica_column: Option<String>,
    /// One replica only.
    #[arg(long, value_name = "NAME")]
    pub replica: Option<String>,
    /// Also say when each boundary would have been announced while the run went on. Of a table with
    /// very many rows, some are looked at.
    #[arg(long)]
    pub online: bool,
    /// With --json: also the smoothed curves.
    #[arg(long)]
    pub curves: bool,
}

/// A sampler by name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SamplerName {
    /// Stochastic gradient Langevin dynamics.
    Sgld,
    /// The same with steps divided by a running root mean square of the gradient.
    RmspropSgld,
    /// Langevin dynamics with momenta and a thermostat.
    Sgnht,
    /// SGLD's step, accepted or not.
    Mala,
}

impl From<SamplerName> for ontogeny_analysis::sampler::Rule {
    fn from(name: SamplerName) -> Self {
        match name {
            SamplerName::Sgld => Self::Sgld,
            SamplerName::RmspropSgld => Self::RmspropSgld,
            SamplerName::Sgnht => Self::Sgnht,
            SamplerName::Mala => Self::Mala,
        }
    }
}

/// Where to estimate.
#[derive(Debug, Args)]
pub struct LlcArguments {
    /// Checkpoints in a run's folder.
    #[arg(required = true)]
    pub checkpoints: Vec<PathBuf>,
    /// Which replica, where a checkpoint holds several.
    #[arg(long)]
    pub replica: Option<String>,
    /// Change a key of the analysis. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Device; by default the kind that trained.
    #[arg(long)]
    pub device: Option<String>,
}

/// What to choose between.
#[derive(Debug, Args)]
pub struct SelectArguments {
    /// A checkpoint in a run's folder, or RUN@STEP for the one nearest to a step.
    pub a: PathBuf,
    /// Another, the same way; trained on the same data.
    pub b: PathBuf,
    /// Which replica, where checkpoints hold several; `A,B` for two different ones.
    #[arg(long, value_delimiter = ',')]
    pub replica: Vec<String>,
    /// Held-out sequences for the loss; by default those of the run's analysis.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub sequences: Option<u32>,
    /// Probability of the intervals.
    #[arg(long, default_value_t = 0.9)]
    pub level: f64,
    /// Change a key of the analysis, for both. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Device; by default the kind that trained A.
    #[arg(long)]
    pub device: Option<String>,
}

/// Whose outputs are decomposed.
#[derive(Debug, Args)]
pub struct DynamicsArguments {
    /// Folder of the run.
    pub run: PathBuf,
    /// Components.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub components: u32,
    /// Replicas of each arm, the first ones.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub replicas_per_arm: u32,
    /// Change a key of `analysis`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to compute: auto, cpu, gpu, gpu:N or cuda:N; by default as the run was trained.
    #[arg(long)]
    pub device: Option<String>,
}

/// Where to calibrate.
#[derive(Debug, Args)]
pub struct CalibrateArguments {
    /// A run's folder, or some of its checkpoints.
    #[arg(required = true)]
    pub places: Vec<PathBuf>,
    /// Of a run: how many of its checkpoints.
    #[arg(long, default_value_t = 3)]
    pub checkpoints: usize,
    /// Chains of each setting.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(usize))]
    pub chains: usize,
    /// Draws of each chain.
    #[arg(long, default_value_t = 240)]
    pub draws: usize,
    /// Which replica, where a checkpoint holds several.
    #[arg(long)]
    pub replica: Option<String>,
    /// Change a key of the analysis. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Device; by default the kind that trained.
    #[arg(long)]
    pub device: Option<String>,
}

/// What is compared.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Folders of runs that were trained and analysed; their arms are put beside each other.
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// The moment of a stage that is compared.
    #[arg(long, value_enum, default_value_t = CompareEvent::Onset)]
    pub event: CompareEvent,
    /// What time is measured in: steps, tokens, repeated triggers seen, or the loss reached.
    #[arg(long, value_enum, default_value_t = CompareAxis::Step)]
    pub at: CompareAxis,
    /// The measure that serves as loss with --at loss; the loss of an eval compares arms on the
    /// same data.
    #[arg(long, default_value = "loss", value_name = "MEASURE")]
    pub loss: String,
    /// The numeric key of the dose–response, where arms differ in several: `data.zipf`.
    #[arg(long, value_name = "KEY")]
    pub knob: Option<String>,
    /// The arm that the others are compared with; by default the first.
    #[arg(long, value_name = "ARM")]
    pub against: Option<String>,
    /// Compare every arm with one, or all pairs.
    #[arg(long, value_enum, default_value_t = ComparePairs::One, conflicts_with = "against")]
    pub pairs: ComparePairs,
    /// Bootstrap resamples of each interval.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub resamples: u32,
    /// Permutations of each test at most; where there are fewer ways to exchange seeds, all are
    /// taken.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub permutations: u32,
    /// Seed of both.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder of the result; by default `compare` in the first experiment's.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Moments of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CompareEvent {
    /// The boundary it begins at.
    Onset,
    /// Where its own measure has covered half of its change over the stage.
    Half,
    /// The boundary it ends at.
    End,
}

/// What time is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CompareAxis {
    /// Optimizer updates.
    Step,
    /// Tokens trained on.
    Tokens,
    /// Repeated triggers trained on.
    Exposures,
    /// The least loss so far.
    Loss,
}

/// Which arms are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ComparePairs {
    /// Every arm with one.
    One,
    /// All pairs.
    All,
}
