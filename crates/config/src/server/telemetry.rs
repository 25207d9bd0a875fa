//! `tracing` and `otlp`: read and checked; nothing is traced or received yet.

use model::quote;

use super::mechanisms::require;
use crate::names::ValidationScheme;
use crate::section::Kind::{Bool, Duration, Float, Section as Inner, Text, TextMap, Texts};
use crate::section::{Http, Item, Preset, Schema, Section, field, kept, preset};

pub(crate) static TRACING: Schema = Schema {
    go_type: "config.plain",
    fields: &[
        preset("client_type", Text, Preset::Text("grpc")),
        field("endpoint", Text),
        field("sampling_fraction", Float),
        field("insecure", Bool),
        field("tls_config", Inner(&super::mechanisms::TLS)),
        field("headers", TextMap),
        field("compression", Text),
        field("timeout", Duration),
    ],
    http: Http::None,
    check: |it| {
        if let Some(Item::TextMap(headers)) = it.get("headers") {
            let authorization = headers.keys().any(|it| it.eq_ignore_ascii_case("authorization"));
            require(
                !authorization,
                "custom authorization header configuration is not yet supported",
            )?;
        }
        require(!it.text("endpoint").is_empty(), "tracing endpoint must be set")?;
        let compression = it.text("compression");
        if !matches!(compression, "" | "gzip") {
            return Err(format!(
                "invalid compression type {compression} provided, valid options: gzip"
            ));
        }
        let client = it.text("client_type");
        let known = matches!(client, "grpc" | "http");
        // The doubled words are upstream's.
        require(
            known,
            &format!("expected tracing client type to be to be http or grpc, but got {client}"),
        )
    },
};

pub(crate) static OTLP: Schema = Schema {
    go_type: "config.plain",
    fields: &[
        field("promote_all_resource_attributes", Bool),
        field("promote_resource_attributes", Texts),
        field("ignore_resource_attributes", Texts),
        preset("translation_strategy", Text, Preset::Text("UnderscoreEscapingWithSuffixes")),
        field("keep_identifying_resource_attributes", Bool),
        field("convert_histograms_to_nhcb", Bool),
        field("promote_scope_metadata", Bool),
        kept("label_name_underscore_sanitization", Bool, Preset::Bool(true)),
        kept("label_name_preserve_multiple_underscores", Bool, Preset::Bool(true)),
    ],
    http: Http::None,
    check: check_otlp,
};

/// Checks the translation of names against what names are valid.
pub(crate) fn check_translation(otlp: &Section, scheme: ValidationScheme) -> Result<(), String> {
    let strategy = otlp.text("translation_strategy");
    let utf8 = matches!(strategy, "NoUTF8EscapingWithSuffixes" | "NoTranslation");
    if utf8 && scheme == ValidationScheme::Legacy {
        return Err(format!(
            "OTLP translation strategy {} is not allowed when UTF8 is disabled",
            quote(strategy)
        ));
    }
    Ok(())
}

fn check_otlp(it: &mut Section) -> Result<(), String> {
    let all = it.flag("promote_all_resource_attributes");
    let (promote, ignore) = ("promote_resource_attributes", "ignore_resource_attributes");
    require(
        !all || it.texts(promote).is_empty(),
        "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously",
    )?;
    require(
        all || it.texts(ignore).is_empty(),
        "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true",
    )?;
    for (key, word) in [(promote, "promoted"), (ignore, "ignored")] {
        let trimmed = trim_attributes(it.texts(key), word);
        let trimmed = trimmed.map_err(|problems| format!("invalid '{key}': {problems}"))?;
        it.put(key, Item::Texts(trimmed));
    }
    let strategy = it.text("translation_strategy");
    let known = matches!(
        strategy,
        "UnderscoreEscapingWithSuffixes"
            | "UnderscoreEscapingWithoutSuffixes"
            | "NoUTF8EscapingWithSuffixes"
            | "NoTranslation"
    );
    require(known, &format!("unsupported OTLP translation strategy {}", quote(strategy)))
}

/// Trims names; answers all that are empty or repeated.
fn trim_attributes(names: &[String], word: &str) -> Result<Vec<String>, String> {
    let (mut trimmed, mut problems) = (Vec::<String>::new(), Vec::new());
    for name in names {
        let name = name.trim();
        if name.is_empty() {
            problems.push(format!("empty {word} OTel resource attribute"));
        } else if trimmed.iter().any(|it| it == name) {
            problems.push(format!("duplicated {word} OTel resource attribute {}", quote(name)));
        } else {
            trimmed.push(name.to_owned());
        }
    }
    if problems.is_empty() { Ok(trimmed) } else { Err(problems.join("\n")) }
}
