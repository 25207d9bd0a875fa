//! Equality, conversion, resolution.

use proptest::prelude::*;

use super::*;

fn histogram(schema: i32, spans: &[(i32, u32)], deltas: &[i64]) -> Histogram {
    Histogram {
        schema,
        count: counts(deltas).map(i64::cast_unsigned).sum(),
        sum: 1.5,
        positive_spans: spans.iter().map(|&(offset, length)| Span { offset, length }).collect(),
        positive_deltas: deltas.to_vec(),
        ..Histogram::default()
    }
}

#[test]
fn becomes_float() {
    let it = histogram(0, &[(1, 2), (1, 1)], &[3, -1, 4]).to_float();
    assert_eq!((it.count, it.positive_buckets), (11.0, vec![3.0, 2.0, 6.0]));
}

#[test]
fn compares_what_is_said() {
    let a = histogram(0, &[(1, 2)], &[3, -1]);
    let b = histogram(0, &[(1, 2), (0, 0), (2, 1)], &[3, -1, -2]);
    assert!(a.is_same(&b) && a.to_float().is_same(&b.to_float()));
    for other in [
        histogram(1, &[(1, 2)], &[3, -1]),
        histogram(0, &[(2, 2)], &[3, -1]),
        Histogram { sum: f64::NAN, ..a.clone() },
        Histogram { zero_count: 1, ..a.clone() },
    ] {
        assert!(!a.is_same(&other) && !a.to_float().is_same(&other.to_float()), "{other:?}");
    }
    let stale = Histogram { sum: crate::stale_nan(), ..a.clone() };
    assert!(stale.is_same(&Histogram { sum: crate::stale_nan(), ..Histogram::default() }));
    assert!(!stale.is_same(&a));
}

proptest! {
    #[test]
    fn reduces_as_halving_bounds_says(
        spans in prop::collection::vec((0i32..5, 0u32..4), 1..5),
        first in -20i32..20,
        schema in -3i32..=30,
        by in 0i32..5,
    ) {
        let mut spans = spans;
        spans[0].0 = first;
        let n: u32 = spans.iter().map(|it| it.1).sum();
        let deltas: Vec<i64> = (0..i64::from(n)).map(|i| 1 + i % 3).collect();
        let fine = histogram(schema, &spans, &deltas);
        let mut coarse = fine.clone();
        coarse.reduce_to(schema - by);
        // Bucket i ends at 2^(i / 2^schema): the coarser one that holds that bound takes its count.
        let mut expected = std::collections::BTreeMap::new();
        for (index, count) in Span::indexes(&fine.positive_spans).zip(counts(&deltas)) {
            let wide = (index as f64 / f64::from(1 << by)).ceil() as i64;
            *expected.entry(wide).or_insert(0) += count;
        }
        let found: Vec<(i64, i64)> =
            Span::indexes(&coarse.positive_spans).zip(counts(&coarse.positive_deltas)).collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        prop_assert_eq!((coarse.schema, coarse.count), (schema - by, fine.count));
        let mut float = fine.to_float();
        float.reduce_to(schema - by);
        prop_assert_eq!(float, coarse.to_float());
    }
}

#[test]
fn reduces_no_custom_buckets() {
    let custom =
        Histogram { custom_values: vec![1.0, 2.0], ..histogram(SCHEMA_CUSTOM, &[(0, 2)], &[1, 1]) };
    let mut same = custom.clone();
    same.reduce_to(-60);
    assert_eq!(same, custom);
    let mut fine = histogram(52, &[(i32::MAX, 1)], &[1]);
    fine.reduce_to_known();
    assert_eq!((fine.schema, fine.positive_spans[0].offset), (8, 1));
}
