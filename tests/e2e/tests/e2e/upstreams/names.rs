//! Names → addresses, asked of the program's own resolver with files of the test's own.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use strangler::upstream::names::{Answer, NameSources, Names};
use tempfile::TempDir;

use crate::support::dns::{NameServer, loopback};
use crate::support::proxy::replace;

struct Kit {
    folder: TempDir,
    names: Names,
    runtime: tokio::runtime::Runtime,
}

impl Kit {
    fn new(servers: &[SocketAddr]) -> Kit {
        let folder = tempfile::tempdir().unwrap();
        let (hosts, resolv_conf) = (folder.path().join("hosts"), folder.path().join("resolv.conf"));
        let names = Names::new(NameSources { hosts, resolv_conf, servers: servers.to_vec() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Kit { folder, names, runtime }
    }

    fn write(&self, file: &str, text: &str) {
        replace(&Path::new(self.folder.path()).join(file), text);
    }

    fn ask(&self, name: &str) -> Result<Answer, String> {
        self.runtime.block_on(self.names.ask(name))
    }

    #[track_caller]
    fn check(&self, name: &str, expected: &[IpAddr]) {
        assert_eq!(self.ask(name).unwrap().addresses, expected, "{name}");
    }
}

#[test]
fn answers_say_for_how_long_they_may_be_used() {
    let server = NameServer::start();
    server.set("a.internal", &[loopback(3), loopback(2)], 7);
    let kit = Kit::new(&[server.address]);
    let answer = kit.ask("a.internal").unwrap();
    assert_eq!(answer.addresses, [loopback(2), loopback(3)], "sorted");
    assert!(answer.valid <= Duration::from_secs(7) && answer.valid > Duration::from_secs(5), "{answer:?}");
    kit.check("A.Internal.", &[loopback(2), loopback(3)]);
    assert_eq!(server.asked("a.internal"), 2, "nothing is remembered here");
    assert!(kit.ask("b.internal").is_err());
}

#[test]
fn both_families_are_answers() {
    let server = NameServer::start();
    let v6: IpAddr = "::1".parse().unwrap();
    server.set("a.internal", &[v6, loopback(2)], 7);
    let found = Kit::new(&[server.address]).ask("a.internal").unwrap().addresses;
    let has_v6 = std::net::TcpListener::bind((v6, 0)).is_ok();
    let expected = if has_v6 { vec![loopback(2), v6] } else { vec![loopback(2)] };
    assert_eq!(found, expected);
}

#[test]
fn the_file_of_hosts_comes_first_and_is_read_anew() {
    let server = NameServer::start();
    server.set("a.internal", &[loopback(2)], 60);
    let kit = Kit::new(&[server.address]);
    kit.check("a.internal", &[loopback(2)]);
    kit.write("hosts", "127.0.0.9 a.internal\n");
    kit.check("a.internal", &[loopback(9)]);
    kit.write("hosts", "127.0.0.8 a.internal\n127.0.0.9 a.internal\n");
    kit.check("a.internal", &[loopback(8), loopback(9)]);
    kit.write("hosts", "");
    kit.check("a.internal", &[loopback(2)]);
}

#[test]
fn localhost_needs_no_server() {
    let kit = Kit::new(&[]);
    let found = kit.ask("localhost").unwrap().addresses;
    assert!(found.contains(&loopback(1)) && found.iter().all(IpAddr::is_loopback), "{found:?}");
    assert!(kit.ask("a.internal").unwrap_err().contains("names no server"));
}

#[test]
fn search_domains_of_resolv_conf_are_followed_when_they_change() {
    let server = NameServer::start();
    server.set("a.one.internal", &[loopback(2)], 60);
    server.set("a.two.internal", &[loopback(3)], 60);
    let kit = Kit::new(&[server.address]);
    kit.write("resolv.conf", "nameserver 127.0.0.1\nsearch one.internal\n");
    kit.check("a", &[loopback(2)]);
    kit.write("resolv.conf", "nameserver 127.0.0.1\nsearch two.internal\n");
    kit.check("a", &[loopback(3)]);
}
