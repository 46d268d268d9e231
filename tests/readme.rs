//! What README.md tells a stranger to type is typed here, line by line as it stands there, and what
//! it shows as output is what comes: in its first ten minutes, with two devices, with files for
//! devices that never meet and for other programs; the other sections in `more`. Ids and moments
//! differ; nothing else.

mod more;

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value as Json;

use crate::kern::{Home, program, until};
use crate::long::Heard;
use crate::quic::free;

const README: &str = include_str!("../README.md");

/// A block of code: its language, and its lines, those that go on put together.
struct Block<'a> {
    language: &'a str,
    lines: Vec<String>,
}

/// The blocks below this heading.
fn blocks<'a>(readme: &'a str, heading: &str) -> Vec<Block<'a>> {
    let (_, section) =
        readme.split_once(&format!("\n## {heading}\n")).expect("a heading of README");
    let section = section.split("\n## ").next().unwrap();
    let fenced = section.split("\n```").skip(1).step_by(2);
    let block = |fenced: &'a str| {
        let (language, code) = fenced.split_once('\n').unwrap_or((fenced, ""));
        let code = code.replace("\\\n", "");
        let lines = code.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Block { language, lines }
    };
    fenced.map(block).collect()
}

/// A command line without what it tells people.
fn bare(line: &str) -> &str {
    line.split("  ").next().unwrap().trim()
}

/// Somebody at a computer.
struct Person {
    home: Home,
    node: Option<Running>,
}

/// A command that runs on, with what it says and what is typed into it.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Heard,
    /// How many lines of it were looked at.
    seen: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    /// The next line that it says, up to where it holds this.
    fn says(&mut self, what: &str) -> Result<String, String> {
        let find = |said: &str, seen: usize| {
            let whole = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let found = whole.enumerate().skip(seen).find(|(_, line)| line.contains(what));
            found.map(|(at, line)| (at + 1, line.to_owned()))
        };
        let seen = self.seen;
        self.heard.says(|said| find(said, seen).is_some());
        let said = self.heard.said();
        let (at, line) =
            find(&said, seen).ok_or_else(|| format!("it never says {what:?}: {said}"))?;
        self.seen = at;
        Ok(line)
    }

    /// Types a line, and waits for its end.
    fn ends_after(mut self, typed: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{typed}").map_err(|error| error.to_string())?;
        self.ends()
    }

    /// Types nothing more, and waits for its end.
    fn ends(mut self) -> Result<(), String> {
        drop(self.stdin.take());
        self.heard.says(|_| false);
        let said = self.heard.said();
        let code = self.child.wait().unwrap().code();
        if code == Some(0) { Ok(()) } else { Err(format!("it ends with {code:?}: {said}")) }
    }
}

impl Person {
    fn new() -> Self {
        Self { home: Home::new(), node: None }
    }

    /// A shell that reads this line, in a folder of its own, where `kern` is on the PATH.
    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let beside = program().parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [beside].into_iter().chain(std::env::split_paths(&path));
        command.arg("-c").arg(format!("exec 2>&1; {line}")).current_dir(self.home.file(""));
        command.env("PATH", std::env::join_paths(path).unwrap());
        command.env("KERNELOS_HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    /// What a line says.
    fn types(&self, line: &str) -> Result<String, String> {
        let output = self.shell(line).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let code = output.status.code();
        if code == Some(0) { Ok(said) } else { Err(format!("`{line}` ends with {code:?}: {said}")) }
    }

    /// A line that runs on.
    fn begins(&self, line: &str) -> Running {
        let mut command = self.shell(&format!("exec {line}"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let heard = Heard::new(child.stdout.take().unwrap());
        Running { stdin: child.stdin.take(), child, heard, seen: 0 }
    }

    /// A node in a terminal of its own.
    fn runs(&mut self, line: &str) -> Result<(), String> {
        self.node = None;
        let mut node = self.begins(line);
        node.says("ready: ")?;
        self.node = Some(node);
        Ok(())
    }

    /// The last of what this command lists for which that field is this.
    fn id(&self, args: &[&str], field: &str, is: &str, id: &str) -> String {
        let said = self.home.run(&[args, &["--json"]].concat()).done().to_owned();
        let mut rows = said.lines().flat_map(|line| match serde_json::from_str(line).unwrap() {
            Json::Array(rows) => rows,
            row => vec![row],
        });
        let row = rows.rfind(|row| row[field] == is).expect("a row of a list");
        row[id].as_str().unwrap().to_owned()
    }
}

/// Output without what is another each time: ids and digits of a hash, moments, ages.
fn masked(output: &str) -> String {
    let is_id = |word: &str| word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit());
    let mut masked = String::new();
    for line in output.lines() {
        let words = line.split_whitespace().map(|word| {
            let core = word.trim_matches(|c: char| !c.is_alphanumeric());
            let is_time = core.contains(':') && core.starts_with(|c: char| c.is_ascii_digit());
            let is_day = core.len() == 10 && core.matches('-').count() == 2;
            match () {
                () if is_id(core) => "ID".to_owned(),
                () if is_time || is_day => "TIME".to_owned(),
                // Which side comes first is decided by ids.
                () if ["A", "B"].contains(&word) => "SIDE".to_owned(),
                () => word.to_owned(),
            }
        });
        masked += words.collect::<Vec<_>>().join(" ").trim_end();
        masked.push('\n');
    }
    masked
}

/// Is this what is shown? Of what stands behind `…` nothing is shown, and sides come in any order.
fn is_shown(said: &str, shown: &str) -> bool {
    if !shown.contains("…\n") {
        return said == shown;
    }
    let said: Vec<_> = said.lines().collect();
    shown.lines().all(|line| line == "…" || said.contains(&line))
}

/// Types the lines of a transcript; each has to say what stands below it.
fn follows(person: &Person, lines: &[String], told: impl Fn(&str) -> String) -> Result<(), String> {
    for typed in format!("\n{}", lines.join("\n")).split("\n$ ").skip(1) {
        let (line, shown) = typed.split_once('\n').unwrap_or((typed, ""));
        let said = person.types(&told(line))?;
        let (said, shown) = (masked(&said), masked(shown));
        if !is_shown(&said, &shown) {
            return Err(format!("`{line}` says\n{said}and not\n{shown}"));
        }
    }
    Ok(())
}

/// The first device of README: made and run as it says.
fn laptop(readme: &str) -> Result<Person, String> {
    let begin = &blocks(readme, "The first ten minutes")[0];
    let mut laptop = Person::new();
    for line in &begin.lines {
        if bare(line) == "kern up" { laptop.runs(line)? } else { drop(laptop.types(line)?) }
    }
    Ok(laptop)
}

/// Lines of README that are typed by tests of their own.
const ELSEWHERE: [&str; 3] = ["kern key protect", "kern up --key-file", "kern purge"];

fn is_elsewhere(line: &str) -> bool {
    ELSEWHERE.iter().any(|begin| line.starts_with(begin))
}

fn first_ten_minutes(readme: &str) -> Result<usize, String> {
    let laptop = laptop(readme)?;
    let event = |line: &str| {
        if !line.contains("ID") {
            return line.to_owned();
        }
        line.replace("ID", &laptop.id(&["log"], "kind", "change", "id"))
    };
    let mut typed = 0;
    let later = blocks(readme, "The first ten minutes").into_iter().skip(1);
    // The secret is sealed with the node stopped, which nothing else here is.
    let later = later.filter(|block| !block.lines.iter().any(|line| is_elsewhere(line)));
    for block in later {
        if block.language == "console" {
            follows(&laptop, &block.lines, event)?;
        } else {
            for line in &block.lines {
                laptop.types(&event(line))?;
            }
        }
        typed += block.lines.len();
    }
    Ok(typed)
}

#[test]
fn the_first_ten_minutes_are_as_readme_says() {
    let typed = first_ten_minutes(README).unwrap();
    assert!(typed > 30, "{typed} lines");
}

#[test]
fn what_readme_says_wrongly_is_found() {
    for (right, wrong, found) in [
        ("\nkern task list\n", "\nkern task lst\n", "`kern task lst` ends with Some(2)"),
        ("\n1     open   pack\n", "\n1     open   unpack\n", "and not\ntask state title"),
    ] {
        let untrue = README.replacen(right, wrong, 1);
        assert_ne!(untrue, README, "{right:?} stands in README no more");
        let told = first_ten_minutes(&untrue).unwrap_err();
        assert!(told.contains(found), "{told}");
    }
}

/// Two people pair their devices.
fn pair(laptop: &Person, phone: &Person, [invite, join]: [&str; 2]) -> Result<(), String> {
    let mut inviting = laptop.begins(invite);
    let shown = inviting.says("kern join KOS1:")?;
    let token = shown.split_whitespace().find(|word| word.starts_with("KOS1:")).unwrap();
    let mut joining = phone.begins(&join.replace("KOS1:…", token));
    let digits = joining.says("two digits")?.trim().rsplit(' ').next().unwrap().to_owned();
    inviting.ends_after(&digits)?;
    joining.ends()
}

/// Both hold the same.
#[track_caller]
fn agree(both: [&Person; 2]) {
    until("the same on both", || {
        let [a, b] = both.map(|person| person.home.status());
        (a["state_hash"].is_string() && a["state_hash"] == b["state_hash"]).then_some(())
    });
}

#[test]
fn two_devices_are_as_readme_says() {
    let section = blocks(README, "Two devices on one network");
    let (laptop, mut phone) = (laptop(README).unwrap(), Person::new());
    laptop.types("kern doc set notes/today '\"rain\"'").unwrap();
    phone.runs("kern up").unwrap();
    let commands: Vec<_> = section[0].lines.iter().filter(|line| !line.starts_with('#')).collect();
    pair(&laptop, &phone, [commands[0], commands[1]]).unwrap();
    agree([&laptop, &phone]);
    for person in [&laptop, &phone] {
        person.types("kern offline").unwrap();
        let value = if std::ptr::eq(person, &laptop) { "sun" } else { "snow" };
        person.types(&format!("kern doc set notes/today '\"{value}\"'")).unwrap();
    }
    for person in [&laptop, &phone] {
        person.types("kern online").unwrap();
    }
    agree([&laptop, &phone]);
    let transcript = section.iter().find(|block| block.language == "console").unwrap();
    follows(&laptop, &transcript.lines, str::to_owned).unwrap();
    for line in &section[1].lines {
        let line = match () {
            () if is_elsewhere(line) => continue,
            () if line.contains(" ID ") => {
                let id = laptop.id(&["conflicts"], "path", "notes/today", "id");
                line.replace(" ID ", &format!(" {id} "))
            }
            () if line.contains("1f2e3d4c") => {
                let last = laptop.id(&["log"], "kind", "change", "id");
                line.replace("1f2e3d4c", &last)
            }
            () => line.clone(),
        };
        // What it writes before it hears of it stays out.
        if line.starts_with("kern revoke") {
            phone.types("kern offline").unwrap();
            phone.types("kern doc set notes/late 1").unwrap();
        }
        laptop.types(&line).unwrap();
        if line.starts_with("kern revoke") {
            phone.types("kern online").unwrap();
            let is_apart = |row: &Json| row["verdict"] == "quarantined";
            until("what it wrote", || laptop.home.log().iter().any(is_apart).then_some(()));
        }
    }
}

/// The lines of the block below this heading that holds this.
fn lines_with(heading: &str, what: &str) -> Vec<String> {
    let mut blocks = blocks(README, heading).into_iter();
    blocks.find(|block| block.lines.iter().any(|line| line.contains(what))).unwrap().lines
}

#[test]
fn a_machine_without_a_screen_and_fixed_addresses_are_as_readme_says() {
    const HEADING: &str = "Two devices on one network";
    let (mut laptop, mut server) = (laptop(README).unwrap(), Person::new());
    server.runs("kern up").unwrap();
    let [invite, join, list] = lines_with(HEADING, "--join-file").try_into().unwrap();
    laptop.types(&invite).unwrap();
    std::fs::copy(laptop.home.file("box.join"), server.home.file("box.join")).unwrap();
    server.types(&join).unwrap();
    laptop.types(&list).unwrap();

    let [up, add, kept] = lines_with(HEADING, "kern up --quic").try_into().unwrap();
    let at = [free(), free()].map(|address| address.to_string());
    let told = |line: &str| line.replace("10.0.0.1:7447", &at[0]).replace("10.0.0.2:7447", &at[1]);
    laptop.runs(&told(&up)).unwrap();
    server.runs(&up.replace("10.0.0.1:7447", &at[1])).unwrap();
    laptop.types(&told(&add)).unwrap();
    assert!(laptop.types(&told(&kept)).unwrap().contains(&at[1]));
}

#[test]
fn files_between_devices_and_for_other_programs_are_as_readme_says() {
    const HEADING: &str = "Devices that never meet, and when everything is lost";
    let (laptop, mut other, mut rescued) = (laptop(README).unwrap(), Person::new(), Person::new());
    laptop.types("kern doc set notes/today '\"rain\"'").unwrap();
    other.runs("kern up").unwrap();
    let stick = laptop.home.file("stick");
    std::fs::create_dir(&stick).unwrap();
    let told = |line: &str| line.replace("/media/usb", stick.to_str().unwrap());
    let [export, import] = lines_with(HEADING, "kern export --events").try_into().unwrap();
    laptop.types(&told(&export)).unwrap();
    other.types(&told(&import)).unwrap();

    std::fs::copy(stick.join("home.events"), rescued.home.file("home.events")).unwrap();
    let key = "home.recovery";
    std::fs::copy(laptop.home.file(key), rescued.home.file(key)).unwrap();
    for line in lines_with(HEADING, "kern rescue") {
        match bare(&line) {
            "kern up &" => rescued.runs("kern up").unwrap(),
            line => drop(rescued.types(line).unwrap()),
        }
    }
    until("the rescued device reads it", || {
        (rescued.home.get("notes/today") == "rain").then_some(())
    });

    laptop
        .types("kern export --automerge plan; cp plan/workspace.automerge plan.automerge")
        .unwrap();
    for line in lines_with("Other programs", "--automerge") {
        laptop.types(&line).unwrap();
    }
    assert!(laptop.home.file("out/workspace.automerge").is_file());
}
