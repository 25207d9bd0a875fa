//! Series of several sources in label order.

use std::cmp::Ordering;

use block::Error;

use crate::source::{SeriesSource, SourceSeries};

/// Merges sources by labels. Few sources at a time: the least is found by looking at each.
pub(super) struct Merge<'a, 's> {
    inputs: Vec<Input<'a, 's>>,
    /// Inputs whose series is the current one.
    current: Vec<usize>,
}

struct Input<'a, 's> {
    source: &'a mut (dyn SeriesSource + 's),
    /// Position of a symbol in the source ▸ in the merged list.
    table: &'a [u32],
    series: SourceSeries,
    ended: bool,
}

impl<'a, 's> Merge<'a, 's> {
    pub(super) fn new(
        sources: &'a mut [Box<dyn SeriesSource + 's>],
        tables: &'a [Vec<u32>],
    ) -> Result<Self, Error> {
        let input = |(source, table): (&'a mut Box<dyn SeriesSource + 's>, &'a Vec<u32>)| Input {
            source: source.as_mut(),
            table,
            series: SourceSeries::default(),
            ended: false,
        };
        let mut inputs: Vec<_> = sources.iter_mut().zip(tables).map(input).collect();
        for it in &mut inputs {
            it.advance()?;
        }
        Ok(Self { inputs, current: Vec::new() })
    }

    /// Moves to the next label set and returns it, `None` after the last.
    pub(super) fn next_labels(&mut self) -> Result<Option<Vec<(u32, u32)>>, Error> {
        for at in std::mem::take(&mut self.current) {
            self.inputs[at].advance()?;
        }
        for at in 0..self.inputs.len() {
            let it = &self.inputs[at];
            if it.ended {
                continue;
            }
            let least = self.current.first().map(|least| &self.inputs[*least].series.labels);
            match least.map_or(Ordering::Less, |least| it.series.labels.cmp(least)) {
                Ordering::Less => self.current = vec![at],
                Ordering::Equal => self.current.push(at),
                Ordering::Greater => {}
            }
        }
        Ok(self.current.first().map(|at| self.inputs[*at].series.labels.clone()))
    }

    /// The series with the current label set, in the order of the sources.
    pub(super) fn current(&self) -> impl Iterator<Item = &SourceSeries> {
        self.current.iter().map(|at| &self.inputs[*at].series)
    }
}

impl Input<'_, '_> {
    fn advance(&mut self) -> Result<(), Error> {
        self.series.clear();
        self.ended = !self.source.next_series(&mut self.series)?;
        for (name, value) in &mut self.series.labels {
            for it in [name, value] {
                let unknown =
                    || Error::Refused(format!("a series names symbol {it}, which is not there"));
                *it = *self.table.get(*it as usize).ok_or_else(unknown)?;
            }
        }
        Ok(())
    }
}
