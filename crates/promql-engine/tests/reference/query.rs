//! Random queries, well-typed by construction.

mod ill_typed;
mod vector;

use crate::data::make::World;
use crate::naive::{Order, Settings, When};
use crate::random::Random;

pub(crate) use ill_typed::ill_typed;

/// A query and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) when: When,
    pub(crate) settings: Settings,
    pub(crate) threads: usize,
}

impl Query {
    pub(crate) fn random(random: &mut Random, world: &World) -> Self {
        let settings = Settings {
            lookback_ms: random.pick(&[300_000, 300_000, 60_000, 150_000]),
            subquery_step_ms: random.pick(&[60_000, 30_000]),
            delayed_names: random.percent(50),
            type_and_unit: random.percent(20),
            start_timestamps: random.percent(50),
            order: Order(0),
        };
        let mut writer = Writer { random, world, depth: 0 };
        let text = writer.query();
        let is_window = promql::parse(&text, &promql::Options::ALL).is_ok_and(|it| {
            !matches!(
                it.value_type(),
                promql::ast::ValueType::Vector | promql::ast::ValueType::Scalar
            )
        });
        let span = world.end - world.start;
        let t = world.start + random.between(-60_000, span + 360_000);
        let t = if random.percent(70) { t / 1000 * 1000 } else { t };
        let when = if is_window && random.percent(95) || random.percent(40) {
            When::Instant(t)
        } else {
            let step = random.pick(&[15_000, 60_000, 60_000, 1, 7_000, 400_000]);
            let steps = random.between(0, 7);
            When::Range { start: t, end: t + step * steps + random.pick(&[0, 0, step / 2]), step }
        };
        Self { text, when, settings, threads: random.pick(&[1, 1, 2]) }
    }
}

/// Writes the text of a query.
struct Writer<'r> {
    random: &'r mut Random,
    world: &'r World,
    depth: usize,
}

impl Writer<'_> {
    fn query(&mut self) -> String {
        match self.random.below(100) {
            0..5 => self.scalar(),
            5..8 => self.range(),
            8 => "\"text\"".to_owned(),
            _ => self.vector(),
        }
    }

    fn pick(&mut self, all: &[&str]) -> String {
        self.random.pick(all).to_owned()
    }

    fn number(&mut self) -> String {
        self.pick(&[
            "0", "1", "2", "-1", "0.5", "0.9", "3", "1.5", "NaN", "Inf", "-Inf", "1e3", "30s",
            "0.25", "5", "10", "-0.5", "2.5", "100", "1e100", "0x1f", "-2m",
        ])
    }

    fn small(&mut self) -> String {
        self.pick(&["1", "2", "3", "2", "1", "0", "1.9", "-1", "10"])
    }

    fn scalar(&mut self) -> String {
        self.depth += 1;
        let out = if self.depth > 4 {
            self.number()
        } else {
            match self.random.below(20) {
                0..8 => self.number(),
                8 => "time()".to_owned(),
                9 => "pi()".to_owned(),
                10 => self.pick(&["start()", "end()", "step()", "range()"]),
                11 => format!("max_of({}, {})", self.scalar(), self.scalar()),
                12 => format!("min_of({}, {})", self.scalar(), self.scalar()),
                13..16 => format!("scalar({})", self.vector()),
                16 => format!("-({})", self.scalar()),
                17 => {
                    let op = self.pick(&["==", "!=", "<", ">", "<=", ">="]);
                    format!("(({}) {op} bool ({}))", self.scalar(), self.scalar())
                }
                _ => {
                    let op = self.pick(&["+", "-", "*", "/", "%", "^", "atan2"]);
                    format!("(({}) {op} ({}))", self.scalar(), self.scalar())
                }
            }
        };
        self.depth -= 1;
        out
    }

    /// A scalar that is a quantile mostly.
    fn quantile(&mut self) -> String {
        if self.random.percent(85) {
            return self
                .pick(&["0.5", "0.9", "0", "1", "0.25", "0.99", "0.1", "-0.1", "1.1", "NaN"]);
        }
        self.scalar()
    }

    fn duration(&mut self) -> String {
        let text = self.pick(&[
            "1m", "1m", "2m", "5m", "90s", "3m", "10m", "45s", "2m30s", "1h", "120", "15s", "1ms",
        ]);
        match self.random.below(20) {
            0 => format!("{text} + 30s"),
            1 => format!("max_of(step(), {text})"),
            2 => format!("{text} * 1.5"),
            3 => format!("min_of({text}, 4m)"),
            4 if self.random.percent(10) => "step()+0".to_owned(),
            4 if self.random.percent(10) => format!("{text} - 1m"),
            4 => format!("({text} + range()) / 2"),
            _ => text,
        }
    }

    /// `offset` and `@`, mostly none.
    fn shift(&mut self) -> String {
        let mut parts = Vec::new();
        if self.random.percent(12) {
            let offset =
                self.pick(&["1m", "30s", "-1m", "5m", "1500ms", "(30s * 2)", "-(1m)", "step()"]);
            parts.push(format!("offset {offset}"));
        }
        if self.random.percent(12) {
            let at = match self.random.below(4) {
                0 => "start()".to_owned(),
                1 => "end()".to_owned(),
                _ => {
                    let t = self.random.between(self.world.start, self.world.end);
                    stdx::gofloat::format_f((t / 1000) as f64)
                }
            };
            parts.push(format!("@ {at}"));
        }
        if self.random.percent(50) {
            parts.reverse();
        }
        parts.iter().fold(String::new(), |out, it| format!("{out} {it}"))
    }

    fn selector(&mut self) -> String {
        let name = self.name();
        let matchers = match self.random.below(12) {
            0 => "{x=\"1\"}",
            1 => "{x!=\"1\"}",
            2 => "{x=~\"1|2\"}",
            3 => "{x!~\"2\", y=\"a\"}",
            4 => "{y=\"a\"}",
            5 if self.random.percent(30) => return "{x=\"1\"}".to_owned(),
            5 => return "{__name__=~\"g|d|c_total\"}".to_owned(),
            6 if self.random.percent(30) => return "{\"u.t\", \"l.l\"=~\".+\"}".to_owned(),
            7 => "{a=\"q\", b!=\"\", a=\"r\"}",
            _ => "",
        };
        format!("{name}{matchers}")
    }

    fn name(&mut self) -> String {
        self.pick(&[
            "g",
            "g",
            "g",
            "d",
            "d",
            "c_total",
            "c_total",
            "c_total",
            "k",
            "k_total",
            "b_bucket",
            "b_bucket",
            "h",
            "h",
            "h",
            "n",
            "n",
            "hg",
            "m",
            "target_info",
            "build_info",
            "none",
        ])
    }

    /// A range vector.
    fn range(&mut self) -> String {
        if self.depth < 4 && self.random.percent(25) {
            return self.subquery();
        }
        let selector = self.selector();
        format!("{selector}[{}]{}", self.duration(), self.shift())
    }

    fn subquery(&mut self) -> String {
        let inner = self.operand();
        let step = if self.random.percent(30) {
            String::new()
        } else {
            self.pick(&["1m", "30s", "15s", "45s", "7s", "step()+1m"])
        };
        let range = self.pick(&["1m", "2m", "3m", "5m", "90s", "4m30s", "20s"]);
        format!("{inner}[{range}:{step}]{}", self.shift())
    }
}
