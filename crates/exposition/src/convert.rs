//! Native histograms with custom bounds from the classic ones of a text page.

use model::{ClassicHistogram, LabelsBuilder, METRIC_NAME, MetricType};
use stdx::gofloat;

use crate::entry::ParseError;
use crate::line::{Line, PageSample, PageValue};
use crate::text::TextPage;
use crate::write::SeriesName;

/// Puts the lines of one histogram after the other together.
#[derive(Clone, Debug)]
pub(crate) struct Conversion<'a> {
    /// Classic series are handed on too.
    keeps_classic: bool,
    family: &'a [u8],
    is_histogram: bool,
    /// The histogram that the last lines are about; no name in `raw` if there is none.
    current: PageSample,
    classic: ClassicHistogram,
    /// Read already, and handed out after the histogram before it.
    held: Option<(Line<'a>, PageSample)>,
    labels: LabelsBuilder,
    name: Vec<u8>,
}

/// What a line says about a histogram.
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl<'a> Conversion<'a> {
    pub(crate) fn new(keeps_classic: bool) -> Self {
        Self {
            keeps_classic,
            family: &[],
            is_histogram: false,
            current: PageSample::default(),
            classic: ClassicHistogram::default(),
            held: None,
            labels: LabelsBuilder::default(),
            name: Vec::new(),
        }
    }

    /// Reads the next statement of `page`, or hands out a histogram of those before.
    pub(crate) fn next(
        &mut self,
        page: &mut TextPage<'a>,
        out: &mut PageSample,
    ) -> Result<Option<Line<'a>>, ParseError> {
        loop {
            if let Some((line, sample)) = self.held.take() {
                *out = sample;
                return Ok(Some(line));
            }
            let line = page.next(out)?;
            if let Some(Line::Type(name, kind)) = line {
                (self.family, self.is_histogram) = (name, kind == MetricType::Histogram);
            }
            let part = match line {
                Some(Line::Sample) => self.part(out),
                _ => None,
            };
            // `part` has left the histogram's name in `name`.
            let is_same = part.is_some() && self.name == self.current.raw;
            let before = if is_same { None } else { self.finish() };
            let is_wanted = part.is_none() || self.keeps_classic;
            if let Some(part) = part {
                self.add(&part, out);
            }
            match (before, line.filter(|_| is_wanted)) {
                (None, Some(line)) => return Ok(Some(line)),
                (None, None) if line.is_none() => return Ok(None),
                (None, None) => {}
                (Some(before), line) => {
                    let sample = std::mem::replace(out, before);
                    self.held = line.map(|line| (line, sample));
                    return Ok(Some(Line::Sample));
                }
            }
        }
    }

    /// What a sample says about which histogram; its name goes to `self.name`.
    fn part(&mut self, sample: &PageSample) -> Option<Part> {
        if !self.is_histogram || sample.labels_into(&mut self.labels).is_err() {
            return None;
        }
        let family = std::str::from_utf8(self.family).ok()?;
        let suffix = self.labels.get(METRIC_NAME)?.strip_prefix(family)?;
        let part = match suffix {
            "_bucket" => {
                let upper = gofloat::parse(self.labels.get("le")?).ok()?;
                Part::Bucket(Some(upper).filter(|it| !it.is_nan())?)
            }
            "_count" => Part::Count,
            "_sum" => Part::Sum,
            _ => return None,
        };
        self.name.clear();
        let mut name = SeriesName::new(&mut self.name, self.family, "");
        let labels = self.labels.iter().filter(|it| !matches!(it.0, METRIC_NAME | "le"));
        labels.for_each(|(label, value)| name.label(label.as_bytes(), value.as_bytes()));
        name.finish();
        Some(part)
    }

    fn add(&mut self, part: &Part, sample: &PageSample) {
        let PageValue::Float(v) = sample.value else { return };
        if self.current.raw.is_empty() {
            self.current.raw.clone_from(&self.name);
            (self.current.t, self.current.st) = (sample.t, sample.st);
            self.current.is_cumulative = true;
        }
        match part {
            Part::Bucket(upper) => self.classic.set_bucket(*upper, v),
            Part::Count => self.classic.set_count(v),
            Part::Sum => self.classic.set_sum(v),
        }
        let timed = sample.exemplars.iter().filter(|it| it.t.is_some());
        self.current.exemplars.extend(timed.cloned());
    }

    /// Ends the histogram at hand. `None` if there is none, or if it contradicts itself.
    fn finish(&mut self) -> Option<PageSample> {
        let mut sample = std::mem::take(&mut self.current);
        let converted = self.classic.convert();
        self.classic.clear();
        if sample.raw.is_empty() {
            return None;
        }
        sample.value = converted.ok()?.into();
        Some(sample)
    }
}
