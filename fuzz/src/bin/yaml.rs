//! Any bytes as YAML.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = yaml::from_slice::<yaml::Value>(input, yaml::Options::default());
});
