//! `identity`: logs a customer of the demonstration's shop in afresh and prints what shows it, as header lines.
//!
//! ```text
//! authorization: Bearer v1.2.1767225600.…
//! cookie: session=…
//! ```
//!
//! For replaying a recording: what was recorded are pseudonyms of tokens that have ended anyway. The monolith
//! knows passwords, so it is always asked there, whoever the answer is for. It refuses to print half of it:
//! when one login fails, there is a sentence on standard error and exit code 1.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use chassis::client::Client;
use clap::Parser;
use legacy_monolith::seed::DEMO_PASSWORD;
use serde_json::{Value, json};

/// Logs a customer of the demonstration's shop in and prints the headers that show it
#[derive(Debug, Parser)]
#[command(name = "identity", version)]
struct Arguments {
    /// Where the shop is: the proxy, or the monolith itself
    #[arg(long, env = "SHOP_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    shop: String,
    /// Who logs in
    #[arg(long, env = "SHOP_EMAIL", default_value = "grace@example.com")]
    email: String,
    /// The password [default: that of the demonstration's customers]
    #[arg(long, env = "SHOP_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Seconds until the token ends
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    expires_in: u64,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when the streams are closed.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match logged_in(&arguments).and_then(|lines| Ok(std::io::stdout().write_all(lines.as_bytes())?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "identity: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn logged_in(arguments: &Arguments) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shop = address(&arguments.shop)?;
        let (token, session) = (token(shop, arguments).await?, session(shop, arguments).await?);
        Ok(format!("authorization: Bearer {token}\ncookie: session={session}\n"))
    })
}

impl Arguments {
    fn password(&self) -> &str {
        self.password.as_deref().unwrap_or(DEMO_PASSWORD)
    }
}

/// What a program shows.
async fn token(shop: SocketAddr, arguments: &Arguments) -> anyhow::Result<String> {
    let Arguments { email, expires_in, .. } = arguments;
    let credentials = json!({ "email": email, "password": arguments.password(), "expires_in": expires_in });
    let answer = Client::new(shop).post("/tokens", &credentials).await?;
    ensure!(answer.status == 201, "{} for the token of {email}", answer.status);
    let body = answer.json();
    Ok(body.get("token").and_then(Value::as_str).context("the answer has no token")?.to_owned())
}

/// What a browser shows.
async fn session(shop: SocketAddr, arguments: &Arguments) -> anyhow::Result<String> {
    let email = arguments.email.as_str();
    let mut client = Client::new(shop);
    let csrf = client.get("/login").await?.csrf();
    let form = [("csrf", &*csrf), ("email", email), ("password", arguments.password())];
    let answer = client.form("/login", &form).await?;
    ensure!(answer.status == 303, "{} for the session of {email}", answer.status);
    let cookie = answer.header("set-cookie").strip_prefix("session=");
    let value = cookie.and_then(|rest| rest.split(';').next()).context("the answer sets no session")?;
    Ok(value.to_owned())
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let authority = authority.with_context(|| format!("{url} does not begin with http://"))?;
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let found = authority.to_socket_addrs().with_context(|| format!("{url} is no address"))?.next();
    found.with_context(|| format!("{url} has no address"))
}
