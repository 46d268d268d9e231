//! An artifact's bytes: what is sealed, named, opened, and refused.

use std::collections::BTreeSet;

use kernelos_protocol::artifact::{
    ArtifactFault, ArtifactKey, Chunk, Manifest, open, plain_hash, seal,
};
use kernelos_protocol::artifacts::{Action, Artifacts};
use kernelos_protocol::cbor::{CborFault, Writer, decode, encode};
use kernelos_protocol::content::Content;
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::{
    ARTIFACT_BYTES_MAX, ARTIFACT_CHUNKS_MAX, ARTIFACT_NAME_MAX, ARTIFACTS_TOTAL_MAX,
    CHUNK_BYTES_MAX, CHUNK_PLAIN_BYTES, CHUNKS_DROPPED_MAX,
};
use kernelos_protocol::sync::{LinkId, Message};

use crate::kit::NOON;

/// The artifact of so many bytes under the key of this number.
pub(crate) fn sealed(len: usize, key: u8) -> (Vec<u8>, Manifest, Vec<Chunk>) {
    let bytes: Vec<u8> = (0..len).map(|i| (i ^ (i >> 8) ^ usize::from(key)) as u8).collect();
    let (manifest, chunks) = seal("step-1", ArtifactKey([key; 32]), &bytes).unwrap();
    (bytes, manifest, chunks)
}

/// A manifest's body that says these things, whatever they are.
fn body(name: &str, size: u64, count: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(2).uint(10).array(5).text(name).uint(size).bytes(&[7; 32]).bytes(&[8; 32]);
    writer.array(count);
    for number in 0..count {
        let mut hash = [9; 32];
        hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
        hash[8..16].copy_from_slice(&size.to_be_bytes());
        writer.bytes(&hash);
    }
    writer.finish()
}

#[test]
fn what_is_sealed_opens_whole() {
    // SPEC: ART-1, ART-2, ART-3
    let full = CHUNK_PLAIN_BYTES;
    for len in [0, 1, full - 1, full, full + 1, 3 * full, 3 * full + 7] {
        let (bytes, manifest, chunks) = sealed(len, 1);
        assert_eq!(chunks.len(), len.div_ceil(full), "{len} bytes");
        assert!(chunks.iter().all(|chunk| chunk.bytes().len() <= CHUNK_BYTES_MAX));
        let named: Vec<_> = manifest.chunks().collect();
        let made: Vec<_> = chunks.iter().map(|chunk| (chunk.hash(), chunk.bytes().len())).collect();
        assert_eq!(named, made, "{len} bytes");
        assert_eq!((manifest.size(), manifest.plain()), (len, plain_hash(&bytes)));
        assert_eq!(open(&manifest, &chunks), Ok(bytes), "{len} bytes");
    }
}

#[test]
fn a_manifest_is_read_as_it_is_written_and_nothing_else_is() {
    // SPEC: CNT-4, EVT-2
    let (_, manifest, _) = sealed(2 * CHUNK_PLAIN_BYTES + 5, 2);
    let written = encode(&manifest);
    assert_eq!(decode(&written), Ok(manifest.clone()));
    assert_eq!(Content::decode(&written), Ok(Content::Artifact(Box::new(manifest))));
    for len in 0..written.len() {
        assert!(Content::decode(&written[..len]).is_err(), "cut at {len}");
    }
    let trailing = [&written[..], &[0]].concat();
    assert!(Content::decode(&trailing).is_err(), "a byte behind it");
    // The kind in two bytes, where one is enough.
    let long = [&[0x82, 0x18, 0x0a][..], &written[2..]].concat();
    assert_eq!(Content::decode(&long), Err(CborFault::NotCanonical));
}

#[test]
fn a_manifest_claims_what_an_artifact_can_be() {
    // SPEC: CNT-4, ART-1
    let full = CHUNK_PLAIN_BYTES as u64;
    let most = (ARTIFACT_BYTES_MAX as u64, ARTIFACT_CHUNKS_MAX);
    let long_name = "n".repeat(ARTIFACT_NAME_MAX);
    let table = [
        ("base", 0, 0, true),
        ("base", 0, 1, false),
        ("base", 1, 0, false),
        ("base", 1, 1, true),
        ("base", 1, 2, false),
        ("base", full, 1, true),
        ("base", full + 1, 1, false),
        ("base", full + 1, 2, true),
        ("base", most.0, most.1, true),
        ("base", most.0, most.1 - 1, false),
        ("base", most.0 + 1, most.1, false),
        ("base", most.0 + full, most.1 + 1, false),
        ("base", u64::MAX, most.1, false),
        (&long_name, 0, 0, true),
        (&format!("{long_name}n"), 0, 0, false),
        ("", 0, 0, false),
        (".", 0, 0, false),
        ("../base", 0, 0, false),
        ("step 1", 0, 0, false),
        ("step\u{202e}1", 0, 0, false),
        ("Step_1.pack-2", 0, 0, true),
    ];
    for (name, size, count, counts) in table {
        let read = decode::<Manifest>(&body(name, size, count));
        assert_eq!(read.is_ok(), counts, "{name:?}, {size} bytes, {count} chunks: {read:?}");
    }
}

#[test]
fn a_swapped_reordered_or_foreign_chunk_is_refused() {
    // SPEC: ART-2, ART-3
    let len = 2 * CHUNK_PLAIN_BYTES;
    let (_, manifest, chunks) = sealed(len, 3);
    let (_, _, others) = sealed(len, 4);
    let table = [
        (vec![], ArtifactFault::Count),
        (vec![chunks[0].clone()], ArtifactFault::Count),
        (vec![chunks[0].clone(); 3], ArtifactFault::Count),
        (vec![chunks[1].clone(), chunks[0].clone()], ArtifactFault::Foreign),
        (vec![chunks[0].clone(); 2], ArtifactFault::Foreign),
        (vec![chunks[0].clone(), others[1].clone()], ArtifactFault::Foreign),
    ];
    for (given, fault) in table {
        assert_eq!(open(&manifest, &given), Err(fault), "{given:?}");
    }
    for at in [0, 1, CHUNK_BYTES_MAX / 2, CHUNK_BYTES_MAX - 1] {
        let mut bytes = chunks[1].bytes().to_vec();
        bytes[at] ^= 1;
        let given = [chunks[0].clone(), Chunk::new(bytes).unwrap()];
        assert_eq!(open(&manifest, &given), Err(ArtifactFault::Foreign), "byte {at}");
    }
}

#[test]
fn a_manifest_that_lies_about_its_chunks_is_found_out() {
    // SPEC: ART-3
    let len = 2 * CHUNK_PLAIN_BYTES;
    let (_, manifest, chunks) = sealed(len, 5);
    let honest = encode(&manifest);
    let place = |bytes: &[u8]| {
        honest.windows(32).position(|window| window == bytes).expect("it stands there")
    };
    let (first, second) = (place(&chunks[0].hash().0), place(&chunks[1].hash().0));
    let mut swapped = honest.clone();
    swapped[first..first + 32].copy_from_slice(&chunks[1].hash().0);
    swapped[second..second + 32].copy_from_slice(&chunks[0].hash().0);
    let swapped: Manifest = decode(&swapped).unwrap();
    let given = [chunks[1].clone(), chunks[0].clone()];
    assert_eq!(open(&swapped, &given), Err(ArtifactFault::Sealed), "a chunk knows its place");

    let mut other_plain = honest.clone();
    other_plain[place(&manifest.plain())] ^= 1;
    let other_plain: Manifest = decode(&other_plain).unwrap();
    assert_eq!(open(&other_plain, &chunks), Err(ArtifactFault::Plain));

    // The same key and first chunk in an artifact of one chunk: it knows how many there are.
    let (_, single, _) = sealed(CHUNK_PLAIN_BYTES, 5);
    let mut shorter = encode(&single);
    let at = shorter.len() - 32;
    shorter[at..].copy_from_slice(&chunks[0].hash().0);
    let shorter: Manifest = decode(&shorter).unwrap();
    assert_eq!(open(&shorter, &chunks[..1]), Err(ArtifactFault::Sealed));
}

#[test]
fn a_chunk_is_neither_empty_nor_longer_than_a_frame_takes() {
    // SPEC: ART-2
    for (len, made) in [(0, false), (16, false), (17, true), (CHUNK_BYTES_MAX, true)] {
        assert_eq!(Chunk::new(vec![0; len]).is_ok(), made, "{len} bytes");
    }
    assert_eq!(Chunk::new(vec![0; CHUNK_BYTES_MAX + 1]), Err(ArtifactFault::ChunkLength));
    let too_large = vec![0; ARTIFACT_BYTES_MAX + 1];
    let refused = seal("base", ArtifactKey([1; 32]), &too_large).map(drop);
    assert_eq!(refused, Err(ArtifactFault::TooLarge));
    assert_eq!(seal("", ArtifactKey([1; 32]), &[]).map(drop), Err(ArtifactFault::Name));
}

#[test]
fn what_is_beyond_the_total_is_not_fetched_and_none_is_written() {
    // SPEC: ART-5
    let manifests: Vec<(EventId, Manifest)> = (0..18_u8)
        .map(|number| {
            let size = ARTIFACT_BYTES_MAX as u64 - u64::from(number);
            let manifest = decode(&body("base", size, ARTIFACT_CHUNKS_MAX)).unwrap();
            (EventId([number; 32]), manifest)
        })
        .collect();
    let each = ARTIFACT_BYTES_MAX + 16 * ARTIFACT_CHUNKS_MAX;
    let fit = ARTIFACTS_TOTAL_MAX / each;
    let mut artifacts = Artifacts::default();
    for known in 0..manifests.len() {
        let next = &manifests[known].1;
        assert_eq!(artifacts.has_room_for(next), known < fit, "{known} are known");
        assert_eq!(artifacts.has_room(each), known < fit, "{known} are known");
        let list = manifests[..=known].iter().map(|(id, manifest)| (*id, manifest));
        artifacts.learn(list, true);
    }
    // An artifact that names what others name takes no room.
    assert!(artifacts.has_room_for(&manifests[0].1));
}

#[test]
fn chunks_go_when_their_last_manifest_does_and_none_that_is_named_or_awaited() {
    // SPEC: ART-8
    let named = |count: usize| {
        let size = (count * CHUNK_PLAIN_BYTES) as u64;
        decode::<Manifest>(&body("base", size, count)).unwrap()
    };
    let (first, second) = (named(CHUNKS_DROPPED_MAX + 6), named(5));
    let (a, b) = (EventId([1; 32]), EventId([2; 32]));
    let (_, _, awaited) = sealed(1_000, 3);
    let mut artifacts = Artifacts::default();
    artifacts.listed(first.chunks().chain(second.chunks()).collect());
    artifacts.kept(&awaited[0]);
    artifacts.learn([(a, &first), (b, &second)].into_iter(), true);
    assert!(!artifacts.has_orphans());
    artifacts.learn([(b, &second)].into_iter(), true);
    let all = |manifests: &[&Manifest]| -> BTreeSet<_> {
        manifests.iter().flat_map(|of| of.chunks()).map(|(hash, _)| hash).collect()
    };
    assert_eq!(
        artifacts.drop_orphans(Some(&all(&[&first, &second]))),
        [],
        "it may have effect again"
    );
    assert!(!artifacts.has_orphans() && artifacts.next_deadline().is_none());
    artifacts.learn([(b, &second)].into_iter(), true);
    let mut gone = artifacts.drop_orphans(Some(&all(&[&second])));
    assert_eq!((gone.len(), artifacts.next_deadline()), (CHUNKS_DROPPED_MAX, Some(0)));
    // An event came that cannot be read: what it names is not known.
    assert_eq!(artifacts.drop_orphans(None), []);
    assert_eq!(artifacts.next_deadline(), None, "nothing is due until it can be read");
    gone.extend(artifacts.drop_orphans(Some(&all(&[&second]))));
    assert_eq!(artifacts.next_deadline(), None);
    assert_eq!(gone.into_iter().collect::<BTreeSet<_>>(), all(&[&first]));
    for (manifest, is_here) in [(&first, false), (&second, true)] {
        assert!(manifest.chunks().all(|(hash, len)| artifacts.has(&hash, len) == is_here));
    }
    assert!(artifacts.has(&awaited[0].hash(), awaited[0].bytes().len()));
}

#[test]
fn a_manifest_that_lies_about_a_length_harms_no_other() {
    // SPEC: ART-5, ART-6
    let (_, honest, chunks) = sealed(1_000, 1);
    // An artifact of another size that names the same chunk.
    let mut lie = encode(&sealed(500, 2).1);
    let at = lie.len() - 32;
    lie[at..].copy_from_slice(&chunks[0].hash().0);
    let lie: Manifest = decode(&lie).unwrap();
    let (first, second) = (EventId([1; 32]), EventId([2; 32]));
    let wants = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Send(_, Message::WantChunks(_))))
    };
    for (honest_too, kept) in [(true, 1), (false, 0)] {
        let mut artifacts = Artifacts::default();
        let known = [(first, &lie), (second, &honest)];
        artifacts.learn(known.into_iter().take(1 + usize::from(honest_too)), true);
        artifacts.link_up(LinkId(1));
        assert!(wants(&artifacts.speak(NOON)));
        let taken = artifacts.on_chunks(NOON, LinkId(1), chunks.clone(), &[]);
        assert_eq!(taken.map(|taken| taken.len()), Ok(kept), "its sender did nothing wrong");
        assert!(!artifacts.is_complete(&first));
        assert_eq!(artifacts.is_complete(&second), honest_too);
        artifacts.link_up(LinkId(2));
        assert!(!wants(&artifacts.speak(NOON)), "it is not asked for again");
        artifacts.learn(known.into_iter(), true);
        let again = wants(&artifacts.speak(NOON));
        assert_eq!(again, !honest_too, "but for a manifest that describes it rightly");
    }
}

#[test]
fn a_chunk_that_was_loaded_for_a_peer_and_destroyed_since_is_sent_to_nobody() {
    // SPEC: SYNC-16
    let (_, _, chunks) = sealed(1_000, 3);
    let (link, hash) = (LinkId(1), chunks[0].hash());
    let mut artifacts = Artifacts::default();
    artifacts.kept(&chunks[0]);
    artifacts.link_up(link);
    assert_eq!(artifacts.on_want(link, vec![hash]), Ok(None));
    assert_eq!(artifacts.forget(&BTreeSet::from([hash])), [hash]);
    let answer = Message::Chunks { chunks: Vec::new(), lacking: vec![hash] };
    assert_eq!(artifacts.on_loaded(link, &[hash], chunks), Some(Action::Send(link, answer)));
}
