//! `/targets/relabel_steps`: what each rule of a job does to a discovered label set.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use model::{Labels, LabelsRef, quote};
use relabel::Rule;

use crate::envelope::{ApiError, Success};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn steps(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let (pool, labels) = (params.get("scrapePool"), params.get("labels"));
    if pool.is_empty() {
        return Err(ApiError::bad("no scrapePool parameter provided"));
    }
    if labels.is_empty() {
        return Err(ApiError::bad("no labels parameter provided"));
    }
    let labels = parse(labels)?;
    let rules = super::parts(&api)?.scrape.relabel_rules(pool);
    let rules =
        rules.ok_or_else(|| ApiError::bad(format!("scrape pool {} not found", quote(pool))))?;
    let outputs = relabel::steps(&labels, &rules);
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        json::array(object.key("steps"), rules.iter().zip(&outputs), |out, (it, output)| {
            let mut object = json::Object::new(out);
            rule(object.key("rule"), it);
            json::labels(
                object.key("output"),
                output.as_ref().map_or(LabelsRef::EMPTY, Labels::borrowed),
            );
            object.raw("keep", output.is_some()).end();
        });
        object.end();
    }))
}

fn parse(text: &str) -> Result<Labels, ApiError> {
    let labels: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|why| ApiError::bad(format!("error parsing labels: {why}")))?;
    let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Labels::from_sorted(labels))
}

/// A rule under the keys of the configuration; what is not set is left out.
fn rule(out: &mut Vec<u8>, rule: &Rule) {
    let mut object = json::Object::new(out);
    if !rule.source_labels.is_empty() {
        json::strings(object.key("source_labels"), &rule.source_labels);
    }
    object.string("separator", &rule.separator).string("regex", rule.regex.pattern());
    if rule.modulus != 0 {
        object.raw("modulus", rule.modulus);
    }
    if !rule.target_label.is_empty() {
        object.string("target_label", &rule.target_label);
    }
    object.string("replacement", &rule.replacement).string("action", rule.action.name()).end();
}
