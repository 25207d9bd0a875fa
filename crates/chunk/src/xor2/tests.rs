//! Known bytes, and what a naive bit string says.

use proptest::prelude::*;

use super::*;
use crate::naive;
use crate::xor::tests::{hex, samples};

const T: i64 = 1_700_000_000_000;

type Sample = (i64, i64, f64);

fn encode(samples: &[Sample]) -> OpenXor2 {
    let (st, t, v) = samples[0];
    let mut open = OpenXor2::start(st, t, v);
    samples[1..].iter().for_each(|&(st, t, v)| open.append(st, t, v));
    open
}

fn decode(data: &[u8]) -> Result<Vec<(i64, i64, u64)>, DecodeError> {
    let (mut st, mut t, mut v) = (Vec::new(), Vec::new(), Vec::new());
    decode_range(data, i64::MIN, i64::MAX, &mut st, &mut t, &mut v)?;
    assert!((st.is_empty() || st.len() == t.len()) && t.len() == v.len());
    st.resize(t.len(), 0);
    Ok(st.into_iter().zip(t).zip(v).map(|((st, t), v)| (st, t, v.to_bits())).collect())
}

fn bits_of(samples: &[Sample]) -> Vec<(i64, i64, u64)> {
    samples.iter().map(|&(st, t, v)| (st, t, v.to_bits())).collect()
}

/// The encoding as text of 0 and 1.
fn naive_bits(samples: &[Sample]) -> String {
    let pairs: Vec<(i64, i64)> = samples.iter().map(|it| (it.0, it.1)).collect();
    let (header, starts) = naive::starts(&pairs);
    let mut out = format!("{:016b}{header:08b}", samples.len());
    let (mut baseline, mut window) = (0, None);
    for (i, &(_, t, v)) in samples.iter().enumerate() {
        let bits = v.to_bits();
        let is_stale = bits == STALE_NAN_BITS;
        if i == 0 {
            out.push_str(&format!("{}{bits:064b}", naive::signed_varint(t)));
        } else {
            let delta = t - samples[i - 1].1;
            let dod = if i == 1 { 1 } else { delta - (samples[i - 1].1 - samples[i - 2].1) };
            let (mut prefixes, mut stale) = (["0", "10", "110"], "111");
            let low = |n| naive::low(dod.cast_unsigned(), n);
            if i == 1 {
                out.push_str(&naive::varint(delta.cast_unsigned()));
            } else if dod == 0 {
                (prefixes, stale) = (["0", "100", "101"], "11111");
            } else if (-4096..4096).contains(&dod) {
                out.push_str(&format!("110{}", low(13)));
            } else if (-524_288..524_288).contains(&dod) {
                out.push_str(&format!("1110{}", low(20)));
            } else {
                out.push_str(&format!("11110{dod:064b}"));
            }
            let value = |window| naive::xor(bits ^ baseline, window, prefixes);
            out.push_str(&if is_stale { stale.to_owned() } else { value(&mut window) });
        }
        out.push_str(&starts[i]);
        if !is_stale {
            baseline = bits;
        }
    }
    naive::padded(out)
}

#[test]
fn reads_and_writes_the_known_bytes() {
    for (data, samples) in [
        (
            "0003 00 80a0abfef962 3ff0000000000000 9875 c12fffd683",
            [(0, T, 1.0), (0, T + 15_000, 2.0), (0, T + 30_000, 2.5)],
        ),
        (
            "0003 82 80a0abfef962 3ff0000000000000 a09c01 9875 c12fffe000e683fbec78",
            [(T - 10_000, T, 1.0), (T - 10_000, T + 15_000, 2.0), (T + 20_000, T + 30_001, 2.5)],
        ),
    ] {
        let open = encode(&samples);
        assert_eq!(open.data(), hex(data));
        assert_eq!(decode(&hex(data)).unwrap(), bits_of(&samples));
        assert_eq!((open.first_t(), open.last_t(), open.last_v()), (T, samples[2].1, 2.5));
    }
}

#[test]
fn keeps_start_times_from_sample_127_on() {
    let samples: Vec<Sample> = (0..200).map(|i| (0, T + i * 1000, 1.0)).collect();
    let open = encode(&samples);
    assert_eq!(open.data()[2], 0x7F);
    assert_eq!(decode(open.data()).unwrap(), bits_of(&samples));
    assert_eq!(encode(&samples[..127]).data()[2], 0);
}

#[test]
fn fills_start_times_only_if_there_are_any() {
    let (mut st, mut t, mut v) = (Vec::new(), vec![1, 2], vec![0.0, 0.0]);
    let none = encode(&[(0, 5, 1.0)]);
    decode_range(none.data(), 0, 9, &mut st, &mut t, &mut v).unwrap();
    assert!(st.is_empty());
    let some = encode(&[(0, 6, 1.0), (3, 7, 2.0)]);
    decode_range(some.data(), 0, 9, &mut st, &mut t, &mut v).unwrap();
    assert_eq!((st, t), (vec![0, 0, 0, 0, 3], vec![1, 2, 5, 6, 7]));
}

/// Samples with start times that are missing, stay, follow the sample before, or are anything.
fn started() -> impl Strategy<Value = Vec<Sample>> {
    (samples(), prop::collection::vec((0u8..20, -T..T), 300), 0u8..3).prop_map(
        |(samples, starts, mode)| {
            let mut st = 0;
            let mut t_before = 0;
            let each = |((t, v), (kind, any)): ((i64, f64), (u8, i64))| {
                st = match (mode, kind) {
                    (0, _) => 0,
                    (1, 0) | (2, 0..3) => any,
                    (2, 3..8) => t_before,
                    (2, 8) => 0,
                    _ => st,
                };
                t_before = t;
                (st, t, v)
            };
            samples.into_iter().zip(starts).map(each).collect()
        },
    )
}

proptest! {
    #[test]
    fn equals_the_naive_encoding(samples in started()) {
        let open = encode(&samples);
        prop_assert_eq!(naive::text(open.data()), naive_bits(&samples));
        prop_assert_eq!(decode(open.data()).unwrap(), bits_of(&samples));
    }

    #[test]
    fn continues_from_data(samples in started(), at in 0usize..300) {
        let at = at.min(samples.len() - 1);
        let mut open = OpenXor2::resume(encode(&samples[..=at]).data()).unwrap();
        prop_assert_eq!(open.last_v().to_bits(), samples[at].2.to_bits());
        samples[at + 1..].iter().for_each(|&(st, t, v)| open.append(st, t, v));
        let whole = encode(&samples);
        prop_assert_eq!(open.data(), whole.data());
        prop_assert!(open.heap_bytes() < open.data().len() + open.data().len() / 4 + 16);
    }

    #[test]
    fn cut_data_never_decodes(samples in started(), at in 0usize..3000) {
        let data = encode(&samples);
        let data = data.data();
        prop_assert_eq!(decode(&data[..at % data.len()]), Err(DecodeError::Truncated));
    }

    #[test]
    fn survives_any_bytes(data in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(all) = decode(&data) {
            prop_assert!(all.len() <= data.len() * 8);
        }
        if let Ok(mut open) = OpenXor2::resume(&data) && open.n_samples() < u16::MAX {
            open.append(1, 2, 3.0);
            prop_assert!(decode(open.data()).is_ok());
        }
    }
}
