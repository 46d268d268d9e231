//! Inputs that are made to cost, by the decoder that they are for.

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::limits::{
    ARTIFACT_BYTES_MAX, BODY_BYTES_MAX, BODY_INFLATED_MAX, CHUNK_PLAIN_BYTES, CUTS_MAX,
    FRAME_BYTES_MAX, TIPS_MAX, WANTS_MAX,
};

use crate::changes::common::{signed, unsigned};

type Inputs = Vec<(&'static str, Vec<u8>)>;

/// An array of 2^63 items.
const HUGE_ARRAY: [u8; 9] = [0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0];
/// A string of 2^63 bytes, and one of all bytes there are.
const HUGE_BYTES: [u8; 9] = [0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0];
const HUGE_TEXT: [u8; 9] = [0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

fn begun(write: impl FnOnce(&mut Writer) -> &mut Writer, rest: &[u8]) -> Vec<u8> {
    let mut to = Writer::default();
    write(&mut to);
    [&to.finish(), rest].concat()
}

/// What is hostile to every reader of CBOR, behind each number that an array may begin with.
fn lengths() -> Inputs {
    let mut inputs = Inputs::new();
    for huge in [HUGE_ARRAY, HUGE_BYTES, HUGE_TEXT] {
        inputs.push(("a length of 2^63", huge.to_vec()));
        for items in 2..=8 {
            for number in 0..16 {
                let bytes = begun(|to| to.array(items).uint(number), &huge);
                inputs.push(("a length of 2^63 in an array", bytes));
            }
        }
    }
    inputs.push(("arrays in arrays", vec![0x81; FRAME_BYTES_MAX]));
    inputs.push(("maps in maps", [0xa1, 0].repeat(FRAME_BYTES_MAX / 2)));
    inputs.push(("tags on tags", vec![0xc1; FRAME_BYTES_MAX]));
    inputs.push(("arrays of no definite length", vec![0x9f; FRAME_BYTES_MAX]));
    inputs
}

/// A frame of this message, full of this item.
fn full(number: u64, count: usize, item: &[u8]) -> Vec<u8> {
    let head = begun(|to| to.array(2).uint(number).array(count), &[]);
    [head, item.repeat(count)].concat()
}

/// Frames of these numbers, and those that no number helps.
fn frames(numbers: std::ops::Range<u64>) -> Inputs {
    let tip =
        begun(|to| to.array(5).uint(1).bytes(&[1; 32]).bytes(&[1; 8]).uint(0).bytes(&[2; 32]), &[]);
    let want = begun(|to| to.array(2).bytes(&[1; 32]).uint(1), &[]);
    let filled = |number: u64, item: &[u8]| full(number, FRAME_BYTES_MAX / item.len() - 1, item);
    let mut inputs: Inputs = vec![
        ("as many tips", full(1, TIPS_MAX, &tip)),
        ("as many wants", full(2, WANTS_MAX, &want)),
        ("a frame of noise", vec![0x5a; FRAME_BYTES_MAX]),
        ("one byte too many", vec![0; FRAME_BYTES_MAX + 1]),
        ("a mebibyte", vec![0x82; 1 << 20]),
    ];
    for number in numbers {
        inputs.push(("a frame of empty strings", filled(number, &[0x40])));
        inputs.push(("a frame of empty arrays", filled(number, &[0x80])));
        inputs.push(("a frame of ids", filled(number, &[&[0x58, 32][..], &[7; 32]].concat())));
    }
    // Every event that there is, as often as it fits.
    inputs.push(("events as often as they fit", (0..=255).cycle().take(300).collect()));
    inputs
}

/// A deflated inside that becomes `len` bytes.
fn bomb(len: usize) -> Vec<u8> {
    let mut inside = vec![1];
    inside.extend(miniz_oxide::deflate::compress_to_vec(&vec![0; len], 9));
    inside
}

fn nested(open: &str, close: &str, depth: usize) -> Vec<u8> {
    format!("{}0{}", open.repeat(depth), close.repeat(depth)).into_bytes()
}

type Columns<'a> = &'a [(u8, Vec<u8>)];

/// The contents of a document with one actor, one head and these columns.
pub(crate) fn document(changes: Columns<'_>, ops: Columns<'_>) -> Vec<u8> {
    let mut out = [&[1, 16][..], &[1; 16], &[1], &[7; 32]].concat();
    for columns in [changes, ops] {
        out.push(columns.len() as u8);
        for (column, data) in columns {
            out.extend([unsigned(u64::from(*column)), unsigned(data.len() as u64)].concat());
        }
    }
    let data = changes.iter().chain(ops).flat_map(|(_, data)| data);
    out.extend(data);
    out.push(0);
    out
}

/// A value as often as `count`.
fn repeated(count: i64, value: &[u8]) -> Vec<u8> {
    [&signed(count)[..], value].concat()
}

/// Columns of as many changes and operations, each written once.
fn grown(changes: i64, ops: i64) -> Vec<u8> {
    let change = |value: &[u8]| repeated(changes, value);
    let op = |value: &[u8]| repeated(ops, value);
    let changes = [
        (0x01, change(&[0])),
        (0x03, change(&[1])),
        (0x13, change(&[1])),
        (0x23, change(&[0])),
        (0x40, change(&[0])),
        (0x56, change(&[7])),
    ];
    let ops = [
        (0x15, op(&[1, b'a'])),
        (0x21, op(&[0])),
        (0x23, op(&[1])),
        (0x34, unsigned(ops.cast_unsigned())),
        (0x42, op(&[1])),
        (0x56, op(&[0])),
        (0x80, op(&[0])),
    ];
    document(&changes, &ops)
}

/// Small files that stand for much, as contents of a document and as changes.
pub(crate) fn files() -> Inputs {
    let many = 1 << 40;
    let so_many = unsigned(1 << 40);
    let deflated = miniz_oxide::deflate::compress_to_vec(&vec![0; 64 << 20], 9);
    let mut inputs = vec![
        ("2^40 changes", grown(many, 1)),
        ("2^40 operations", grown(1, many)),
        ("2^40 dependencies", document(&[(0x40, repeated(1, &so_many))], &[])),
        ("2^40 successors", document(&[], &[(0x80, repeated(1, &so_many))])),
        ("2^40 times as many successors", document(&[], &[(0x80, repeated(many, &so_many))])),
        ("2^40 truths", document(&[], &[(0x34, so_many.clone())])),
        ("2^40 nulls", document(&[], &[(0x15, [&[0][..], &so_many].concat())])),
        ("64 MiB of values, deflated", document(&[], &[(0x5f, deflated.clone())])),
        ("64 MiB of runs, deflated", document(&[(0x0b, deflated)], &[])),
    ];
    let long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0x00, 7];
    let columns = [0x42_u8, 0x56, 0x70, 0x71, 0x73];
    inputs.extend(columns.map(|column| ("a change with a run of 2^62", run(column, &long))));
    inputs
}

/// A change whose runs claim more than there is: contents with one column of this data.
fn run(column: u8, data: &[u8]) -> Vec<u8> {
    let actor = [&[16][..], &[1; 16]].concat();
    let head = [&[0][..], &actor, &[1, 1, 0, 0, 0]].concat();
    [&head[..], &[1, column, u8::try_from(data.len()).unwrap()], data].concat()
}

fn changes() -> Inputs {
    let mut inputs = Inputs::new();
    // 2^62 times the same, two of them, and 2^63 by a negative count of literals.
    let long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0x00, 7];
    for column in [0x15_u8, 0x21, 0x23, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73] {
        inputs.push(("a run of 2^62", run(column, &long)));
        inputs.push(("two runs that sum past 2^63", run(column, &long.repeat(2))));
        inputs.push(("a literal of 2^63", run(column, &[&[0x80; 9][..], &[0x7f, 1]].concat())));
        inputs.push(("nulls without end", run(column, &[&[0][..], &[0xff; 8], &[0x7f]].concat())));
    }
    inputs.push(("2^63 dependencies", [&[0xff; 9][..], &[0x01]].concat()));
    inputs.push(("a mebibyte", vec![0x01; 1 << 20]));
    inputs
}

fn texts() -> Inputs {
    let keys: String = (0..60_000).map(|number| format!("\"{number}\":0,")).collect();
    vec![
        ("arrays in arrays", nested("[", "]", 100_000)),
        ("maps in maps", nested("{\"a\":", "}", 100_000)),
        ("a map of many keys", format!("{{{keys}\"x\":0}}").into_bytes()),
        ("one long text", format!("\"{}\"", "x".repeat(1 << 20)).into_bytes()),
        ("a number of many digits", vec![b'9'; 1 << 20]),
    ]
}

fn reports() -> Inputs {
    let suites = format!("0{}", "<testsuite>".repeat(100_000));
    let points: String = (0..200_000).map(|number| format!("ok {number}\n")).collect();
    vec![
        ("suites in suites", suites.into_bytes()),
        ("entities in entities", format!("0<testsuite>{}", "&amp;".repeat(200_000)).into_bytes()),
        ("more tests than are counted", format!("0TAP version 14\n{points}").into_bytes()),
        ("a plan of 2^64", b"01..18446744073709551615\nok 1\n".to_vec()),
        ("no UTF-8", [&b"0"[..], &vec![0xff; 1 << 20]].concat()),
        ("one line", format!("0ok 1 - {}", "x".repeat(1 << 20)).into_bytes()),
    ]
}

/// The hostile inputs that are made for this target.
pub(crate) fn inputs(target: &str) -> Inputs {
    let mut cuts = begun(|to| to.array(4).uint(2).bytes(&[1; 32]).array(CUTS_MAX), &[]);
    cuts.extend([&[0x58, 32][..], &[7; 32]].concat().repeat(CUTS_MAX));
    let chunks = |count: usize| {
        let mut to = Writer::default();
        to.array(2).uint(10).array(5).text("a").uint((count * CHUNK_PLAIN_BYTES) as u64);
        to.bytes(&[1; 32]).bytes(&[1; 32]).array(count);
        for _ in 0..count {
            to.bytes(&[7; 32]);
        }
        to.finish()
    };
    let own: Inputs = match target {
        "message" => frames(0..13),
        "introduction" => frames(0..1),
        "tail" => frames(4..5),
        "control" => vec![("as many cuts", cuts)],
        "content" => vec![
            ("as many chunks", chunks(ARTIFACT_BYTES_MAX / CHUNK_PLAIN_BYTES)),
            ("a body of its greatest size", vec![0x82; BODY_INFLATED_MAX]),
        ],
        "sealed" => vec![
            ("one byte too many", bomb(BODY_INFLATED_MAX + 1)),
            ("128 times as much", bomb(128 * BODY_INFLATED_MAX)),
            ("a raw body", vec![0; BODY_BYTES_MAX]),
            ("a stream that goes on", [1, 0xff].repeat(BODY_BYTES_MAX / 2)),
        ],
        "change" => changes(),
        "foreign" => files(),
        "command" | "edits" | "facts" => texts(),
        "report" => reports(),
        "archive" => vec![(
            "a file of 2^64 events of 2^32 bytes",
            [&b"KernelOS events\n\0\0\0\x01"[..], &[1; 32], &[0xff; 8], &[0xff; 4]].concat(),
        )],
        _ => Vec::new(),
    };
    let is_cbor = !["edits", "change", "honest", "foreign", "orders"].contains(&target);
    own.into_iter().chain(is_cbor.then(lengths).into_iter().flatten()).collect()
}
