//! Whether a sample continues a chunk.

use model::{CounterResetHint, Span};

use super::layout::{Layout, LayoutRef};
use super::state::{Flat, Kind, State};

/// What becomes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is appended, once both have the buckets of the other.
    Append(Fit),
    /// It starts a chunk with this header.
    New(CounterResetHint),
}

/// Which buckets chunk and sample do not share, on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) sides: [SideFit; 2],
}

/// As [`Fit`], on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SideFit {
    /// The sample has buckets that the chunk lacks.
    pub(super) is_wider: bool,
    /// The sample lacks buckets of the chunk.
    pub(super) lacks: bool,
}

/// The chunk a sample may continue.
pub(super) struct Chunk<'a> {
    pub(super) kind: Kind,
    pub(super) header: CounterResetHint,
    pub(super) layout: &'a Layout,
    pub(super) state: &'a State,
}

impl Chunk<'_> {
    /// Decides about a sample; `hint` is its own.
    pub(super) fn judge(
        &self,
        hint: CounterResetHint,
        sample: &Flat,
        layout: LayoutRef<'_>,
    ) -> Verdict {
        let verdict = if hint == CounterResetHint::Gauge {
            self.judge_gauge(sample, layout)
        } else {
            self.judge_counter(hint, sample, layout)
        };
        verdict.unwrap_or_else(Verdict::New)
    }

    fn judge_gauge(
        &self,
        sample: &Flat,
        layout: LayoutRef<'_>,
    ) -> Result<Verdict, CounterResetHint> {
        let new = Err(CounterResetHint::Gauge);
        if self.header != CounterResetHint::Gauge {
            return new;
        }
        if sample.is_stale() {
            return Ok(Verdict::Append(Fit::default()));
        }
        let is_other = self.state.is_stale()
            || self.scale_differs(layout)
            || !is_same_bits(&self.layout.custom_values, layout.custom_values);
        if is_other { new } else { Ok(Verdict::Append(self.fit(sample, layout).0)) }
    }

    fn judge_counter(
        &self,
        hint: CounterResetHint,
        sample: &Flat,
        layout: LayoutRef<'_>,
    ) -> Result<Verdict, CounterResetHint> {
        use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
        if self.header == Gauge {
            return Err(if self.kind == Kind::Whole { NotReset } else { Unknown });
        }
        if hint == Reset {
            return Err(Reset);
        }
        if sample.is_stale() {
            return Ok(Verdict::Append(Fit::default()));
        }
        if self.state.is_stale() {
            return Err(Unknown);
        }
        if self.total_fell(sample, 0) {
            return Err(Reset);
        }
        if self.scale_differs(layout) {
            return Err(Unknown);
        }
        if !is_same_bits(&self.layout.custom_values, layout.custom_values)
            || self.total_fell(sample, 1)
        {
            return Err(Reset);
        }
        let (fit, fell) = self.fit(sample, layout);
        if fell { Err(Reset) } else { Ok(Verdict::Append(fit)) }
    }

    fn scale_differs(&self, layout: LayoutRef<'_>) -> bool {
        self.layout.schema != layout.schema || self.layout.zero_threshold != layout.zero_threshold
    }

    /// True if the count (0) or zero count (1) is less than before.
    fn total_fell(&self, sample: &Flat, at: usize) -> bool {
        let (now, before) = (sample.numbers[at], self.state.number(at));
        match self.kind {
            Kind::Whole => now < before,
            Kind::Float => f64::from_bits(now) < f64::from_bits(before),
        }
    }

    /// Compares the buckets. Also tells whether the count of one fell, or one that was not empty is gone.
    fn fit(&self, sample: &Flat, layout: LayoutRef<'_>) -> (Fit, bool) {
        let (mut fit, mut fell) = (Fit::default(), false);
        let (mut known_from, mut new_from) = (2, 2);
        for side in 0..2 {
            let known_end = known_from + self.layout.n_buckets(side);
            let n_new: usize = layout.spans[side].iter().map(|it| it.length as usize).sum();
            let new_end = (new_from + n_new).min(sample.numbers.len());
            let known = self.kind.counts(self.state.numbers(known_from..known_end));
            let new = self.kind.counts(sample.numbers[new_from..new_end].iter().copied());
            let (side_fit, side_fell) = compare(
                self.kind,
                Span::indexes(&self.layout.spans[side]).zip(known),
                Span::indexes(layout.spans[side]).zip(new),
            );
            fit.sides[side] = side_fit;
            fell |= side_fell;
            (known_from, new_from) = (known_end, new_end);
        }
        (fit, fell)
    }
}

fn is_same_bits(a: &[f64], b: &[f64]) -> bool {
    a.iter().map(|it| it.to_bits()).eq(b.iter().map(|it| it.to_bits()))
}

fn compare(
    kind: Kind,
    known: impl Iterator<Item = (i64, u64)>,
    new: impl Iterator<Item = (i64, u64)>,
) -> (SideFit, bool) {
    let (mut known, mut new) = (known.peekable(), new.peekable());
    let (mut fit, mut fell) = (SideFit::default(), false);
    loop {
        match (known.peek().copied(), new.peek().copied()) {
            (None, None) => return (fit, fell),
            (Some((a, before)), Some((b, now))) if a == b => {
                fell |= kind.is_less(now, before);
                known.next();
                new.next();
            }
            (Some((a, before)), other) if other.is_none_or(|(b, _)| a < b) => {
                fell |= !kind.is_zero(before);
                fit.lacks = true;
                known.next();
            }
            _ => {
                fit.is_wider = true;
                new.next();
            }
        }
    }
}

/// The spans of the buckets of either.
pub(super) fn union(a: &[Span], b: &[Span]) -> Vec<Span> {
    let mut all = Vec::new();
    let (mut a, mut b) = (Span::indexes(a).peekable(), Span::indexes(b).peekable());
    while let Some(least) = a.peek().into_iter().chain(b.peek()).min().copied() {
        a.next_if_eq(&least);
        b.next_if_eq(&least);
        all.push(least);
    }
    Span::of(all)
}

/// Rewrites the numbers of a sample with the buckets `from` for the buckets `to`; new ones are empty.
pub(super) fn widen(kind: Kind, numbers: &[u64], from: [&[Span]; 2], to: [&[Span]; 2]) -> Vec<u64> {
    let (totals, mut rest) = numbers.split_at(2);
    let mut out = totals.to_vec();
    for (from, to) in from.into_iter().zip(to) {
        let n = from.iter().map(|it| it.length as usize).sum::<usize>().min(rest.len());
        let (side, others) = rest.split_at(n);
        let counts = kind.counts(side.iter().copied());
        let mut known = Span::indexes(from).zip(counts).peekable();
        let mut before = 0;
        for index in Span::indexes(to) {
            let count = known.next_if(|it| it.0 == index).map_or(0, |it| it.1);
            out.push(kind.written(count, before));
            before = count;
        }
        rest = others;
    }
    out
}
