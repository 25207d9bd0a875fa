//! Any bytes as a page of any format, read in any way. The first byte says how.
#![no_main]

use exposition::{AnyParser, Format, PageSample, Reading, TextFormat};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((how, page)) = input.split_first() else { return };
    let format = match how & 3 {
        0 => Format::Text(TextFormat::Prometheus),
        1 => Format::Text(TextFormat::OpenMetrics),
        _ => Format::Protobuf,
    };
    let reading = Reading {
        native: how & 4 != 0,
        classic: how & 8 != 0,
        convert: how & 16 != 0,
        start_times: how & 32 != 0,
        type_and_unit: how & 64 != 0,
    };
    let mut parser = AnyParser::new(page, format, reading);
    let (mut sample, mut n) = (PageSample::default(), 0);
    let mut labels = model::LabelsBuilder::default();
    while let Some(Ok(_)) = parser.next(&mut sample) {
        let _ = sample.labels_into(&mut labels);
        n += 1;
        // A family without a metric needs two bytes; a metric without a value gives four samples.
        assert!(n <= 4 * page.len() + 4, "the parser ends");
    }
});
