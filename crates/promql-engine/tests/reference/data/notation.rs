//! Series as test scripts write them, as far as they can: a value for each sample, with its time.

use std::fmt::Write as _;

use model::CounterResetHint;
use stdx::gofloat::format_g;

use crate::naive::histogram::Hist;
use crate::naive::value::{Point, Stored};

/// One line for each series: its labels, then `value@seconds`, `/seconds` behind it if the sample has a start
/// time.
pub(crate) fn print(data: &[Stored]) -> String {
    let mut out = String::new();
    for it in data {
        write!(out, "  {}", it.labels).expect("a string takes all");
        for sample in &it.samples {
            let value = match &sample.point {
                point if point.is_stale() => "stale".to_owned(),
                Point::Float(v) => format_g(*v),
                Point::Hist(it) => histogram(it),
            };
            write!(out, " {value}@{}", sample.t as f64 / 1000.0).expect("a string takes all");
            if sample.start != 0 {
                write!(out, "/{}", sample.start as f64 / 1000.0).expect("a string takes all");
            }
        }
        out.push('\n');
    }
    out
}

fn histogram(it: &Hist) -> String {
    let mut parts = vec![
        format!("schema:{}", it.schema),
        format!("sum:{}", format_g(it.sum)),
        format!("count:{}", format_g(it.count)),
    ];
    if it.zero_count != 0.0 || it.zero_threshold != 0.0 {
        parts.push(format!("z_bucket:{}", format_g(it.zero_count)));
        parts.push(format!("z_bucket_w:{}", format_g(it.zero_threshold)));
    }
    for (buckets, name) in [(&it.positive, ""), (&it.negative, "n_")] {
        let (Some((first, _)), Some((last, _))) =
            (buckets.first_key_value(), buckets.last_key_value())
        else {
            continue;
        };
        let counts: Vec<String> = (*first..=*last)
            .map(|index| format_g(buckets.get(&index).copied().unwrap_or(0.0)))
            .collect();
        parts.push(format!("{name}offset:{first} {name}buckets:[{}]", counts.join(" ")));
    }
    if !it.custom.is_empty() {
        let bounds: Vec<String> = it.custom.iter().map(|it| format_g(*it)).collect();
        parts.push(format!("custom_values:[{}]", bounds.join(" ")));
    }
    let hint = match it.hint {
        CounterResetHint::Unknown => "",
        CounterResetHint::Reset => "reset",
        CounterResetHint::NotReset => "not_reset",
        CounterResetHint::Gauge => "gauge",
    };
    if !hint.is_empty() {
        parts.push(format!("counter_reset_hint:{hint}"));
    }
    format!("{{{{{}}}}}", parts.join(" "))
}
