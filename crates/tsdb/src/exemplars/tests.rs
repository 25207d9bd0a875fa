//! The ring of exemplars against what upstream takes, and against a list.

use proptest::prelude::*;

use super::*;

const T: i64 = 1_700_000_000_000;

fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|it| it.split_once('=')))
}

/// Adds one exemplar after the other to a ring of `n_max`, with a window of 1000 ms, and compares what
/// each led to, and what is held in the end. Written as `series time value labels`.
fn check(n_max: usize, input: &str, results: &str, held: &str) {
    let ring = Exemplars::new(n_max, 1000, &Registry::default());
    let mut found = Vec::new();
    for line in input.split('|') {
        let [series, t, v, own] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (series, own) = (labels(&format!("s={series}")), labels(own));
        let at = (T + t.parse::<i64>().unwrap(), v.parse().unwrap());
        found.push(match ring.check(&series, &own, at) {
            Ok(true) => "taken".to_owned(),
            Ok(false) => "there".to_owned(),
            Err(error) => error.to_string(),
        });
        ring.add(&series, &own, at);
    }
    assert_eq!(found.join(" | "), results, "{input}");
    assert_eq!(shown(&ring, i64::MIN, i64::MAX), held, "{input}");
}

fn shown(ring: &Exemplars, mint: i64, maxt: i64) -> String {
    let all = ring.select(mint, maxt, &[vec![Matcher::equal("none", "")]]);
    let each = all.iter().map(|it| {
        let times = it.exemplars.iter().map(|it| (it.t.unwrap() - T).to_string());
        format!("{}: {}", it.series.value("s"), times.collect::<Vec<_>>().join(" "))
    });
    each.collect::<Vec<_>>().join(" | ")
}

#[test]
fn takes_what_upstream_takes() {
    check(
        9,
        "a 5000 1 id=1 | a 5000 1 id=1 | a 6000 1 id=1",
        "taken | there | taken",
        "a: 5000 6000",
    );
    check(
        9,
        "a 5000 1 id=1 | a 4001 1 id=1 | a 4001 7 id=2 | a 4000 1 id=1 | a 4500 1 id=1",
        "taken | taken | there | out of order exemplar | taken",
        "a: 4001 4500 5000",
    );
    // Of one time: by value, then by the hash of the labels (that of id=1 is lower than that of id=2).
    let (low, high) =
        if labels("id=1").hash64() < labels("id=2").hash64() { (1, 2) } else { (2, 1) };
    check(
        9,
        &format!("a 1 1 id={high} | a 1 1 id={low} | a 1 0.5 id=3 | a 1 2 id=4"),
        "taken | out of order exemplar | out of order exemplar | taken",
        "a: 1 1",
    );
    let too_long = format!("a 1 1 id={}", "é".repeat(127));
    check(
        9,
        &format!("{too_long} | a 1 1 id={}", "é".repeat(126)),
        "label length for exemplar exceeds maximum of 128 UTF-8 characters | taken",
        "a: 1",
    );
    check(0, "a 1 1 id=1", "there", "");
}

#[test]
fn overwrites_what_came_first() {
    check(
        3,
        "a 1 1 x=1 | b 2 1 x=1 | a 3 1 x=1 | b 4 1 x=1 | c 5 1 x=1",
        "taken | taken | taken | taken | taken",
        "a: 3 | b: 4 | c: 5",
    );
    check(1, "a 1 1 x=1 | b 2 1 x=1", "taken | taken", "b: 2");
}

#[test]
fn selects_by_time_and_matchers() {
    let ring = Exemplars::new(9, 0, &Registry::default());
    for (series, t) in [("b", 1), ("a", 2), ("b", 3), ("b", 4)] {
        ring.add(&labels(&format!("s={series}")), &labels("id=1"), (T + t, 1.0));
    }
    assert_eq!(shown(&ring, T + 2, T + 3), "a: 2 | b: 3");
    let of = |value: &str| vec![Matcher::equal("s", value)];
    assert_eq!(ring.select(0, i64::MAX, &[of("a"), of("c")]).len(), 1);
    assert_eq!(ring.select(0, i64::MAX, &[of("a"), of("b")]).len(), 2);
    assert!(ring.select(0, i64::MAX, &[]).is_empty());
}

proptest! {
    /// Against a list that keeps the newest and sorts them when asked.
    #[test]
    fn keeps_what_a_list_keeps(
        ops in prop::collection::vec(prop_oneof![
            30 => (0usize..4, 0i64..40).prop_map(|(series, later)| (series, Some(later), 0)),
            1 => (0usize..12).prop_map(|n_max| (0, None, n_max)),
        ], 1..200),
    ) {
        let ring = Exemplars::new(5, 0, &Registry::default());
        let (mut list, mut n_max, mut now) = (VecDeque::<(usize, i64)>::new(), 5, 0);
        for (series, later, size) in ops {
            match later {
                Some(later) => {
                    now += later;
                    // The same time again is the same exemplar again; it is known while the ring has it.
                    let newest = list.iter().rev().find(|it| it.0 == series).map(|it| it.1);
                    ring.add(&labels(&format!("s={series}")), &labels("id=1"), (T + now, 1.0));
                    if newest != Some(now) {
                        list.push_back((series, now));
                    }
                }
                None => {
                    n_max = size;
                    ring.resize(size);
                }
            }
            while n_max < list.len() {
                list.pop_front();
            }
            let mut expected: Vec<String> = Vec::new();
            for s in 0..4 {
                let times = list.iter().filter(|it| it.0 == s).map(|it| it.1.to_string());
                let times: Vec<String> = times.collect();
                if !times.is_empty() {
                    expected.push(format!("{s}: {}", times.join(" ")));
                }
            }
            prop_assert_eq!(shown(&ring, i64::MIN, i64::MAX), expected.join(" | "));
            prop_assert_eq!(ring.is_on(), 0 < n_max);
        }
    }
}
