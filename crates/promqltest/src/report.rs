//! What came of the cases.

use std::fmt;

/// Parts of the language that a case uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Needs {
    /// It expects native histograms, reads a series that has some, or trims one.
    pub native_histograms: bool,
    /// It reads a series with start timestamps.
    pub start_timestamps: bool,
    /// It does not parse unless experimental parts are switched on.
    pub feature_flags: bool,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The script.
    pub file: String,
    /// Where in it the case begins, from 1.
    pub line: usize,
    /// What was run.
    pub query: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub got: String,
    /// What the case uses.
    pub needs: Needs,
}

/// Counts cases and keeps those that failed. Prints every failure, then how many
/// cases need what, then `N
/// passed, N failed`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Report {
    passed: usize,
    failures: Vec<Failure>,
    native_histograms: Count,
    start_timestamps: Count,
    feature_flags: Count,
    /// Cases that need none of these.
    plain: Count,
}

/// Cases with something in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Count {
    all: usize,
    failed: usize,
}

impl Report {
    /// How many cases passed.
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// The cases that failed.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    pub(crate) fn add(&mut self, needs: Needs, failure: Option<Failure>) {
        let failed = usize::from(failure.is_some());
        for (count, needed) in [
            (&mut self.native_histograms, needs.native_histograms),
            (&mut self.start_timestamps, needs.start_timestamps),
            (&mut self.feature_flags, needs.feature_flags),
            (&mut self.plain, needs == Needs::default()),
        ] {
            if needed {
                count.all += 1;
                count.failed += failed;
            }
        }
        self.passed += 1 - failed;
        self.failures.extend(failure);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        writeln!(
            f,
            "{} need native histograms, {} need start timestamps, {} need feature flags, {} need none of these",
            self.native_histograms, self.start_timestamps, self.feature_flags, self.plain
        )?;
        writeln!(f, "{} passed, {} failed", self.passed, self.failures.len())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} failed)", self.all, self.failed)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {}", self.file, self.line, self.query)?;
        writeln!(f, "  expected: {}", indented(&self.expected))?;
        write!(f, "  got:      {}", indented(&self.got))
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n            ")
}
