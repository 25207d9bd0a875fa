//! What the head holds, in numbers.

use std::cmp::Reverse;

use model::METRIC_NAME;

use super::Head;
use crate::sync::{lock, read};
use crate::{Stat, Stats};

impl Head {
    /// Counts series, pairs and chunks; lists the greatest `limit` of each kind.
    pub(crate) fn stats(&self, limit: usize) -> Stats {
        let (n_series, n_chunks) = self.n_series_and_chunks();
        let (mint, maxt) = self.time_range();
        let mut stats = Stats {
            n_series,
            n_chunks,
            n_label_pairs: self.n_label_pairs() as u64,
            mint,
            maxt,
            ..Stats::default()
        };
        let index = read(&self.index);
        for (name, pairs) in index.pairs.names().filter(|(_, pairs)| !pairs.is_empty()) {
            let stat = |value: usize| Stat { name: name.to_owned(), value: value as u64 };
            stats.values_by_label_name.push(stat(pairs.len()));
            let bytes = pairs
                .iter()
                .map(|id| index.pairs.value(*id).len() * index.postings(*id).len())
                .sum();
            stats.memory_by_label_name.push(stat(bytes));
            let mut top: Vec<(usize, &str)> = pairs
                .iter()
                .map(|id| (index.postings(*id).len(), index.pairs.value(*id)))
                .collect();
            top.sort_unstable_by_key(|(n, value)| (Reverse(*n), *value));
            top.truncate(limit);
            for (n, value) in top {
                if name == METRIC_NAME {
                    stats
                        .series_by_metric_name
                        .push(Stat { name: value.to_owned(), value: n as u64 });
                }
                stats
                    .series_by_label_pair
                    .push(Stat { name: format!("{name}={value}"), value: n as u64 });
            }
        }
        for list in [
            &mut stats.series_by_metric_name,
            &mut stats.values_by_label_name,
            &mut stats.memory_by_label_name,
            &mut stats.series_by_label_pair,
        ] {
            list.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
            list.truncate(limit);
        }
        stats
    }

    /// Counts series and chunks.
    pub(crate) fn n_series_and_chunks(&self) -> (u64, u64) {
        self.pages.all().iter().fold((0, 0), |(series, chunks), (_, page)| {
            let page = lock(page);
            (series + page.len() as u64, chunks + page.n_chunks() as u64)
        })
    }

    /// Counts series whose open chunk holds histograms, and the buckets of those.
    pub(crate) fn n_histograms(&self) -> (usize, usize) {
        self.pages.all().iter().fold((0, 0), |all, (_, page)| {
            let (n_series, n_buckets) = lock(page).n_histograms();
            (all.0 + n_series, all.1 + n_buckets)
        })
    }

    /// Bytes of memory of series records, keys and open chunks.
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.pages.all().iter().map(|(_, page)| lock(page).heap_bytes() as u64).sum()
    }
}
