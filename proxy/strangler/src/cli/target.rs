//! Finding the running proxy: `--admin`, or the configuration it was started with, even if that file is
//! broken now: that is when a person asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::{AdminArguments, Exit, Failure};
use crate::live::compile;
use crate::live::source::Source;

/// Where the admin listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdminTarget {
    /// `host:port`.
    pub(super) authority: String,
    /// The token it wants.
    pub(super) token: Option<String>,
    /// Where the address came from, for messages.
    pub(super) origin: String,
}

impl AdminTarget {
    pub(super) fn resolve(arguments: &AdminArguments) -> Result<AdminTarget, Failure> {
        let explicit = arguments.admin.as_deref().map(authority).transpose()?;
        let source = Source::File(arguments.config.clone());
        let by_default = arguments.config == Path::new(super::DEFAULT_FILE);
        let mut origin = format!("`server.admin` of {}", arguments.config.display());
        let server = match (source.read_main(), &explicit) {
            // `run --legacy URL` needs no file, and listens where a file without addresses would.
            (Err(_missing), None) if by_default && !arguments.config.exists() => {
                origin = format!("the default, as there is no {}", arguments.config.display());
                compile::server_of(&source.salvage_main(), source.base())
            }
            (Err(unreadable), None) => {
                let why = unreadable.diagnostics.first().map(|d| d.message.clone()).unwrap_or_default();
                return Err(Failure::new(
                    Exit::Invalid,
                    format!(
                        "{why}\n  name the running proxy with --admin http://HOST:PORT, or its file with --config"
                    ),
                ));
            }
            _ => compile::server_of(&source.salvage_main(), source.base()),
        };
        let (authority, origin) = match explicit {
            Some(authority) => (authority, "--admin".to_owned()),
            None => (reachable(server.admin, &arguments.config)?, origin),
        };
        let token = match (&arguments.admin_token_file, &server.admin_token_file) {
            (Some(file), _) => Some(read_token(file)?),
            // `--admin` may name another proxy than this file's: its token is offered if there is one.
            (None, Some(file)) if arguments.admin.is_some() => read_token(file).ok(),
            (None, Some(file)) => Some(read_token(file)?),
            (None, None) => None,
        };
        Ok(AdminTarget { authority, token, origin })
    }
}

/// `host:port` of an admin URL; a bare `host:port` is taken too.
fn authority(url: &str) -> Result<String, Failure> {
    let bad =
        |why: &str| Failure::new(Exit::Invalid, format!("--admin {url}: {why}; write http://HOST:PORT"));
    if url.starts_with("https://") {
        return Err(bad("the admin listener speaks plain HTTP"));
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || authority.contains(['@', '?', '#', ' ']) {
        return Err(bad("this is no address"));
    }
    let parsed: http::uri::Authority = authority.parse().map_err(|_| bad("this is no address"))?;
    Ok(if parsed.port().is_some() { authority.to_owned() } else { format!("{authority}:80") })
}

/// The configured address as a client can use it: `0.0.0.0` is nowhere to connect to.
fn reachable(admin: SocketAddr, file: &Path) -> Result<String, Failure> {
    if admin.port() == 0 {
        return Err(Failure::new(
            Exit::Invalid,
            format!(
                "{} asks for any free admin port; `strangler run` printed which one: give it with --admin",
                file.display()
            ),
        ));
    }
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, admin.port()).to_string())
}

fn read_token(path: &Path) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => {
            let message = format!("the admin token cannot be read: {}: {error}", path.display());
            Err(Failure::new(Exit::Invalid, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_urls_are_read_as_written() {
        for (url, wanted) in [
            ("http://127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("http://127.0.0.1:9090/", Some("127.0.0.1:9090")),
            ("localhost:9090", Some("localhost:9090")),
            ("http://admin.example", Some("admin.example:80")),
            ("http://[::1]:9090", Some("[::1]:9090")),
            ("https://127.0.0.1:9090", None),
            ("http://user@127.0.0.1:9090", None),
            ("", None),
        ] {
            assert_eq!(authority(url).ok().as_deref(), wanted, "{url}");
        }
    }

    #[test]
    fn an_address_of_all_interfaces_is_reached_on_loopback() {
        let file = Path::new("a.toml");
        for (admin, wanted) in [
            ("0.0.0.0:9090", Some("127.0.0.1:9090")),
            ("[::]:9090", Some("[::1]:9090")),
            ("10.0.0.1:9090", Some("10.0.0.1:9090")),
            ("127.0.0.1:0", None),
        ] {
            assert_eq!(reachable(admin.parse().unwrap(), file).ok().as_deref(), wanted, "{admin}");
        }
    }
}
