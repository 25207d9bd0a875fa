//! Where the API server is, and what it is shown: from the configuration, a kubeconfig file, or the pod that this runs in.

use std::fs;
use std::path::Path;

use config::Section;
use httpclient::{Authorization, Options, Proxy, Source, TlsOptions};

use super::exec::Exec;
use super::kubeconfig;
use crate::address::host_and_port;
use crate::discoverer::Failure;

/// Where a pod finds what it may show to the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The way to an API server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Its URL.
    pub(crate) server: String,
    pub(crate) http: Options,
    /// Who gives out tokens.
    pub(crate) exec: Option<Exec>,
}

impl Access {
    /// Finds the way; `http` is what the entry says itself.
    pub(crate) fn find(section: &Section, http: &Options) -> Result<Self, Failure> {
        let (server, file) = (section.text("api_server"), section.text("kubeconfig_file"));
        if !file.is_empty() {
            return kubeconfig::read(Path::new(file));
        }
        if !server.is_empty() {
            let (server, http) = (server.to_owned(), http.clone());
            return Ok(Access { server, http, exec: None });
        }
        let variable = |name| std::env::var(name).unwrap_or_default();
        let (host, port) =
            (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"));
        Self::in_cluster(&host, &port, Path::new(SERVICE_ACCOUNT))
    }

    /// The way out of a pod. Token and certificate are read again whenever they are needed.
    fn in_cluster(host: &str, port: &str, account: &Path) -> Result<Self, Failure> {
        if host.is_empty() || port.is_empty() {
            let text = "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and \
                        KUBERNETES_SERVICE_PORT must be defined";
            return Err(Failure(text.into()));
        }
        let token = account.join("token");
        fs::metadata(&token).map_err(|it| Failure(format!("open {}: {it}", token.display())))?;
        let http = Options {
            authorization: Some(Authorization {
                kind: "Bearer".to_owned(),
                credentials: Source::File(token),
            }),
            tls: TlsOptions {
                ca: Some(Source::File(account.join("ca.crt"))),
                ..TlsOptions::default()
            },
            proxy: environment_proxy(),
            ..Options::default()
        };
        Ok(Access { server: format!("https://{}", host_and_port(host, port)), http, exec: None })
    }
}

/// The proxy that the environment names.
pub(crate) fn environment_proxy() -> Proxy {
    let variable = |upper: &str| {
        let lower = upper.to_lowercase();
        std::env::var(upper).or_else(|_| std::env::var(lower)).unwrap_or_default()
    };
    Proxy::Environment {
        http: variable("HTTP_PROXY"),
        https: variable("HTTPS_PROXY"),
        no_proxy: variable("NO_PROXY"),
    }
}

/// The namespace of the pod that this runs in.
pub(crate) fn own_namespace() -> Result<String, Failure> {
    let path = Path::new(SERVICE_ACCOUNT).join("namespace");
    let text = fs::read_to_string(&path).map_err(|it| {
        Failure(format!("could not determine the pod's namespace: open {}: {it}", path.display()))
    })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_way_out_of_a_pod() {
        let folder = tempfile::tempdir().expect("a folder");
        let way = |host, port| Access::in_cluster(host, port, folder.path());
        assert!(way("", "443").is_err_and(|it| it.0.contains("must be defined")));
        assert!(way("10.0.0.1", "443").is_err_and(|it| it.0.contains("token")));
        fs::write(folder.path().join("token"), "abc").expect("a file");
        let found = way("fd00::1", "443").expect("all is there");
        assert_eq!(found.server, "https://[fd00::1]:443");
        let token = Source::File(folder.path().join("token"));
        assert_eq!(found.http.authorization.map(|it| it.credentials), Some(token));
        assert_eq!(found.http.tls.ca, Some(Source::File(folder.path().join("ca.crt"))));
    }
}
