//! Pages in protobuf: messages `io.prometheus.client.MetricFamily`, each behind its length.
//!
//! A family is walked metric by metric, and a metric sample by sample; nothing of it is held but the
//! sample at hand. Each sample gets its series' name in the text form, so that all that comes later need
//! not know the format. <https://github.com/prometheus/client_model>

mod histogram;
pub(crate) mod write;

use model::{Exemplar, LabelsBuilder, MetricType, quote};

use crate::Reading;
use crate::family::{is_cumulative, labels};
use crate::line::{Help, Line, PageSample, PageValue};
use crate::wire::{Field, Fields, WireError};
use crate::write::{SeriesName, write_open_metrics_float};
use histogram::Histogram;

/// Walks a page.
#[derive(Clone, Debug)]
pub(crate) struct ProtoPage<'a> {
    page: Fields<'a>,
    reading: Reading,
    family: Family<'a>,
    metric: Metric<'a>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Family<'a> {
    name: &'a [u8],
    help: &'a [u8],
    unit: &'a [u8],
    kind: MetricType,
    /// What is still to be read of the message: metrics, and what they stand between.
    metrics: Fields<'a>,
}

#[derive(Clone, Debug, Default)]
struct Metric<'a> {
    /// The message, for its labels.
    all: &'a [u8],
    /// The message with the value.
    value: &'a [u8],
    t: Option<i64>,
    st: Option<i64>,
    histogram: Histogram,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Family,
    Help,
    Type,
    Unit,
    Metric,
    /// The one sample of a counter, gauge or untyped metric.
    Single,
    Native,
    /// A native histogram made of the classic one.
    Converted,
    Count,
    Sum,
    /// Quantiles or buckets in these fields. `closed`: a bucket without bound was there.
    Parts(Fields<'a>, bool),
    End,
}

const QUANTILES: u32 = 3;
const BUCKETS: u32 = 3;

impl<'a> ProtoPage<'a> {
    pub(crate) fn new(page: &'a [u8], reading: Reading) -> Self {
        let (family, metric) = (Family::default(), Metric::default());
        Self { page: Fields(page), reading, family, metric, step: Step::Family }
    }

    /// Bytes of the page that are not read yet.
    pub(crate) fn rest(&self) -> usize {
        self.page.0.len()
    }

    /// Reads the next statement, a sample into `out`; `None` at the end of the page.
    pub(crate) fn next(&mut self, out: &mut PageSample) -> Result<Option<Line<'a>>, String> {
        loop {
            if let Some(line) = self.step(out)? {
                return Ok(Some(line));
            }
            if matches!(self.step, Step::End) {
                return Ok(None);
            }
        }
    }

    /// Goes a step; `None` if nothing comes of it.
    fn step(&mut self, out: &mut PageSample) -> Result<Option<Line<'a>>, String> {
        let name = self.family.name;
        let (line, next) = match self.step {
            Step::Family => (None, self.next_family()?),
            Step::Help => {
                let help = self.family.help;
                let said = !help.is_empty();
                let help = Help { raw: help, format: None };
                (said.then_some(Line::Help(name, help)), Step::Type)
            }
            Step::Type => (Some(Line::Type(name, self.family.kind)), Step::Unit),
            Step::Unit => {
                let unit = self.family.unit;
                ((!unit.is_empty()).then_some(Line::Unit(name, unit)), Step::Metric)
            }
            Step::Metric => (None, self.next_metric()?),
            Step::Single => (self.single(out)?, Step::Metric),
            Step::Native => {
                self.native(out)?;
                (Some(Line::Sample), self.after_native())
            }
            Step::Converted => {
                self.converted(out)?;
                let next = if self.reading.classic { Step::Count } else { Step::Metric };
                (Some(Line::Sample), next)
            }
            Step::Count => {
                let count = self.metric.histogram.classic_count();
                (self.sample(out, "_count", None, count)?, Step::Sum)
            }
            Step::Sum => {
                let sum = self.metric.histogram.sum;
                let parts = Step::Parts(Fields(self.metric.value), false);
                (self.sample(out, "_sum", None, sum)?, parts)
            }
            Step::Parts(fields, closed) => self.part(out, fields, closed)?,
            Step::End => (None, Step::End),
        };
        self.step = next;
        self.describe(line, out);
        Ok(line)
    }

    /// Puts what tells a statement that is no sample from others into `out.raw`.
    fn describe(&self, line: Option<Line<'_>>, out: &mut PageSample) {
        let (word, text): (&[u8], &[u8]) = match line {
            Some(Line::Help(_, help)) => (b"# HELP ", help.raw),
            Some(Line::Type(_, kind)) => (b"# TYPE ", kind.as_str().as_bytes()),
            Some(Line::Unit(_, unit)) => (b"# UNIT ", unit),
            Some(Line::Sample | Line::Comment) | None => return,
        };
        out.clear();
        for part in [word, self.family.name, b" ", text] {
            out.raw.extend_from_slice(part);
        }
    }

    fn next_family(&mut self) -> Result<Step<'a>, String> {
        if self.page.0.is_empty() {
            return Ok(Step::End);
        }
        let message = Fields(self.page.delimited().map_err(WireError::text)?);
        let mut family = Family { metrics: message, ..Family::default() };
        let (mut kind, mut has_metrics) = (0, false);
        let read = message.for_each(|number, field| {
            match number {
                1 => family.name = field.bytes()?,
                2 => family.help = field.bytes()?,
                3 => kind = field.number()?,
                4 => has_metrics = true,
                5 => family.unit = field.bytes()?,
                _ => {}
            }
            Ok(())
        });
        read.map_err(WireError::text)?;
        if !has_metrics {
            return Ok(Step::Family);
        }
        let name = String::from_utf8_lossy(family.name);
        if name.is_empty() || std::str::from_utf8(family.name).is_err() {
            return Err(format!("invalid metric name: {name}"));
        }
        let name = quote(&name);
        if std::str::from_utf8(family.help).is_err() {
            let help = quote(&String::from_utf8_lossy(family.help));
            return Err(format!("invalid help for metric {name}: {help}"));
        }
        family.kind = match kind {
            0 => MetricType::Counter,
            1 => MetricType::Gauge,
            2 => MetricType::Summary,
            3 => MetricType::Unknown,
            4 => MetricType::Histogram,
            5 => MetricType::GaugeHistogram,
            other => return Err(format!("unknown metric type for metric {name}: {other}")),
        };
        self.family = family;
        Ok(Step::Help)
    }

    fn next_metric(&mut self) -> Result<Step<'a>, String> {
        let metric = loop {
            match self.family.metrics.next().map_err(WireError::text)? {
                None => return Ok(Step::Family),
                Some((4, field)) => break field.bytes().map_err(WireError::text)?,
                Some(_) => {}
            }
        };
        let wanted = match self.family.kind {
            MetricType::Gauge => 2,
            MetricType::Counter => 3,
            MetricType::Summary => 4,
            MetricType::Histogram | MetricType::GaugeHistogram => 7,
            _ => 5,
        };
        let (mut value, mut t): (&[u8], _) = (&[], 0);
        let read = Fields(metric).for_each(|number, field| {
            match number {
                6 => t = field.number()?.cast_signed(),
                _ if number == wanted => value = field.bytes()?,
                _ => {}
            }
            Ok(())
        });
        read.map_err(WireError::text)?;
        self.metric =
            Metric { all: metric, value, t: Some(t).filter(|it| *it != 0), ..Metric::default() };
        Ok(match wanted {
            4 => {
                self.summary().map_err(WireError::text)?;
                Step::Count
            }
            7 => {
                let (histogram, created) = Histogram::read(value).map_err(WireError::text)?;
                self.metric.histogram = histogram;
                self.set_start(created);
                self.first_of_histogram()
            }
            _ => Step::Single,
        })
    }

    fn first_of_histogram(&self) -> Step<'a> {
        let Reading { native, convert, .. } = self.reading;
        if native && self.metric.histogram.is_native {
            Step::Native
        } else if convert {
            Step::Converted
        } else {
            Step::Count
        }
    }

    /// Classic buckets go with a native histogram only if the exporter has sent some.
    fn after_native(&self) -> Step<'a> {
        if self.reading.classic && self.metric.histogram.has_buckets {
            Step::Count
        } else {
            Step::Metric
        }
    }

    /// What a summary says beside its quantiles.
    fn summary(&mut self) -> Result<(), WireError> {
        let (mut it, mut created) = (Histogram::default(), None);
        Fields(self.metric.value).for_each(|number, field| {
            match number {
                1 => it.count = field.number()?,
                2 => it.sum = field.double()?,
                4 => created = Some(timestamp(field)?),
                _ => {}
            }
            Ok(())
        })?;
        self.metric.histogram = it;
        self.set_start(created);
        Ok(())
    }

    fn set_start(&mut self, created: Option<i64>) {
        self.metric.st = created.filter(|it| *it != 0 && self.reading.start_times);
    }

    fn single(&mut self, out: &mut PageSample) -> Result<Option<Line<'a>>, String> {
        let (mut v, mut about, mut created) = (0.0, None, None);
        let read = Fields(self.metric.value).for_each(|number, field| {
            match number {
                1 => v = field.double()?,
                2 => about = Some(exemplar(field.bytes()?)?),
                3 => created = Some(timestamp(field)?),
                _ => {}
            }
            Ok(())
        });
        read.map_err(WireError::text)?;
        if self.family.kind == MetricType::Counter {
            self.set_start(created);
        }
        let line = self.sample(out, "", None, v)?;
        out.exemplars.extend(about.filter(|_| self.family.kind == MetricType::Counter));
        Ok(line)
    }

    /// Takes the next quantile or bucket.
    fn part(
        &mut self,
        out: &mut PageSample,
        mut fields: Fields<'a>,
        closed: bool,
    ) -> Result<(Option<Line<'a>>, Step<'a>), String> {
        let is_summary = self.family.kind == MetricType::Summary;
        let wanted = if is_summary { QUANTILES } else { BUCKETS };
        let part = loop {
            match fields.next().map_err(WireError::text)? {
                None if is_summary || closed => return Ok((None, Step::Metric)),
                None => {
                    let count = self.metric.histogram.classic_count();
                    let bound = Some(("le", f64::INFINITY));
                    return Ok((self.sample(out, "_bucket", bound, count)?, Step::Metric));
                }
                Some((number, field)) if number == wanted => {
                    break field.bytes().map_err(WireError::text)?;
                }
                Some(_) => {}
            }
        };
        if is_summary {
            let (quantile, v) = quantile(part).map_err(WireError::text)?;
            let line = self.sample(out, "", Some(("quantile", quantile)), v)?;
            return Ok((line, Step::Parts(fields, closed)));
        }
        let bucket = histogram::Bucket::read(part).map_err(WireError::text)?;
        let line = self.sample(out, "_bucket", Some(("le", bucket.upper)), bucket.count)?;
        out.exemplars.extend(bucket.exemplar);
        // As upstream: the last one decides.
        Ok((line, Step::Parts(fields, bucket.upper == f64::INFINITY)))
    }

    fn native(&self, out: &mut PageSample) -> Result<(), String> {
        let gauge = self.family.kind == MetricType::GaugeHistogram;
        let value = histogram::native(self.metric.value, &self.metric.histogram, gauge);
        self.start_sample(out, "", None)?;
        out.value = value.map_err(|why| {
            format!("histogram {}: {why}", quote(&String::from_utf8_lossy(self.family.name)))
        })?;
        histogram::exemplars(self.metric.value, &mut out.exemplars).map_err(WireError::text)
    }

    fn converted(&self, out: &mut PageSample) -> Result<(), String> {
        self.start_sample(out, "", None)?;
        out.value = histogram::converted(self.metric.value, &self.metric.histogram)?;
        histogram::exemplars(self.metric.value, &mut out.exemplars).map_err(WireError::text)
    }

    fn sample(
        &self,
        out: &mut PageSample,
        suffix: &str,
        bound: Option<(&str, f64)>,
        v: f64,
    ) -> Result<Option<Line<'a>>, String> {
        self.start_sample(out, suffix, bound)?;
        out.value = PageValue::Float(if v.is_nan() { f64::NAN } else { v });
        Ok(Some(Line::Sample))
    }

    /// Fills in everything but the value and exemplars.
    fn start_sample(
        &self,
        out: &mut PageSample,
        suffix: &str,
        bound: Option<(&str, f64)>,
    ) -> Result<(), String> {
        out.clear();
        (out.t, out.st) = (self.metric.t, self.metric.st);
        let Family { name, kind, unit, .. } = self.family;
        out.is_cumulative = is_cumulative(kind, suffix.as_bytes());
        out.rules.described = self.reading.type_and_unit;
        let mut name = SeriesName::new(&mut out.raw, name, suffix);
        if out.rules.described {
            labels(kind, unit).for_each(|(label, value)| name.label(label.as_bytes(), value));
        }
        let read = Fields(self.metric.all).for_each(|number, field| {
            if number == 1 {
                let (label, value) = label_pair(field.bytes()?)?;
                name.label(label, value);
            }
            Ok(())
        });
        read.map_err(WireError::text)?;
        if let Some((label, bound)) = bound {
            let mut text = Vec::new();
            write_open_metrics_float(&mut text, bound);
            name.label(label.as_bytes(), &text);
        }
        name.finish();
        Ok(())
    }
}

fn label_pair(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    Fields(message).for_each(|number, field| {
        match number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((name, value))
}

fn quantile(message: &[u8]) -> Result<(f64, f64), WireError> {
    let (mut quantile, mut v) = (0.0, 0.0);
    Fields(message).for_each(|number, field| {
        match number {
            1 => quantile = field.double()?,
            2 => v = field.double()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((quantile, v))
}

/// Milliseconds since the epoch.
fn timestamp(field: Field<'_>) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    Fields(field.bytes()?).for_each(|number, field| {
        match number {
            1 => seconds = field.number()?.cast_signed(),
            2 => nanos = field.number()?.cast_signed(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

fn exemplar(message: &[u8]) -> Result<Exemplar, WireError> {
    let (mut labels, mut value, mut t) = (LabelsBuilder::default(), 0.0, None);
    Fields(message).for_each(|number, field| {
        match number {
            1 => {
                let (name, value) = label_pair(field.bytes()?)?;
                labels.set(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
            }
            2 => value = field.double()?,
            3 => t = Some(timestamp(field)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Exemplar { labels: labels.labels(), value, t })
}
