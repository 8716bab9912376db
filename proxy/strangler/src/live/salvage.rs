//! What can still be known from a file that may be broken: where the proxy's data and its admin listener are.
//!
//! Refuses to judge: that is [`super::compile`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use strangler_core::config::Sources;
use strangler_core::snapshot::DataDir;
use toml::de::{DeTable, DeValue};

use super::compile;

const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// Keys of `[server]` that are needed although the file may not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// `server.admin`.
    pub admin: SocketAddr,
    /// `server.admin_token_file`.
    pub admin_token_file: Option<PathBuf>,
    /// `server.data_dir`; `None` where the file does not say.
    pub data_dir: Option<DataDir>,
}

impl Salvaged {
    /// Reads what can be read; the rest has its default.
    pub fn read(sources: &Sources, base: &Path) -> Salvaged {
        let written = written(&sources.main.text);
        let from_text = |key: &str| written.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        if let Some(snapshot) = compile::load(sources, base).snapshot {
            let server = &snapshot.server;
            return Salvaged {
                admin: server.admin,
                admin_token_file: server.admin_token_file.clone(),
                data_dir: from_text("data_dir").map(|_| server.data_dir.clone()),
            };
        }
        Salvaged {
            admin: from_text("admin").and_then(|text| text.parse().ok()).unwrap_or(ADMIN_DEFAULT),
            admin_token_file: from_text("admin_token_file").map(|text| base.join(text)),
            data_dir: from_text("data_dir").map(|text| match text.as_str() {
                "memory" => DataDir::Memory,
                path => DataDir::Path(base.join(path)),
            }),
        }
    }
}

/// Text values of `[server]`, as far as the file can be read. One that names an environment value is left
/// out unless its default is all there is: the rest of the language is core's.
fn written(text: &str) -> Vec<(String, String)> {
    let (document, _errors) = DeTable::parse_recoverable(text);
    let Some(server) = document.get_ref().get("server") else { return Vec::new() };
    let DeValue::Table(server) = server.get_ref() else { return Vec::new() };
    let mut values = Vec::new();
    for (key, value) in server {
        if let DeValue::String(value) = value.get_ref() {
            values.push((key.get_ref().to_string(), value.to_string()));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use strangler_core::config::SourceText;

    use super::*;

    fn salvaged(text: &str) -> Salvaged {
        let main = SourceText { name: "strangler.toml".to_owned(), text: text.to_owned() };
        Salvaged::read(&Sources { main, included: Vec::new() }, Path::new("config"))
    }

    #[test]
    fn a_broken_file_still_says_where_things_are() {
        let found = salvaged(
            "version = 1\n[server]\nadmin = \"127.0.0.1:7777\"\ndata_dir = \"kept\"\nadmin_token_file = \"t\"\n\
             [slices.a\nphase = legcy\n",
        );
        assert_eq!(found.admin, "127.0.0.1:7777".parse().unwrap());
        assert_eq!(found.data_dir, Some(DataDir::Path("config/kept".into())));
        assert_eq!(found.admin_token_file, Some("config/t".into()));
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let found = salvaged("phase =");
        assert_eq!(found.admin, ADMIN_DEFAULT);
        assert_eq!(found.data_dir, None);
        assert_eq!(salvaged("[server]\ndata_dir = \"memory\"\n[x").data_dir, Some(DataDir::Memory));
    }
}
