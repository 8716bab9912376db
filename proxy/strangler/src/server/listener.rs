//! Listening sockets: one per address and data thread, sharing the address by `SO_REUSEPORT`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// A client that vanished without a word is noticed after about two minutes.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Binds each address once per thread. Returns the addresses as bound, and each thread's sockets.
///
/// # Errors
///
/// When an address cannot be bound; also when another process listens on it, even if that would share it.
pub(super) fn bind(
    listen: &[SocketAddr],
    threads: usize,
) -> io::Result<(Vec<SocketAddr>, Vec<Vec<TcpListener>>)> {
    let mut addresses = Vec::with_capacity(listen.len());
    let mut sockets: Vec<Vec<TcpListener>> = (0..threads).map(|_| Vec::new()).collect();
    for wanted in listen {
        if wanted.port() != 0 {
            // Sharing is for our own threads: without this, a second proxy would take half the traffic.
            open(*wanted, false)?;
        }
        let mut address = *wanted;
        for thread in &mut sockets {
            let socket = open(address, true)?;
            socket.listen(BACKLOG)?;
            let listener = TcpListener::from(socket);
            address = listener.local_addr()?;
            thread.push(listener);
        }
        addresses.push(address);
    }
    Ok((addresses, sockets))
}

fn open(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses, wherever the machine's default stands.
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
        // Accepted sockets inherit both (tcp(7)), which saves two calls per connection.
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    }
    socket.bind(&address.into()).map_err(named)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::bind;

    #[test]
    fn threads_share_the_port_that_the_first_was_given() {
        let (addresses, sockets) = bind(&["127.0.0.1:0".parse().unwrap()], 3).unwrap();
        assert_ne!(addresses[0].port(), 0);
        assert!(sockets.iter().all(|thread| thread[0].local_addr().unwrap() == addresses[0]));
    }

    #[test]
    fn an_address_in_use_is_an_error_even_though_it_could_be_shared() {
        let (addresses, _sockets) = bind(&["127.0.0.1:0".parse().unwrap()], 1).unwrap();
        let error = bind(&addresses, 1).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addresses[0].to_string()), "{error}");
    }

    #[test]
    fn accepted_sockets_inherit_no_delay() {
        let (addresses, sockets) = bind(&["127.0.0.1:0".parse().unwrap()], 1).unwrap();
        sockets[0][0].set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(addresses[0]).unwrap();
        assert!(sockets[0][0].accept().unwrap().0.nodelay().unwrap());
    }
}
