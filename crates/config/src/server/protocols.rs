//! Lists of scrape protocols.

use yaml::{Decode, Decoder, Fatal, Node, Value};

use crate::names::ScrapeProtocol;

/// A name of a protocol, not checked yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protocol(pub(crate) String);

impl Decode for Protocol {
    fn go_type() -> String {
        "config.ScrapeProtocol".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.text_as(node, "config.ScrapeProtocol", &mut self.0)
    }
}

/// Checks a list: not empty, known names, none twice.
pub(crate) fn check_protocols(protocols: &[Protocol]) -> Result<Vec<ScrapeProtocol>, String> {
    if protocols.is_empty() {
        return Err("scrape_protocols cannot be empty".into());
    }
    let mut checked = Vec::new();
    for (i, protocol) in protocols.iter().enumerate() {
        if protocols[..i].iter().any(|it| it.0.eq_ignore_ascii_case(&protocol.0)) {
            let all: Vec<&str> = protocols.iter().map(|it| it.0.as_str()).collect();
            return Err(format!(
                "duplicated protocol in scrape_protocols, got [{}]",
                all.join(" ")
            ));
        }
        let found =
            ScrapeProtocol::parse(&protocol.0).map_err(|it| format!("scrape_protocols: {it}"))?;
        checked.push(found);
    }
    Ok(checked)
}

pub(crate) fn names(protocols: &[ScrapeProtocol]) -> Vec<Value> {
    protocols.iter().map(|it| Value::str(it.name())).collect()
}
