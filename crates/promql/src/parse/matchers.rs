//! What stands in braces: matchers of a selector, labels of a metric.

use model::{Labels, LabelsBuilder, METRIC_NAME, MatchType, Matcher};

use super::{BinaryOp, Kind, Parser, PosRange, Result};
use crate::lex;

/// A label name, written as a word or quoted.
struct Name {
    text: String,
    quoted: bool,
    pos: PosRange,
}

impl Parser<'_> {
    /// Reads from `{` up to, not past, `}`.
    pub(super) fn label_matchers(&mut self) -> Result<Vec<Matcher>> {
        let mut matchers = Vec::new();
        self.list("label matching", |parser| {
            matchers.push(parser.label_matcher()?);
            Ok(())
        })?;
        Ok(matchers)
    }

    fn label_matcher(&mut self) -> Result<Matcher> {
        const CONTEXT: &str = "label matching";
        let name = self.label_name(CONTEXT)?;
        let kind = match self.token.kind {
            Kind::Equal => MatchType::Equal,
            Kind::Op(BinaryOp::Ne) => MatchType::NotEqual,
            Kind::EqualRegexp => MatchType::Regexp,
            Kind::NotRegexp => MatchType::NotRegexp,
            _ if name.quoted => return Ok(Matcher::equal(METRIC_NAME, name.text)),
            _ => return Err(self.unexpected(CONTEXT, "label matching operator")),
        };
        self.advance();
        let (value, pos) = self.label_value(CONTEXT)?;
        Matcher::new(kind, name.text, value)
            .map_err(|why| self.error(name.pos.to(pos), why.to_string()))
    }

    /// Reads a name, labels in braces, or both, and what follows is the current token.
    pub(super) fn metric_labels(&mut self) -> Result<Labels> {
        let labels = self.metric_labels_unterminated()?;
        if self.token.kind == Kind::RightBrace {
            self.advance();
        }
        Ok(labels)
    }

    /// As [`Self::metric_labels`], but a closing brace stays the current token.
    pub(super) fn metric_labels_unterminated(&mut self) -> Result<Labels> {
        let mut labels = LabelsBuilder::default();
        if self.token.kind.is_metric_name() {
            let name = self.advance();
            labels.set(METRIC_NAME, self.text_of(name));
        } else if self.token.kind != Kind::LeftBrace {
            return Err(self.unexpected_here());
        }
        if self.token.kind == Kind::LeftBrace {
            self.list("label set", |parser| parser.label(&mut labels))?;
        }
        Ok(labels.labels())
    }

    fn label(&mut self, labels: &mut LabelsBuilder) -> Result<()> {
        const CONTEXT: &str = "label set";
        let name = self.label_name(CONTEXT)?;
        if self.token.kind != Kind::Equal {
            if name.quoted {
                labels.set(METRIC_NAME, &name.text);
                return Ok(());
            }
            return Err(self.unexpected(CONTEXT, "\"=\""));
        }
        self.advance();
        let (value, _) = self.label_value(CONTEXT)?;
        labels.set(&name.text, &value);
        Ok(())
    }

    /// Reads `{`, then items separated by commas, up to, not past, `}`.
    fn list(&mut self, context: &str, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.advance();
        while self.token.kind != Kind::RightBrace {
            item(self)?;
            if !self.accept(Kind::Comma) && self.token.kind != Kind::RightBrace {
                return Err(self.unexpected(context, "\",\" or \"}\""));
            }
        }
        Ok(())
    }

    fn label_name(&mut self, context: &str) -> Result<Name> {
        let quoted = match self.token.kind {
            Kind::Identifier => false,
            Kind::String => true,
            _ => return Err(self.unexpected(context, "identifier or \"}\"")),
        };
        let token = self.advance();
        let text = self.text_of(token);
        let text = if quoted { lex::unquote(text) } else { text.to_owned() };
        Ok(Name { text, quoted, pos: token.pos() })
    }

    fn label_value(&mut self, context: &str) -> Result<(String, PosRange)> {
        if self.token.kind != Kind::String {
            return Err(self.unexpected(context, "string"));
        }
        let token = self.advance();
        Ok((lex::unquote(self.text_of(token)), token.pos()))
    }
}
