//! What can be said about the texts an expression matches without running it.
//!
//! Two views, both of the whole text:
//!
//! - the [exact strings](strings), if there are few;
//! - a [`Shape`]: alternatives, each a row of pieces with gaps between (`foo.*`, `.*foo.+bar`,
//!   `5..`, `(?i)foo.*|bar`). What does not fit becomes a gap of any length, which makes the shape
//!   a condition that is necessary but not sufficient: it may refuse a text, the engine accepts it.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::piece::{CHOICES_MAX, Piece};

/// How many strings a product of sets may have; alternatives written out do not count.
const STRINGS_MAX: usize = 256;

/// Bytes that listing strings may write for a short pattern; for a long one, as many for each of
/// its bytes as follows.
const WORK_MIN: usize = 1 << 20;
const WORK_PER_BYTE: usize = 16;

/// How many alternatives a shape may have.
const BRANCHES_MAX: usize = 16;

/// How many alternatives pay where the engine has to run afterwards.
const FILTER_BRANCHES_MAX: usize = 4;

/// How many times a repeated part is written out.
const COPIES_MAX: u32 = 16;

/// How deep to look: beyond, patterns are not what people write, and recursion costs stack.
const DEPTH_MAX: u32 = 64;

/// The texts that match, as alternatives.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    branches: Vec<Branch>,
    /// Exactly the texts with this shape match; otherwise all that match have it.
    exact: bool,
}

/// A piece, then pieces after gaps.
#[derive(Clone, Debug, Default)]
struct Branch {
    head: Piece,
    rest: Vec<(Gap, Piece)>,
}

/// A number of any characters.
#[derive(Clone, Copy, Debug)]
struct Gap {
    min: usize,
    max: Option<usize>,
}

/// Takes off the anchors around an expression. Returns `None` where it is not held at both ends.
pub(crate) fn inside_anchors(hir: &Hir) -> Option<Hir> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let [first, middle @ .., last] = parts.as_slice() else { return None };
    let held = is_look(first, Look::Start) && is_look(last, Look::End);
    held.then(|| without_anchors(&Hir::concat(middle.to_vec())))
}

/// Takes off anchors that say nothing new inside anchors: `^foo$|^bar$`.
pub(crate) fn without_anchors(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Alternation(alternatives) => {
            Hir::alternation(alternatives.iter().map(without_anchors).collect())
        }
        HirKind::Concat(parts) => {
            let mut inner = parts.as_slice();
            while let [first, rest @ ..] = inner
                && is_look(first, Look::Start)
            {
                inner = rest;
            }
            while let [rest @ .., last] = inner
                && is_look(last, Look::End)
            {
                inner = rest;
            }
            let hir = Hir::concat(inner.to_vec());
            if inner.len() < parts.len() { without_anchors(&hir) } else { hir }
        }
        HirKind::Look(Look::Start | Look::End) => Hir::empty(),
        _ => hir.clone(),
    }
}

fn is_look(hir: &Hir, look: Look) -> bool {
    *hir.kind() == HirKind::Look(look)
}

/// Lists all the texts that an expression matches as a whole, in its order, none twice.
///
/// Returns `None` where they are not known to be few.
pub(crate) fn strings(hir: &Hir, pattern_bytes: usize) -> Option<Vec<String>> {
    let work = WORK_MIN.max(pattern_bytes.saturating_mul(WORK_PER_BYTE));
    let mut all = Lister { work }.strings(hir, 0)?;
    let mut seen = hashbrown::HashSet::new();
    all.retain(|it| seen.insert(it.clone()));
    Some(all)
}

/// Lists strings as long as `work` bytes of writing are left.
struct Lister {
    work: usize,
}

impl Lister {
    fn strings(&mut self, hir: &Hir, depth: u32) -> Option<Vec<String>> {
        if depth > DEPTH_MAX {
            return None;
        }
        match hir.kind() {
            HirKind::Empty => Some(vec![String::new()]),
            HirKind::Literal(literal) => {
                Some(vec![std::str::from_utf8(&literal.0).ok()?.to_owned()])
            }
            HirKind::Class(class) => {
                class_chars(class, STRINGS_MAX).map(|it| it.iter().map(char::to_string).collect())
            }
            HirKind::Look(_) => None,
            HirKind::Capture(capture) => self.strings(&capture.sub, depth + 1),
            HirKind::Repetition(repetition) => self.repeated(repetition, depth + 1),
            HirKind::Concat(parts) => parts.iter().try_fold(vec![String::new()], |heads, part| {
                let tails = self.strings(part, depth + 1)?;
                self.product(&heads, &tails)
            }),
            HirKind::Alternation(alternatives) => {
                let mut all = Vec::new();
                for alternative in alternatives {
                    all.append(&mut self.strings(alternative, depth + 1)?);
                }
                Some(all)
            }
        }
    }

    fn repeated(&mut self, repetition: &Repetition, depth: u32) -> Option<Vec<String>> {
        let max = repetition.max?;
        let once = self.strings(&repetition.sub, depth)?;
        let mut power = vec![String::new()];
        let mut all = Vec::new();
        for count in 0..=max {
            if count > 0 {
                power = self.product(&power, &once)?;
            }
            if count >= repetition.min {
                all.extend_from_slice(&power);
            }
            if all.len() > STRINGS_MAX {
                return None;
            }
        }
        Some(all)
    }

    fn product(&mut self, heads: &[String], tails: &[String]) -> Option<Vec<String>> {
        let (n_heads, n_tails) = (heads.len(), tails.len());
        if n_heads > 1 && n_tails > 1 && n_heads * n_tails > STRINGS_MAX {
            return None;
        }
        let bytes = |strings: &[String]| strings.iter().map(|it| it.len() + 1).sum::<usize>();
        let work = bytes(heads)
            .saturating_mul(n_tails)
            .saturating_add(bytes(tails).saturating_mul(n_heads));
        self.work = self.work.checked_sub(work)?;
        Some(
            heads
                .iter()
                .flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}")))
                .collect(),
        )
    }
}

/// Returns the characters of a class, if they are at most `max`.
fn class_chars(class: &Class, max: usize) -> Option<Vec<char>> {
    let class = match class {
        Class::Unicode(class) => class,
        // What never matches has this form.
        Class::Bytes(class) => return class.ranges().is_empty().then(Vec::new),
    };
    let count: usize = class.iter().map(|range| range.len()).sum();
    (count <= max).then(|| class.iter().flat_map(|range| range.start()..=range.end()).collect())
}

impl Shape {
    /// Looks at an expression without anchors around it. Returns `None` where nothing useful is known.
    pub(crate) fn of(hir: &Hir) -> Option<Shape> {
        let mut shape = Shape { branches: vec![Branch::default()], exact: true };
        shape.append(hir, 0);
        for branch in &mut shape.branches {
            shape.exact &= !branch.loosen();
        }
        let pays = shape.branches.len() <= FILTER_BRANCHES_MAX
            && shape.branches.iter().all(Branch::has_text);
        (shape.exact || pays).then_some(shape)
    }

    /// Reports whether the shape decides alone: what has it matches.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Reports whether a text has the shape.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.branches.iter().any(|it| it.is_match(text))
    }

    /// Returns the longest text that all begin with.
    pub(crate) fn prefix(&self) -> &str {
        common_prefix(self.branches.iter().map(|it| it.head.literal()))
    }

    /// Reports whether the shape is all texts of at least `min` characters, zero or one, as one
    /// alternative.
    pub(crate) fn is_any_text(&self, min: usize) -> bool {
        self.exact && matches!(self.branches.as_slice(), [branch] if branch.is_gap(min))
    }

    /// Appends what `hir` matches to all alternatives so far.
    fn append(&mut self, hir: &Hir, depth: u32) {
        if depth > DEPTH_MAX {
            return self.append_unknown();
        }
        match hir.kind() {
            HirKind::Empty => (),
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => self.branches.iter_mut().for_each(|it| it.tail().push_str(text)),
                Err(_) => self.append_unknown(),
            },
            HirKind::Class(class) => self.append_class(class),
            // It takes no text, but is a condition.
            HirKind::Look(_) => self.exact = false,
            HirKind::Capture(capture) => self.append(&capture.sub, depth + 1),
            HirKind::Repetition(repetition) => self.append_repetition(repetition, depth + 1),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.append(part, depth + 1)),
            HirKind::Alternation(alternatives) => self.append_one_of(alternatives, depth + 1),
        }
    }

    fn append_class(&mut self, class: &Class) {
        if is_any_char(class) {
            return self.append_gap(Gap { min: 1, max: Some(1) });
        }
        match class_chars(class, CHOICES_MAX) {
            Some(chars) if chars.is_empty() => self.branches.clear(),
            Some(chars) => self.branches.iter_mut().for_each(|it| it.tail().push_choice(&chars)),
            None => self.append_unknown(),
        }
    }

    fn append_repetition(&mut self, repetition: &Repetition, depth: u32) {
        let Repetition { min, max, ref sub, .. } = *repetition;
        if matches!(sub.kind(), HirKind::Class(class) if is_any_char(class)) {
            let [min, max] = [Some(min), max].map(|it| it.map(|n| n as usize));
            return self.append_gap(Gap { min: min.unwrap_or(0), max });
        }
        match (min, max) {
            (0, Some(1)) => self.append_one_of(&[(**sub).clone(), Hir::empty()], depth),
            (min, Some(max)) if min == max && min <= COPIES_MAX => {
                (0..min).for_each(|_| self.append(sub, depth))
            }
            _ => self.append_unknown(),
        }
    }

    fn append_one_of(&mut self, alternatives: &[Hir], depth: u32) {
        if self.branches.len() * alternatives.len() > BRANCHES_MAX {
            return self.append_unknown();
        }
        let mut all = Shape { branches: Vec::new(), exact: self.exact };
        for alternative in alternatives {
            let mut one = self.clone();
            one.append(alternative, depth);
            all.branches.append(&mut one.branches);
            all.exact &= one.exact;
        }
        if all.branches.len() > BRANCHES_MAX { self.append_unknown() } else { *self = all }
    }

    fn append_unknown(&mut self) {
        self.exact = false;
        self.append_gap(Gap { min: 0, max: None });
    }

    fn append_gap(&mut self, gap: Gap) {
        self.branches.iter_mut().for_each(|it| it.push_gap(gap));
    }
}

fn is_any_char(class: &Class) -> bool {
    let Class::Unicode(class) = class else { return false };
    matches!(class.ranges(), [all] if all.start() == '\0' && all.end() == char::MAX)
}

/// Returns the longest common beginning; of no texts, the empty one.
pub(crate) fn common_prefix<'t>(texts: impl IntoIterator<Item = &'t str>) -> &'t str {
    let mut texts = texts.into_iter();
    let first = texts.next().unwrap_or("");
    texts.fold(first, |prefix, text| {
        let same = prefix.char_indices().zip(text.chars()).take_while(|((_, a), b)| a == b);
        let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
        &prefix[..end]
    })
}

impl Branch {
    /// Returns the last piece, to be extended.
    fn tail(&mut self) -> &mut Piece {
        self.rest.last_mut().map_or(&mut self.head, |(_, piece)| piece)
    }

    fn push_gap(&mut self, gap: Gap) {
        match self.rest.last_mut() {
            Some((last, piece)) if piece.is_empty() => {
                last.min += gap.min;
                last.max = last.max.zip(gap.max).map(|(a, b)| a + b);
            }
            _ => self.rest.push((gap, Piece::default())),
        }
    }

    /// Lets gaps be longer where there are several: only then is the first place where a piece fits
    /// the right one.
    ///
    /// Returns whether that changed anything.
    fn loosen(&mut self) -> bool {
        let several = self.rest.len() > 1;
        let bounded = self.rest.iter_mut().filter(|(gap, _)| several && gap.max.is_some());
        bounded.map(|(gap, _)| gap.max = None).count() > 0
    }

    fn has_text(&self) -> bool {
        !self.head.is_empty() || self.rest.iter().any(|(_, piece)| !piece.is_empty())
    }

    fn is_gap(&self, min: usize) -> bool {
        let gap = matches!(self.rest.as_slice(), [(gap, piece)] if gap.min == min && gap.max.is_none() && piece.is_empty());
        gap && self.head.is_empty()
    }

    fn is_match(&self, text: &str) -> bool {
        let Some(text) = self.head.strip_prefix(text) else { return false };
        let Some(((last_gap, last), middle)) = self.rest.split_last() else {
            return text.is_empty();
        };
        let Some(text) = last.strip_suffix(text) else { return false };
        let between = middle
            .iter()
            .try_fold(text, |text, (gap, piece)| piece.find_after(gap.skip_min(text)?));
        between.is_some_and(|it| last_gap.is_filled_by(it))
    }
}

impl Gap {
    /// Leaves out as many characters as there have to be.
    fn skip_min(self, text: &str) -> Option<&str> {
        let mut chars = text.chars();
        (0..self.min).all(|_| chars.next().is_some()).then_some(chars.as_str())
    }

    fn is_filled_by(self, text: &str) -> bool {
        let Some(rest) = self.skip_min(text) else { return false };
        self.max.is_none_or(|max| rest.chars().nth(max - self.min).is_none())
    }
}
