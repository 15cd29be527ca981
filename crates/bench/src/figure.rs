//! What a measurement comes to.

use std::fmt;
use std::time::Duration;

/// How much of an error is shown.
const LONGEST_FAILURE: usize = 80;

/// One cell of the table.
#[derive(Clone, Debug)]
pub(crate) enum Figure {
    /// Time per run: less is better.
    Time(Runs),
    /// How often per second: more is better.
    Rate(Runs),
    /// Bytes: fewer are better.
    Bytes(f64),
    /// Bytes after half of the work and after all of it: fewer are better.
    Grown { half: f64, all: f64 },
    /// A number of things: fewer are better.
    Count(f64),
    /// It was given up after this long.
    Over(Duration),
    /// It went wrong, and how.
    Failed(String),
}

/// The best of some runs, and the middle one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Runs {
    best: f64,
    median: f64,
    count: usize,
}

impl Runs {
    fn new(mut runs: Vec<f64>) -> Option<Self> {
        runs.sort_by(f64::total_cmp);
        Some(Self { best: *runs.first()?, median: runs[runs.len() / 2], count: runs.len() })
    }
}

impl Figure {
    /// From the times that the runs took.
    pub(crate) fn times(runs: impl IntoIterator<Item = Duration>) -> Self {
        let runs = Runs::new(runs.into_iter().map(|run| run.as_secs_f64()).collect());
        runs.map_or_else(|| Self::Failed("no run".into()), Self::Time)
    }

    /// From the rates of the runs.
    pub(crate) fn rates(runs: impl IntoIterator<Item = f64>) -> Self {
        let runs = Runs::new(runs.into_iter().map(|run| -run).collect());
        let positive = runs.map(|Runs { best, median, count }| Runs { best: -best, median: -median, count });
        positive.map_or_else(|| Self::Failed("no run".into()), Self::Rate)
    }

    /// The best value, if there is one.
    fn best(&self) -> Option<f64> {
        match self {
            Self::Time(runs) | Self::Rate(runs) => Some(runs.best),
            Self::Bytes(value) | Self::Grown { all: value, .. } | Self::Count(value) => Some(*value),
            Self::Over(_) | Self::Failed(_) => None,
        }
    }

    /// How many times better this is than another figure for the same work; `None` without two values to compare.
    pub(crate) fn times_better(&self, other: &Self) -> Option<Ratio> {
        let (ours, exact) = (self.best()?, !matches!(other, Self::Over(_)));
        let theirs = match other {
            Self::Over(limit) => limit.as_secs_f64(),
            other => other.best()?,
        };
        let value = if matches!(self, Self::Rate(_)) { ours / theirs } else { theirs / ours };
        value.is_finite().then_some(Ratio { value, exact })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(runs) => write_runs(f, runs, seconds),
            Self::Rate(runs) => write_runs(f, runs, |rate| format!("{}/s", number(rate))),
            Self::Bytes(bytes) => f.write_str(&mebibytes(*bytes)),
            Self::Grown { half, all } => write!(f, "{} (after half: {})", mebibytes(*all), mebibytes(*half)),
            Self::Count(count) => f.write_str(&number(*count)),
            Self::Over(limit) => write!(f, "> {}", seconds(limit.as_secs_f64())),
            Self::Failed(why) => {
                let why: String = why.replace(['|', '\n'], " ").chars().take(LONGEST_FAILURE).collect();
                write!(f, "failed: {why}")
            }
        }
    }
}

/// `best (median)`.
fn write_runs(f: &mut fmt::Formatter<'_>, runs: &Runs, text: impl Fn(f64) -> String) -> fmt::Result {
    match runs.count {
        1 => f.write_str(&text(runs.best)),
        _ => write!(f, "{} ({})", text(runs.best), text(runs.median)),
    }
}

/// How many times better one figure is than another.
pub(crate) struct Ratio {
    value: f64,
    /// Or that it is more than this.
    exact: bool,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.exact { "" } else { "> " }, number(self.value))
    }
}

/// What the design demands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// No more seconds than this.
    Seconds(f64),
    /// No more bytes than this many MiB.
    Mebibytes(f64),
    /// No more than this many.
    AtMost(f64),
    /// At least this often per second.
    PerSecond(f64),
}

impl Budget {
    pub(crate) fn met_by(self, figure: &Figure) -> bool {
        let Some(best) = figure.best() else { return false };
        match self {
            Self::Seconds(most) | Self::AtMost(most) => best <= most,
            Self::Mebibytes(most) => best <= most * 1024.0 * 1024.0,
            Self::PerSecond(least) => best >= least,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(most) => f.write_str(&seconds(*most)),
            Self::Mebibytes(most) => write!(f, "{most} MiB"),
            Self::AtMost(most) => write!(f, "{most}"),
            Self::PerSecond(least) => write!(f, "{}/s", number(*least)),
        }
    }
}

/// In the unit that suits.
fn seconds(value: f64) -> String {
    if value >= 1.0 { format!("{} s", number(value)) } else { format!("{} ms", number(value * 1e3)) }
}

fn mebibytes(bytes: f64) -> String {
    format!("{} MiB", number(bytes / 1024.0 / 1024.0))
}

/// Three digits, or whole with separators.
fn number(value: f64) -> String {
    if value < 10.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_figures() {
        let ms = Duration::from_micros;
        for (figure, text) in [
            (Figure::times([ms(3000), ms(1234), ms(2000)]), "1.23 ms (2 ms)"),
            (Figure::times([ms(378_000_000)]), "378 s"),
            (Figure::rates([39_999.6, 20.0, 10.0]), "40,000/s (20/s)"),
            (Figure::Bytes(60.0 * 1024.0 * 1024.0), "60 MiB"),
            (Figure::Grown { half: 1024.0 * 1024.0, all: 2048.0 * 1024.0 }, "2 MiB (after half: 1 MiB)"),
            (Figure::Count(50_000.0), "50,000"),
            (Figure::Over(Duration::from_secs(60)), "> 60 s"),
            (Figure::times([]), "failed: no run"),
        ] {
            assert_eq!(figure.to_string(), text);
        }
    }

    #[test]
    fn budgets_are_held_against_the_best_run() {
        let quick = Figure::times([Duration::from_millis(40), Duration::from_millis(60)]);
        assert!(Budget::Seconds(0.05).met_by(&quick));
        assert!(!Budget::Seconds(0.03).met_by(&quick));
        assert!(Budget::PerSecond(40_000.0).met_by(&Figure::rates([41_000.0, 1.0])));
        assert!(!Budget::PerSecond(40_000.0).met_by(&Figure::Over(Duration::from_secs(60))));
    }

    #[test]
    fn more_is_better_for_rates_only() {
        let ratio = |ours: &Figure, theirs: &Figure| ours.times_better(theirs).map(|ratio| ratio.to_string());
        let second = |seconds| Figure::times([Duration::from_secs(seconds)]);
        assert_eq!(ratio(&second(2), &second(8)).as_deref(), Some("4"));
        assert_eq!(ratio(&second(2), &Figure::Over(Duration::from_secs(60))).as_deref(), Some("> 30"));
        assert_eq!(ratio(&Figure::rates([8.0]), &Figure::rates([2.0])).as_deref(), Some("4"));
        assert_eq!(ratio(&second(2), &Figure::Failed("no".into())), None);
    }
}
