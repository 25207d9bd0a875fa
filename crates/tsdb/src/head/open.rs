//! The chunk that a series appends to.

use chunk::{ChunkData, Encoding, HistogramRef, OpenChunk, OpenHistogram, OpenXor2};
use model::{FloatHistogram, Histogram, is_stale_nan};
use storage::{AnyValue, AppendError};

/// A growing chunk: as large as the one of floats, which nearly all are.
pub(crate) enum Open {
    Float(OpenChunk),
    Rare(Box<Rare>),
}

/// A growing chunk of another kind.
pub(crate) enum Rare {
    /// Floats, with start times maybe.
    Xor2(OpenXor2),
    Histogram(OpenHistogram),
}

impl Open {
    pub(crate) fn xor2(it: OpenXor2) -> Self {
        Self::Rare(Box::new(Rare::Xor2(it)))
    }

    pub(crate) fn histogram(it: OpenHistogram) -> Self {
        Self::Rare(Box::new(Rare::Histogram(it)))
    }

    /// Continues a finished chunk; `None` if it is malformed, or empty.
    pub(crate) fn resume(chunk: ChunkData<'_>) -> Option<Self> {
        Some(match chunk.encoding {
            Encoding::Xor => Self::Float(OpenChunk::resume(chunk.data).ok()?),
            Encoding::Xor2 => Self::xor2(OpenXor2::resume(chunk.data).ok()?),
            _ => Self::histogram(OpenHistogram::resume(chunk).ok()?),
        })
    }

    /// The time of the first sample.
    pub(crate) fn first_t(&self) -> i64 {
        match self {
            Self::Float(it) => it.first_t(),
            Self::Rare(rare) => match &**rare {
                Rare::Xor2(it) => it.first_t(),
                Rare::Histogram(it) => it.first_t(),
            },
        }
    }

    /// The time of the last sample.
    pub(crate) fn last_t(&self) -> i64 {
        match self {
            Self::Float(it) => it.last_t(),
            Self::Rare(rare) => match &**rare {
                Rare::Xor2(it) => it.last_t(),
                Rare::Histogram(it) => it.last_t(),
            },
        }
    }

    /// The last sample, if it is a float that has no start time.
    pub(crate) fn newest_float(&self) -> Option<(i64, f64)> {
        match self {
            Self::Float(it) => Some((it.last_t(), it.last_v())),
            Self::Rare(_) => None,
        }
    }

    /// The samples so far.
    pub(crate) fn as_data(&self) -> ChunkData<'_> {
        match self {
            Self::Float(it) => it.as_data(),
            Self::Rare(rare) => match &**rare {
                Rare::Xor2(it) => it.as_data(),
                Rare::Histogram(it) => it.as_data(),
            },
        }
    }

    /// How long the data is.
    pub(crate) fn n_bytes(&self) -> usize {
        self.as_data().data.len()
    }

    /// Bytes of memory beside `size_of::<Open>()`.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Float(it) => it.heap_bytes(),
            Self::Rare(rare) => {
                size_of::<Rare>()
                    + match &**rare {
                        Rare::Xor2(it) => it.heap_bytes(),
                        Rare::Histogram(it) => it.heap_bytes(),
                    }
            }
        }
    }

    /// The chunk of histograms, if it is one.
    pub(crate) fn as_histogram(&self) -> Option<&OpenHistogram> {
        match self {
            Self::Rare(rare) => match &**rare {
                Rare::Histogram(it) => Some(it),
                Rare::Xor2(_) => None,
            },
            Self::Float(_) => None,
        }
    }

    /// As [`Open::as_histogram`].
    pub(crate) fn as_histogram_mut(&mut self) -> Option<&mut OpenHistogram> {
        match self {
            Self::Rare(rare) => match &mut **rare {
                Rare::Histogram(it) => Some(it),
                Rare::Xor2(_) => None,
            },
            Self::Float(_) => None,
        }
    }

    /// True if the last sample is the marker for the end of a series.
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Float(it) => is_stale_nan(it.last_v()),
            Self::Rare(rare) => match &**rare {
                Rare::Xor2(it) => is_stale_nan(it.last_v()),
                Rare::Histogram(it) => it.is_stale(),
            },
        }
    }

    /// How many buckets its histograms have; `None` for floats.
    pub(crate) fn n_buckets(&self) -> Option<usize> {
        self.as_histogram().map(OpenHistogram::n_buckets)
    }

    /// Says whether a sample at the time of the last one is that one again.
    ///
    /// # Errors
    /// If it is another.
    pub(crate) fn refuse_other(&self, value: AnyValue<'_>) -> Result<(), AppendError> {
        let existing = match self {
            Self::Float(it) => Ok(it.last_v()),
            Self::Rare(rare) => match &**rare {
                Rare::Xor2(it) => Ok(it.last_v()),
                Rare::Histogram(it) => Err(it),
            },
        };
        let t = self.last_t();
        match (existing, value) {
            (Ok(existing), AnyValue::Float(new)) if existing.to_bits() == new.to_bits() => Ok(()),
            (Ok(existing), AnyValue::Float(new)) => {
                Err(AppendError::Duplicate { t, existing, new })
            }
            (Err(_), AnyValue::Float(new)) => Err(AppendError::DuplicateOfHistogram { t, new }),
            (Err(it), AnyValue::Histogram(new)) if it.is_last(new.into()) => Ok(()),
            (Err(it), AnyValue::FloatHistogram(new)) if it.is_last(new.into()) => Ok(()),
            _ => Err(AppendError::DuplicateHistogram),
        }
    }
}

/// A histogram that marks the end of its series.
pub(crate) enum StaleHistogram {
    Whole(Histogram),
    Float(FloatHistogram),
}

impl StaleHistogram {
    /// What the marker `v` is in a series whose newest chunk is this; `None` for any other float, and where
    /// floats stay floats.
    pub(crate) fn of(v: f64, encoding: Encoding) -> Option<Self> {
        use Encoding::{FloatHistogram as Float, FloatHistogramSt, HistogramSt};
        let is_marker = is_stale_nan(v);
        Some(match encoding {
            _ if !is_marker => return None,
            Encoding::Histogram | HistogramSt => {
                Self::Whole(Histogram { sum: v, ..Histogram::default() })
            }
            Float | FloatHistogramSt => {
                Self::Float(FloatHistogram { sum: v, ..FloatHistogram::default() })
            }
            Encoding::Xor | Encoding::Xor2 => return None,
        })
    }

    pub(crate) fn as_ref(&self) -> HistogramRef<'_> {
        match self {
            Self::Whole(it) => it.into(),
            Self::Float(it) => it.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_cost_floats_nothing() {
        assert_eq!(size_of::<Option<Open>>(), size_of::<OpenChunk>());
    }
}
