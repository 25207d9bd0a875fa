//! Any text as XML.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    let _ = stdx::xml::parse(input);
});
