//! A sample on its way to storage.

use exposition::Series;
use model::SeriesRef;
use storage::{AnySample, AnyValue, AppendError};

use super::sample::any_value;
use super::{AHEAD_MS_MAX, Failure, Ingest, Sample};
use crate::cache::{Entry, Kind, hash};
use crate::labels;

impl Ingest<'_> {
    /// Appends a sample of a series that the cache knows. Returns the entry as it is now.
    pub(super) fn known_series(
        &mut self,
        sample: Sample<'_>,
        mut entry: Entry,
    ) -> Result<Entry, Failure> {
        if entry.kind == Kind::Dropped {
            self.counts.scraped += 1;
            return Ok(entry);
        }
        if entry.kind == Kind::Refused && 0 < self.counts.limited {
            // There is no room for another either: its labels are not worth reading.
            self.counts.scraped += 1;
            self.counts.kept += 1;
            self.counts.limited += 1;
            self.is_over_limit();
            return Ok(entry);
        }
        let Some(reference) = entry.series() else {
            let new = self.new_series(sample)?.unwrap_or(entry);
            self.named |= new.series().is_some();
            return Ok(new);
        };
        let own_t = self.own_t(sample);
        entry.live = false;
        if let Some(rebuild) = &mut self.rebuild {
            entry.duplicate = rebuild.series.insert(entry.hash, reference.0).is_some();
        }
        self.counts.scraped += 1;
        self.counts.kept += 1;
        if self.is_over_limit() {
            return Ok(entry);
        }
        if entry.duplicate && own_t.is_none() {
            self.counts.duplicate += 1;
            return Ok(entry);
        }
        let t = own_t.unwrap_or(self.t);
        let appended = self.append(Some(reference), t, sample);
        self.settle(sample, entry, appended)
    }

    /// What [`Ingest::known_series`] does for nearly all: the series goes on, with a number. `None` if this is another
    /// case; nothing is done then.
    #[inline]
    pub(super) fn steady(
        &mut self,
        sample: &Series<'_>,
        entry: Entry,
    ) -> Option<Result<(), AppendError>> {
        let limit = self.job.limits.samples;
        let is_steady = entry.live
            && !entry.duplicate
            && sample.t.is_none()
            && sample.exemplar.is_none()
            && self.rebuild.is_none()
            && (limit == 0 || self.counts.kept < limit);
        let series = entry.series().filter(|_| is_steady)?;
        self.counts.scraped += 1;
        self.counts.kept += 1;
        Some(self.appender.append_ref(series, self.t, sample.value))
    }

    /// Goes on with what storage said of a sample of a known series. Returns the entry as it is now.
    pub(super) fn settle(
        &mut self,
        sample: Sample<'_>,
        mut entry: Entry,
        appended: Result<Option<SeriesRef>, AppendError>,
    ) -> Result<Entry, Failure> {
        entry.live = false;
        if matches!(appended, Err(AppendError::UnknownSeries)) {
            // The database has dropped the series meanwhile: it starts again from its labels.
            self.counts.scraped -= 1;
            self.counts.kept -= 1;
            let added = self.counts.added;
            if let Some(rebuild) = &mut self.rebuild {
                rebuild.series.remove(&entry.hash);
            }
            let new = self.new_series(sample)?;
            self.counts.added = added;
            return Ok(new.unwrap_or(entry));
        }
        let Some(reference) = entry.series().filter(|_| appended != Ok(None)) else {
            return Ok(entry);
        };
        let own_t = self.own_t(sample);
        entry.live = self.appended(appended)? && self.wants_marker(own_t);
        self.exemplars(sample, reference, own_t.unwrap_or(self.t));
        self.describe_series(sample, reference, false);
        Ok(entry)
    }

    /// Reads the labels of a series, relabels and stores it. `None` if its line is too long to remember.
    pub(super) fn new_series(&mut self, sample: Sample<'_>) -> Result<Option<Entry>, Failure> {
        self.counts.scraped += 1;
        let page = |error: exposition::LabelsError| Failure::Page(error.to_string());
        sample.labels_into(&mut self.exposed).map_err(page)?;
        let empty = || sample.empty_labels();
        labels::add_target(&mut self.exposed, &self.target.public, self.job.honor_labels, empty);
        if !relabel::process_in_place(&mut self.exposed, &self.job.metric_relabel) {
            return Ok(Entry::new(sample.raw(), Kind::Dropped, 0));
        }
        labels::check_names(&self.exposed, self.job.legacy_names).map_err(Failure::Page)?;
        labels::check_limits(&self.exposed, &self.job.limits).map_err(Failure::LabelLimit)?;
        self.counts.kept += 1;
        let Some(mut entry) = Entry::new(sample.raw(), Kind::Series, 0) else { return Ok(None) };
        if self.is_over_limit() {
            return Ok(Some(entry));
        }
        let own_t = self.own_t(sample);
        let t = own_t.unwrap_or(self.t);
        let appended = self.append(None, t, sample);
        match appended {
            Ok(None) => return Ok(Some(entry)),
            Ok(Some(reference)) => {
                entry.number = reference.0;
                if let Some(rebuild) = &mut self.rebuild {
                    rebuild.series.insert(entry.hash, reference.0);
                }
            }
            Err(AppendError::Limit(_)) => entry.kind = Kind::Refused,
            Err(_) => {}
        }
        entry.live = self.appended(appended)? && self.wants_marker(own_t);
        if let Some(reference) = entry.series() {
            self.counts.added += 1;
            self.exemplars(sample, reference, t);
            self.describe_series(sample, reference, true);
        }
        Ok(Some(entry))
    }

    /// Appends a sample to a known series, or to the one whose labels were read last. `None` if there is nothing to
    /// store: the series counts from this sample on.
    fn append(
        &mut self,
        known: Option<SeriesRef>,
        t: i64,
        sample: Sample<'_>,
    ) -> Result<Option<SeriesRef>, AppendError> {
        if self.t + AHEAD_MS_MAX < t {
            return Err(AppendError::OutOfBounds);
        }
        let Some(value) = sample.counts().filter(|_| self.job.starts.synthesised) else {
            return self.append_as(known, t, sample.value(), sample.st()).map(Some);
        };
        let series = hash(sample.raw());
        let Some((st, counted)) = self.cache.baselines.since(series, t, value)? else {
            return Ok(None);
        };
        let appended = self.append_as(known, t, any_value(&counted), Some(st));
        if appended.is_err() {
            self.cache.baselines.forget(series);
        }
        appended.map(Some)
    }

    fn append_as(
        &mut self,
        known: Option<SeriesRef>,
        t: i64,
        value: AnyValue<'_>,
        st: Option<i64>,
    ) -> Result<SeriesRef, AppendError> {
        match known {
            Some(series) => self.append_known(series, t, value, st).map(|()| series),
            None => self.append_new(t, value, st),
        }
    }

    fn append_known(
        &mut self,
        series: SeriesRef,
        t: i64,
        value: AnyValue<'_>,
        st: Option<i64>,
    ) -> Result<(), AppendError> {
        match (value, st) {
            (AnyValue::Float(v), None) => self.appender.append_ref(series, t, v),
            (value, st) => {
                if let Some(st) = st.filter(|st| self.job.starts.zero && *st < t) {
                    // That there is nothing to add, or no room for it, is no fault of the sample.
                    let _ = self.appender.append_start_ref(series, AnySample { st, t, value });
                }
                let st = st.filter(|_| self.job.starts.stored).unwrap_or(0);
                self.appender.append_any_ref(series, AnySample { st, t, value })
            }
        }
    }

    /// Appends a sample of the series whose labels were read last.
    fn append_new(
        &mut self,
        t: i64,
        value: AnyValue<'_>,
        st: Option<i64>,
    ) -> Result<SeriesRef, AppendError> {
        let labels = self.exposed.labels();
        match (value, st) {
            (AnyValue::Float(v), None) => self.appender.append(&labels, t, v),
            (value, st) => {
                if let Some(st) = st.filter(|st| self.job.starts.zero && *st < t) {
                    let _ = self.appender.append_start(&labels, AnySample { st, t, value });
                }
                let st = st.filter(|_| self.job.starts.stored).unwrap_or(0);
                self.appender.append_any(&labels, AnySample { st, t, value })
            }
        }
    }

    /// The time that the page gives a sample, if that is to be believed.
    fn own_t(&self, sample: Sample<'_>) -> Option<i64> {
        sample.t().filter(|_| self.job.honor_timestamps)
    }

    pub(super) fn wants_marker(&self, own_t: Option<i64>) -> bool {
        own_t.is_none() || self.job.track_timestamps_staleness
    }

    pub(super) fn is_over_limit(&mut self) -> bool {
        let limit = self.job.limits.samples;
        self.over_limit |= limit != 0 && limit < self.counts.kept;
        self.over_limit
    }

    /// Counts what storage refused. True if it took the sample.
    #[inline]
    pub(super) fn appended<T>(&mut self, result: Result<T, AppendError>) -> Result<bool, Failure> {
        match result {
            Ok(_) => Ok(true),
            Err(error) => self.refused(error).map(|()| false),
        }
    }

    fn refused(&mut self, error: AppendError) -> Result<(), Failure> {
        let counter = match error {
            AppendError::InvalidLabels(_)
            | AppendError::InvalidHistogram(_)
            | AppendError::HistogramsUnsupported
            | AppendError::StartOutOfOrder
            | AppendError::StartNotBeforeSample => return Err(Failure::Page(error.to_string())),
            AppendError::OutOfOrder | AppendError::UnknownSeries => &mut self.counts.out_of_order,
            AppendError::Duplicate { .. }
            | AppendError::DuplicateOfHistogram { .. }
            | AppendError::DuplicateHistogram => &mut self.counts.duplicate,
            AppendError::OutOfBounds | AppendError::TooOld => &mut self.counts.out_of_bounds,
            AppendError::Limit(why) => {
                self.refusal = Some(why);
                &mut self.counts.limited
            }
        };
        *counter += 1;
        Ok(())
    }
}
