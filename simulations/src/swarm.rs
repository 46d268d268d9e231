//! Many seeds, each with a script of its own: first faults, then everybody is healed and must
//! agree. `SPEC: PRJ-12`
//!
//! Which kinds of faults happen is drawn first, so that some scripts have many of one kind. A
//! script is data: what happens in it does not depend on what came before, so a part can be left
//! out, and what is left still means the same.

use kernelos_protocol::document::DocPath;
use kernelos_protocol::role::Role;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::clock::{BROKEN_PPM, DRIFT_MAX_PPM};
use crate::run::{self, Outcome};
use crate::script::{Act, Device, Lie, Script, Step, Who};

/// Steps under faults, each followed by a pause.
const STEPS: u64 = 40;
/// Boards, by name: some are made apart.
pub(crate) const BOARDS: u64 = 3;
/// Branches, by name: some are made apart, and some of boards or of others.
const BRANCHES: u64 = 3;
/// Missions at most, of up to three steps.
const MISSIONS: usize = 2;
/// How often a clock breaks or is mended.
const BREAKS: usize = 6;
/// How often the pages of a disk go bad, at most.
const ROTS: u64 = 3;
/// Milliseconds of the longest pause.
const PAUSE_MS: u64 = 800;

/// The script of a seed.
#[must_use]
pub fn plan(seed: u64) -> Script {
    let mut plan = Plan { rng: ChaCha20Rng::seed_from_u64(seed ^ 0x5eed), count: 0, rogue: None };
    let honest = 2 + plan.pick(4);
    let roles = [Role::Owner, Role::Owner, Role::Admin, Role::Member, Role::Member];
    let mut devices = Vec::new();
    for number in 0..honest {
        let role = if number == 0 { Role::Owner } else { roles[plan.pick(roles.len())] };
        let (name, runs) = (format!("d{number}"), plan.coin());
        devices.push(Device { name, role: Some(role), runs, copy_of: None });
    }
    let faults: Vec<_> = FAULTS.iter().filter(|_| plan.coin()).copied().collect();
    if faults.contains(&Fault::Clone) {
        let of = plan.pick(honest);
        let runs = devices[of].runs;
        let name = format!("twin{of}");
        devices.push(Device { name, role: None, runs, copy_of: Some(of) });
    }
    // The founder stays honest: else nothing would be left to compare now and then.
    plan.rogue = faults.contains(&Fault::Lie).then(|| 1 + plan.pick(honest - 1));
    plan.count = devices.len();
    let mut steps = Vec::new();
    for _ in 0..STEPS {
        let fault = faults.get(plan.pick(faults.len())).filter(|_| plan.coin());
        let step = match fault {
            Some(fault) => plan.fault(*fault, &devices),
            None => plan.edit(),
        };
        let missions = steps.iter().filter(|step| matches!(step, Step::TryMission(..))).count();
        if missions < MISSIONS || !matches!(step, Step::TryMission(..)) {
            steps.push(step);
        }
        steps.push(Step::Wait(plan.below(PAUSE_MS)));
    }
    if plan.reseeded(seed ^ 0xb4a9).coin() {
        plan.branch(&mut steps);
    }
    if plan.reseeded(seed ^ 0xc10c).below(4) == 0 {
        plan.clocks(&mut steps);
    }
    if plan.reseeded(seed ^ 0x0d15).below(4) == 0 {
        plan.rot(&mut steps);
    }
    steps.push(Step::Settle);
    Script { title: format!("Swarm, seed {seed}"), seed: Some(seed), devices, steps }
}

/// Runs one seed.
pub fn run(seed: u64) -> Result<Outcome, String> {
    Ok(run::run(&plan(seed), seed, false)?.0)
}

/// A kind of what happens beside edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Mission,
    Cut,
    Heal,
    Crash,
    Start,
    Members,
    Restore,
    Clone,
    Lie,
    Clock,
    Sleep,
    Drift,
    Deaf,
    Undo,
    Cancel,
    Strike,
    Purge,
    Rescue,
}

const FAULTS: [Fault; 18] = [
    Fault::Mission,
    Fault::Cut,
    Fault::Heal,
    Fault::Crash,
    Fault::Start,
    Fault::Members,
    Fault::Restore,
    Fault::Clone,
    Fault::Lie,
    Fault::Clock,
    Fault::Sleep,
    Fault::Drift,
    Fault::Deaf,
    Fault::Undo,
    Fault::Cancel,
    Fault::Strike,
    Fault::Purge,
    Fault::Rescue,
];

struct Plan {
    rng: ChaCha20Rng,
    count: usize,
    rogue: Option<Who>,
}

impl Plan {
    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn pick(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn who(&mut self) -> Who {
        self.pick(self.count)
    }

    /// Goes on with other dice: what was drawn before stays what it was.
    fn reseeded(&mut self, seed: u64) -> &mut Self {
        self.rng = ChaCha20Rng::seed_from_u64(seed);
        self
    }

    /// What is done with branches, between all other steps.
    fn branch(&mut self, steps: &mut Vec<Step>) {
        for _ in 0..STEPS / 2 {
            let (at, step) = (self.pick(steps.len()), self.on_branch());
            steps.insert(at, step);
        }
    }

    /// Clocks that break, and are mended or not, between all other steps.
    fn clocks(&mut self, steps: &mut Vec<Step>) {
        for _ in 0..BREAKS {
            let ppm = [BROKEN_PPM.0, BROKEN_PPM.1, BROKEN_PPM.1, 0][self.pick(4)];
            let (at, who) = (self.pick(steps.len()), self.who());
            steps.insert(at, Step::Drift(who, ppm));
        }
    }

    /// Disks that lose rows, between all other steps, and devices that go on with what is left.
    fn rot(&mut self, steps: &mut Vec<Step>) {
        for _ in 0..=self.below(ROTS) {
            let (at, who) = (self.pick(steps.len()), self.who());
            steps.insert(at, Step::LoseRows(who));
            if self.coin() {
                steps.insert(at + 1, Step::Start(who));
            }
        }
    }

    fn on_branch(&mut self) -> Step {
        let (who, name) = (self.who(), format!("x{}", self.below(BRANCHES)));
        let of = match self.below(4) {
            0 => format!("boards/b{}", self.below(BOARDS)).parse(),
            1 => format!("branches/x{}", self.below(BRANCHES)).parse(),
            _ => Ok(DocPath::default()),
        };
        let note = format!("branches/{name}/notes/{}", self.below(3)).parse();
        let (Ok(of), Ok(note)) = (of, note) else { return Step::Heal };
        match self.below(10) {
            0..3 => Step::Act(who, Act::Branch(name, of)),
            3..5 => Step::Act(who, Act::Merge(name)),
            5 => Step::Act(who, Act::PutAway(name, self.coin())),
            6 => Step::TryRemove(who, note),
            _ => Step::TryWrite(who, note, format!("v{}", self.below(1_000))),
        }
    }

    fn edit(&mut self) -> Step {
        let board = format!("b{}", self.below(BOARDS));
        let path = match self.below(8) {
            0 => return Step::TryBoard(self.who(), board),
            1..3 => format!("boards/{board}/notes/{}", self.below(3)).parse(),
            _ => format!("notes/{}", self.below(6)).parse(),
        };
        let (who, Ok(path)) = (self.who(), path) else { return Step::Heal };
        match self.below(5) {
            0 => Step::TryRemove(who, path),
            _ => Step::TryWrite(who, path, format!("v{}", self.below(1_000))),
        }
    }

    fn fault(&mut self, fault: Fault, devices: &[Device]) -> Step {
        let who = self.who();
        match fault {
            Fault::Mission => Step::TryMission(who, 1 + self.pick(3)),
            Fault::Cut => {
                let mut sides = vec![Vec::new(), Vec::new()];
                for device in 0..self.count {
                    sides[usize::from(self.coin())].push(device);
                }
                Step::Cut(sides)
            }
            Fault::Heal => Step::Heal,
            Fault::Crash if self.coin() => Step::Crash(who),
            Fault::Crash => Step::CrashBefore(who, self.below(12)),
            Fault::Start => Step::Start(who),
            Fault::Members => {
                let target = self.who();
                match self.below(4) {
                    0 => Step::Revoke(who, target),
                    _ if who == target => Step::Start(who),
                    _ => Step::Grant(
                        who,
                        target,
                        [Role::Member, Role::Admin, Role::Owner][self.pick(3)],
                    ),
                }
            }
            Fault::Restore => match self.below(3) {
                0 => Step::Copy(who),
                1 => Step::PutBack(who),
                _ => Step::Restart(who),
            },
            Fault::Clone => {
                let clone = devices.iter().position(|device| device.copy_of.is_some());
                clone.map_or(Step::Heal, Step::Clone)
            }
            Fault::Lie => {
                let (lie, is_copied) = (self.lie(), self.below(4) == 0);
                match self.rogue {
                    Some(rogue) if is_copied => Step::Copy(rogue),
                    Some(rogue) => Step::Lie(rogue, lie),
                    None => Step::Heal,
                }
            }
            Fault::Clock => {
                // Minutes to a year.
                let by = self.below(60_000) * [1, 60, 60 * 24 * 365][self.pick(3)];
                if self.coin() { Step::ClockForward(who, by) } else { Step::ClockBack(who, by) }
            }
            Fault::Sleep => Step::Sleep(who, self.below(20_000)),
            Fault::Drift => {
                let ppm = i64::try_from(self.below(DRIFT_MAX_PPM.unsigned_abs())).unwrap_or(0);
                Step::Drift(who, if self.coin() { ppm } else { -ppm })
            }
            Fault::Deaf => Step::Deaf(who, self.who()),
            Fault::Undo | Fault::Cancel | Fault::Strike | Fault::Purge | Fault::Rescue => {
                Step::Act(who, self.act(fault))
            }
        }
    }

    fn act(&mut self, fault: Fault) -> Act {
        match fault {
            Fault::Undo => Act::Undo { force: self.coin() },
            Fault::Cancel => Act::Cancel,
            Fault::Purge => Act::Purge,
            // Once in a while: little is left to do after one.
            Fault::Rescue if self.below(4) == 0 => Act::Rescue,
            Fault::Rescue => Act::Readmit(self.who()),
            _ if self.coin() => Act::ReadmitStruck,
            _ => Act::Strike(self.who()),
        }
    }

    fn lie(&mut self) -> Lie {
        let path = format!("notes/{}", self.below(6)).parse();
        let (value, other) = (format!("lie{}", self.below(1_000)), self.who());
        let Ok(path) = path else { return Lie::Replay };
        match self.below(12) {
            0 | 1 => Lie::Fork(path, value),
            2 => Lie::Backdate(path, value),
            3 => Lie::BackdateAnew(path, value),
            4 => Lie::BackdateRevocation(other),
            5 => Lie::Withhold(other),
            6 => Lie::Replay,
            7 => Lie::Garbage,
            8 => Lie::Claim,
            9 => Lie::Want,
            10 => Lie::Offer,
            _ if self.coin() => Lie::TooMuch,
            _ => Lie::Flood(3),
        }
    }
}
