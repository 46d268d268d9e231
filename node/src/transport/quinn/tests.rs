//! Certificates that are none, at either end, and what is learned of an address.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

use kernelos_protocol::id::from_hex;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, alg_id};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::*;
use crate::transport::NOT_A_MEMBER;
use crate::transport::contract::{anybody, within_a_minute};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A P-256 key in PKCS#8.
const P256: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104202c7716\
    7e8421d97c18a329e86a17640cdf2689a3fb2a99ef6ad660bc849653d3a144034200049bdadcee74b951399f6e38f9\
    859af2a433a04ee4516a90c6094c8b9d12636fb77ae80fd9cb7c0153eac3f3256793d864a0be3397eb64e15d41687b\
    e367057415";

/// A self-signed X.509 certificate of device 2 that was good for one day of 2020.
const X509: &str = "3081be3072020101300506032b6570300c310a300806035504030c0178301e170d323030313031\
    3030303030305a170d3230303130323030303030305a300c310a300806035504030c0178302a300506032b65700321\
    008139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394300506032b657003410012d249b7\
    7727d5859b741a25a22cc62b31b269065ca4a14f470efe2b585dfaf404fc56f55fbf347709f8f095c9b64b727d23c0\
    a4282254730ac2249f48ee6501";

fn bytes<const N: usize>(hex: &str) -> Vec<u8> {
    from_hex::<N>(hex).unwrap().to_vec()
}

fn device(number: u8) -> DeviceId {
    DeviceKey::from_secret(&[number; 32]).device()
}

fn spki(key: &[u8; 32]) -> CertificateDer<'static> {
    CertificateDer::from(public_key_to_spki(&alg_id::ED25519, key).to_vec())
}

fn signing(number: u8) -> Arc<dyn SigningKey> {
    let secret = PrivatePkcs8KeyDer::from([&tls::PKCS8_PREFIX[..], &[number; 32]].concat());
    ring::sign::any_eddsa_type(&secret).unwrap()
}

/// Signs everything for the key that is the neutral element: the same bytes whatever is said.
#[derive(Debug)]
struct Weak;

const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

impl SigningKey for Weak {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Weak {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok([NEUTRAL, [0; 32]].concat())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Those whom nobody may take for device 2, nor for any other.
fn impostors() -> Vec<(&'static str, Arc<CertifiedKey>)> {
    let own = || spki(&device(2).0);
    let p256 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(bytes::<138>(P256)));
    let p256 = ring::sign::any_ecdsa_type(&p256).unwrap();
    let p256_key = CertificateDer::from(p256.public_key().unwrap().to_vec());
    let mut longer = own().to_vec();
    longer.insert(0, 0);
    let cases = [
        ("another kind of key", vec![p256_key], p256),
        ("two certificates", vec![own(), own()], signing(2)),
        ("a key that signs everything", vec![spki(&NEUTRAL)], Arc::new(Weak) as _),
        ("a key without its secret", vec![own()], signing(3)),
        ("a certificate of X.509", vec![CertificateDer::from(bytes::<193>(X509))], signing(2)),
        ("another encoding of the key", vec![CertificateDer::from(longer)], signing(2)),
    ];
    cases.map(|(what, chain, key)| (what, Arc::new(CertifiedKey::new(chain, key)))).into()
}

/// A server that says what this certificate says, and takes whoever comes.
fn serves(tls: rustls::ServerConfig) -> Endpoint {
    let tls = QuicServerConfig::try_from(tls).unwrap();
    let server = ServerConfig::with_crypto(Arc::new(tls));
    let endpoint = Endpoint::server(server, LOOPBACK).unwrap();
    let serving = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = serving.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                let _held = stream::answer(&connection, || ()).await;
                connection.closed().await;
            });
        }
    });
    endpoint
}

fn server_of(
    certificate: impl rustls::server::ResolvesServerCert + 'static,
    alpn: &[u8],
) -> rustls::ServerConfig {
    let mut tls = Identity::new(&[9; 32]).unwrap().server().unwrap();
    tls.cert_resolver = Arc::new(certificate);
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls
}

async fn dialed(endpoint: &Endpoint) -> Result<Link, DialError> {
    let a = QuinnTransport::bind(&[1; 32], LOOPBACK, anybody()).unwrap();
    let at = endpoint.local_addr().unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let found = {
        let asked = Arc::clone(&asked);
        a.find(at, move |_| {
            asked.store(true, Ordering::SeqCst);
            true
        })
        .await
    };
    // Whose certificate it is says nothing before the key is proven: an answer to it would tell
    // anybody whom this device looks for.
    assert!(found.is_ok() || !asked.load(Ordering::SeqCst), "an impostor is not asked after");
    let link = a.dial(device(2), &[at], Protocol::Sync).await;
    assert_eq!(found.err(), link.as_ref().err().cloned(), "whoever is looked for");
    link
}

#[tokio::test]
async fn no_impostor_is_taken_for_the_device_that_is_dialed() {
    // SPEC: LINK-3
    let sync = Protocol::Sync.alpn();
    for (what, key) in impostors() {
        let key = AlwaysResolvesServerRawPublicKeys::new(key);
        let failed = |error| !matches!(error, DialError::Closed | DialError::Refused(_));
        assert!(dialed(&serves(server_of(key, sync))).await.is_err_and(failed), "{what}");
    }
    let right = || Arc::new(CertifiedKey::new(vec![spki(&device(2).0)], signing(2)));
    let right = || AlwaysResolvesServerRawPublicKeys::new(right());
    let link = dialed(&serves(server_of(right(), sync))).await;
    assert_eq!(link.unwrap().peer, device(2), "the harness serves");

    let link = dialed(&serves(server_of(right(), b"kernelos/other/1"))).await;
    assert_eq!(link.err(), Some(DialError::Refused(quic::OTHER_PROTOCOL.to_owned())));

    let x509 = vec![CertificateDer::from(bytes::<193>(X509))];
    let x509 = SingleCertAndKey::from(CertifiedKey::new(x509, signing(2)));
    let link = dialed(&serves(server_of(x509, sync))).await;
    assert!(matches!(link, Err(DialError::Unreachable(_))), "it speaks X.509: {link:?}");
}

/// Was a client let in that says what this certificate says, or nothing?
async fn is_let_in(at: SocketAddr, key: Option<Arc<CertifiedKey>>, alpn: &[u8]) -> bool {
    let honest = Identity::new(&[2; 32]).unwrap();
    let mut tls = honest.client(Protocol::Sync, Arc::new(|_| true)).unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.client_auth_cert_resolver = match key {
        Some(key) => Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)),
        None => Arc::new(Nothing),
    };
    let tls = QuicClientConfig::try_from(tls).unwrap();
    let endpoint = Endpoint::client(LOOPBACK).unwrap();
    let connecting = endpoint.connect_with(ClientConfig::new(Arc::new(tls)), at, NO_NAME).unwrap();
    match connecting.await {
        Ok(connection) => stream::open(&connection).await.is_ok(),
        Err(_) => false,
    }
}

/// Shows no certificate.
#[derive(Debug)]
struct Nothing;

impl rustls::client::ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn no_impostor_is_let_in_and_the_guard_never_hears_of_one() {
    // SPEC: LINK-3
    let heard = Arc::new(Mutex::new(Vec::new()));
    let guard: Guard = {
        let heard = Arc::clone(&heard);
        Arc::new(move |device, _| {
            heard.lock().unwrap().push(*device);
            true
        })
    };
    let b = QuinnTransport::bind(&[4; 32], LOOPBACK, guard).unwrap();
    let at = b.addresses()[0];
    for (what, key) in impostors() {
        assert!(!is_let_in(at, Some(key), Protocol::Sync.alpn()).await, "{what}");
    }
    let right = || Some(Arc::new(CertifiedKey::new(vec![spki(&device(2).0)], signing(2))));
    assert!(!is_let_in(at, None, Protocol::Sync.alpn()).await, "no certificate");
    assert!(!is_let_in(at, right(), b"kernelos/other/1").await, "another protocol");
    assert_eq!(*heard.lock().unwrap(), []);
    assert!(is_let_in(at, right(), Protocol::Sync.alpn()).await, "the harness is let in");
    assert_eq!(*heard.lock().unwrap(), [device(2)]);
    assert_eq!(b.accept().await.unwrap().peer, device(2));
}

#[tokio::test]
async fn who_is_at_an_address_is_learned_of_those_that_are_wanted_and_others_do_not_hear_who_asks()
{
    // SPEC: LINK-3
    within_a_minute(async {
        let (heard, told) = mpsc::channel(8);
        let guard: Guard = Arc::new(move |device, _| heard.try_send(*device).is_err());
        let mut told = told;
        let a = QuinnTransport::bind(&[1; 32], LOOPBACK, anybody()).unwrap();
        let b = QuinnTransport::bind(&[2; 32], LOOPBACK, guard).unwrap();
        let at = b.addresses()[0];
        let unwanted = a.find(at, |found| *found == device(3)).await;
        assert_eq!(unwanted, Err(DialError::OtherDevice));
        let dialed = a.dial(device(3), &[at], Protocol::Sync).await;
        assert_eq!(dialed.err(), Some(DialError::OtherDevice));
        assert!(told.try_recv().is_err(), "b heard of nobody");
        let found = a.find(at, |found| *found == device(2)).await;
        assert_eq!(found, Ok((device(2), PathKind::Lan)));
        assert_eq!(told.recv().await, Some(device(1)));
        let refused = a.dial(device(2), &[at], Protocol::Sync).await;
        assert_eq!(refused.err(), Some(DialError::Refused(NOT_A_MEMBER.to_owned())));
        let itself = a.find(a.addresses()[0], |_| true).await;
        assert_eq!(itself, Err(DialError::OtherDevice));
        a.close().await;
        assert_eq!(a.find(at, |_| true).await, Err(DialError::Closed));
    })
    .await;
}

#[tokio::test]
async fn handshakes_that_stop_half_way_by_the_hundred_keep_nobody_out_from_another_address() {
    // SPEC: LINK-8
    within_a_minute(async {
        let b = QuinnTransport::bind(&[4; 32], LOOPBACK, anybody()).unwrap();
        let at = b.addresses()[0];
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], 0));
        let endpoint = Endpoint::client(elsewhere).unwrap();
        let mut half = Vec::new();
        for number in 0..100_u8 {
            // Members, so that nobody turns them away; no stream comes, and the place is held.
            let identity = Identity::new(&[10 + number / 20; 32]).unwrap();
            let tls = identity.client(Protocol::Sync, Arc::new(|_| true)).unwrap();
            let tls = QuicClientConfig::try_from(tls).unwrap();
            let config = ClientConfig::new(Arc::new(tls));
            let connecting = endpoint.connect_with(config, at, NO_NAME).unwrap();
            half.push(connecting.await.expect("a newcomer of the crowd gets its turn too"));
        }
        let held = half.iter().filter(|one| one.close_reason().is_none()).count();
        assert!(held >= 40, "the harness holds {held}");
        let a = QuinnTransport::bind(&[1; 32], LOOPBACK, anybody()).unwrap();
        let at = [at];
        let (link, met) = tokio::join!(a.dial(device(4), &at, Protocol::Sync), b.accept());
        assert_eq!((link.unwrap().peer, met.unwrap().peer), (device(4), device(1)));
        drop(half);
    })
    .await;
}
