//! Text pages, read as pages of any kind of sample.

use std::collections::HashMap;

use model::{Exemplar, Labels, LabelsBuilder, METRIC_NAME, MetricType};

use crate::entry::{Entry, ParseError, Series};
use crate::family::{Family, is_cumulative, put_described};
use crate::labels::Rules;
use crate::line::{Line, PageSample, PageValue};
use crate::parse::Parser;
use crate::{Reading, TextFormat};

/// Walks a page.
#[derive(Clone, Debug)]
pub(crate) struct TextPage<'a> {
    page: &'a [u8],
    parser: Parser<'a>,
    family: Family,
    type_and_unit: bool,
    /// `None` if nobody asks for them, or the page cannot have them.
    starts: Option<Starts>,
    labels: LabelsBuilder,
}

/// When the series of the current family began to count, by their labels without name, `le` and `quantile`.
#[derive(Clone, Debug, Default)]
struct Starts {
    is_read: bool,
    all: HashMap<Labels, i64>,
}

impl<'a> TextPage<'a> {
    pub(crate) fn new(page: &'a [u8], format: TextFormat, reading: Reading) -> Self {
        let has_starts = reading.start_times && format == TextFormat::OpenMetrics;
        Self {
            page,
            parser: Parser::new(page, format),
            family: Family::default(),
            type_and_unit: reading.type_and_unit,
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
                    if self.starts.is_some() && is_created(&self.family, series.raw) {
                        continue;
                    }
                    self.fill(out, series);
                }
                Entry::Type(name, kind) => self.enter(name, kind),
                Entry::Unit(name, unit) => self.family.enter(name).unit = unit.to_vec(),
                Entry::Help(..) | Entry::Comment(_) => {}
            }
            return Ok(Some(entry.as_line(self.parser.format())));
        }
    }

    fn enter(&mut self, name: &[u8], kind: MetricType) {
        self.family.enter(name).kind = kind;
        if let Some(starts) = &mut self.starts {
            // Where nothing starts nothing is looked for.
            *starts = Starts { is_read: !can_start(kind), ..Starts::default() };
        }
    }

    fn fill(&mut self, out: &mut PageSample, series: Series<'_>) {
        out.raw.clear();
        let suffix = self.family.own_suffix(series.raw);
        out.rules.described = self.type_and_unit && suffix.is_some();
        if out.rules.described {
            put_described(&mut out.raw, series.raw, &self.family);
        } else {
            out.raw.extend_from_slice(series.raw);
        }
        out.rules.kind = self.parser.kind_of_labels();
        out.is_cumulative = suffix.is_some_and(|it| is_cumulative(self.family.kind, it));
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
        if self.family.suffix(first.raw).is_none() {
            return;
        }
        starts.is_read = true;
        while let Some(Ok(Entry::Series(series))) = ahead.next() {
            if self.family.suffix(series.raw).is_none() {
                return;
            }
            if is_created(&self.family, series.raw)
                && let Some(key) = start_key(&self.family, series.raw, &mut self.labels)
            {
                starts.all.insert(key, milliseconds(series.value));
            }
        }
    }

    fn start_of(&mut self, series: Series<'_>) -> Option<i64> {
        let starts = self.starts.as_ref().filter(|it| !it.all.is_empty())?;
        self.family.suffix(series.raw)?;
        let key = start_key(&self.family, series.raw, &mut self.labels)?;
        starts.all.get(&key).copied().filter(|it| *it != 0)
    }
}

fn is_created(family: &Family, raw: &[u8]) -> bool {
    can_start(family.kind) && family.suffix(raw) == Some(b"_created")
}

/// The labels that a start time has in common with what it is about.
fn start_key(family: &Family, raw: &[u8], labels: &mut LabelsBuilder) -> Option<Labels> {
    crate::labels::read(raw, Rules::default(), labels).ok()?;
    labels.remove(METRIC_NAME);
    match family.kind {
        MetricType::Histogram => labels.remove("le"),
        MetricType::Summary => labels.remove("quantile"),
        _ => labels,
    };
    Some(labels.labels())
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
