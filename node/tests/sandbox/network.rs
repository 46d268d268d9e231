//! Nobody outside is reached.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use kernelos_node::sandbox::Outcome;

use crate::place::{MEANS, Place, run};

/// Inside: true if nothing is heard of `address`.
pub(crate) fn connect(kind: &str, address: &str) -> bool {
    match kind {
        "tcp" => TcpStream::connect(address).is_err(),
        "udp" => {
            let socket = UdpSocket::bind("0.0.0.0:0");
            let sent = socket.and_then(|socket| socket.send_to(b"out", address));
            // In a network of its own nothing listens there; that nothing arrives, the test sees.
            sent.is_err() || sent.is_ok_and(|sent| sent == 3)
        }
        "abstract" => {
            let address = SocketAddr::from_abstract_name(address).unwrap();
            UnixStream::connect_addr(&address).is_err()
        }
        "path" => UnixStream::connect(address).is_err(),
        other => panic!("no kind {other}"),
    }
}

/// Inside: does it reach itself?
pub(crate) fn serve_oneself(kind: &str) -> bool {
    let reached = || -> std::io::Result<u8> {
        let mut byte = [0];
        if kind == "tcp" {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            TcpStream::connect(listener.local_addr()?)?.write_all(&[7])?;
            listener.accept()?.0.read_exact(&mut byte)?;
        } else {
            let listener = UnixListener::bind("socket")?;
            UnixStream::connect("socket")?.write_all(&[7])?;
            listener.accept()?.0.read_exact(&mut byte)?;
        }
        Ok(byte[0])
    };
    reached().is_ok_and(|byte| byte == 7)
}

#[test]
fn no_socket_outside_is_reached() {
    let place = Place::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let name = format!("kernelos-test-{}", std::process::id());
    let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let path = place.outside.join("socket");
    let named = UnixListener::bind(&path).unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    hidden.set_nonblocking(true).unwrap();
    named.set_nonblocking(true).unwrap();
    let parts = [
        format!("connect tcp {}", tcp.local_addr().unwrap()),
        format!("connect udp {}", udp.local_addr().unwrap()),
        format!("connect abstract {name}"),
        format!("connect path {}", path.display()),
        "connect tcp 192.0.2.1:80".to_owned(),
        "connect udp 192.0.2.1:53".to_owned(),
        "connect tcp [::1]:80".to_owned(),
    ];
    for (means_name, means) in MEANS {
        for part in &parts {
            let Some(ended) = run(means, place.part(part)) else { continue };
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert_eq!(ended.outcome, Outcome::Exited(0), "{means_name}: {part}: {said}");
        }
        let quiet = |kind: ErrorKind| kind == ErrorKind::WouldBlock;
        assert!(tcp.accept().is_err_and(|error| quiet(error.kind())), "{means_name}");
        assert!(udp.recv(&mut [0]).is_err_and(|error| quiet(error.kind())), "{means_name}");
        assert!(hidden.accept().is_err_and(|error| quiet(error.kind())), "{means_name}");
        assert!(named.accept().is_err_and(|error| quiet(error.kind())), "{means_name}");
    }
}

#[test]
fn in_a_network_of_its_own_it_reaches_itself() {
    for (name, means) in MEANS {
        for kind in ["tcp", "unix"] {
            let place = Place::new();
            let Some(ended) = run(means, place.part(&format!("serve {kind}"))) else { continue };
            let reached = ended.outcome == Outcome::Exited(0);
            let expected = match kind {
                "tcp" => ended.level.loopback,
                _ => ended.level.net_namespace,
            };
            assert_eq!(reached, expected, "{name}: {kind}");
        }
    }
}
