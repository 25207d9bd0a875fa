//! Any bytes as a chunk of any encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (mut t, mut v) = (Vec::new(), Vec::new());
    let _ = chunk::xor::decode_into(input, &mut t, &mut v);
    assert_eq!(t.len(), v.len());
});
