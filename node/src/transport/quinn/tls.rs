//! The certificate of a device is its key and nothing else: TLS 1.3 with raw public keys
//! (RFC 7250) at both ends. There is no name, no date and no issuer to check or to forget.
//! `SPEC: LINK-3`

use std::fmt;
use std::sync::Arc;

use kernelos_protocol::id::DeviceId;
use kernelos_protocol::key::is_strong;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime, alg_id,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, public_key_to_spki};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, SignatureScheme,
};

use crate::transport::Protocol;

/// Is this the device that a dialer means?
pub(super) type Wanted = Arc<dyn Fn(&DeviceId) -> bool + Send + Sync>;

/// An ed25519 key of 32 bytes in PKCS#8 (RFC 8410 section 7), up to the bytes of the key.
pub(super) const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// What one device needs for a handshake.
pub(super) struct Identity {
    provider: Arc<CryptoProvider>,
    algorithms: WebPkiSupportedAlgorithms,
    key: Arc<CertifiedKey>,
}

impl Identity {
    pub(super) fn new(secret: &[u8; 32]) -> Result<Self, Error> {
        let provider = ring::default_provider();
        let algorithms = ed25519_alone(provider.signature_verification_algorithms)?;
        let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], secret].concat());
        let key = ring::sign::any_eddsa_type(&pkcs8)?;
        let public = key.public_key().ok_or(Error::General("a key without a key".to_owned()))?;
        let certificate = CertificateDer::from(public.to_vec());
        let key = Arc::new(CertifiedKey::new(vec![certificate], key));
        Ok(Self { provider: Arc::new(provider), algorithms, key })
    }

    /// For dials of whoever is wanted, over this protocol.
    pub(super) fn client(&self, protocol: Protocol, wanted: Wanted) -> Result<ClientConfig, Error> {
        let verifier = Arc::new(ServerKey { algorithms: self.algorithms, wanted });
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&self.key),
            )));
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// For whoever dials: the guard is asked when the key is proven.
    pub(super) fn server(&self) -> Result<ServerConfig, Error> {
        let verifier = Arc::new(ClientKey { algorithms: self.algorithms });
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(
                &self.key,
            ))));
        config.alpn_protocols =
            Protocol::ALL.iter().map(|protocol| protocol.alpn().to_vec()).collect();
        config.max_early_data_size = 0;
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// The device whose key this certificate is: an ed25519 key in its one encoding (RFC 8410), of
/// which nobody can know a signature that was not made with its secret.
pub(super) fn device(certificate: &[u8]) -> Result<DeviceId, CertificateError> {
    let key = certificate.last_chunk::<32>().ok_or(CertificateError::BadEncoding)?;
    if public_key_to_spki(&alg_id::ED25519, key).as_ref() != certificate {
        return Err(CertificateError::BadEncoding);
    }
    let device = DeviceId(*key);
    if is_strong(&device) { Ok(device) } else { Err(CertificateError::BadSignature) }
}

/// The one key of a chain of certificates, which is none.
fn only(first: &[u8], rest: &[CertificateDer<'_>]) -> Result<DeviceId, Error> {
    if !rest.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    Ok(device(first)?)
}

fn ed25519_alone(all: WebPkiSupportedAlgorithms) -> Result<WebPkiSupportedAlgorithms, Error> {
    let mut pairs = all.mapping.iter();
    let pair = pairs.find(|(scheme, _)| *scheme == SignatureScheme::ED25519);
    let pair = pair.ok_or(Error::General("no ed25519".to_owned()))?;
    Ok(WebPkiSupportedAlgorithms { all: pair.1, mapping: std::slice::from_ref(pair) })
}

/// What a dialer takes.
struct ServerKey {
    algorithms: WebPkiSupportedAlgorithms,
    wanted: Wanted,
}

/// What a called device takes.
#[derive(Debug)]
struct ClientKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey")
    }
}

impl ServerCertVerifier for ServerKey {
    fn verify_server_cert(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        only(first, rest).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        first: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = proven(message, first, signature, &self.algorithms)?;
        // Only to who holds the key is told whether it is wanted: others would learn whose are. It
        // ends the handshake before this side has shown who it is.
        if (self.wanted)(&device(first)?) {
            return Ok(valid);
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for ClientKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        only(first, rest).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        first: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        proven(message, first, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn proven(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(certificate.as_ref());
    verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
}
