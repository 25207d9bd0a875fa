//! Histograms and floats in a head go to Debian's `prometheus` and come from it, after a kill: log, chunks of the
//! head, and blocks cut from them.

mod support;

use model::{CounterResetHint, Histogram, Labels, Span, stale_nan};
use support::turns::{Batch, World, Writer};
use testkit::{Value, WriteRequest};

const MINUTE: i64 = 60_000;
const HALF_MINUTE: i64 = 30_000;
/// A multiple of two hours.
const START: i64 = 1_699_999_200_000;
/// In half minutes. Of these, the second makes that the head is cut, at 180 minutes.
const TURN: i64 = 200;

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("a", "\u{e9} \"x\"")])
}

/// Grows by `n`, in ever more buckets on both sides of zero; begins anew every 130.
fn histogram(n: i64) -> Histogram {
    let n = n % 130;
    let width = 2 + n / 30;
    let deltas = |first: i64| (0..width).map(|at| if at == 0 { first } else { at % 3 }).collect();
    let count = |deltas: &Vec<i64>| -> i64 {
        let each = deltas.iter().scan(0, |sum, it| {
            *sum += it;
            Some(*sum)
        });
        each.sum()
    };
    let (positive_deltas, negative_deltas) = (deltas(n + 1), deltas(2 * n + 1));
    let zero_count = n.cast_unsigned();
    let all = (count(&positive_deltas) + count(&negative_deltas)).cast_unsigned() + zero_count;
    // The buckets in the middle come last.
    let of = |width: i64| Span::of((0..width / 2).chain(8 - (width - width / 2)..8));
    Histogram {
        schema: 2,
        zero_threshold: 2f64.powi(-128),
        zero_count,
        count: all,
        sum: f64::from(i32::try_from(n).expect("is small")) * 0.7 - 20.0,
        positive_spans: of(width),
        negative_spans: of(width),
        positive_deltas,
        negative_deltas,
        ..Histogram::default()
    }
}

/// What is sent at half minute `n`.
fn batch(n: i64) -> Batch {
    let t = START + n * HALF_MINUTE;
    let small = f64::from(i32::try_from(n).expect("is small"));
    let float = |v| vec![(t, Value::Float(v))];
    let whole = histogram(n);
    let stale = Histogram { sum: stale_nan(), ..Histogram::default() };
    let gauge = Histogram { hint: CounterResetHint::Gauge, ..histogram(n * 37) };
    let mut all = vec![
        (labels("counter"), float((small * 7.0) % 1000.0)),
        (labels("gauge"), float(if n % 50 == 0 { f64::NAN } else { 1.0 / (small + 1.0) })),
        (labels("whole"), vec![(t, Value::Histogram(whole.clone()))]),
        (labels("float"), vec![(t, Value::FloatHistogram(whole.to_float()))]),
        (labels("levels"), vec![(t, Value::Histogram(gauge))]),
    ];
    // A series ends and comes back, and one changes its kind.
    match n % 70 {
        0..40 => all.push((labels("ends"), vec![(t, Value::Histogram(histogram(n + 3)))])),
        40 => all.push((labels("ends"), vec![(t, Value::Histogram(stale))])),
        _ => {}
    }
    let kind = match n / 25 % 3 {
        0 => Value::Float(small),
        1 => Value::Histogram(histogram(n + 7)),
        _ => Value::FloatHistogram(histogram(n + 11).to_float()),
    };
    all.push((labels("changes"), vec![(t, kind)]));
    all
}

fn turn(n: i64) -> Vec<Batch> {
    (n * TURN..(n + 1) * TURN).map(batch).collect()
}

/// `first` and `second` take turns.
fn take_turns(first: Writer, second: Writer) {
    let Some(mut world) = World::new(0) else { return };
    world.turn(first, &turn(0), |_| true);
    assert!(world.has("wal/00000000") && world.has("chunks_head/000001"));
    assert!(world.blocks().is_empty());
    world.turn(second, &turn(1), |data| !support::turns::blocks(data).is_empty());
    assert!(!world.blocks().is_empty());
    world.turn(first, &turn(2), |_| true);
    world.turn(second, &turn(3), |data| 2 <= support::turns::blocks(data).len());
    assert!(2 <= world.blocks().len());
}

#[test]
fn prometheus_goes_on_where_we_were_killed() {
    take_turns(Writer::Us, Writer::Prometheus);
}

#[test]
fn we_go_on_where_prometheus_was_killed() {
    take_turns(Writer::Prometheus, Writer::Us);
}

/// Version 2.42 takes floats out of order, and no histograms: ours stay unseen there, and cost nothing else.
#[test]
fn late_histograms_are_ours_alone() {
    let Some(mut world) = World::new(90 * MINUTE) else { return };
    let on_time: Vec<Batch> = (0..150).map(batch).collect();
    let late = |n: i64| -> Batch {
        let t = START + n * HALF_MINUTE + 10_000;
        let float = Value::FloatHistogram(histogram(n).to_float());
        vec![
            (labels("whole"), vec![(t, Value::Histogram(histogram(n)))]),
            (labels("float"), vec![(t, float)]),
            (labels("counter"), vec![(t, Value::Float(0.5))]),
        ]
    };
    let is_float = |it: &(Labels, Vec<(i64, Value)>)| matches!(it.1[0].1, Value::Float(_));
    let late: Vec<Batch> = (20..140).rev().map(late).collect();
    let floats: Vec<Batch> =
        late.iter().map(|it| it.iter().filter(|it| is_float(it)).cloned().collect()).collect();
    world.turn(Writer::Prometheus, &on_time, |_| true);
    world.turn(Writer::Prometheus, &floats, |_| true);

    let copied = world.copy();
    let server = world.start(&copied);
    let mut request = WriteRequest::default();
    let (labels, samples) = &late[0][0];
    request.add(labels, samples.iter().map(|(t, v)| (*t, v)));
    let (status, text) = server.ask("POST", "/api/v1/write", &request.body()).expect("answers");
    assert_eq!((status, text.trim()), (400, "out of order sample"));
    server.kill();

    // We write them, are killed, and have them; what the peer can read it reads.
    let data = world.we_write_more(&late);
    let server = world.start(&data);
    world.compare(&world.ask(&server), "prometheus reads");
}
