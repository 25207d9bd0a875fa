//! Batches of samples.

use std::ops::Range;

use model::{Exemplar, Labels, stale_nan};
use storage::{AppendError, Appendable};

use super::{Batch, START, World};
use crate::naive::Added;
use crate::steps::RANGE;
use crate::values::{Kind, Value};

impl World {
    fn kind(&self, i: usize) -> Kind {
        match i % 8 {
            _ if !self.setting.histograms => Kind::Float,
            3 => Kind::Whole,
            5 => Kind::Floats,
            6 => Kind::Gauge,
            7 => Kind::Custom,
            _ => Kind::Float,
        }
    }

    fn value(&mut self, i: usize) -> Value {
        self.n_values += 1;
        Value::nth(self.kind(i), self.n_values)
    }

    /// When what is counted began; 0 if that is not known, or not kept.
    fn start_of(&self, i: usize, t: i64) -> i64 {
        let is_known = self.setting.starts && !i.is_multiple_of(3);
        if is_known { (START - 1000).max(t - t % 50_000 - 10) } else { 0 }
    }

    fn appender(&self) -> Batch {
        let takes_from = self.naive.newest().map_or(i64::MIN, |it| it - RANGE / 2);
        Batch {
            appender: self.db().appender(),
            added: Vec::new(),
            exemplars: Vec::new(),
            takes_from,
        }
    }

    pub(super) fn scrape(&mut self, series: Range<usize>, by_ref: bool, keep: bool) {
        let mut batch = self.appender();
        self.add(&mut batch, series, by_ref);
        self.finish(batch, keep);
    }

    fn add(&mut self, batch: &mut Batch, series: Range<usize>, by_ref: bool) {
        for i in series {
            let value = self.value(i);
            self.add_value(batch, i, &value, by_ref);
        }
    }

    fn add_value(&mut self, batch: &mut Batch, i: usize, value: &Value, by_ref: bool) {
        let (labels, t) = (self.labels(i), self.now);
        if !self.naive.offer(&labels, t) {
            return;
        }
        let sample = value.at(self.start_of(i, t), t);
        let known = self.refs.get(&i).filter(|_| by_ref).copied();
        let by_ref = known.map(|it| batch.appender.append_any_ref(it, sample));
        let result = match by_ref {
            None | Some(Err(AppendError::UnknownSeries)) => {
                let made = batch.appender.append_any(&labels, sample);
                made.map(|it| _ = self.refs.insert(i, it))
            }
            Some(result) => result,
        };
        match result {
            Ok(()) => {
                let value = value.number(sample.st);
                self.add_exemplar(batch, i, t);
                batch.added.push(Added { labels, t, value, is_late: false, is_admitted: false });
            }
            Err(AppendError::Limit(_)) if self.may_fail() => {}
            Err(error) => panic!("in order, but {error}"),
        }
    }

    fn add_exemplar(&mut self, batch: &mut Batch, i: usize, t: i64) {
        let n = self.n_values;
        if !self.setting.exemplars || !n.is_multiple_of(20) {
            return;
        }
        let labels = Labels::from_pairs([("trace_id", n.to_string())]);
        let exemplar = Exemplar { labels, value: f64::from(n), t: Some(t) };
        batch.appender.append_exemplar(self.refs[&i], &exemplar).expect("newer than the others");
        let labels = self.labels(i);
        batch.exemplars.push(self.exemplars.write(n, labels, t));
    }

    fn finish(&mut self, batch: Batch, keep: bool) {
        let Batch { appender, added, exemplars, .. } = batch;
        if !keep {
            return appender.rollback();
        }
        let takes_late = self.takes_late();
        match appender.commit() {
            Ok(()) => {
                let segments = self.newest_segments();
                self.naive.acknowledge(&added, segments, takes_late);
                self.exemplars.acknowledge(&exemplars, segments);
            }
            Err(error) => {
                assert!(self.may_fail(), "{error}");
                self.naive.doubt(&added, takes_late);
            }
        }
    }

    pub(super) fn batch(&mut self, slot: usize, series: Range<usize>, later: i64) {
        self.pass(later);
        let mut batch = self.open[slot].take().unwrap_or_else(|| self.appender());
        self.add(&mut batch, series, false);
        self.open[slot] = Some(batch);
    }

    pub(super) fn end(&mut self, slot: usize, keep: bool) {
        if let Some(batch) = self.open[slot].take() {
            self.finish(batch, keep);
        }
    }

    pub(super) fn end_series(&mut self, series: Range<usize>) {
        self.pass(1);
        let mut batch = self.appender();
        for i in series {
            self.n_values += 1;
            self.add_value(&mut batch, i, &Value::Float(stale_nan()), true);
        }
        self.finish(batch, true);
    }

    pub(super) fn churn(&mut self, series: Range<usize>) {
        for i in series {
            self.lives[i] += 1;
            self.refs.remove(&i);
        }
    }

    pub(super) fn late(&mut self, i: usize, (earlier, n, apart): (i64, usize, i64)) {
        let (first, window) = (self.now - earlier, self.now - self.options.out_of_order_window_ms);
        let mut batch = self.appender();
        self.add_late(&mut batch, i, first);
        // One that is behind another of its batch and older than the window is left out.
        let others = (1..).map(|k| first - k * apart).take(n - 1).take_while(|t| window < *t);
        for t in others {
            self.add_late(&mut batch, i, t);
        }
        self.finish(batch, true);
    }

    fn add_late(&mut self, batch: &mut Batch, i: usize, t: i64) {
        let (labels, value) = (self.labels(i), self.value(i));
        if !self.naive.offer(&labels, t) {
            return;
        }
        let (known, window_ms) = (self.naive.last(&labels), self.options.out_of_order_window_ms);
        let is_behind = known.is_some_and(|(last, _)| t <= last);
        let sample = value.at(self.start_of(i, t), t);
        match batch.appender.append_any(&labels, sample) {
            Ok(_) => {
                // A series that was given up early does not know what it had.
                let is_known = self.setting.stale_threshold == 0.0;
                assert!(!is_behind || self.takes_late() || !is_known, "{t} is behind {known:?}");
                let value = value.number(sample.st);
                let is_late = self.takes_late();
                batch.added.push(Added { labels, t, value, is_late, is_admitted: true });
            }
            Err(AppendError::OutOfBounds) => {
                assert!(!self.takes_late() && (is_behind || t < self.now - RANGE / 2));
            }
            Err(AppendError::OutOfOrder | AppendError::Duplicate { .. }) => {
                assert!(!self.takes_late() && self.naive.may_be_behind(&labels, t));
            }
            Err(AppendError::TooOld) => {
                assert!(self.takes_late() && t < self.now - window_ms, "{t} is not too old");
            }
            Err(AppendError::Limit(_)) if self.may_fail() => {}
            Err(other) => panic!("{other}"),
        }
    }

    pub(super) fn again(&mut self, i: usize, same: bool) {
        let labels = self.labels(i);
        let Some((t, number)) = self.naive.last(&labels) else { return };
        let value = Value::Float(if same { f64::from_bits(number) } else { 0.0625 });
        if same && value.number(self.start_of(i, t)) != number {
            // A histogram, or a start time that is known as a number only.
            return;
        }
        // A late sample is compared later, and a series that was given up early does not know what it had.
        let is_blind = self.takes_late() || 0.0 < self.setting.stale_threshold;
        let mut appender = self.db().appender();
        match appender.append_any(&labels, value.at(self.start_of(i, t), t)) {
            // Dropped in silence: it is there.
            Ok(_) => assert!(same || is_blind, "another value for {t}"),
            Err(AppendError::Duplicate { t: at, existing, .. }) => {
                assert!(at == t && !same, "{existing} at {at}");
            }
            Err(AppendError::DuplicateOfHistogram { t: at, .. }) => assert_eq!(at, t),
            // Its chunk is finished, or in a block.
            Err(AppendError::OutOfOrder | AppendError::OutOfBounds | AppendError::TooOld) => {}
            Err(AppendError::Limit(_)) if self.may_fail() => {}
            Err(other) => panic!("{other}"),
        }
        if is_blind {
            // Which of two values for a time is kept is not said.
            return appender.rollback();
        }
        let committed = appender.commit();
        assert!(committed.is_ok() || self.may_fail(), "{committed:?}");
    }
}
