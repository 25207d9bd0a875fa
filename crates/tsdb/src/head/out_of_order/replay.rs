//! Late samples as the files describe them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chunk::{Sample, Value};
use model::{FloatHistogram, Histogram, SeriesRef};
use storage::Samples;
use wal::record::{self, DecodeError, Kind, MmapMarker, RefHistogram};
use wal::{Position, Reader, segment};

use super::super::Head;
use super::super::chunk_files::Entry;
use super::super::querier::decode;
use super::super::replay::{Replayed, read_records, repair};
use super::super::series::{Page, page_of};
use super::WBL_FOLDER;
use super::table::{LateChunk, LateSample};
use crate::OpenError;
use crate::generations::Loading;
use crate::sync::lock;

/// Late samples on their way to their series.
#[derive(Default)]
pub(crate) struct LateReplay {
    /// Chunks by the reference they were written under, until its series turns up.
    chunks: HashMap<u64, Vec<LateChunk>>,
    /// The greatest reference seen.
    pub(crate) last_ref: u64,
    /// Samples of series that are not known.
    n_unknown: u64,
}

impl LateReplay {
    /// Takes a chunk; false if it is not one of late samples.
    pub(crate) fn take(&mut self, it: &Entry) -> bool {
        if it.is_out_of_order {
            self.saw(it.series);
        }
        if it.is_out_of_order && !it.is_in_blocks && it.encoding.is_some() {
            let chunk = LateChunk { mint: it.mint, maxt: it.maxt, at: it.at };
            self.chunks.entry(it.series).or_default().push(chunk);
        }
        it.is_out_of_order
    }

    /// True if all chunks are with their series.
    pub(crate) fn is_attached(&self) -> bool {
        self.chunks.is_empty()
    }

    fn saw(&mut self, series: u64) {
        if series < 1 << 40 {
            self.last_ref = self.last_ref.max(series);
        }
    }

    /// Gives the chunks that were written under a reference to its series.
    pub(crate) fn attach(&mut self, head: &Head, series: u64, target: u64) {
        let Some(chunks) = self.chunks.remove(&series) else { return };
        let page = head.pages.make(page_of(target));
        let mut page = lock(&page);
        for it in &chunks {
            head.out_of_order.widen(it.mint, it.maxt);
        }
        page.late.make(target).mapped.extend(chunks);
    }

    /// Gives the chunks of series that are there to them, unless they have them.
    pub(crate) fn attach_known(&mut self, head: &Head) {
        self.chunks.retain(|series, chunks| {
            let added = on_page(head, *series, |page| {
                for it in chunks {
                    head.out_of_order.widen(it.mint, it.maxt);
                    page.late.add_mapped(*series, *it);
                }
            });
            added.is_none()
        });
    }

    /// Replays the log, after the one of all samples. `aliases` are references that stand for others.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn log(
        &mut self,
        head: &Head,
        aliases: &HashMap<u64, u64>,
        loading: &Loading,
        read_only: bool,
        replayed: &mut Replayed,
    ) -> Result<(), OpenError> {
        let folder = Path::new(WBL_FOLDER);
        let directory = &head.directory;
        let numbers = segment::list(directory.as_ref(), folder)
            .map_err(OpenError::io("list WBL segments"))?;
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(()) };
        let mut from = Position { segment: *first, offset: 0 };
        loop {
            let mut reader = Reader::from(Arc::clone(directory), folder, from, *last);
            let goes_on = |_| loading.is_wanted();
            let bad =
                read_records(&mut reader, goes_on, |bytes| self.record(head, aliases, bytes))?;
            let Some(bad) = bad else { break };
            drop(reader);
            from = repair(directory.as_ref(), folder, &bad, read_only, replayed)?;
        }
        head.metrics.unknown_late_samples.add(self.n_unknown);
        replayed.n_unknown_samples += self.n_unknown;
        Ok(())
    }

    /// Replays one record. Markers and samples of series that are not there are counted.
    ///
    /// # Errors
    /// If its bytes are wrong.
    pub(crate) fn record(
        &mut self,
        head: &Head,
        aliases: &HashMap<u64, u64>,
        bytes: &[u8],
    ) -> Result<(), DecodeError> {
        let Some((kind, body)) = record::split(bytes) else { return Ok(()) };
        let actual = |it: SeriesRef| aliases.get(&it.0).copied().unwrap_or(it.0);
        match kind {
            Kind::Samples => record::samples(body, |it| {
                self.sample(head, (it.series, actual(it.series)), LateSample::float(it.t, it.v));
            }),
            Kind::SamplesV2 => record::samples_v2(body, |it, st| {
                let st = if head.stores_starts { st } else { 0 };
                let sample = Sample { st, t: it.t, value: Value::Float(it.v) };
                self.sample(head, (it.series, actual(it.series)), (&sample).into());
            }),
            Kind::Histograms | Kind::CustomHistograms | Kind::HistogramsV2 => {
                record::histograms(kind, body, |it: RefHistogram<Histogram>| {
                    if it.histogram.validate().is_ok() {
                        let st = if head.stores_starts { it.st } else { 0 };
                        let sample = Sample { st, t: it.t, value: Value::Histogram(it.histogram) };
                        self.sample(head, (it.series, actual(it.series)), (&sample).into());
                    }
                })
                .map(drop)
            }
            Kind::FloatHistograms | Kind::CustomFloatHistograms | Kind::FloatHistogramsV2 => {
                record::histograms(kind, body, |it: RefHistogram<FloatHistogram>| {
                    if it.histogram.validate().is_ok() {
                        let st = if head.stores_starts { it.st } else { 0 };
                        let value = Value::FloatHistogram(it.histogram);
                        let sample = Sample { st, t: it.t, value };
                        self.sample(head, (it.series, actual(it.series)), (&sample).into());
                    }
                })
                .map(drop)
            }
            Kind::MmapMarkers => {
                record::mmap_markers(body, |it| self.marker(head, actual(it.series), it))
            }
            // Nothing else belongs into this log.
            _ => Ok(()),
        }
    }

    fn sample(&mut self, head: &Head, (logged, series): (SeriesRef, u64), sample: LateSample) {
        self.saw(logged.0);
        let found = on_page(head, series, |page| {
            // One that is not kept is there already, or was refused before it was logged.
            head.insert_late(page, series, sample);
        });
        self.n_unknown += u64::from(found.is_none());
    }

    /// Drops the samples that are in the chunk of a marker. If the chunk was lost, that is none of them.
    fn marker(&mut self, head: &Head, series: u64, it: MmapMarker) {
        self.saw(it.series.0);
        on_page(head, series, |page| {
            let Some(late) = page.late.get_mut(series) else { return };
            let chunk = late.mapped.iter().find(|chunk| chunk.at.packed() == it.chunk);
            let mut held = Samples::default();
            if let Some(chunk) = chunk
                && let Ok(bytes) = head.chunk_files.read(chunk.at)
                && decode(bytes.data(), i64::MIN, i64::MAX, &mut held).is_ok()
            {
                let is_held = |t: &i64| {
                    held.t.binary_search(t).is_ok() || held.histogram_t.binary_search(t).is_ok()
                };
                late.open.retain(|it| !is_held(&it.t));
            }
        });
    }
}

/// Does something to the page of a series, if the series is there.
fn on_page(head: &Head, series: u64, each: impl FnOnce(&mut Page)) -> Option<()> {
    let page = head.pages.find(page_of(series))?;
    let mut page = lock(&page);
    page.has(series).then(|| each(&mut page))
}
