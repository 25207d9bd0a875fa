//! Known bytes, and what a naive bit string says.

use proptest::prelude::*;

use super::*;
use crate::OpenChunk;

const T: i64 = 1_700_000_000_000;

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap())
        .collect()
}

fn encode(samples: &[(i64, f64)]) -> OpenChunk {
    let (first, rest) = samples.split_first().unwrap();
    let mut chunk = OpenChunk::start(first.0, first.1);
    for &(t, v) in rest {
        chunk.append(t, v);
    }
    chunk
}

fn columns(data: &[u8]) -> Result<(Vec<i64>, Vec<f64>), DecodeError> {
    let (mut t, mut v) = (Vec::new(), Vec::new());
    decode_into(data, &mut t, &mut v).map(|()| (t, v))
}

/// The encoding as text of 0 and 1, written down again without any of the code under test.
fn naive_bits(samples: &[(i64, f64)]) -> String {
    let mut out = format!("{:016b}", samples.len());
    let byte = |out: &mut String, mut v: u64| {
        while 0x80 <= v {
            out.push_str(&format!("{:08b}", v & 0x7F | 0x80));
            v >>= 7;
        }
        out.push_str(&format!("{v:08b}"));
    };
    let (mut window, mut delta): (Option<(u32, u32)>, i128) = (None, 0);
    for (i, &(t, v)) in samples.iter().enumerate() {
        if i == 0 {
            byte(&mut out, (t << 1 ^ t >> 63).cast_unsigned());
            out.push_str(&format!("{:064b}", v.to_bits()));
            continue;
        }
        let now = i128::from(t) - i128::from(samples[i - 1].0);
        if i == 1 {
            byte(&mut out, u64::try_from(now).unwrap());
        } else {
            let dod = now - delta;
            let bin = [(14, "10"), (17, "110"), (20, "1110")]
                .into_iter()
                .find(|(n, _)| -((1 << (n - 1)) - 1) <= dod && dod <= 1 << (n - 1));
            match bin {
                _ if dod == 0 => out.push('0'),
                Some((n, prefix)) => {
                    let text = format!("{:064b}", i64::try_from(dod).unwrap());
                    out.push_str(&format!("{prefix}{}", &text[64 - n..]));
                }
                None => out.push_str(&format!("1111{:064b}", i64::try_from(dod).unwrap())),
            }
        }
        delta = now;
        let x = v.to_bits() ^ samples[i - 1].1.to_bits();
        let (leading, trailing) = (x.leading_zeros().min(31), x.trailing_zeros());
        match window {
            _ if x == 0 => out.push('0'),
            Some((l, t)) if l <= leading && t <= trailing => {
                out.push_str(&format!("10{}", &format!("{x:064b}")[l as usize..(64 - t) as usize]));
            }
            _ => {
                let n = 64 - leading - trailing;
                let bits = &format!("{x:064b}")[leading as usize..(64 - trailing) as usize];
                out.push_str(&format!("11{leading:05b}{:06b}{bits}", n % 64));
                window = Some((leading, trailing));
            }
        }
    }
    while out.len() % 8 != 0 {
        out.push('0');
    }
    out
}

#[test]
fn writes_the_known_bytes() {
    let chunk = encode(&[(T, 1.0), (T + 15_000, 2.0), (T + 30_000, 2.5)]);
    let expected = hex("0003 80a0abfef962 3ff0000000000000 9875 c25fff6d06");
    assert_eq!(chunk.data(), expected);
    assert_eq!(columns(&expected), Ok((vec![T, T + 15_000, T + 30_000], vec![1.0, 2.0, 2.5])));
    assert_eq!((chunk.first_t(), chunk.last_t(), chunk.last_v()), (T, T + 30_000, 2.5));
    assert_eq!(size_of::<Option<OpenChunk>>(), 48);
}

#[test]
fn accepts_the_trailing_byte_of_old_versions() {
    let mut data = encode(&[(T, 1.0)]).finish().data.into_vec();
    data.push(0);
    assert_eq!(columns(&data), Ok((vec![T], vec![1.0])));
    let mut resumed = OpenChunk::resume(&data).unwrap();
    resumed.append(T + 1, 2.0);
    assert_eq!(resumed.data(), encode(&[(T, 1.0), (T + 1, 2.0)]).data());
}

#[test]
fn refuses_what_is_too_short() {
    for data in [
        "",
        "00",
        "0001",
        "ffff 02 3ff0000000000000",
        "0003 80a0abfef962 3ff0000000000000 9875 c25fff6d",
    ] {
        assert_eq!(columns(&hex(data)), Err(DecodeError::Truncated), "{data}");
        assert!(OpenChunk::resume(&hex(data)).is_err(), "{data}");
    }
    assert_eq!(columns(&hex("0000")), Ok((vec![], vec![])));
    assert!(OpenChunk::resume(&hex("0000")).is_err());
}

/// Times with every size of change, and values with every kind of difference.
pub(crate) fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let step = prop_oneof![
        4 => Just(15_000i64),
        2 => 14_990i64..15_010,
        1 => 1i64..100_000,
        1 => 1i64..2_000_000,
        1 => (0u32..40).prop_map(|n| 1i64 << n),
        1 => Just(15_000 + 8192), 1 => Just(15_000 - 8192), 1 => Just(15_000 + 8191),
        1 => Just(15_000 + 65_536), 1 => Just(15_000 + 524_288), 1 => Just(15_000 + 524_289),
    ];
    let value = prop_oneof![
        2 => Just(1.0),
        3 => (0i32..1000).prop_map(f64::from),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(model::stale_nan()),
        1 => -1e6..1e6,
        1 => (0u32..64).prop_map(|n| f64::from_bits(1 << n)),
    ];
    let start = prop_oneof![4 => Just(T), 1 => -T..T, 1 => Just(i64::MIN / 4)];
    (start, prop::collection::vec((step, value), 1..300)).prop_map(|(mut t, steps)| {
        steps
            .into_iter()
            .map(|(step, v)| {
                t += step;
                (t, v)
            })
            .collect()
    })
}

fn bits_of(v: &[f64]) -> Vec<u64> {
    v.iter().map(|it| it.to_bits()).collect()
}

proptest! {
    #[test]
    fn equals_the_naive_encoding(samples in samples()) {
        let chunk = encode(&samples);
        let bits: String = chunk.data().iter().map(|it| format!("{it:08b}")).collect();
        prop_assert_eq!(bits, naive_bits(&samples));
        let (t, v) = columns(chunk.data()).unwrap();
        let (want_t, want_v): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        prop_assert_eq!(t, want_t);
        prop_assert_eq!(bits_of(&v), bits_of(&want_v));
    }

    #[test]
    fn continues_from_data(samples in samples(), at in 0usize..300) {
        let at = at.min(samples.len() - 1);
        let mut chunk = OpenChunk::resume(encode(&samples[..=at]).data()).unwrap();
        for &(t, v) in &samples[at + 1..] {
            chunk.append(t, v);
        }
        let whole = encode(&samples);
        prop_assert_eq!(chunk.data(), whole.data());
        prop_assert!(chunk.heap_bytes() < chunk.n_bytes() + chunk.n_bytes() / 4 + 16);
    }

    #[test]
    fn decodes_a_range(samples in samples(), from in 0usize..300, to in 0usize..300) {
        let (mint, maxt) = (samples[from.min(samples.len() - 1)].0, samples[to.min(samples.len() - 1)].0 - 1);
        let (mut t, mut v) = (vec![7], vec![7.0]);
        decode_range(encode(&samples).data(), mint, maxt, &mut t, &mut v).unwrap();
        let want: Vec<i64> = samples.iter().map(|it| it.0).filter(|t| mint <= *t && *t <= maxt).collect();
        prop_assert_eq!(&t[1..], &want[..]);
        prop_assert_eq!((t[0], v[0], v.len()), (7, 7.0, t.len()));
    }

    #[test]
    fn survives_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let all = columns(&data);
        let mut reader = Reader::new(&data);
        let mut n = 0;
        while let Ok(Some(_)) = reader.as_mut().map_or(Ok(None), Reader::next_sample) {
            n += 1;
        }
        if let Ok((t, v)) = all {
            prop_assert_eq!((t.len(), v.len()), (n, n));
            prop_assert!(n <= data.len() * 4);
        }
        if let Ok(mut chunk) = OpenChunk::resume(&data) && chunk.n_samples() < u16::MAX {
            chunk.append(T, 1.0);
            prop_assert!(columns(chunk.data()).is_ok());
        }
    }

    #[test]
    fn cut_data_never_decodes(samples in samples(), at in 0usize..3000) {
        let data = encode(&samples);
        let data = data.data();
        prop_assert_eq!(columns(&data[..at % data.len()]), Err(DecodeError::Truncated));
    }
}
