//! Keys of a device and of a recovery: ed25519 to sign, X25519 to be sealed to.
//!
//! One secret of 32 bytes is all that a device keeps; its sealing half is derived, so nothing else
//! can be lost. Signatures have one predicate everywhere: `verify_strict`, each alone, because a
//! batch accepts what strict refuses and would split the mesh (SPEC: EVT-6).

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, Serializable};

use crate::hash::{self, context};
use crate::id::DeviceId;
pub use crate::id::SealingKey;

/// The secret half of a sealing key.
pub struct SealingSecret(pub(crate) <X25519HkdfSha256 as Kem>::PrivateKey);

/// A device's secret: 32 bytes, from which everything else follows.
pub struct DeviceKey {
    signing: SigningKey,
    sealing: SealingSecret,
    sealing_public: SealingKey,
}

/// A device's sealing key with the device's signature: who speaks for it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealingStatement {
    /// The key.
    pub key: SealingKey,
    /// The device's signature of it. `SPEC: KEY-2`
    pub signature: [u8; 64],
}

/// The two public halves of a recovery key, as a genesis names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryPublic {
    /// Signs a rescue.
    pub signing: DeviceId,
    /// Every epoch is wrapped to it.
    pub sealing: SealingKey,
}

/// A recovery key: 32 bytes on paper or in a file, above every device.
pub struct RecoveryKey([u8; 32]);

impl DeviceKey {
    /// The device with this secret.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let seed = hash::hash(context::SEALING_SECRET, &[secret]);
        let (sealing, public) = sealing_pair(&seed);
        Self { signing: SigningKey::from_bytes(secret), sealing, sealing_public: public }
    }

    /// Its public key, which is its name.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId(self.signing.verifying_key().to_bytes())
    }

    /// What seals a glance in the own store.
    #[must_use]
    pub(crate) fn glance_key(&self) -> [u8; 32] {
        hash::hash(context::GLANCE_KEY, &[&self.signing.to_bytes()])
    }

    /// The secret half that opens wraps.
    #[must_use]
    pub fn sealing_secret(&self) -> &SealingSecret {
        &self.sealing
    }

    /// Its sealing key, signed by it. `SPEC: KEY-2`
    #[must_use]
    pub fn sealing_statement(&self) -> SealingStatement {
        let key = self.sealing_public;
        SealingStatement { key, signature: self.sign(hash::SIGN_SEALING_KEY, &key.0) }
    }

    /// Signs `message` under `prefix`.
    #[must_use]
    pub fn sign(&self, prefix: &[u8], message: &[u8; 32]) -> [u8; 64] {
        self.signing.sign(&[prefix, message].concat()).to_bytes()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({:?})", self.device())
    }
}

impl SealingStatement {
    /// Did `device` sign this key, and can anything be sealed to it at all? `SPEC: KEY-2`
    #[must_use]
    pub fn is_of(&self, device: &DeviceId) -> bool {
        !self.key.is_low_order()
            && verify(device, hash::SIGN_SEALING_KEY, &self.key.0, &self.signature)
    }
}

impl SealingKey {
    /// A point of small order gives every sender the same secret: nothing may be sealed to it.
    #[must_use]
    pub fn is_low_order(&self) -> bool {
        // The u coordinates of small order of Curve25519 (RFC 7748 section 6.1; Cr.Yp.To/ecdh),
        // the top bit ignored as X25519 ignores it.
        const LOW: [[u8; 32]; 7] = low_order_points();
        let mut key = self.0;
        key[31] &= 0x7f;
        LOW.contains(&key)
    }

    pub(crate) fn for_hpke(self) -> Option<<X25519HkdfSha256 as Kem>::PublicKey> {
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.0).ok()
    }
}

impl RecoveryKey {
    /// The recovery key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What a genesis names.
    #[must_use]
    pub fn public(&self) -> RecoveryPublic {
        let signing = DeviceId(self.signing().verifying_key().to_bytes());
        RecoveryPublic { signing, sealing: self.sealing_pair().1 }
    }

    /// Signs `message` under `prefix`.
    #[must_use]
    pub fn sign(&self, prefix: &[u8], message: &[u8; 32]) -> [u8; 64] {
        self.signing().sign(&[prefix, message].concat()).to_bytes()
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&hash::hash(context::RECOVERY_SIGNING, &[&self.0]))
    }

    /// The secret half that opens the wraps made to it.
    #[must_use]
    pub fn sealing_secret(&self) -> SealingSecret {
        self.sealing_pair().0
    }

    fn sealing_pair(&self) -> (SealingSecret, SealingKey) {
        sealing_pair(&hash::hash(context::RECOVERY_SEALING, &[&self.0]))
    }
}

/// Is `signature` that of `device` for `message` under `prefix`? Weak keys never are.
/// `SPEC: EVT-6`
#[must_use]
pub fn verify(device: &DeviceId, prefix: &[u8], message: &[u8; 32], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&device.0) else {
        return false;
    };
    let signature = Signature::from_bytes(signature);
    key.verify_strict(&[prefix, message].concat(), &signature).is_ok()
}

/// Is this key fit to be a member's? Weak keys sign everything. `SPEC: KEY-1`
#[must_use]
pub fn is_strong(device: &DeviceId) -> bool {
    VerifyingKey::from_bytes(&device.0).is_ok_and(|key| !key.is_weak())
}

fn sealing_pair(seed: &[u8; 32]) -> (SealingSecret, SealingKey) {
    let (secret, public) = X25519HkdfSha256::derive_keypair(seed);
    (SealingSecret(secret), SealingKey(public.to_bytes().into()))
}

const fn low_order_points() -> [[u8; 32]; 7] {
    let mut one = [0; 32];
    one[0] = 1;
    // p - 1, p, p + 1 for p = 2^255 - 19.
    let mut near = [[0xff; 32]; 3];
    near[0][0] = 0xec;
    near[1][0] = 0xed;
    near[2][0] = 0xee;
    near[0][31] = 0x7f;
    near[1][31] = 0x7f;
    near[2][31] = 0x7f;
    [
        [0; 32],
        one,
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
        near[0],
        near[1],
        near[2],
    ]
}
