//! The histogram chunk that samples are appended to.

use model::CounterResetHint;

use super::compare::{self, Fit, Verdict, union, widen};
use super::layout::{Layout, LayoutRef};
use super::state::{Flat, Kind, State};
use super::{ENTRIES_MAX, Reader};
use crate::buffer::Buffer;
use crate::cut::{self, Filling};
use crate::{Chunk, ChunkData, DecodeError, Encoding, HistogramRef, xor};

/// A growing chunk of native histograms, of integers or of floats, with or without start times. It holds
/// one sample at least; the data is complete after each.
///
/// Memory: 16 bytes a bucket (24 of floats), and the data.
#[derive(Clone, Debug)]
pub struct OpenHistogram {
    encoding: Encoding,
    header: CounterResetHint,
    buffer: Buffer,
    layout: Layout,
    state: State,
    n_samples: u16,
    first_t: i64,
    end_is_predicted: bool,
}

impl OpenHistogram {
    /// Starts a chunk that continues none: with the first histogram of its kind.
    ///
    /// - `with_starts`: whether start times are kept.
    /// - `st`: its start time; 0 is none.
    ///
    /// The histogram must be valid, see [`model::Histogram::validate`].
    pub fn start(with_starts: bool, st: i64, t: i64, histogram: HistogramRef<'_>) -> Self {
        let header = match hint_of(histogram) {
            it @ (CounterResetHint::Gauge | CounterResetHint::Reset) => it,
            _ => CounterResetHint::Unknown,
        };
        Self::begin(encoding_of(with_starts, histogram), header, st, t, histogram)
    }

    /// Starts the chunk after this one, which was cut for another reason than the sample: its time or size.
    pub fn follow(&self, with_starts: bool, st: i64, t: i64, histogram: HistogramRef<'_>) -> Self {
        use CounterResetHint::{Gauge, NotReset, Reset};
        if kind_of(histogram) != self.kind() {
            return Self::start(with_starts, st, t, histogram);
        }
        let verdict = || self.as_compared().judge_histogram(st, t, histogram);
        let header = match hint_of(histogram) {
            it @ (Gauge | Reset) => it,
            _ => match verdict() {
                Verdict::New(Reset) => Reset,
                Verdict::New(header) if self.kind() == Kind::Whole => header,
                _ => NotReset,
            },
        };
        Self::begin(encoding_of(with_starts, histogram), header, st, t, histogram)
    }

    /// Continues a finished chunk by decoding it to its end.
    ///
    /// # Errors
    /// If it is no histogram chunk, the data ends early or holds no sample.
    pub fn resume(chunk: ChunkData<'_>) -> Result<Self, DecodeError> {
        let padded = xor::pad(chunk.data);
        let mut reader = Reader::new(chunk, &padded)?;
        let mut first_t = None;
        while reader.step()? {
            first_t = first_t.or(Some(reader.state.t.value));
        }
        Ok(Self {
            encoding: chunk.encoding,
            header: reader.header,
            buffer: Buffer::resume(chunk.data, reader.bits.position()),
            n_samples: u16::try_from(reader.n).map_err(|_| DecodeError::Excessive)?,
            first_t: first_t.ok_or(DecodeError::Truncated)?,
            layout: reader.layout,
            state: reader.state,
            end_is_predicted: false,
        })
    }

    /// Appends a sample, or returns the chunk that it starts: after a counter reset, and whenever the
    /// histograms cannot share a layout. `self` is finished then.
    ///
    /// - `st`: its start time; 0 is none. A chunk without start times passes it over.
    /// - A bucket that is new is added to all samples of the chunk, which is written anew; one that is
    ///   missing and was empty so far is added to the sample.
    ///
    /// The histogram must be valid, see [`model::Histogram::validate`].
    #[must_use = "the chunk that the sample starts"]
    pub fn append(&mut self, st: i64, t: i64, histogram: HistogramRef<'_>) -> Option<Self> {
        let with_starts = self.encoding.has_starts();
        if kind_of(histogram) != self.kind() || self.is_at_limit() {
            return Some(self.follow(with_starts, st, t, histogram));
        }
        let (layout, mut sample) = (LayoutRef::of(histogram), Flat::of(st, t, histogram));
        let fit = match self.as_compared().judge(hint_of(histogram), &sample, layout) {
            Verdict::Append(fit) => fit,
            Verdict::New(header) => {
                return Some(Self::begin(self.encoding, header, st, t, histogram));
            }
        };
        if fit.sides.iter().any(|it| it.is_wider) && self.recode(fit, layout).is_err() {
            // What was read before cannot be read again: then it is left alone.
            return Some(Self::begin(self.encoding, CounterResetHint::Unknown, st, t, histogram));
        }
        if fit.sides.iter().any(|it| it.lacks) {
            sample.numbers =
                widen(self.kind(), &sample.numbers, layout.spans, self.layout.as_ref().spans);
        }
        self.put(&sample);
        None
    }

    /// True if the chunk holds histograms of this kind: integers or floats.
    pub fn takes(&self, histogram: HistogramRef<'_>) -> bool {
        kind_of(histogram) == self.kind()
    }

    /// True if the last sample says the same as `histogram`, its sum (and floats) compared bit by bit.
    pub fn is_last(&self, histogram: HistogramRef<'_>) -> bool {
        match histogram {
            _ if kind_of(histogram) != self.kind() => false,
            HistogramRef::Integer(it) => self.state.integer(&self.layout).is_same(it),
            HistogramRef::Float(it) => self.state.float(&self.layout).is_same(it),
        }
    }

    /// True if the last sample marks the end of the series.
    pub fn is_stale(&self) -> bool {
        self.state.is_stale()
    }

    /// True if a sample at `t` must go to a new chunk, whatever it holds: see [`cut::before_histogram`].
    pub fn is_full(&mut self, t: i64, range_ms: i64, next_at: &mut i64) -> bool {
        cut::before_histogram(self.filling(), t, range_ms, &mut self.end_is_predicted, next_at)
    }

    /// How the data is written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What is known about a counter reset before the chunk.
    pub fn header(&self) -> CounterResetHint {
        self.header
    }

    /// How many samples it holds.
    pub fn n_samples(&self) -> u16 {
        self.n_samples
    }

    /// How many buckets each sample has.
    pub fn n_buckets(&self) -> usize {
        self.layout.n_buckets(0) + self.layout.n_buckets(1)
    }

    /// The time of the first sample.
    pub fn first_t(&self) -> i64 {
        self.first_t
    }

    /// The time of the last sample.
    pub fn last_t(&self) -> i64 {
        self.state.t.value
    }

    /// The data so far.
    pub fn data(&self) -> &[u8] {
        self.buffer.data()
    }

    /// The data so far, with its encoding.
    pub fn as_data(&self) -> ChunkData<'_> {
        ChunkData { encoding: self.encoding, data: self.data() }
    }

    /// What [`cut`] asks about.
    pub fn filling(&self) -> Filling {
        Filling {
            n_bytes: self.data().len(),
            n_samples: usize::from(self.n_samples),
            first_t: self.first_t,
            last_t: self.last_t(),
        }
    }

    /// Bytes of memory beside `size_of::<OpenHistogram>()`, nearly.
    pub fn heap_bytes(&self) -> usize {
        self.buffer.heap_bytes() + 24 * (2 + self.n_buckets()) + 8 * self.layout.n_entries()
    }

    /// Ends the chunk, with a buffer as long as its data.
    pub fn finish(self) -> Chunk {
        Chunk { encoding: self.encoding, data: self.buffer.finish() }
    }

    fn begin(
        encoding: Encoding,
        header: CounterResetHint,
        st: i64,
        t: i64,
        histogram: HistogramRef<'_>,
    ) -> Self {
        let sample = Flat::of(st, t, histogram);
        // A stale sample has no buckets.
        let layout =
            if sample.is_stale() { Layout::default() } else { LayoutRef::of(histogram).to_owned() };
        let mut open = Self::empty(encoding, header, layout);
        open.first_t = t;
        open.put(&sample);
        open
    }

    fn empty(encoding: Encoding, header: CounterResetHint, layout: Layout) -> Self {
        let starts = encoding.has_starts().then_some(0);
        Self {
            encoding,
            header,
            buffer: Buffer::new(&[0, 0, 0]),
            state: State::new(Kind::of(encoding), &layout, starts),
            layout,
            n_samples: 0,
            first_t: 0,
            end_is_predicted: false,
        }
    }

    fn kind(&self) -> Kind {
        Kind::of(self.encoding)
    }

    fn as_compared(&self) -> compare::Chunk<'_> {
        let Self { header, layout, state, .. } = self;
        compare::Chunk { kind: self.kind(), header: *header, layout, state }
    }

    /// True if the format, or the reader, would not take a sample more.
    fn is_at_limit(&self) -> bool {
        let n = usize::from(self.n_samples);
        n == self.encoding.n_samples_max() || ENTRIES_MAX / (n + 1) < self.layout.n_entries()
    }

    /// Writes the chunk anew with the buckets of `layout` too.
    fn recode(&mut self, fit: Fit, layout: LayoutRef<'_>) -> Result<(), DecodeError> {
        let known = self.layout.as_ref().spans;
        let spans = [0, 1].map(|side| match fit.sides[side].lacks {
            true => union(known[side], layout.spans[side]),
            false => layout.spans[side].to_vec(),
        });
        let wide = Layout { spans, ..self.layout.clone() };
        let mut recoded = Self::empty(self.encoding, self.header, wide);
        (recoded.first_t, recoded.end_is_predicted) = (self.first_t, self.end_is_predicted);
        let padded = xor::pad(self.data());
        let mut reader = Reader::new(self.as_data(), &padded)?;
        while reader.step()? {
            let mut sample = reader.state.flat();
            sample.numbers =
                widen(self.kind(), &sample.numbers, known, recoded.layout.as_ref().spans);
            recoded.put(&sample);
        }
        *self = recoded;
        Ok(())
    }

    /// Writes a sample that has the buckets of the layout.
    fn put(&mut self, sample: &Flat) {
        let Self { buffer, layout, state, n_samples, .. } = self;
        let first_bits = if *n_samples == 0 { layout.n_bits_max() } else { 0 };
        buffer.extend(first_bits + state.n_bits_max(), |bits| {
            if *n_samples == 0 {
                layout.put(bits);
            }
            state.put(bits, usize::from(*n_samples), sample);
        });
        self.n_samples += 1;
        let header = super::header_bits(self.header);
        *self.buffer.head_mut() = match self.state.starts_header() {
            Some(starts) => {
                let [high, low] = (u16::from(header) << 14 | self.n_samples).to_be_bytes();
                [high, low, starts]
            }
            None => {
                let [high, low] = self.n_samples.to_be_bytes();
                [high, low, header << 6]
            }
        };
    }
}

impl compare::Chunk<'_> {
    fn judge_histogram(&self, st: i64, t: i64, histogram: HistogramRef<'_>) -> Verdict {
        let (layout, sample) = (LayoutRef::of(histogram), Flat::of(st, t, histogram));
        self.judge(hint_of(histogram), &sample, layout)
    }
}

fn hint_of(histogram: HistogramRef<'_>) -> CounterResetHint {
    match histogram {
        HistogramRef::Integer(it) => it.hint,
        HistogramRef::Float(it) => it.hint,
    }
}

fn kind_of(histogram: HistogramRef<'_>) -> Kind {
    match histogram {
        HistogramRef::Integer(_) => Kind::Whole,
        HistogramRef::Float(_) => Kind::Float,
    }
}

fn encoding_of(with_starts: bool, histogram: HistogramRef<'_>) -> Encoding {
    match (histogram, with_starts) {
        (HistogramRef::Integer(_), false) => Encoding::Histogram,
        (HistogramRef::Integer(_), true) => Encoding::HistogramSt,
        (HistogramRef::Float(_), false) => Encoding::FloatHistogram,
        (HistogramRef::Float(_), true) => Encoding::FloatHistogramSt,
    }
}
