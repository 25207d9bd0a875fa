//! Text pages, read as pages of any kind of sample.

use std::collections::HashMap;

use model::{Exemplar, Labels, LabelsBuilder, METRIC_NAME, MetricType};

use crate::entry::{Entry, ParseError, Series};
use crate::line::{Line, PageSample, PageValue};
use crate::parse::Parser;
use crate::{Reading, TextFormat};

/// Walks a page.
#[derive(Clone, Debug)]
pub(crate) struct TextPage<'a> {
    page: &'a [u8],
    parser: Parser<'a>,
    /// `None` if nobody asks for them, or the page cannot have them.
    starts: Option<Starts>,
    labels: LabelsBuilder,
}

/// When the series of the current family began to count, by their labels without name, `le` and `quantile`.
#[derive(Clone, Debug, Default)]
struct Starts {
    family: Vec<u8>,
    kind: MetricType,
    is_read: bool,
    all: HashMap<Labels, i64>,
}

impl<'a> TextPage<'a> {
    pub(crate) fn new(page: &'a [u8], format: TextFormat, reading: Reading) -> Self {
        let has_starts = reading.start_times && format == TextFormat::OpenMetrics;
        Self {
            page,
            parser: Parser::new(page, format),
            starts: has_starts.then(Starts::default),
            labels: LabelsBuilder::default(),
        }
    }

    /// Reads the next statement, a sample into `out`; `None` at the end of the page.
    pub(crate) fn next(&mut self, out: &mut PageSample) -> Result<Option<Line<'a>>, ParseError> {
        loop {
            self.parser.skip_empty_lines();
            let before = self.starts.as_ref().filter(|it| !it.is_read).map(|_| self.parser.clone());
            let start = self.parser.offset();
            let Some(entry) = self.parser.next().transpose()? else { return Ok(None) };
            out.clear();
            out.raw.extend_from_slice(&self.page[start..self.parser.offset()]);
            match entry {
                Entry::Series(series) => {
                    self.look_ahead(before, series);
                    if self.is_start(series) {
                        continue;
                    }
                    self.fill(out, series);
                }
                Entry::Type(name, kind) => {
                    if let Some(starts) = &mut self.starts {
                        *starts = Starts::of(name, kind);
                    }
                }
                _ => {}
            }
            return Ok(Some(entry.as_line(self.parser.format())));
        }
    }

    fn fill(&mut self, out: &mut PageSample, series: Series<'_>) {
        out.raw.clear();
        out.raw.extend_from_slice(series.raw);
        out.kind = self.parser.kind_of_labels();
        (out.value, out.t) = (PageValue::Float(series.value), series.t);
        if let Some(raw) = series.exemplar
            && let Ok(labels) = raw.labels()
        {
            out.exemplars.push(Exemplar { labels, value: raw.value, t: raw.t });
        }
        out.st = self.start_of(series);
    }

    /// Reads the start times of a family, from its first series on: their lines come last. `before` is the
    /// parser in front of that series.
    fn look_ahead(&mut self, before: Option<Parser<'a>>, first: Series<'_>) {
        let (Some(starts), Some(mut ahead)) = (&mut self.starts, before) else { return };
        if !starts.has(first.raw) {
            return;
        }
        starts.is_read = true;
        while let Some(Ok(Entry::Series(series))) = ahead.next() {
            if !starts.has(series.raw) {
                return;
            }
            if starts.is_created(series.raw)
                && let Some(key) = starts.key(series.raw, &mut self.labels)
            {
                starts.all.insert(key, milliseconds(series.value));
            }
        }
    }

    fn is_start(&self, series: Series<'_>) -> bool {
        self.starts.as_ref().is_some_and(|it| it.is_created(series.raw))
    }

    fn start_of(&mut self, series: Series<'_>) -> Option<i64> {
        let starts = self.starts.as_ref().filter(|it| !it.all.is_empty() && it.has(series.raw))?;
        let key = starts.key(series.raw, &mut self.labels)?;
        starts.all.get(&key).copied().filter(|it| *it != 0)
    }
}

impl Starts {
    fn of(family: &[u8], kind: MetricType) -> Self {
        // Without a family nothing is looked for.
        Self { family: family.to_vec(), kind, is_read: !can_start(kind), ..Self::default() }
    }

    /// What follows the family's name in the name of a series; `None` if it is not of this family.
    fn suffix<'r>(&self, raw: &'r [u8]) -> Option<&'r [u8]> {
        if self.family.is_empty() {
            return None;
        }
        let quoted = raw.strip_prefix(b"{\"");
        let name = quoted.unwrap_or(raw);
        let end = if quoted.is_some() { b'"' } else { b'{' };
        let len = name.iter().position(|it| *it == end || *it == b' ').unwrap_or(name.len());
        name[..len].strip_prefix(&self.family[..])
    }

    fn has(&self, raw: &[u8]) -> bool {
        self.suffix(raw).is_some()
    }

    fn is_created(&self, raw: &[u8]) -> bool {
        can_start(self.kind) && self.suffix(raw) == Some(b"_created")
    }

    /// The labels that a start time has in common with what it is about.
    fn key(&self, raw: &[u8], labels: &mut LabelsBuilder) -> Option<Labels> {
        crate::labels::read(raw, MetricType::Unknown, labels).ok()?;
        labels.remove(METRIC_NAME);
        match self.kind {
            MetricType::Histogram => labels.remove("le"),
            MetricType::Summary => labels.remove("quantile"),
            _ => labels,
        };
        Some(labels.labels())
    }
}

/// True for types whose series count from a start on.
fn can_start(kind: MetricType) -> bool {
    matches!(kind, MetricType::Counter | MetricType::Histogram | MetricType::Summary)
}

/// Whole milliseconds of a time in seconds.
#[expect(clippy::cast_possible_truncation, reason = "what is too large ends at the bound")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}
