//! A name server on a port of its own, which answers what the test says.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a name stands for.
#[derive(Clone, Debug, Default)]
struct Entry {
    addresses: Vec<IpAddr>,
    ttl_seconds: u32,
}

/// What the server does with questions from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Answering,
    /// Says that it cannot (SERVFAIL).
    Failing,
    /// Says nothing.
    Silent,
}

#[derive(Debug)]
struct Shared {
    names: HashMap<String, Entry>,
    mood: Mood,
    /// Questions for IPv4 addresses, by name.
    asked: HashMap<String, u32>,
}

/// A running name server; its thread ends with the process.
#[derive(Clone, Debug)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl NameServer {
    pub(crate) fn start() -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Shared { names: HashMap::new(), mood: Mood::Answering, asked: HashMap::new() };
        let shared = Arc::new(Mutex::new(shared));
        let answering = Arc::clone(&shared);
        thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut question) {
                if let Some(answer) = answer(&question[..length], &mut answering.lock().unwrap()) {
                    drop(socket.send_to(&answer, peer));
                }
            }
        });
        NameServer { address, shared }
    }

    /// From now on a name stands for these.
    pub(crate) fn set(&self, name: &str, addresses: &[IpAddr], ttl_seconds: u32) {
        let entry = Entry { addresses: addresses.to_vec(), ttl_seconds };
        self.shared.lock().unwrap().names.insert(name.to_owned(), entry);
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.shared.lock().unwrap().mood = mood;
    }

    /// How often it was asked for the IPv4 addresses of a name.
    pub(crate) fn asked(&self, name: &str) -> u32 {
        self.shared.lock().unwrap().asked.get(name).copied().unwrap_or_default()
    }
}

/// The answer to a question (RFC 1035, 4.1).
fn answer(question: &[u8], shared: &mut Shared) -> Option<Vec<u8>> {
    let (name, end) = name(question)?;
    let kind = u16::from_be_bytes([question[end], question[end + 1]]);
    if kind == 1 {
        *shared.asked.entry(name.clone()).or_default() += 1;
    }
    let entry = shared.names.get(&name);
    let code = match shared.mood {
        Mood::Silent => return None,
        Mood::Failing => 2,
        Mood::Answering => {
            if entry.is_some() {
                0
            } else {
                3
            }
        }
    };
    let entry = entry.filter(|_| code == 0).cloned().unwrap_or_default();
    let octets = |address: &IpAddr| match address {
        IpAddr::V4(address) if kind == 1 => Some(address.octets().to_vec()),
        IpAddr::V6(address) if kind == 28 => Some(address.octets().to_vec()),
        _ => None,
    };
    let records: Vec<Vec<u8>> = entry.addresses.iter().filter_map(octets).collect();
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1]);
    answer.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&question[12..end + 4]);
    for data in records {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(entry.ttl_seconds.to_be_bytes());
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The name that is asked for, in lower case, and where it ends.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    (question.len() >= at + 4).then(|| (labels.join("."), at))
}

/// `127.0.0.2` and so on.
pub(crate) fn loopback(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}
