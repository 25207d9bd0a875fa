//! From the configuration as the user wrote it to the options that engines take.

use config::{
    HttpClient, RelabelConfig, ScrapeConfig, ScrapeProtocol, Secret, Tls, TlsVersion,
    ValidationScheme,
};
use httpclient::{
    Authorization, BasicAuth, Claims, Grant, HeaderValues, OAuth2, Options, Proxy,
    SignatureAlgorithm, Source, TlsOptions,
};
use model::{SCHEMA_MAX, SCHEMA_MIN};
use scrape::{HistogramLimits, Histograms, Job, Protocol};
use yaml::Value;

/// How to make requests.
///
/// # Errors
/// If the block asks for something that is not there.
pub(crate) fn http(config: &HttpClient) -> Result<Options, String> {
    refuse_references(config)?;
    let values = |it: &config::Header| {
        let shown = it.values.iter().cloned().map(Source::Inline);
        let hidden = it.secrets.iter().map(|it| Source::Inline(it.expose().to_owned()));
        shown.chain(hidden).chain(it.files.iter().map(|it| Source::File(it.into()))).collect()
    };
    let headers = config.headers.iter();
    Ok(Options {
        basic_auth: config.basic_auth.as_ref().map(|it| BasicAuth {
            username: source(&it.username, &it.username_file).unwrap_or_default(),
            password: source(it.password.expose(), &it.password_file).unwrap_or_default(),
        }),
        authorization: config.authorization.as_ref().map(|it| Authorization {
            kind: it.kind.clone(),
            credentials: source(it.credentials.expose(), &it.credentials_file).unwrap_or_default(),
        }),
        oauth2: config.oauth2.as_deref().map(|it| Box::new(oauth2(it))),
        sigv4: None,
        tls: tls(&config.tls),
        proxy: proxy(&config.proxy),
        proxy_connect_headers: connect_headers(&config.proxy.connect_header),
        follow_redirects: config.follow_redirects,
        http2: config.enable_http2,
        headers: headers
            .map(|(name, it)| HeaderValues { name: name.clone(), values: values(it) })
            .collect(),
    })
}

/// Refuses names of secrets that a manager would have to know.
fn refuse_references(config: &HttpClient) -> Result<(), String> {
    let of_basic = config.basic_auth.iter().flat_map(|it| &it.refs);
    let of_header = config.authorization.iter().flat_map(|it| &it.refs);
    let of_tokens = config.oauth2.iter().flat_map(|it| it.refs.iter().chain(&it.tls.refs));
    match config.tls.refs.iter().chain(of_basic).chain(of_header).chain(of_tokens).next() {
        Some(_) => Err("cannot use secret ref without manager".into()),
        None => Ok(()),
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn oauth2(config: &config::OAuth2) -> OAuth2 {
    let grant = if config.grant_type == JWT_BEARER {
        let key =
            source(config.client_certificate_key.expose(), &config.client_certificate_key_file);
        Grant::JwtBearer { key: key.unwrap_or_default(), claims: claims(config) }
    } else {
        let secret = source(config.client_secret.expose(), &config.client_secret_file);
        Grant::ClientCredentials { secret: secret.unwrap_or_default() }
    };
    let params = config.endpoint_params.iter();
    OAuth2 {
        client_id: config.client_id.clone(),
        grant,
        scopes: config.scopes.clone(),
        token_url: config.token_url.clone(),
        endpoint_params: params.map(|(name, value)| (name.clone(), value.clone())).collect(),
        tls: tls(&config.tls),
        proxy: proxy(&config.proxy),
        proxy_connect_headers: connect_headers(&config.proxy.connect_header),
    }
}

fn claims(config: &config::OAuth2) -> Claims {
    let more = config.claims.iter();
    Claims {
        key_id: config.client_certificate_key_id.clone(),
        algorithm: match config.signature_algorithm.as_str() {
            "RS384" => SignatureAlgorithm::Rs384,
            "RS512" => SignatureAlgorithm::Rs512,
            _ => SignatureAlgorithm::Rs256,
        },
        issuer: config.iss.clone(),
        audience: config.audience.clone(),
        more: more.map(|(name, value)| (name.clone(), json(value))).collect(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(it) => Json::from(*it),
        Value::Int(it) => Json::from(*it),
        Value::Float(it) => Json::from(*it),
        Value::Str(it) => Json::from(it.as_str()),
        Value::Seq(items) | Value::FlowSeq(items) => items.iter().map(json).collect(),
        Value::Map(pairs) => pairs.iter().map(|(name, it)| (name.clone(), json(it))).collect(),
    }
}

/// The text itself, or the file it stands in; `None` if there is neither.
fn source(text: &str, file: &str) -> Option<Source> {
    match (text, file) {
        ("", "") => None,
        ("", file) => Some(Source::File(file.into())),
        (text, _) => Some(Source::Inline(text.to_owned())),
    }
}

fn tls(config: &Tls) -> TlsOptions {
    // What is older than 1.2 is spoken no more; asking for it means "as old as possible".
    let version = |it: TlsVersion| match it {
        TlsVersion::Tls10 | TlsVersion::Tls11 | TlsVersion::Tls12 => httpclient::TlsVersion::Tls12,
        TlsVersion::Tls13 => httpclient::TlsVersion::Tls13,
    };
    TlsOptions {
        ca: source(&config.ca, &config.ca_file),
        cert: source(&config.cert, &config.cert_file),
        key: source(config.key.expose(), &config.key_file),
        server_name: config.server_name.clone(),
        insecure_skip_verify: config.insecure_skip_verify,
        min_version: config.min_version.map(version),
        max_version: config.max_version.map(version),
    }
}

fn proxy(config: &config::Proxy) -> Proxy {
    if config.from_environment {
        let variable = |upper: &str, lower: &str| {
            std::env::var(upper).or_else(|_| std::env::var(lower)).unwrap_or_default()
        };
        return Proxy::Environment {
            http: variable("HTTP_PROXY", "http_proxy"),
            https: variable("HTTPS_PROXY", "https_proxy"),
            no_proxy: variable("NO_PROXY", "no_proxy"),
        };
    }
    match &config.url[..] {
        "" => Proxy::None,
        url => Proxy::Fixed { url: url.to_owned(), no_proxy: config.no_proxy.clone() },
    }
}

fn connect_headers(
    headers: &std::collections::BTreeMap<String, Vec<Secret>>,
) -> Vec<(String, String)> {
    let pairs = headers.iter().flat_map(|(name, values)| values.iter().map(move |it| (name, it)));
    pairs.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
}

/// One job of the configuration.
///
/// # Errors
/// What it asks for that is not there yet, with the job's name.
pub(crate) fn job(config: &ScrapeConfig) -> Result<Job, String> {
    let named = |text: String| format!("scrape job {}: {text}", model::quote(&config.job_name));
    let legacy_names = config.validation_scheme == ValidationScheme::Legacy;
    let rules = |rules: &[RelabelConfig]| {
        let rules: Result<Vec<_>, String> =
            rules.iter().map(|it| it.to_rule(legacy_names)).collect();
        rules.map_err(named)
    };
    let size = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    Ok(Job {
        protocols: config.scrape_protocols.iter().copied().map(protocol).collect(),
        fallback_protocol: config.fallback_scrape_protocol.map(protocol),
        honor_labels: config.honor_labels,
        honor_timestamps: config.honor_timestamps,
        track_timestamps_staleness: config.track_timestamps_staleness,
        metrics_path: config.metrics_path.clone(),
        scheme: config.scheme.clone(),
        params: config.params.iter().map(|(name, values)| (name.clone(), values.clone())).collect(),
        compression: config.enable_compression,
        limits: scrape::Limits {
            body_bytes: usize::try_from(config.limits.body_size_bytes).unwrap_or(0),
            samples: size(config.limits.samples),
            targets: size(config.limits.targets),
            labels: size(config.limits.labels),
            label_name_bytes: size(config.limits.label_name_bytes),
            label_value_bytes: size(config.limits.label_value_bytes),
            kept_dropped_targets: size(config.limits.keep_dropped_targets),
        },
        legacy_names,
        escaping: config.escaping_scheme.name().to_owned(),
        extra_metrics: config.switches.extra_scrape_metrics,
        histograms: Histograms {
            native: config.switches.scrape_native_histograms,
            classic: config.switches.always_scrape_classic_histograms,
            convert: config.switches.convert_classic_histograms_to_nhcb,
        },
        histogram_limits: HistogramLimits {
            schema_max: schema_max(config.native_histogram_min_bucket_factor),
            buckets: size(config.native_histogram_bucket_limit),
        },
        relabel: rules(&config.relabel_configs)?,
        metric_relabel: rules(&config.metric_relabel_configs)?,
        http: http(&config.http).map_err(named)?,
        failure_log: Some(config.scrape_failure_log_file.clone())
            .filter(|it| !it.is_empty())
            .map(Into::into),
        ..Job::new(config.job_name.clone(), config.scrape_interval_ms, config.scrape_timeout_ms)
    })
}

fn protocol(config: ScrapeProtocol) -> Protocol {
    match config {
        ScrapeProtocol::PrometheusProto => Protocol::Protobuf,
        ScrapeProtocol::PrometheusText0_0_4 => Protocol::Text004,
        ScrapeProtocol::PrometheusText1_0_0 => Protocol::Text100,
        ScrapeProtocol::OpenMetricsText0_0_1 => Protocol::OpenMetrics001,
        ScrapeProtocol::OpenMetricsText1_0_0 => Protocol::OpenMetrics100,
    }
}

/// The finest resolution whose buckets grow by `factor` at least; 0 is no bound.
#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn schema_max(factor: f64) -> i32 {
    if factor == 0.0 {
        return SCHEMA_MAX;
    }
    // A bucket grows by 2^(2^-schema).
    let factor = if factor <= 1.0 { 1.002_71 } else { factor };
    let schema = (-factor.log2().log2()).floor();
    schema.clamp(f64::from(SCHEMA_MIN), f64::from(SCHEMA_MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growth_factor_is_a_resolution() {
        let factors = [0.0, 0.5, 1.002, 1.00271, 1.1, 2.0, 3.0, 4.0, 1e300];
        assert_eq!(factors.map(schema_max), [8, 8, 8, 8, 2, 0, -1, -1, -4]);
    }
}
