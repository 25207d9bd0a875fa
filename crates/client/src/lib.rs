//! Instrumentation: counters, gauges, histograms (classic and native) and summaries that a program exposes about itself.
//!
//! A [`Registry`] owns families by name. A family is either a single metric ([`Registry::counter`]…) or
//! one metric for each combination of label values ([`Family`], from [`Registry::counters`]…); a number
//! that lives elsewhere is read through a function when the page is made ([`Registry::gauge_fn`]…).
//! [`Registry::gather`] hands everything, sorted by name, to a [`Sink`]; [`text_page`] and [`protobuf_page`] make
//! pages of it. A [`NativeHistogram`] shows its buckets in protobuf only.
//!
//! Costs: an increment is one atomic addition (a float addition: a compare-and-swap loop); finding a
//! labelled metric takes a lock and a map lookup, so hot paths keep the `Arc` they found. Nothing here
//! reads a clock.
//!
//! ```
//! let registry = client::Registry::default();
//! let requests = registry.counters("http_requests_total", "Requests answered.", &["code"]);
//! requests.get(&["200"]).inc();
//! assert!(client::text_page(&registry).contains("http_requests_total{code=\"200\"} 1\n"));
//! ```

mod metric;
mod native;
mod page;
mod registry;

pub use metric::{Counter, Gauge, Histogram, Metric, Summary};
pub use native::NativeHistogram;
pub use page::{Page, protobuf_page, text_page};
pub use registry::{Family, Registry, Sink};
