//! Counters and gauges, rendered as Prometheus text.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::http::StatusCode;

/// What the process counts about itself. A cheap handle: clones count into the same numbers.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    started: Instant,
    in_flight: AtomicI64,
    /// By route and status code.
    requests: Table<String, Table<u16, AtomicU64>>,
    /// By method name.
    methods: Table<String, Calls>,
    gauges: RwLock<BTreeMap<String, Gauge>>,
}

#[derive(Default)]
struct Calls {
    calls: AtomicU64,
    faults: AtomicU64,
}

struct Gauge {
    help: String,
    read: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Metrics {
    /// Starts the uptime.
    #[expect(clippy::new_without_default, reason = "it reads the clock")]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            in_flight: AtomicI64::new(0),
            requests: Table::default(),
            methods: Table::default(),
            gauges: RwLock::default(),
        }))
    }

    /// Counts a SOAP call that was answered, with a fault or without.
    ///
    /// Each name becomes a time series that stays: pass names of known methods, never what a client sent.
    pub fn call(&self, method: &str, faulted: bool) {
        self.0.methods.with(method, |count| {
            count.calls.fetch_add(1, Relaxed);
            count.faults.fetch_add(faulted.into(), Relaxed);
        });
    }

    /// Shows a number that is read when somebody asks. A gauge of the same name is replaced.
    pub fn gauge(&self, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        let gauge = Gauge { help: help.to_owned(), read: Box::new(read) };
        let mut gauges = self.0.gauges.write().unwrap_or_else(PoisonError::into_inner);
        gauges.insert(name.to_owned(), gauge);
    }

    /// Counts an HTTP request that was answered.
    pub(crate) fn request(&self, route: &str, status: StatusCode) {
        self.0.requests.with(route, |by_status| {
            by_status.with(&status.as_u16(), |count| count.fetch_add(1, Relaxed));
        });
    }

    /// Counts as a request in flight until it is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.0.in_flight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    /// Everything, in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes everything");
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Inner { started, in_flight, requests, methods, gauges } = &*self.0;

        header(text, "vimsim_http_requests_total", "counter", "HTTP requests answered")?;
        requests.each(|route, by_status| {
            by_status.each(|status, count| {
                let (route, count) = (Label(route), count.load(Relaxed));
                writeln!(text, "vimsim_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}")
            })
        })?;
        header(text, "vimsim_soap_calls_total", "counter", "SOAP calls answered")?;
        methods.each(|method, count| {
            let (method, calls) = (Label(method), count.calls.load(Relaxed));
            writeln!(text, "vimsim_soap_calls_total{{method=\"{method}\"}} {calls}")
        })?;
        header(text, "vimsim_soap_faults_total", "counter", "SOAP calls answered with a fault")?;
        methods.each(|method, count| {
            let (method, faults) = (Label(method), count.faults.load(Relaxed));
            writeln!(text, "vimsim_soap_faults_total{{method=\"{method}\"}} {faults}")
        })?;

        let mut gauge = |name: &str, help: &str, value: f64| {
            header(text, name, "gauge", help)?;
            writeln!(text, "{name} {value}")
        };
        let in_flight = in_flight.load(Relaxed) as f64;
        gauge("vimsim_http_requests_in_flight", "HTTP requests not yet answered", in_flight)?;
        gauge("vimsim_uptime_seconds", "Time since start", started.elapsed().as_secs_f64())?;
        if let Some(bytes) = resident_memory() {
            gauge("process_resident_memory_bytes", "Resident memory size in bytes", bytes as f64)?;
        }
        for (name, Gauge { help, read }) in &*gauges.read().unwrap_or_else(PoisonError::into_inner) {
            gauge(name, help, read())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A request that is being answered.
pub(crate) struct InFlight(Metrics);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A map that only grows: counting under a known key takes a read lock and allocates nothing.
struct Table<K, V>(RwLock<BTreeMap<K, V>>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Ord, V: Default> Table<K, V> {
    fn with<Q, R>(&self, key: &Q, f: impl FnOnce(&V) -> R) -> R
    where
        K: Borrow<Q>,
        Q: Ord + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(value) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return f(value);
        }
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        f(map.entry(key.to_owned()).or_default())
    }

    fn each(&self, mut f: impl FnMut(&K, &V) -> fmt::Result) -> fmt::Result {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.iter().try_for_each(|(key, value)| f(key, value))
    }
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}")
}

/// A label value, escaped.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Resident memory in bytes, where the operating system says so in a file.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_shows(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|l| l == line), "no line `{line}` in\n{text}");
    }

    #[test]
    fn counts_requests_by_route_and_status() {
        let metrics = Metrics::new();
        metrics.request("/sdk", StatusCode::OK);
        metrics.request("/sdk", StatusCode::OK);
        metrics.request("/sdk", StatusCode::INTERNAL_SERVER_ERROR);
        check_shows(&metrics, "# TYPE vimsim_http_requests_total counter");
        check_shows(&metrics, r#"vimsim_http_requests_total{route="/sdk",status="200"} 2"#);
        check_shows(&metrics, r#"vimsim_http_requests_total{route="/sdk",status="500"} 1"#);
    }

    #[test]
    fn counts_calls_and_faults_by_method() {
        let metrics = Metrics::new();
        metrics.call("Login", false);
        metrics.call("Login", true);
        check_shows(&metrics, r#"vimsim_soap_calls_total{method="Login"} 2"#);
        check_shows(&metrics, r#"vimsim_soap_faults_total{method="Login"} 1"#);
    }

    #[test]
    fn shows_what_is_in_flight() {
        let metrics = Metrics::new();
        let in_flight = metrics.in_flight();
        check_shows(&metrics, "vimsim_http_requests_in_flight 1");
        drop(in_flight);
        check_shows(&metrics, "vimsim_http_requests_in_flight 0");
    }

    #[test]
    fn reads_gauges_when_asked() {
        let metrics = Metrics::new();
        let sessions = Arc::new(AtomicU64::new(3));
        let read = Arc::clone(&sessions);
        metrics.gauge("vimsim_sessions", "Sessions", move || read.load(Relaxed) as f64);
        check_shows(&metrics, "vimsim_sessions 3");
        sessions.store(4, Relaxed);
        check_shows(&metrics, "vimsim_sessions 4");
    }

    #[test]
    fn escapes_label_values() {
        assert_eq!(Label("a\"b\\c\nd").to_string(), r#"a\"b\\c\nd"#);
    }
}
