//! Sentences of a script: what each means, and how each step is written.

use kernelos_protocol::role::Role;

use crate::script::{Act, Device, Lie, Step};

/// What a line means among these devices.
pub(super) fn sentence(line: &str, devices: &[Device]) -> Option<Step> {
    let who = |name: &str| devices.iter().position(|other| other.name == name);
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = || behind(line, 4);
    let acts = || {
        let (a, words) = words.split_first()?;
        Some(Step::Act(who(a)?, Act::read(words, &who)?))
    };
    let apart = || {
        of_mission(&words)
            .or_else(|| of_lies(line, &words, &who))
            .or_else(acts)
            .or_else(|| of_clocks(&words, &who))
            .or_else(|| of_disks(&words, &who, devices))
    };
    if let Some(step) = apart() {
        return Some(step);
    }
    match &words[..] {
        ["heal"] => Some(Step::Heal),
        ["all", "settle"] => Some(Step::Settle),
        ["all", "agree"] => Some(Step::Agree((0..devices.len()).collect())),
        ["wait", time] => Some(Step::Wait(milliseconds(time)?)),
        ["cut", ..] => {
            let sides = line.strip_prefix("cut")?.split('|');
            let side = |side: &str| side.split_whitespace().map(who).collect::<Option<Vec<_>>>();
            let sides = sides.map(side).collect::<Option<Vec<_>>>()?;
            (sides.len() > 1).then_some(Step::Cut(sides))
        }
        [a, "writes", path, "=", ..] => Some(Step::Write(who(a)?, path.parse().ok()?, value())),
        [a, "cannot", "write", path] => Some(Step::CannotWrite(who(a)?, path.parse().ok()?)),
        [a, "tries", "a", "board", board] => Some(Step::TryBoard(who(a)?, (*board).to_owned())),
        [a, "tries", "to", "remove", path] => Some(Step::TryRemove(who(a)?, path.parse().ok()?)),
        [a, "tries", "a", "mission", "of", steps, "steps"] => {
            Some(Step::TryMission(who(a)?, steps.parse().ok()?))
        }
        [a, "tries", path, "=", ..] => Some(Step::TryWrite(who(a)?, path.parse().ok()?, value())),
        [a, "removes", path] => Some(Step::Remove(who(a)?, path.parse().ok()?)),
        [a, "revokes", b] => Some(Step::Revoke(who(a)?, who(b)?)),
        [a, "grants", b, role] => {
            let role = Role::ALL.into_iter().find(|r| r.name() == *role)?;
            Some(Step::Grant(who(a)?, who(b)?, role))
        }
        [a, "crashes"] => Some(Step::Crash(who(a)?)),
        [a, "crashes", "before", "output", n] => Some(Step::CrashBefore(who(a)?, n.parse().ok()?)),
        [a, "shows", "a", "fork", "of", b] => Some(Step::ShowsFork(who(a)?, who(b)?)),
        [a, "began", "a", "new", "life"] => Some(Step::NewLife(who(a)?)),
        [a, "starts"] => Some(Step::Start(who(a)?)),
        [a, "restarts"] => Some(Step::Restart(who(a)?)),
        [a, "reads", "nothing", "at", path] => {
            Some(Step::ReadsNothing(who(a)?, path.parse().ok()?))
        }
        [a, "reads", path, "=", ..] => Some(Step::Reads(who(a)?, path.parse().ok()?, value())),
        [a, "is", "revoked"] => Some(Step::IsRevoked(who(a)?)),
        [a, "starts", "a", "mission", "of", steps, "steps"] => {
            Some(Step::StartMission(who(a)?, steps.parse().ok()?))
        }
        [.., "agree"] => {
            let names = words[..words.len() - 1].iter().filter(|word| **word != "and");
            let agree: Vec<_> = names.map(|name| who(name)).collect::<Option<_>>()?;
            (agree.len() > 1).then_some(Step::Agree(agree))
        }
        _ => None,
    }
}

/// What stands behind so many words.
fn behind(line: &str, words: usize) -> String {
    let skip = |rest: &str| -> usize {
        let word = rest.trim_start();
        rest.len() - word.len() + word.find(char::is_whitespace).unwrap_or(word.len())
    };
    let mut rest = line;
    for _ in 0..words {
        rest = rest.get(skip(rest)..).unwrap_or_default();
    }
    rest.trim().to_owned()
}

/// Sentences about the mission that was started last.
fn of_mission(words: &[&str]) -> Option<Step> {
    Some(match words {
        ["until", "step", step, "is", "done"] => Step::StepDone(step.parse().ok()?),
        ["until", count, "candidates", "are", "made"] => Step::CandidatesMade(count.parse().ok()?),
        ["the", "holder", "crashes"] => Step::HolderCrashes,
        ["the", "holder", "is", "cut", "off"] => Step::HolderCutOff,
        ["the", "holder", "sleeps", time] => Step::HolderSleeps(milliseconds(time)?),
        ["the", "lost", "one", "restarts"] => Step::LostRestarts,
        ["the", "mission", "is", "promoted"] => Step::Promoted,
        ["the", "mission", "is", "resumed"] => Step::Resumed,
        ["the", "mission", "is", "not", "resumed"] => Step::NotResumed,
        [count, "candidates", "are", "shown"] => Step::CandidatesShown(count.parse().ok()?),
        ["step", step, "was", "started", times, "times"] => {
            Step::StartedTimes(step.parse().ok()?, times.parse().ok()?)
        }
        ["no", "step", "was", "started", "more", "than", times, "times"] => {
            Step::StartedAtMost(times.parse().ok()?)
        }
        _ => return None,
    })
}

/// What becomes of a device's disk.
fn of_disks(
    words: &[&str],
    who: &impl Fn(&str) -> Option<usize>,
    devices: &[Device],
) -> Option<Step> {
    match words {
        [a, "is", "copied"] => Some(Step::Copy(who(a)?)),
        [a, "is", "put", "back"] => Some(Step::PutBack(who(a)?)),
        [a, "loses", "rows"] => Some(Step::LoseRows(who(a)?)),
        [a, "is", "cloned"] => {
            let clone = who(a)?;
            devices.get(clone)?.copy_of.map(|_| Step::Clone(clone))
        }
        _ => None,
    }
}

/// What becomes of a device's clocks, and what it does not hear.
fn of_clocks(words: &[&str], who: &impl Fn(&str) -> Option<usize>) -> Option<Step> {
    match words {
        [a, "sets", "its", "clock", "forward", by] => {
            Some(Step::ClockForward(who(a)?, milliseconds(by)?))
        }
        [a, "sets", "its", "clock", "back", by] => {
            Some(Step::ClockBack(who(a)?, milliseconds(by)?))
        }
        [a, "gains", ppm, "ppm"] => Some(Step::Drift(who(a)?, parts(ppm)?)),
        [a, "loses", ppm, "ppm"] => Some(Step::Drift(who(a)?, parts(ppm)?.checked_neg()?)),
        [a, "sleeps", time] => Some(Step::Sleep(who(a)?, milliseconds(time)?)),
        [a, "does", "not", "hear", b] => Some(Step::Deaf(who(a)?, who(b)?)),
        _ => None,
    }
}

/// What a device that is not ours any more does.
fn of_lies(line: &str, words: &[&str], who: &impl Fn(&str) -> Option<usize>) -> Option<Step> {
    let (a, words) = words.split_first()?;
    let value = || behind(line, 4);
    let lie = match words {
        ["forks", path, "=", ..] => Lie::Fork(path.parse().ok()?, value()),
        ["backdates", "anew", path, "=", ..] => {
            Lie::BackdateAnew(path.parse().ok()?, behind(line, 5))
        }
        ["backdates", "a", "revocation", "of", b] => Lie::BackdateRevocation(who(b)?),
        ["backdates", path, "=", ..] => Lie::Backdate(path.parse().ok()?, value()),
        ["withholds", "from", b] => Lie::Withhold(who(b)?),
        ["replays"] => Lie::Replay,
        ["sends", "garbage"] => Lie::Garbage,
        ["sends", "too", "much"] => Lie::TooMuch,
        ["claims", "everything"] => Lie::Claim,
        ["wants", "forever"] => Lie::Want,
        ["offers", "what", "is", "not", "there"] => Lie::Offer,
        ["floods", count, "events"] => Lie::Flood(count.parse().ok()?),
        _ => return None,
    };
    Some(Step::Lie(who(a)?, lie))
}

/// Parts in a million: digits alone.
fn parts(text: &str) -> Option<i64> {
    i64::from(text.parse::<u32>().ok()?).into()
}

fn milliseconds(time: &str) -> Option<u64> {
    let (number, unit) = match (time.strip_suffix("ms"), time.strip_suffix('h')) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 3_600_000),
        _ => (time.strip_suffix('s')?, 1_000),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// The sentence of a step.
pub(super) fn words(step: &Step, devices: &[Device]) -> String {
    let name = |who: &usize| devices.get(*who).map_or("?", |device| device.name.as_str());
    let sentence = |a: &usize, what: &str| format!("{} {what}", name(a));
    match step {
        Step::Write(a, path, value) => sentence(a, &format!("writes {path} = {value}")),
        Step::TryWrite(a, path, value) => sentence(a, &format!("tries {path} = {value}")),
        Step::TryBoard(a, board) => sentence(a, &format!("tries a board {board}")),
        Step::TryRemove(a, path) => sentence(a, &format!("tries to remove {path}")),
        Step::CannotWrite(a, path) => sentence(a, &format!("cannot write {path}")),
        Step::Remove(a, path) => sentence(a, &format!("removes {path}")),
        Step::Revoke(a, b) => sentence(a, &format!("revokes {}", name(b))),
        Step::Grant(a, b, role) => sentence(a, &format!("grants {} {}", name(b), role.name())),
        Step::Cut(sides) => {
            let side = |side: &Vec<usize>| side.iter().map(name).collect::<Vec<_>>().join(" ");
            let sides = sides.iter().map(side).collect::<Vec<_>>().join(" | ");
            format!("cut {}", sides.trim())
        }
        Step::Heal => "heal".to_owned(),
        Step::Crash(a) => sentence(a, "crashes"),
        Step::CrashBefore(a, n) => sentence(a, &format!("crashes before output {n}")),
        Step::Start(a) => sentence(a, "starts"),
        Step::Restart(a) => sentence(a, "restarts"),
        Step::Copy(a) => sentence(a, "is copied"),
        Step::PutBack(a) => sentence(a, "is put back"),
        Step::LoseRows(a) => sentence(a, "loses rows"),
        Step::Clone(a) => sentence(a, "is cloned"),
        Step::ClockForward(a, by) => sentence(a, &format!("sets its clock forward {by}ms")),
        Step::ClockBack(a, by) => sentence(a, &format!("sets its clock back {by}ms")),
        Step::Drift(a, ppm) if *ppm < 0 => {
            sentence(a, &format!("loses {} ppm", ppm.unsigned_abs()))
        }
        Step::Drift(a, ppm) => sentence(a, &format!("gains {ppm} ppm")),
        Step::Deaf(a, b) => sentence(a, &format!("does not hear {}", name(b))),
        Step::Act(a, act) => sentence(a, &act.words(devices)),
        Step::Sleep(a, time) => sentence(a, &format!("sleeps {time}ms")),
        Step::Lie(a, lie) => sentence(a, &lie_words(lie, name)),
        Step::Wait(time) => format!("wait {time}ms"),
        Step::Settle => "all settle".to_owned(),
        Step::Agree(who) if who.iter().copied().eq(0..devices.len()) => "all agree".to_owned(),
        Step::Agree(who) => {
            format!("{} agree", who.iter().map(name).collect::<Vec<_>>().join(" and "))
        }
        Step::Reads(a, path, value) => sentence(a, &format!("reads {path} = {value}")),
        Step::ReadsNothing(a, path) => sentence(a, &format!("reads nothing at {path}")),
        Step::IsRevoked(a) => sentence(a, "is revoked"),
        Step::ShowsFork(a, b) => sentence(a, &format!("shows a fork of {}", name(b))),
        Step::NewLife(a) => sentence(a, "began a new life"),
        Step::TryMission(a, steps) => sentence(a, &format!("tries a mission of {steps} steps")),
        Step::StartMission(a, steps) => sentence(a, &format!("starts a mission of {steps} steps")),
        Step::StepDone(step) => format!("until step {step} is done"),
        Step::CandidatesMade(count) => format!("until {count} candidates are made"),
        Step::HolderCrashes => "the holder crashes".to_owned(),
        Step::HolderCutOff => "the holder is cut off".to_owned(),
        Step::HolderSleeps(time) => format!("the holder sleeps {time}ms"),
        Step::LostRestarts => "the lost one restarts".to_owned(),
        Step::Promoted => "the mission is promoted".to_owned(),
        Step::Resumed => "the mission is resumed".to_owned(),
        Step::NotResumed => "the mission is not resumed".to_owned(),
        Step::CandidatesShown(count) => format!("{count} candidates are shown"),
        Step::StartedTimes(step, times) => format!("step {step} was started {times} times"),
        Step::StartedAtMost(times) => format!("no step was started more than {times} times"),
    }
}

fn lie_words<'a>(lie: &Lie, name: impl Fn(&usize) -> &'a str) -> String {
    match lie {
        Lie::Fork(path, value) => format!("forks {path} = {value}"),
        Lie::Backdate(path, value) => format!("backdates {path} = {value}"),
        Lie::BackdateAnew(path, value) => format!("backdates anew {path} = {value}"),
        Lie::BackdateRevocation(b) => format!("backdates a revocation of {}", name(b)),
        Lie::Withhold(b) => format!("withholds from {}", name(b)),
        Lie::Replay => "replays".to_owned(),
        Lie::Garbage => "sends garbage".to_owned(),
        Lie::TooMuch => "sends too much".to_owned(),
        Lie::Claim => "claims everything".to_owned(),
        Lie::Want => "wants forever".to_owned(),
        Lie::Offer => "offers what is not there".to_owned(),
        Lie::Flood(count) => format!("floods {count} events"),
    }
}
