//! Names → addresses: the file of hosts first, `localhost`, then DNS.
//!
//! Owns reading `/etc/hosts` and `/etc/resolv.conf`, each anew for every answer, so that a change of either is seen
//! without a restart. Refuses to remember answers: whoever asks knows for how long one may be used. Not
//! supported: multicast DNS (names in `.local` are asked of the name servers like others), `nsswitch.conf`, NIS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;

/// Name servers to ask instead of those of `/etc/resolv.conf`: `IP[:port]`, separated by commas.
pub const NAME_SERVERS: &str = "STRANGLER_NAME_SERVERS";

/// For how long what the file of hosts says is used.
const HOSTS_VALID: Duration = Duration::from_secs(2);

/// One question to one name server takes no longer; `timeout` in `resolv.conf` may be shorter.
const QUESTION_PATIENCE: Duration = Duration::from_secs(2);

/// Addresses of one name that are used; the rest is left out.
const ADDRESSES_MAX: usize = 256;

/// Where answers come from.
#[derive(Clone, Debug)]
pub struct NameSources {
    /// Usually `/etc/hosts`.
    pub hosts: PathBuf,
    /// Usually `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// Asked instead of the name servers of `resolv_conf`; none: those.
    pub servers: Vec<SocketAddr>,
}

impl NameSources {
    /// Those of the system, with the name servers in [`NAME_SERVERS`].
    ///
    /// # Errors
    ///
    /// A sentence, where an address of a name server cannot be read.
    pub fn of_system(servers: Option<&str>) -> Result<NameSources, String> {
        let written = servers.unwrap_or_default().split(',').map(str::trim).filter(|text| !text.is_empty());
        let read = |text: &str| {
            let with_port = text.parse::<SocketAddr>().ok();
            let bare = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
            with_port.or_else(bare).ok_or_else(|| {
                format!("`{text}` in {NAME_SERVERS} is not an address, such as 10.0.0.53 or 127.0.0.1:5300")
            })
        };
        Ok(NameSources {
            hosts: PathBuf::from("/etc/hosts"),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            servers: written.map(read).collect::<Result<_, _>>()?,
        })
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// At least one, sorted.
    pub addresses: Vec<IpAddr>,
    /// For how long this may be used.
    pub valid: Duration,
}

/// Asks for names.
#[derive(Debug)]
pub struct Names {
    sources: NameSources,
    asked: Mutex<Option<Asked>>,
}

/// A resolver, and the text of `resolv.conf` that it was made from.
#[derive(Clone)]
struct Asked {
    text: Arc<[u8]>,
    resolver: Arc<TokioResolver>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl Names {
    /// Nothing is read before the first name is asked for.
    pub fn new(sources: NameSources) -> Names {
        Names { sources, asked: Mutex::default() }
    }

    /// The addresses of a name.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub async fn ask(&self, name: &str) -> Result<Answer, String> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let sources = self.sources.clone();
        let read = move || (std::fs::read(&sources.hosts), std::fs::read(&sources.resolv_conf));
        let Ok((hosts, conf)) = tokio::task::spawn_blocking(read).await else {
            return Err("the process is ending".to_owned());
        };
        let mut addresses = in_hosts(&hosts.unwrap_or_default(), name);
        let mut valid = HOSTS_VALID;
        if addresses.is_empty() && is_localhost(name) {
            addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        if addresses.is_empty() {
            let resolver = self.resolver(conf.unwrap_or_default())?;
            let found = resolver.lookup_ip(name).await.map_err(|error| error.to_string())?;
            valid = found.valid_until().saturating_duration_since(Instant::now());
            addresses = found.iter().collect();
        }
        addresses.sort_unstable();
        addresses.dedup();
        // A host without IPv6 is of no use for addresses of the other family, and says so at once.
        if addresses.iter().any(|address| has_route(*address)) {
            addresses.retain(|address| has_route(*address));
        }
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            Err("it has no address".to_owned())
        } else {
            Ok(Answer { addresses, valid })
        }
    }

    /// The resolver for this text of `resolv.conf`: the one before, where it has not changed.
    fn resolver(&self, conf: Vec<u8>) -> Result<Arc<TokioResolver>, String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = asked.as_ref().filter(|asked| *asked.text == *conf) {
            return Ok(Arc::clone(&asked.resolver));
        }
        let resolver = Arc::new(self.build(&conf)?);
        *asked = Some(Asked { text: conf.into(), resolver: Arc::clone(&resolver) });
        Ok(resolver)
    }

    fn build(&self, conf: &[u8]) -> Result<TokioResolver, String> {
        let (config, mut options) = match (parse_resolv_conf(conf), &*self.sources.servers) {
            (Ok(parsed), []) => parsed,
            (Err(error), []) => {
                return Err(format!("{} names no server: {error}", self.sources.resolv_conf.display()));
            }
            (parsed, servers) => {
                let (config, options) = parsed.unwrap_or_else(|_| {
                    (ResolverConfig::from_parts(None, Vec::new(), Vec::new()), ResolverOpts::default())
                });
                let (domain, search) = (config.domain().cloned(), config.search().to_vec());
                let servers = servers.iter().map(|address| server(*address)).collect();
                (ResolverConfig::from_parts(domain, search, servers), options)
            }
        };
        options.timeout = options.timeout.min(QUESTION_PATIENCE);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Never;
        // Answers are used for as long as they say, by whoever asked.
        options.cache_size = 0;
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| error.to_string())
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    (udp.port, tcp.port) = (address.port(), address.port());
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

fn is_localhost(name: &str) -> bool {
    // RFC 6761, 6.3.
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Addresses that a file in the format of `/etc/hosts` has for a name.
fn in_hosts(file: &[u8], name: &str) -> Vec<IpAddr> {
    let of_line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        let is_meant = |word: &str| word.strip_suffix('.').unwrap_or(word).eq_ignore_ascii_case(name);
        words.any(is_meant).then_some(address)
    };
    String::from_utf8_lossy(file).lines().filter_map(of_line).collect()
}

/// Whether this host could send something there: choosing the source address tells, and nothing is sent.
fn has_route(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{NameSources, in_hosts, is_localhost};

    const HOSTS: &[u8] = b"# a comment\n127.0.0.1 localhost\n10.0.0.1\tapi.internal api # api2\n\
        10.0.0.2 API.internal.\nnonsense api\n::1 localhost ip6\n\xff\xfe 10.0.0.9";

    fn check(name: &str, expected: &[&str]) {
        let found: Vec<String> = in_hosts(HOSTS, name).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn a_file_of_hosts_is_read_as_the_system_reads_it() {
        check("api", &["10.0.0.1"]);
        check("Api.Internal", &["10.0.0.1", "10.0.0.2"]);
        check("localhost", &["127.0.0.1", "::1"]);
        check("api2", &[]);
        check("a", &[]);
    }

    #[test]
    fn localhost_is_this_host_whatever_a_name_server_says() {
        for (name, expected) in [("localhost", true), ("a.LOCALHOST", true), ("notlocalhost", false)] {
            assert_eq!(is_localhost(name), expected, "{name}");
        }
    }

    #[test]
    fn name_servers_are_addresses_with_a_port_or_without() {
        let servers = |text| NameSources::of_system(Some(text)).map(|sources| sources.servers);
        let shown: Vec<String> = servers("10.0.0.53, [::1]:5300,127.0.0.1:5300")
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["10.0.0.53:53", "[::1]:5300", "127.0.0.1:5300"]);
        assert_eq!(servers("").unwrap(), []);
        assert!(servers("ns.example").unwrap_err().contains("`ns.example`"));
    }
}
