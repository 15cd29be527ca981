//! Artificial latency: how long a call waits before it is answered.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long each method waits before it runs: a base for all, an addition for some, and a random spread.
#[derive(Debug, Default)]
pub struct Delay {
    base: Duration,
    methods: BTreeMap<String, Duration>,
    jitter: f64,
    random: Random,
}

impl Delay {
    /// `jitter` is the coefficient of variation: the standard deviation as a fraction of the delay. 0 means none.
    ///
    /// The spread is drawn from `seed`: the same calls in the same order wait the same times.
    pub fn new(base: Duration, methods: BTreeMap<String, Duration>, jitter: f64, seed: u64) -> Self {
        Self { base, methods, jitter, random: Random(AtomicU64::new(seed)) }
    }

    /// Waits as long as the next call of `method` should.
    pub async fn wait(&self, method: &str) {
        let delay = self.next(method);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// How long the next call of `method` should wait. Draws a random number if there is a spread.
    fn next(&self, method: &str) -> Duration {
        let mean = self.base + self.methods.get(method).copied().unwrap_or_default();
        if mean.is_zero() || self.jitter == 0.0 {
            return mean;
        }
        let factor = 1.0 + self.jitter * self.random.gaussian();
        Duration::try_from_secs_f64(mean.as_secs_f64() * factor).unwrap_or_default()
    }
}

/// SplitMix64: a random sequence that fits in one atomic word. Good enough for latencies.
#[derive(Debug, Default)]
struct Random(AtomicU64);

impl Random {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(Self::STEP, Ordering::Relaxed).wrapping_add(Self::STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1].
    fn uniform(&self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Normally distributed with mean 0 and standard deviation 1 (Box-Muller).
    fn gaussian(&self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

/// Reads `method1:milliseconds,method2:milliseconds`. Blanks around an entry do not matter; the last entry of a method
/// counts.
pub fn parse_method_delays(text: &str) -> Result<BTreeMap<String, Duration>, MethodDelayError> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    text.split(',').map(|entry| parse_entry(entry.trim())).collect()
}

fn parse_entry(entry: &str) -> Result<(String, Duration), MethodDelayError> {
    let error = || MethodDelayError(entry.to_owned());
    let (method, milliseconds) = entry.split_once(':').ok_or_else(error)?;
    let milliseconds: u32 = milliseconds.parse().map_err(|_| error())?;
    if method.is_empty() {
        return Err(error());
    }
    Ok((method.to_owned(), Duration::from_millis(milliseconds.into())))
}

/// An entry of a method delay list that is not `method:milliseconds`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not METHOD:MILLISECONDS")]
pub struct MethodDelayError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn check_list(text: &str, expected: Result<&[(&str, u64)], &str>) {
        let expected = expected
            .map(|entries| entries.iter().map(|&(method, delay)| (method.to_owned(), ms(delay))).collect())
            .map_err(|entry| MethodDelayError(entry.to_owned()));
        assert_eq!(parse_method_delays(text), expected, "{text:?}");
    }

    #[test]
    fn reads_method_delays() {
        check_list("", Ok(&[]));
        check_list("Login:250", Ok(&[("Login", 250)]));
        check_list("Login:250, PowerOnVM_Task:10", Ok(&[("Login", 250), ("PowerOnVM_Task", 10)]));
        check_list("Login:1,Login:2", Ok(&[("Login", 2)]));
    }

    #[test]
    fn names_the_entry_that_is_wrong() {
        check_list("Login", Err("Login"));
        check_list("Login:5,Logout:x", Err("Logout:x"));
        check_list("Login:-5", Err("Login:-5"));
        check_list(":5", Err(":5"));
        check_list("Login:5,", Err(""));
        check_list("a:1:2", Err("a:1:2"));
    }

    #[test]
    fn a_method_waits_its_own_delay_on_top_of_the_base() {
        let delay = Delay::new(ms(10), BTreeMap::from([("Login".to_owned(), ms(5))]), 0.0, 0);
        assert_eq!(delay.next("Login"), ms(15));
        assert_eq!(delay.next("Logout"), ms(10));
    }

    #[test]
    fn jitter_spreads_around_the_mean_by_its_coefficient() {
        let delay = Delay::new(ms(100), BTreeMap::new(), 0.2, 42);
        let samples: Vec<f64> = (0..10_000).map(|_| delay.next("Login").as_secs_f64() * 1e3).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / samples.len() as f64;
        assert!((mean - 100.0).abs() < 1.0, "mean {mean}");
        assert!((variance.sqrt() - 20.0).abs() < 1.0, "deviation {}", variance.sqrt());
    }

    #[test]
    fn jitter_repeats_with_its_seed_and_is_never_negative() {
        let sequence = |seed| {
            let delay = Delay::new(ms(10), BTreeMap::new(), 50.0, seed);
            (0..100).map(|_| delay.next("Login")).collect::<Vec<_>>()
        };
        assert_eq!(sequence(1), sequence(1));
        assert_ne!(sequence(1), sequence(2));
    }

    #[tokio::test]
    async fn no_delay_does_not_yield() {
        Delay::default().wait("Login").await;
    }
}
