//! A change in parts, to be put wrong byte by byte, with a checksum that is right.

use sha2::{Digest, Sha256};

pub(crate) fn unsigned(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return out;
        }
    }
}

pub(crate) fn signed(mut value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        let done = (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0);
        out.push(if done { low } else { low | 0x80 });
        if done {
            return out;
        }
    }
}

/// The chunk of that type around contents, with the checksum it ought to have.
pub(crate) fn seal(kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    hashed.extend(unsigned(contents.len() as u64));
    hashed.extend(contents);
    let sum = Sha256::digest(&hashed);
    [&[0x85, 0x6f, 0x4a, 0x83], &sum[..4], &hashed[..]].concat()
}

/// Where a chunk's contents begin.
pub(crate) fn contents(bytes: &[u8]) -> &[u8] {
    let length = bytes[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &bytes[9 + length..]
}

fn take(rest: &mut &[u8], count: usize) -> Vec<u8> {
    let (head, tail) = rest.split_at(count);
    *rest = tail;
    head.to_vec()
}

fn number(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// A change in parts, each of which may be put wrong.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) deps: Vec<Vec<u8>>,
    pub(crate) actor: Vec<u8>,
    pub(crate) seq: Vec<u8>,
    pub(crate) start_op: Vec<u8>,
    pub(crate) time: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) others: Vec<Vec<u8>>,
    pub(crate) columns: Vec<(u64, Vec<u8>)>,
    pub(crate) extra: Vec<u8>,
}

impl Parts {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut rest = contents(bytes);
        let rest = &mut rest;
        let deps = (0..number(rest)).map(|_| take(rest, 32)).collect();
        let length = number(rest) as usize;
        let actor = take(rest, length);
        let (seq, start_op) = (unsigned(number(rest)), unsigned(number(rest)));
        let time = take(rest, 1);
        let length = number(rest) as usize;
        let message = take(rest, length);
        let others = (0..number(rest))
            .map(|_| {
                let length = number(rest) as usize;
                take(rest, length)
            })
            .collect();
        let heads: Vec<_> = (0..number(rest)).map(|_| (number(rest), number(rest))).collect();
        let columns = heads.into_iter().map(|(c, n)| (c, take(rest, n as usize))).collect();
        let extra = rest.to_vec();
        Self { deps, actor, seq, start_op, time, message, others, columns, extra }
    }

    pub(crate) fn contents(&self) -> Vec<u8> {
        let mut out = unsigned(self.deps.len() as u64);
        out.extend(self.deps.concat());
        out.extend(unsigned(self.actor.len() as u64));
        out.extend(&self.actor);
        out.extend([&self.seq[..], &self.start_op, &self.time].concat());
        out.extend(unsigned(self.message.len() as u64));
        out.extend(&self.message);
        out.extend(unsigned(self.others.len() as u64));
        for other in &self.others {
            out.extend(unsigned(other.len() as u64));
            out.extend(other);
        }
        out.extend(unsigned(self.columns.len() as u64));
        for (column, data) in &self.columns {
            out.extend(unsigned(*column));
            out.extend(unsigned(data.len() as u64));
        }
        for (_, data) in &self.columns {
            out.extend(data);
        }
        out.extend(&self.extra);
        out
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        seal(1, &self.contents())
    }

    pub(crate) fn column(&mut self, column: u64) -> &mut Vec<u8> {
        if !self.columns.iter().any(|(known, _)| *known == column) {
            self.columns.push((column, Vec::new()));
            self.columns.sort();
        }
        &mut self.columns.iter_mut().find(|(known, _)| *known == column).unwrap().1
    }
}
