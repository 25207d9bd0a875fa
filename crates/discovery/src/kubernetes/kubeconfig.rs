//! `kubeconfig` files: clusters, users, and which of them belong together.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use httpclient::{Authorization, BasicAuth, HeaderValues, Options, Proxy, Source, TlsOptions};
use yaml::Value;

use super::access::{Access, environment_proxy};
use super::exec::Exec;
use crate::discoverer::Failure;

/// Reads the way that the file's current context names.
pub(crate) fn read(path: &Path) -> Result<Access, Failure> {
    let failure = |why: &dyn std::fmt::Display| {
        Failure(format!("error loading config file \"{}\": {why}", path.display()))
    };
    let text = fs::read(path).map_err(|it| failure(&it))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder).map_err(|it| failure(&it))
}

/// Reads a file's text; relative paths in it begin at `folder`.
pub(crate) fn parse(text: &[u8], folder: &Path) -> Result<Access, String> {
    let options = yaml::Options { strict: false, ..yaml::Options::default() };
    let file: Value = yaml::from_slice(text, options).map_err(|it| it.to_string())?;
    access(&file, folder)
}

/// A mapping of the file.
struct Entry<'a> {
    value: Option<&'a Value>,
    /// What relative paths begin at.
    folder: &'a Path,
}

fn access(file: &Value, folder: &Path) -> Result<Access, String> {
    let context = text(file.get("current-context"));
    if context.is_empty() {
        return Err("no current context is set".into());
    }
    let context = named(file, "contexts", "context", context)?;
    let cluster = named(file, "clusters", "cluster", text(context.get("cluster")))?;
    let user = match text(context.get("user")) {
        "" => None,
        user => Some(named(file, "users", "user", user)?),
    };
    let (cluster, user) = (Entry { value: Some(cluster), folder }, Entry { value: user, folder });
    let server = cluster.text("server");
    if server.is_empty() {
        return Err("the cluster has no server".into());
    }
    let (server, http) = (server.to_owned(), options(&cluster, &user)?);
    Ok(Access { server, http, exec: user.exec()? })
}

/// The item of a list that has a name: `{name: …, KEY: {…}}`.
fn named<'a>(file: &'a Value, list: &str, key: &str, name: &str) -> Result<&'a Value, String> {
    let item = self::list(file.get(list)).iter().find(|it| text(it.get("name")) == name);
    item.and_then(|it| it.get(key)).ok_or_else(|| format!("{key} \"{name}\" does not exist"))
}

fn options(cluster: &Entry<'_>, user: &Entry<'_>) -> Result<Options, String> {
    if user.get("auth-provider").is_some() {
        return Err("users with auth-provider are not supported: exec took its place".into());
    }
    let tls = TlsOptions {
        ca: cluster.data_or_file("certificate-authority")?,
        cert: user.data_or_file("client-certificate")?,
        key: user.data_or_file("client-key")?,
        server_name: cluster.text("tls-server-name").to_owned(),
        insecure_skip_verify: cluster.flag("insecure-skip-tls-verify"),
        ..TlsOptions::default()
    };
    if tls.cert.is_some() != tls.key.is_some() {
        return Err("client-certificate and client-key must be given together".into());
    }
    Ok(Options {
        basic_auth: user.basic_auth(),
        authorization: user
            .token()
            .map(|credentials| Authorization { kind: "Bearer".to_owned(), credentials }),
        tls,
        proxy: match cluster.text("proxy-url") {
            "" => environment_proxy(),
            url => Proxy::Fixed { url: url.to_owned(), no_proxy: String::new() },
        },
        headers: user.impersonation(),
        ..Options::default()
    })
}

impl<'a> Entry<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.value?.get(key)
    }

    fn text(&self, key: &str) -> &'a str {
        text(self.get(key))
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key) == Some(&Value::Bool(true))
    }

    /// The text of `KEY-data`, which comes first, or the file that `KEY` names.
    fn data_or_file(&self, key: &str) -> Result<Option<Source>, String> {
        let data = self.text(&format!("{key}-data"));
        if !data.is_empty() {
            let bytes = BASE64_STANDARD.decode(data).map_err(|it| format!("{key}-data: {it}"))?;
            let text = String::from_utf8(bytes).map_err(|_| format!("{key}-data: not text"))?;
            return Ok(Some(Source::Inline(text)));
        }
        Ok(self.file(key))
    }

    fn file(&self, key: &str) -> Option<Source> {
        let path = self.text(key);
        (!path.is_empty()).then(|| Source::File(self.folder.join(path)))
    }

    /// The token's file, which comes first, or the token.
    fn token(&self) -> Option<Source> {
        let token = self.text("token");
        self.file("tokenFile")
            .or_else(|| (!token.is_empty()).then(|| Source::Inline(token.to_owned())))
    }

    fn basic_auth(&self) -> Option<BasicAuth> {
        let inline = |key| Source::Inline(self.text(key).to_owned());
        let is_there = !self.text("username").is_empty() && self.token().is_none();
        is_there.then(|| BasicAuth { username: inline("username"), password: inline("password") })
    }

    /// The program that gives out tokens. A path is relative to the file's folder, a name is looked for.
    fn exec(&self) -> Result<Option<Exec>, String> {
        let Some(exec) = self.get("exec") else { return Ok(None) };
        let command = text(exec.get("command"));
        if command.is_empty() {
            return Err("exec has no command".into());
        }
        let is_path = command.contains('/');
        let env = list(exec.get("env")).iter();
        let args = list(exec.get("args")).iter();
        Ok(Some(Exec {
            api_version: text(exec.get("apiVersion")).to_owned(),
            command: if is_path { self.folder.join(command) } else { command.into() },
            args: args.map(|it| text(Some(it)).to_owned()).collect(),
            env: env
                .map(|it| (text(it.get("name")).to_owned(), text(it.get("value")).to_owned()))
                .filter(|it| !it.0.is_empty())
                .collect(),
        }))
    }

    /// Headers for who acts as somebody else.
    fn impersonation(&self) -> Vec<HeaderValues> {
        let groups = list(self.get("as-groups")).iter().map(|it| text(Some(it))).collect();
        let of = [
            ("Impersonate-User", vec![self.text("as")]),
            ("Impersonate-Uid", vec![self.text("as-uid")]),
            ("Impersonate-Group", groups),
        ];
        of.into_iter()
            .filter(|(_, values)| values.iter().any(|it| !it.is_empty()))
            .map(|(name, values)| HeaderValues {
                name: name.to_owned(),
                values: values.into_iter().map(|it| Source::Inline(it.to_owned())).collect(),
            })
            .collect()
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Seq(items)) => items,
        _ => &[],
    }
}

fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::Str(text)) => text,
        _ => "",
    }
}
