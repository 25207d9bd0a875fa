//! `promtool query`: asks a server over its HTTP API.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;

use super::http_api::{self, HttpApi, Pairs, escape, seconds};
use super::text;

/// The window of `series` and `labels` unless told otherwise: 9,999 h to both sides of now.
const WINDOW_S: f64 = 9999.0 * 3600.0;

pub(super) fn command() -> Command {
    let server = || Arg::new("server").required(true).help("Prometheus server to query.");
    let value = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let range = |command: Command| {
        command
            .arg(value("start", "Start time (RFC3339 or Unix timestamp)."))
            .arg(value("end", "End time (RFC3339 or Unix timestamp)."))
    };
    let matchers = || {
        value("match", "Series selector. Can be specified multiple times.")
            .action(ArgAction::Append)
    };
    Command::new("query")
        .about("Run query against a Prometheus server.")
        .subcommand_required(true)
        .arg(
            Arg::new("format")
                .short('o')
                .long("format")
                .global(true)
                .default_value("promql")
                .value_parser(["promql", "json"])
                .help("Output format of the query."),
        )
        .arg(http_api::config_arg().global(true))
        .subcommand(
            Command::new("instant")
                .about("Run instant query.")
                .arg(value("time", "Query evaluation time (RFC3339 or Unix timestamp)."))
                .arg(server())
                .arg(Arg::new("expr").required(true).help("PromQL query expression.")),
        )
        .subcommand(
            range(Command::new("range").about("Run range query."))
                .arg(value("step", "Query step size (duration)."))
                .arg(server())
                .arg(Arg::new("expr").required(true).help("PromQL query expression.")),
        )
        .subcommand(
            range(Command::new("series").about("Run series query."))
                .arg(matchers().required(true))
                .arg(server()),
        )
        .subcommand(
            range(Command::new("labels").about("Run labels query."))
                .arg(matchers())
                .arg(server())
                .arg(
                    Arg::new("name").required(true).help("Label name to provide label values for."),
                ),
        )
}

pub(super) fn main(matches: &ArgMatches) -> ExitCode {
    match http_api::block_on(run(matches)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("query error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(matches: &ArgMatches) -> Result<String, String> {
    let json = text(matches, "format") == "json";
    let (name, matches) = matches.subcommand().expect("clap asks for a subcommand");
    let (path, pairs) = parameters(name, matches)?;
    let api = HttpApi::new(text(matches, "server"), text(matches, "http.config.file"))?;
    let (data, warnings) = api.get(&path, &pairs).await?;
    warnings.iter().for_each(|it| eprintln!("Warning: {it}"));
    let data = &data;
    Ok(match name {
        _ if json => format!("{}\n", if data["result"].is_null() { data } else { &data["result"] }),
        "series" => lines(data, labels),
        "labels" => lines(data, |it| it.as_str().unwrap_or_default().to_owned()),
        _ => value(data),
    })
}

/// The path below `/api/v1` and the parameters of a subcommand.
fn parameters(name: &str, matches: &ArgMatches) -> Result<(String, Pairs), String> {
    let now = now_s();
    let or = |name: &str, default: f64| match text(matches, name) {
        "" => default.to_string(),
        given => given.to_owned(),
    };
    let mut pairs = Pairs::new();
    for matcher in matches.try_get_many::<String>("match").ok().flatten().into_iter().flatten() {
        pairs.push(("match[]", matcher.clone()));
    }
    let path = match name {
        "instant" => {
            pairs.push(("query", text(matches, "expr").to_owned()));
            pairs.push(("time", or("time", now)));
            "query".to_owned()
        }
        "range" => {
            let end = seconds(&or("end", now))?;
            let start = seconds(&or("start", end - 300.0))?;
            let step = match text(matches, "step") {
                "" => ((end - start) / 250.0).floor().max(1.0).to_string(),
                given => given.to_owned(),
            };
            pairs.push(("query", text(matches, "expr").to_owned()));
            pairs.extend([("start", start.to_string()), ("end", end.to_string()), ("step", step)]);
            "query_range".to_owned()
        }
        _ => {
            pairs.extend([
                ("start", or("start", now - WINDOW_S)),
                ("end", or("end", now + WINDOW_S)),
            ]);
            match name {
                "series" => "series".to_owned(),
                _ => format!("label/{}/values", escape(text(matches, "name"))),
            }
        }
    };
    Ok((path, pairs))
}

fn value(data: &Value) -> String {
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("vector") => lines(result, |it| {
            let point = if it["value"].is_null() { &it["histogram"] } else { &it["value"] };
            format!("{} => {}", metric(&it["metric"]), sample(point))
        }),
        Some("matrix") => lines(result, |it| {
            let mut out = format!("{} =>", metric(&it["metric"]));
            for point in it["values"].as_array().into_iter().flatten() {
                out.push('\n');
                out.push_str(&sample(point));
            }
            out
        }),
        Some("scalar") => format!("scalar: {} @[{}]\n", plain(&result[1]), result[0]),
        _ => format!("{}\n", plain(&result[1])),
    }
}

fn sample(point: &Value) -> String {
    format!("{} @[{}]", plain(&point[1]), point[0])
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn lines(list: &Value, line: impl Fn(&Value) -> String) -> String {
    list.as_array().into_iter().flatten().map(|it| line(it) + "\n").collect()
}

/// `name{a="b"}`.
fn metric(metric: &Value) -> String {
    let name = metric["__name__"].as_str().unwrap_or_default();
    let rest = pairs(metric, |it| it != "__name__");
    if rest == "{}" && !name.is_empty() { name.to_owned() } else { format!("{name}{rest}") }
}

/// `{a="b", c="d"}`.
fn labels(set: &Value) -> String {
    pairs(set, |_| true)
}

fn pairs(set: &Value, keep: impl Fn(&str) -> bool) -> String {
    let kept = set.as_object().into_iter().flatten().filter(|(name, _)| keep(name));
    let pair = |(name, value): (&String, &Value)| {
        format!("{name}={}", model::quote(value.as_str().unwrap_or_default()))
    };
    format!("{{{}}}", kept.map(pair).collect::<Vec<_>>().join(", "))
}

fn now_s() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    let ms = jiff::Timestamp::now().as_millisecond() as f64;
    ms / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str, expected: &str) {
        assert_eq!(value(&serde_json::from_str(data).unwrap()), expected);
    }

    #[test]
    fn prints_results() {
        check(
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1.5,"1"]},{"metric":{},"value":[2,"3"]}]}"#,
            "up{job=\"a\"} => 1 @[1.5]\n{} => 3 @[2]\n",
        );
        check(
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":[[1,"1"],[2,"0"]]}]}"#,
            "up =>\n1 @[1]\n0 @[2]\n",
        );
        check(r#"{"resultType":"scalar","result":[1,"2"]}"#, "scalar: 2 @[1]\n");
    }
}
