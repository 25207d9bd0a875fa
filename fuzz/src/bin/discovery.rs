//! Any bytes as an answer of those whom discovery asks. The first byte says whose.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((mechanism, body)) = input.split_first() {
        discovery::fuzz::read(*mechanism, body);
    }
});
