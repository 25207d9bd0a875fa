//! The parts of the formats as text of 0 and 1, written down again without any of the code under test.

/// LEB128.
pub(crate) fn varint(mut v: u64) -> String {
    let mut out = String::new();
    while 0x80 <= v {
        out.push_str(&format!("{:08b}", v & 0x7F | 0x80));
        v >>= 7;
    }
    out + &format!("{v:08b}")
}

/// Zig-zag LEB128.
pub(crate) fn signed_varint(v: i64) -> String {
    varint((v << 1 ^ v >> 63).cast_unsigned())
}

pub(crate) fn low(v: u64, n: usize) -> String {
    format!("{v:064b}")[64 - n..].to_owned()
}

const BINS: [(usize, &str); 7] = [
    (3, "10"),
    (6, "110"),
    (9, "1110"),
    (12, "11110"),
    (18, "111110"),
    (25, "1111110"),
    (56, "11111110"),
];

pub(crate) fn signed(v: i64) -> String {
    let fits = |n: &usize| (-(1i64 << (n - 1)) < v) && v <= 1 << (n - 1);
    match BINS.into_iter().find(|(n, _)| fits(n)) {
        _ if v == 0 => "0".to_owned(),
        Some((n, prefix)) => format!("{prefix}{}", low(v.cast_unsigned(), n)),
        None => format!("11111111{v:064b}"),
    }
}

pub(crate) fn unsigned(v: u64) -> String {
    match BINS.into_iter().find(|(n, _)| v < 1 << n) {
        _ if v == 0 => "0".to_owned(),
        Some((n, prefix)) => format!("{prefix}{}", low(v, n)),
        None => format!("11111111{v:064b}"),
    }
}

/// Leading and trailing zeros of the last window.
pub(crate) type Window = Option<(u32, u32)>;

/// A value after another; the prefixes are those of the same, one in the window, and one with its own.
pub(crate) fn xor(x: u64, window: &mut Window, [same, inside, own]: [&str; 3]) -> String {
    let (leading, trailing) = (x.leading_zeros().min(31), x.trailing_zeros());
    let text = format!("{x:064b}");
    match *window {
        _ if x == 0 => same.to_owned(),
        Some((l, t)) if l <= leading && t <= trailing => {
            format!("{inside}{}", &text[l as usize..(64 - t) as usize])
        }
        _ => {
            let n = 64 - leading - trailing;
            let bits = &text[leading as usize..(64 - trailing) as usize];
            *window = Some((leading, trailing));
            format!("{own}{leading:05b}{:06b}{bits}", n % 64)
        }
    }
}

/// What start times add after each of the samples, which are start time and time; and their header.
pub(crate) fn starts(samples: &[(i64, i64)]) -> (u8, Vec<String>) {
    let (mut header, mut all) = (0, Vec::new());
    for (i, &(st, t)) in samples.iter().enumerate() {
        let lag = |i: usize| samples[i - 1].1 - samples[i].0;
        let changed_at = usize::from(header & 0x7F);
        all.push(if i == 0 {
            header = u8::from(st != 0) << 7;
            if st == 0 { String::new() } else { signed_varint(t - st) }
        } else if changed_at != 0 {
            signed(lag(i) - lag(i - 1))
        } else if st != samples[i - 1].0 || i == 127 {
            header |= u8::try_from(i).unwrap();
            signed(lag(i))
        } else {
            String::new()
        });
    }
    (header, all)
}

/// Fills up to a byte.
pub(crate) fn padded(mut bits: String) -> String {
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    bits
}

/// Data as such text.
pub(crate) fn text(data: &[u8]) -> String {
    data.iter().map(|it| format!("{it:08b}")).collect()
}
