//! The keyring of a desktop session: keys under which the secrets of homes are sealed, kept by the
//! Secret Service of freedesktop.org, which opens with the person's login.
//!
//! An entry is never changed and never removed here: a file that was sealed under it, or a backup
//! of one, opens with nothing else. `SPEC: REST-5`

use kernelos_protocol::command::{Failure, FailureKind};
use zeroize::Zeroizing;

use crate::home::{Drawn, SealedBy};

/// A new key, in the keyring before this returns: it is asked for again, on another connection, as
/// nothing else opens the secret afterwards.
pub(super) async fn new() -> Result<SealedBy, Failure> {
    let drawn = Drawn::new()?;
    service::keep(&entry(&drawn.name), &drawn.key).await?;
    let kept = service::take(&entry(&drawn.name)).await?;
    if kept.iter().any(|key| key[..] == drawn.key[..]) {
        return Ok(SealedBy::Keyring(drawn));
    }
    let text = "the keyring does not give back what it was given to keep";
    Err(Failure::new(FailureKind::Failed, text)
        .with_hint("nothing was changed: seal it under a passphrase or a key file instead"))
}

/// The key that a file names by its salt.
pub(super) async fn named(name: [u8; 32]) -> Result<SealedBy, Failure> {
    let mut kept = service::take(&entry(&name)).await?.into_iter();
    // A program that keeps keyrings in step may have left a copy that is not whole.
    let key = kept.find_map(|key| <[u8; 32]>::try_from(key.as_slice()).ok().map(Zeroizing::new));
    let key = key.ok_or_else(|| no_entry(&entry(&name)))?;
    Ok(SealedBy::Keyring(Drawn { name, key }))
}

/// What an entry is called.
fn entry(name: &[u8; 32]) -> String {
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_entry(entry: &str) -> Failure {
    let text = format!("this session's keyring does not hold the key {} whole", &entry[..16]);
    Failure::new(FailureKind::Failed, text).with_hint(
        "it is in the keyring of who sealed this device's secret: log in as that person, or put \
         the keyring back from a backup",
    )
}

#[cfg(target_os = "linux")]
mod service {
    //! The Secret Service over D-Bus.

    use std::collections::HashMap;
    use std::time::Duration;

    use kernelos_protocol::command::{Failure, FailureKind};
    use secret_service::{Collection, EncryptionType, Error, SecretService};
    use zeroize::Zeroizing;

    /// A person may have to type the keyring's password; who does not answer ends the wait.
    const ANSWERS: Duration = Duration::from_secs(120);
    const APP: (&str, &str) = ("app", "kernelos");
    const KEY_BYTES: usize = 32;
    const LABEL: &str = "KernelOS: opens this device's secret";

    pub(super) async fn keep(entry: &str, key: &[u8; 32]) -> Result<(), Failure> {
        within(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let keyring = opened(&service).await?;
            let attributes = HashMap::from([APP, ("key", entry)]);
            let kept =
                keyring.create_item(LABEL, attributes, key, false, "application/octet-stream");
            kept.await.map(drop)
        })
        .await
    }

    /// What is kept under a name: one, but where somebody copied it.
    pub(super) async fn take(entry: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, Failure> {
        within(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let attributes = HashMap::from([APP, ("key", entry)]);
            let mut found = service.search_items(attributes.clone()).await?;
            if found.unlocked.is_empty() && found.locked.is_empty() {
                // Some services do not name what is in a keyring that is locked.
                opened(&service).await?;
                found = service.search_items(attributes).await?;
            }
            let mut kept = Vec::new();
            for item in found.unlocked {
                kept.push(Zeroizing::new(item.get_secret().await?));
            }
            // A person is asked only where nothing that is open will do, and no more than needed.
            for item in found.locked {
                if kept.iter().any(|key| key.len() == KEY_BYTES) {
                    break;
                }
                item.unlock().await?;
                kept.push(Zeroizing::new(item.get_secret().await?));
            }
            Ok(kept)
        })
        .await
    }

    /// Did a service answer at all? Who is not there is told of by the bus.
    fn is_refusal(error: &zbus::Error) -> bool {
        const BUS: &str = "org.freedesktop.DBus.Error.";
        let zbus::Error::MethodError(name, ..) = error else { return false };
        !matches!(name.strip_prefix(BUS), Some("ServiceUnknown" | "NameHasNoOwner" | "NoReply"))
    }

    /// The keyring that the session opens by itself.
    async fn opened<'a>(service: &'a SecretService<'a>) -> Result<Collection<'a>, Error> {
        let keyring = service.get_default_collection().await?;
        keyring.unlock().await?;
        Ok(keyring)
    }

    async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        let told = match tokio::time::timeout(ANSWERS, work).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(_) => {
                let text = "the keyring did not answer for two minutes";
                return Err(Failure::new(FailureKind::Failed, text)
                    .with_hint("unlock it (a window of the desktop asks), then try again"));
            }
        };
        let (text, hint) = match told {
            Error::Locked | Error::Prompt | Error::PromptDisconnected => (
                "the keyring is locked, and was not unlocked".to_owned(),
                "unlock it: log in at the desktop, or open it in the desktop's password program",
            ),
            Error::NoResult => (
                "this session's keyring service has no keyring yet".to_owned(),
                "make one in the desktop's password program, and make it the default",
            ),
            Error::Zbus(zbus_error) if is_refusal(&zbus_error) => (
                format!("the keyring refused: {zbus_error}"),
                "nothing was changed: see what the desktop's password program says",
            ),
            error => (
                format!("no keyring of a desktop session is in reach: {error}"),
                "run it in the desktop's session; a machine without one seals under a passphrase \
                 or a key file: kern key protect -h",
            ),
        };
        Err(Failure::new(FailureKind::Failed, text).with_hint(hint))
    }
}

#[cfg(not(target_os = "linux"))]
mod service {
    //! No keyring is asked on this system.

    use kernelos_protocol::command::{Failure, FailureKind};
    use zeroize::Zeroizing;

    fn none() -> Failure {
        Failure::new(FailureKind::Failed, "kern asks no keyring on this system")
            .with_hint("seal it under a passphrase or a key file: kern key protect -h")
    }

    #[expect(clippy::unused_async, reason = "as where it waits for a service")]
    pub(super) async fn keep(_: &str, _: &[u8; 32]) -> Result<(), Failure> {
        Err(none())
    }

    #[expect(clippy::unused_async, reason = "as where it waits for a service")]
    pub(super) async fn take(_: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, Failure> {
        Err(none())
    }
}
