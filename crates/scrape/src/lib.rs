//! Scraping: targets into samples.
//!
//! A [`Manager`] has a pool for each [`Job`]; a pool has a loop for each target that relabelling makes of
//! the target groups given to [`Manager::update`]. A loop is one task. At each tick, which the target's hash
//! spreads over the interval, it gets a page (over its own kept connection, or from this process, see
//! [`Page`]), and appends the page's samples and the report series (`up` and its like) as one batch.
//!
//! Flow of a page: fetch ▸ unpack ▸ line by line against the cache ▸ append. The cache lists the lines of
//! the last page in order, 24 bytes each: hash, length, series reference. A line that is the next one of
//! the list costs a hash of its text, the reading of its number and an append by reference: no label is
//! read, no map asked, nothing allocated. Other lines are parsed, relabelled and remembered.
//!
//! A target that idles costs a task, a connection with its buffer, its labels and its cache; buffers for
//! pages are shared. Pages above 256 KiB are read off the runtime's shared threads, and all of them together
//! have a bound on what they take, whatever comes at once.
//!
//! Staleness: a series that the page no longer has gets a marker at the scrape's time; all of them do if the
//! scrape fails. When a target goes, its loop waits for two ticks and a tenth before it marks the end, and
//! gives the markers the time of the first missed tick, so that a target that came back is not hurt. At
//! shutdown nothing is marked.
//!
//! Protobuf pages, pages with start times, also such as we make up, those whose classic histograms are converted and
//! those whose series are labelled with type and unit are read by [`exposition::AnyParser`], statement by statement,
//! and held against the same cache.
//!
//! Not here: finding targets, reading configuration.

mod beside;
mod cache;
mod failure_log;
mod ingest;
mod job;
mod labels;
mod manager;
mod metadata;
mod metrics;
mod page;
mod pool;
mod report;
mod room;
mod scrape_loop;
mod status;
mod synthesis;
mod target;
#[cfg(test)]
mod tests;

pub use job::{HistogramLimits, Histograms, Job, Limits, Page, Protocol, Source, Starts};
pub use manager::{JobError, Manager, Parts, offset_seed};
pub use metadata::Family;
pub use status::{ActiveTarget, Health, LastScrape, PoolStatus};
pub use target::{Examined, examine};
