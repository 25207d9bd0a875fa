//! What is left of each record, and where it goes.

use std::collections::BTreeMap;

use model::{FloatHistogram, Histogram, Metadata, SeriesRef};

use super::{CheckpointError, Request};
use crate::record::{self, DecodeError, HistogramBody, Kind, RefHistogram, RefSample};
use crate::{ReadError, Reader, WriteError, Writer};

/// Records are handed to the log in batches of about this size.
const BATCH_BYTES: usize = 1 << 20;

/// Folds records into a new log, in the order and grouping in which they come.
pub(super) struct Fold<'a> {
    request: &'a Request<'a>,
    writer: Writer,
    batch: Vec<Vec<u8>>,
    batch_bytes: usize,
    samples: Vec<(RefSample, i64)>,
    /// The latest of each kept series.
    metadata: BTreeMap<SeriesRef, Metadata>,
}

impl<'a> Fold<'a> {
    pub(super) fn new(request: &'a Request<'a>, writer: Writer) -> Self {
        Self {
            request,
            writer,
            batch: Vec::new(),
            batch_bytes: 0,
            samples: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    pub(super) fn read(&mut self, source: &mut Reader) -> Result<(), CheckpointError> {
        while let Some(it) = source.next().map_err(CheckpointError::Read)? {
            let (segment, offset) = (it.segment, it.offset);
            self.take(it.bytes).map_err(|DecodeError { rule }| {
                CheckpointError::Read(ReadError::Corrupt { segment, offset, rule })
            })?;
            if BATCH_BYTES < self.batch_bytes {
                self.write().map_err(CheckpointError::Write)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), WriteError> {
        if !self.metadata.is_empty() {
            let mut out = Vec::new();
            record::start(Kind::Metadata, &mut out);
            for (series, it) in &self.metadata {
                record::put_metadata(&mut out, *series, it);
            }
            self.push(out);
        }
        self.write()?;
        self.writer.close()
    }

    fn write(&mut self) -> Result<(), WriteError> {
        let records: Vec<&[u8]> = self.batch.iter().map(|it| &it[..]).collect();
        self.writer.log(&records)?;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }

    /// Puts a record into the batch, unless nothing but its type is left.
    fn push(&mut self, record: Vec<u8>) {
        if 1 < record.len() {
            self.batch_bytes += record.len();
            self.batch.push(record);
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some((kind, body)) = record::split(bytes) else { return Ok(()) };
        match kind {
            Kind::Series => self.series(body),
            Kind::Samples | Kind::SamplesV2 => self.floats(kind, body),
            Kind::Histograms | Kind::CustomHistograms | Kind::HistogramsV2 => {
                self.histograms::<Histogram>(kind, body)
            }
            Kind::FloatHistograms | Kind::CustomFloatHistograms | Kind::FloatHistogramsV2 => {
                self.histograms::<FloatHistogram>(kind, body)
            }
            Kind::Exemplars => self.exemplars(body),
            Kind::Tombstones => self.tombstones(body),
            Kind::Metadata => {
                let Self { metadata, request, .. } = self;
                record::metadata(body, |series, it| {
                    if (request.keep)(series) {
                        metadata.insert(series, it);
                    }
                })
            }
            // Of the log of out-of-order samples, which has no checkpoints.
            Kind::MmapMarkers => Ok(()),
        }
    }

    fn series(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let mut out = Vec::new();
        record::start(Kind::Series, &mut out);
        record::series(body, |series, labels| {
            if (self.request.keep)(series) {
                record::put_series(&mut out, series, &labels);
            }
        })?;
        self.push(out);
        Ok(())
    }

    fn floats(&mut self, kind: Kind, body: &[u8]) -> Result<(), DecodeError> {
        let Request { mint, start_times, .. } = *self.request;
        let mut kept = std::mem::take(&mut self.samples);
        kept.clear();
        let mut each = |it: RefSample, st| kept.extend((mint <= it.t).then_some((it, st)));
        match kind {
            Kind::SamplesV2 => record::samples_v2(body, &mut each)?,
            _ => record::samples(body, |it| each(it, 0))?,
        }
        let mut out = Vec::new();
        if start_times {
            record::put_samples_v2(&mut out, kept.iter().copied());
        } else {
            record::put_samples(&mut out, kept.iter().map(|(it, _)| *it));
        }
        self.push(out);
        self.samples = kept;
        Ok(())
    }

    fn histograms<H: HistogramBody>(&mut self, kind: Kind, body: &[u8]) -> Result<(), DecodeError> {
        let Request { mint, start_times, .. } = *self.request;
        let mut kept: Vec<RefHistogram<H>> = Vec::new();
        // Those of an unknown schema are passed over: nobody could read them later either.
        record::histograms(kind, body, |it| kept.extend((mint <= it.t).then_some(it)))?;
        let (mut out, mut custom) = (Vec::new(), Vec::new());
        if start_times {
            record::put_histograms_v2(&mut out, kept.iter().map(RefHistogram::as_ref));
        } else {
            let kept = kept.iter().map(RefHistogram::as_ref);
            record::put_histograms(&mut out, &mut custom, kept);
        }
        self.push(out);
        self.push(custom);
        Ok(())
    }

    fn exemplars(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let mint = self.request.mint;
        let mut kept = Vec::new();
        record::exemplars(body, |it| kept.extend((mint <= it.t).then_some(it)))?;
        let mut out = Vec::new();
        record::put_exemplars(&mut out, &kept);
        self.push(out);
        Ok(())
    }

    fn tombstones(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let Request { keep, deletions_mint, .. } = *self.request;
        let mut out = Vec::new();
        record::start(Kind::Tombstones, &mut out);
        record::tombstones(body, |it| {
            if keep(it.series) && deletions_mint <= it.maxt {
                record::put_tombstone(&mut out, it);
            }
        })?;
        self.push(out);
        Ok(())
    }
}
