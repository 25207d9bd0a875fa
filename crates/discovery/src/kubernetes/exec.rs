//! Tokens from a program that a kubeconfig file names, such as `aws eks get-token`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use http::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::api::Problem;

/// How long the program may take.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The longest output that is read.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// A program, and how it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exec {
    /// The version of the protocol that it is told.
    pub(crate) api_version: String,
    pub(crate) command: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

/// The tokens of a program. It is called when one is needed and none is at hand that still holds.
#[derive(Debug)]
pub(crate) struct Tokens {
    exec: Exec,
    /// Held while the program runs, so that all who need a token share one call.
    token: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    expires: Option<SystemTime>,
}

/// What the program prints.
#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    token: String,
    expiration_timestamp: Option<String>,
}

impl Tokens {
    pub(crate) fn new(exec: Exec) -> Self {
        Tokens { exec, token: Mutex::new(None) }
    }

    /// Returns the value of an `Authorization` header.
    pub(crate) async fn header(&self) -> Result<HeaderValue, Problem> {
        let mut token = self.token.lock().await;
        let now = SystemTime::now();
        if let Some(it) = token.as_ref()
            && it.expires.is_none_or(|expires| now < expires)
        {
            return Ok(it.header.clone());
        }
        let fresh = self.exec.token().await.map_err(|why| {
            Problem::Failed(format!("getting credentials: {}: {why}", self.exec.command.display()))
        })?;
        let header = fresh.header.clone();
        *token = Some(fresh);
        Ok(header)
    }

    /// Forgets the token that was refused.
    pub(crate) async fn refused(&self, header: &HeaderValue) {
        let mut token = self.token.lock().await;
        // Somebody else may have a new one already.
        if token.as_ref().is_some_and(|it| it.header == header) {
            *token = None;
        }
    }
}

impl Exec {
    async fn token(&self) -> Result<Token, String> {
        let output = timeout(TIME_MAX, self.output()).await;
        let output = output.map_err(|_| format!("no answer within {TIME_MAX:?}"))??;
        let output: Output = serde_json::from_slice(&output).map_err(|it| it.to_string())?;
        let Status { token, expiration_timestamp } = output.status;
        if token.is_empty() {
            return Err("no token in its answer".into());
        }
        let header = HeaderValue::try_from(format!("Bearer {token}"));
        let mut header = header.map_err(|it| it.to_string())?;
        header.set_sensitive(true);
        let parse = |it: String| {
            it.parse::<jiff::Timestamp>()
                .map_err(|why| format!("bad expirationTimestamp {it:?}: {why}"))
        };
        let expires = expiration_timestamp.map(parse).transpose()?;
        Ok(Token { header, expires: expires.map(SystemTime::from) })
    }

    /// Runs the program. Dropped, it is killed.
    async fn output(&self) -> Result<Vec<u8>, String> {
        let info = json!({
            "apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": false}
        });
        let mut child = Command::new(&self.command)
            .args(&self.args)
            .envs(self.env.iter().map(|it| (&it.0, &it.1)))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|it| it.to_string())?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let read = stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut output).await;
            read.map_err(|it| it.to_string())?;
        }
        let status = child.wait().await.map_err(|it| it.to_string())?;
        if status.success() { Ok(output) } else { Err(status.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell script that counts its calls in a file.
    async fn check(script: &str, expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("echo x >> {}/calls; {script}", folder.path().display());
        let tokens = Tokens::new(Exec {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "sh".into(),
            args: vec!["-c".to_owned(), script.clone()],
            env: vec![("NAME".to_owned(), "value".to_owned())],
        });
        let mut found = Vec::new();
        for _ in 0..2 {
            match tokens.header().await {
                Ok(header) => found.push(header.to_str().expect("text").to_owned()),
                Err(problem) => found.push(problem.to_string()),
            }
        }
        let calls = std::fs::read_to_string(folder.path().join("calls")).expect("it was called");
        let found = format!("{} calls: {}", calls.lines().count(), found.join(", "));
        assert_eq!(found, expected, "{script}");
    }

    #[tokio::test]
    async fn asks_again_when_a_token_has_expired() {
        check(r#"echo '{"status": {"token": "a"}}'"#, "1 calls: Bearer a, Bearer a").await;
        let later =
            r#"echo '{"status": {"token": "a", "expirationTimestamp": "2999-01-01T00:00:00Z"}}'"#;
        check(later, "1 calls: Bearer a, Bearer a").await;
        let before =
            r#"echo '{"status": {"token": "a", "expirationTimestamp": "2001-01-01T00:00:00Z"}}'"#;
        check(before, "2 calls: Bearer a, Bearer a").await;
    }

    #[tokio::test]
    async fn tells_the_program_who_asks() {
        let script = r#"V=$(echo $KUBERNETES_EXEC_INFO | cut -d '"' -f 4); echo "{\"status\": {\"token\": \"$NAME-$V\"}}""#;
        let token = "Bearer value-client.authentication.k8s.io/v1";
        check(script, &format!("1 calls: {token}, {token}")).await;
    }

    #[tokio::test]
    async fn says_why_there_is_no_token() {
        let twice = |why: &str| {
            format!("2 calls: getting credentials: sh: {why}, getting credentials: sh: {why}")
        };
        check("exit 3", &twice("exit status: 3")).await;
        check("echo '{}'", &twice("no token in its answer")).await;
        check("true", &twice("EOF while parsing a value at line 1 column 0")).await;
        let missing = Exec { command: "/nonexistent".into(), ..Exec::default() }.token().await;
        assert!(missing.is_err_and(|it| it.contains("No such file")));
        // What is too long is not read to its end, which the program dies of.
        let endless = Exec { command: "yes".into(), ..Exec::default() }.token().await;
        assert!(endless.is_err_and(|it| it.contains("SIGPIPE")));
        let text = r#"{"status": {"token": "a", "expirationTimestamp": "soon"}}"#;
        let exec = Exec { command: "echo".into(), args: vec![text.to_owned()], ..Exec::default() };
        assert!(exec.token().await.is_err_and(|it| it.contains("soon")));
    }
}
