//! Any bytes as a configuration, and as a rule file: what loads shows itself as YAML that loads.
#![no_main]

use config::rules::RuleFile;
use config::{Config, Options};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(config) = Config::load(input, &Options::default()) {
        let _ = config.to_yaml();
    }
    let _ = RuleFile::parse(input, &config::rules::Options::default());
});
