//! `node_time_seconds`, from the clock.

use client::Sink;
use model::MetricType;
use stdx::Clock;

use crate::source::{Error, Paths};

pub(crate) fn collect(_: &Paths, clock: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    sink.family(
        "node_time_seconds",
        "System time in seconds since epoch (1970).",
        MetricType::Gauge,
    );
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    sink.sample(&[], clock.now_ms() as f64 / 1000.0);
    Ok(())
}
