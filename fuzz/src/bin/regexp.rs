//! Any text as a regular expression; the shortcuts agree with the engine.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (pattern, text) = input;
    if let Ok(matcher) = regexp::Matcher::new(pattern) {
        let found = matcher.is_match(text);
        if let Ok(plain) = regexp::Regexp::anchored(pattern) {
            assert_eq!(found, plain.is_match(text), "{pattern:?} on {text:?}");
        }
    }
});
