//! Rules as text, label sets as text.

use model::Labels;
use regexp::Regexp;
use relabel::{Action, InvalidRule, Rule, process, steps};

/// Reads `key=value` fields separated by blanks; lists are separated by commas, `_` in a value is a blank.
fn rule(text: &str) -> Rule {
    let mut rule = Rule::default();
    for (key, value) in text.split(' ').filter_map(|field| field.split_once('=')) {
        match key {
            "source" => rule.source_labels = value.split(',').map(str::to_owned).collect(),
            "separator" => rule.separator = value.to_owned(),
            "regex" => rule.regex = Regexp::anchored(value).expect(value),
            "modulus" => rule.modulus = value.parse().expect(value),
            "target" => rule.target_label = value.to_owned(),
            "replacement" => rule.replacement = value.to_owned(),
            "action" => rule.action = value.parse().expect(value),
            "legacy" => rule.legacy_names = true,
            _ => panic!("no field {key}"),
        }
    }
    rule
}

/// Reads `a=1 b=2`.
fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(' ').filter_map(|pair| pair.split_once('=')))
}

/// Rules are separated by ` / `. An expected `-` is a dropped set.
fn check(rules: &str, input: &str, expected: &str) {
    let parsed: Vec<Rule> = rules.split(" / ").filter(|it| !it.is_empty()).map(rule).collect();
    let result = process(&labels(input), &parsed);
    assert_eq!(result, (expected != "-").then(|| labels(expected)), "{rules} on {input}");
}

#[test]
fn replaces() {
    check("source=a target=d", "a=foo b=bar", "a=foo b=bar d=foo");
    check("source=a regex=f(.*) replacement=ch$1-ch$1 target=d", "a=foo", "a=foo d=choo-choo");
    check(
        "source=a,b separator=; regex=f(.*);(.*)r replacement=b$1${2}m target=a",
        "a=foo b=bar",
        "a=boobam b=bar",
    );
    check("source=a regex=x(.*) replacement=y target=b", "a=foo b=bar", "a=foo b=bar");
    check("source=a,b,c separator= target=d", "a=1 c=3", "a=1 c=3 d=13");
    check("source=a regex=.*(b).* replacement= target=a", "a=boobam c=baz", "c=baz");
    check("source=a regex=x(.+)? replacement=$1 target=b", "a=x b=bar", "a=x");
    check("source=gone target=b", "a=foo b=bar", "a=foo");
    check("target=b replacement=fixed", "a=foo", "a=foo b=fixed");
    check("target=a replacement=", "a=foo b=1", "b=1");
    check(
        "source=a regex=(?P<user>.+)@(?P<host>.+) target=${host} replacement=${user}",
        "a=me@db",
        "a=me@db db=me",
    );
    check("source=a target=${1}_x replacement=1", "a=n", "a=n n_x=1");
    check("source=a target=$9 replacement=1", "a=n", "a=n");
    check("source=a target=$1 replacement=1", "a=x.y", "a=x.y x.y=1");
    check("source=a target=$1 replacement=1 legacy=", "a=x.y", "a=x.y");
    check("source=a regex=o target=b", "a=foo", "a=foo");
    check("source=a regex=f.o target=b replacement=1", "a=f\no", "a=f\no b=1");
}

#[test]
fn keeps_and_drops() {
    check("source=a regex=f.* action=keep", "a=foo", "a=foo");
    check("source=a regex=f action=keep", "a=foo", "-");
    check("source=a regex=.*o.* action=drop", "a=foo", "-");
    check("source=a regex=o action=drop", "a=foo", "a=foo");
    check("source=gone regex= action=keep", "a=foo", "a=foo");
    check("source=a target=b action=keepequal", "a=x b=x", "a=x b=x");
    check("source=a target=b action=keepequal", "a=x b=y", "-");
    check("source=a target=b action=dropequal", "a=x b=x", "-");
    check("source=a target=gone action=dropequal", "a=x", "a=x");
    check("source=a regex=x action=drop / target=b replacement=1", "a=x", "-");
    check("", "a=x", "a=x");
    check("", "", "-");
    check("regex=a action=labeldrop", "a=x", "-");
}

#[test]
fn shows_steps() {
    let rules = [
        "source=a target=b",
        "regex=.* action=labeldrop",
        "target=c replacement=1",
        "source=c regex=1 action=drop",
        "target=d replacement=1",
    ];
    let found = steps(&labels("a=x"), &rules.map(rule));
    let left = |text: &str| Some(labels(text));
    assert_eq!(found, [left("a=x b=x"), left(""), left("c=1"), None, None]);
}

#[test]
fn maps_names() {
    check(
        "regex=(b.*) replacement=bar_${1} action=labelmap",
        "a=1 b1=2 b2=3",
        "a=1 b1=2 b2=3 bar_b1=2 bar_b2=3",
    );
    check("regex=__meta_(my.*) action=labelmap", "__meta_my_a=1 my_a=2", "__meta_my_a=1 my_a=1");
    check("regex=a(x)?.* replacement=$1 action=labelmap", "a=1 ax=2", "a=1 ax=2 x=2");
    check("regex=a.* action=labeldrop", "a=1 ab=2 ba=3", "ba=3");
    check("regex=a.* action=labelkeep", "a=1 ab=2 ba=3", "a=1 ab=2");
}

#[test]
fn computes_values() {
    check("source=c target=d modulus=1000 action=hashmod", "c=baz", "c=baz d=976");
    check("source=c target=d modulus=1000 action=hashmod", "c=foo\nbar", "c=foo\nbar d=734");
    check("source=gone target=d modulus=10 action=hashmod", "c=1", "c=1 d=8");
    check("source=a,b target=d action=lowercase", "a=FoO b=BÄR", "a=FoO b=BÄR d=foo;bär");
    check("source=a target=a action=Uppercase", "a=straße", "a=STRAßE");
}

fn check_invalid(text: &str, expected: &str) {
    let result = rule(text).validate().map_err(|it| it.to_string());
    assert_eq!(result.err().as_deref().unwrap_or("valid"), expected, "{text}");
}

#[test]
fn refuses_fields_that_do_not_go_together() {
    let only_source =
        "action requires only 'source_labels' and `target_label`, and no other fields";
    let only_regex = "action requires only 'regex', and no other fields";
    check_invalid("target=a", "valid");
    check_invalid("target=${1}_x legacy=", "valid");
    check_invalid("target=a.b", "valid");
    check_invalid("action=keep", "valid");
    check_invalid("", "relabel configuration for replace action requires 'target_label' value");
    check_invalid("target=a.b legacy=", "\"a.b\" is invalid 'target_label' for replace action");
    check_invalid("target=1$1 legacy=", "\"1$1\" is invalid 'target_label' for replace action");
    check_invalid("target=a$ legacy=", "\"a$\" is invalid 'target_label' for replace action");
    check_invalid("target=${a legacy=", "\"${a\" is invalid 'target_label' for replace action");
    check_invalid(
        "action=hashmod target=a",
        "relabel configuration for hashmod requires non-zero modulus",
    );
    check_invalid(
        "action=hashmod modulus=1",
        "relabel configuration for hashmod action requires 'target_label' value",
    );
    check_invalid(
        "action=lowercase target=a replacement=b",
        "'replacement' can not be set for lowercase action",
    );
    check_invalid(
        "action=labelmap replacement=- legacy=",
        "\"-\" is invalid 'replacement' for labelmap action",
    );
    check_invalid(
        "action=keepequal target=a replacement=b",
        "'replacement' can not be set for keepequal action",
    );
    check_invalid("action=dropequal target=a regex=x", &format!("dropequal {only_source}"));
    check_invalid("action=keepequal target=a separator=,", &format!("keepequal {only_source}"));
    check_invalid("action=labeldrop source=a", &format!("labeldrop {only_regex}"));
    check_invalid("action=labelkeep replacement=b", &format!("labelkeep {only_regex}"));
    check_invalid("action=labelkeep regex=b", "valid");
}

#[test]
fn knows_actions_by_name() {
    assert_eq!("LabelDrop".parse(), Ok(Action::LabelDrop));
    let unknown = "no\"ne".parse::<Action>();
    assert_eq!(unknown, Err(InvalidRule::UnknownAction("no\"ne".to_owned())));
    assert_eq!(unknown.expect_err("unknown").to_string(), "unknown relabel action \"no\\\"ne\"");
}
