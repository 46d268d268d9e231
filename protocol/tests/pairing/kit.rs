//! A room with a device that invites and some that come, and a network that a test moves by hand.

use std::collections::VecDeque;

use kernelos_protocol::id::{DeviceId, EventId, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::pairing::messages::{Message, Ready};
use kernelos_protocol::pairing::proof::{Channel, Side};
use kernelos_protocol::pairing::{
    Applicant, CheckCode, InvitationId, Issuer, IssuerInput, IssuerOutput, LinkId, Newcomer,
    NewcomerInput, NewcomerOutput, PairingCode, Secret, Terms, Token,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Time;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId([0xc4; 32]);
pub(crate) const GRANT: EventId = EventId([0x6a; 32]);
pub(crate) const NOON: Time = Time { monotonic_ms: 1_000, wall_us: 1_700_000_000_000_000 };

/// The device with this number; 0 invites.
pub(crate) fn key(number: u8) -> DeviceKey {
    DeviceKey::from_secret(&std::array::from_fn(|i| i as u8 ^ number.wrapping_mul(37)))
}

pub(crate) fn secret(number: u8) -> Secret {
    Secret(std::array::from_fn(|i| (i as u8).wrapping_mul(11) ^ number))
}

pub(crate) fn terms(number: u8) -> Terms {
    Terms {
        secret: secret(number),
        workspace: WORKSPACE,
        workspace_name: "home".to_owned(),
        inviter: "laptop".to_owned(),
        role: Role::Member,
        lifetime_ms: None,
        addresses: vec!["192.168.1.2:4000".parse().unwrap(), "203.0.113.7:61000".parse().unwrap()],
        names_taken: vec!["laptop".to_owned(), "server".to_owned()],
    }
}

pub(crate) fn applicant(number: u8) -> Applicant {
    let key = key(number);
    Applicant {
        device: key.device(),
        sealing: key.sealing_statement(),
        device_name: format!("phone {number}"),
    }
}

/// What TLS exports of the link with this number.
pub(crate) fn exporter(link: u64) -> [u8; 32] {
    [link as u8 ^ 0x5a; 32]
}

/// What travels on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wire {
    Bytes(Vec<u8>),
    Gone,
}

/// One that comes, with its link.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) device: DeviceId,
    pub(crate) link: LinkId,
    pub(crate) machine: Newcomer,
    pub(crate) up: VecDeque<Wire>,
    pub(crate) down: VecDeque<Wire>,
    pub(crate) asked: bool,
    pub(crate) shown: Option<CheckCode>,
    pub(crate) outputs: Vec<NewcomerOutput>,
}

impl Guest {
    /// How it ended: the grant, or the code.
    pub(crate) fn end(&self) -> Option<Result<EventId, PairingCode>> {
        let mut ends = self.outputs.iter().filter_map(|output| match output {
            NewcomerOutput::Done { grant, .. } => Some(Ok(*grant)),
            NewcomerOutput::Failed { code, .. } => Some(Err(*code)),
            _ => None,
        });
        let end = ends.next();
        assert!(ends.next().is_none(), "it ends once");
        assert_eq!(end.is_some(), self.machine.is_over());
        end
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) now: Time,
    pub(crate) host: DeviceId,
    pub(crate) issuer: Issuer,
    pub(crate) guests: Vec<Guest>,
    /// All that the issuer wanted.
    pub(crate) outputs: Vec<IssuerOutput>,
}

impl Room {
    /// An issuer without any invitation.
    pub(crate) fn new() -> Self {
        let host = key(0).device();
        Self { now: NOON, host, issuer: Issuer::new(host), guests: Vec::new(), outputs: Vec::new() }
    }

    /// An issuer with one invitation.
    pub(crate) fn open() -> (Self, Token) {
        let mut room = Self::new();
        let token = room.invite(terms(1)).unwrap();
        (room, token)
    }

    pub(crate) fn invite(&mut self, terms: Terms) -> Result<Token, PairingCode> {
        match self.tell(IssuerInput::Open(Box::new(terms))).as_slice() {
            [IssuerOutput::Opened { token, .. }] => Ok(token.clone()),
            [IssuerOutput::NotOpened { code, .. }] => Err(*code),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
    }

    /// Hands the issuer something; its messages go on their links.
    pub(crate) fn tell(&mut self, input: IssuerInput) -> Vec<IssuerOutput> {
        let outputs = self.issuer.handle(self.now, input);
        for output in &outputs {
            let (link, wire) = match output {
                IssuerOutput::Send { link, bytes } => (*link, Wire::Bytes(bytes.clone())),
                IssuerOutput::Close { link, .. } => (*link, Wire::Gone),
                _ => continue,
            };
            if let Some(guest) = self.guests.iter_mut().find(|guest| guest.link == link) {
                guest.down.push_back(wire);
            }
        }
        self.outputs.extend(outputs.clone());
        outputs
    }

    /// Hands a guest something; its messages go on its link.
    pub(crate) fn tell_guest(&mut self, at: usize, input: NewcomerInput) {
        let guest = &mut self.guests[at];
        for output in guest.machine.handle(self.now, input) {
            match &output {
                NewcomerOutput::Send { bytes } => guest.up.push_back(Wire::Bytes(bytes.clone())),
                NewcomerOutput::Close => guest.up.push_back(Wire::Gone),
                NewcomerOutput::AskConsent { .. } => guest.asked = true,
                NewcomerOutput::ShowCode(code) => guest.shown = Some(*code),
                _ => {}
            }
            guest.outputs.push(output);
        }
    }

    /// One more that read the token; it is not connected yet.
    pub(crate) fn guest(&mut self, number: u8, token: &Token) -> usize {
        let (machine, first) = Newcomer::start(self.now, token.clone(), applicant(number)).unwrap();
        assert!(matches!(first.as_slice(), [NewcomerOutput::Dial { .. }]));
        let link = LinkId(self.guests.len() as u64 + 1);
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let device = key(number).device();
        let (asked, shown, outputs) = (false, None, Vec::new());
        self.guests.push(Guest { device, link, machine, up, down, asked, shown, outputs });
        self.guests.len() - 1
    }

    pub(crate) fn connect(&mut self, at: usize) {
        let (link, device) = (self.guests[at].link, self.guests[at].device);
        let exporter = exporter(link.0);
        self.tell(IssuerInput::Connected { link, device, exporter });
        let peer = self.host;
        self.tell_guest(at, NewcomerInput::Connected { peer, exporter });
    }

    /// The issuer takes the next thing from this guest.
    pub(crate) fn up(&mut self, at: usize) -> bool {
        let link = self.guests[at].link;
        match self.guests[at].up.pop_front() {
            Some(Wire::Bytes(bytes)) => self.tell(IssuerInput::Received { link, bytes }),
            Some(Wire::Gone) => self.tell(IssuerInput::Lost { link }),
            None => return false,
        };
        true
    }

    /// This guest takes the next thing from the issuer.
    pub(crate) fn down(&mut self, at: usize) -> bool {
        match self.guests[at].down.pop_front() {
            Some(Wire::Bytes(bytes)) => self.tell_guest(at, NewcomerInput::Received { bytes }),
            Some(Wire::Gone) => self.tell_guest(at, NewcomerInput::Lost),
            None => return false,
        }
        true
    }

    /// Lets everything arrive that is under way.
    pub(crate) fn settle(&mut self) {
        while (0..self.guests.len()).any(|at| self.up(at) || self.down(at)) {}
    }

    /// A guest that has come as far as this.
    pub(crate) fn bring(&mut self, number: u8, token: &Token, stage: Stage) -> usize {
        let at = self.guest(number, token);
        if stage >= Stage::Connected {
            self.connect(at);
        }
        if stage >= Stage::Offered {
            assert!(self.up(at));
        }
        if stage >= Stage::Proven {
            assert!(self.down(at) && self.up(at));
        }
        if stage >= Stage::Asking {
            assert!(self.down(at));
            self.tell_guest(at, NewcomerInput::Consent(true));
            assert!(self.up(at));
        }
        if stage >= Stage::Granting {
            self.type_code(at);
        }
        at
    }

    /// The person types what this guest shows.
    pub(crate) fn type_code(&mut self, at: usize) -> Vec<IssuerOutput> {
        let code = self.guests[at].shown.unwrap();
        self.tell(IssuerInput::Code { invitation: invitation(), code })
    }

    pub(crate) fn granted(&mut self) -> Vec<IssuerOutput> {
        self.tell(IssuerInput::Granted { invitation: invitation(), grant: GRANT })
    }

    /// The grants that were asked for.
    pub(crate) fn grants(&self) -> Vec<DeviceId> {
        let grant = |output: &IssuerOutput| match output {
            IssuerOutput::Grant { device, .. } => Some(*device),
            _ => None,
        };
        self.outputs.iter().filter_map(grant).collect()
    }

    /// How invitations ended.
    pub(crate) fn ends(&self) -> Vec<Result<DeviceId, PairingCode>> {
        let end = |output: &IssuerOutput| match output {
            IssuerOutput::Ended { result, .. } => Some(*result),
            _ => None,
        };
        self.outputs.iter().filter_map(end).collect()
    }

    /// The records, in order: who, and what became of it.
    pub(crate) fn audits(&self) -> Vec<(DeviceId, Result<EventId, PairingCode>)> {
        let audit = |output: &IssuerOutput| match output {
            IssuerOutput::Audit { device, result, .. } => Some((*device, *result)),
            _ => None,
        };
        self.outputs.iter().filter_map(audit).collect()
    }

    /// Says a message in the name of a device on a link of its own.
    pub(crate) fn say(&mut self, link: u64, message: &Message) -> Vec<IssuerOutput> {
        self.tell(IssuerInput::Received { link: LinkId(link), bytes: message.encode() })
    }

    pub(crate) fn dial(&mut self, link: u64, number: u8) -> Vec<IssuerOutput> {
        let (device, exporter) = (key(number).device(), exporter(link));
        self.tell(IssuerInput::Connected { link: LinkId(link), device, exporter })
    }
}

/// How far a guest has come, as the issuer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Connected,
    Offered,
    Proven,
    Asking,
    Granting,
}

impl Stage {
    pub(crate) const ALL: [Self; 5] =
        [Self::Connected, Self::Offered, Self::Proven, Self::Asking, Self::Granting];
}

/// The invitation of the room.
pub(crate) fn invitation() -> InvitationId {
    secret(1).invitation()
}

pub(crate) fn hello(number: u8) -> Message {
    Message::Hello { version: 1, invitation: secret(number).invitation() }
}

/// The channel of a device on a link.
pub(crate) fn channel(link: u64, number: u8) -> Channel {
    let (newcomer, issuer) = (key(number).device(), key(0).device());
    Channel { newcomer, issuer, exporter: exporter(link) }
}

/// The right proof of a device on a link.
pub(crate) fn proof(link: u64, number: u8) -> Message {
    let proof = channel(link, number).prove(Side::Newcomer, &secret(1), &WORKSPACE);
    Message::NewcomerProof(proof)
}

pub(crate) fn ready(number: u8) -> Message {
    let Applicant { sealing, device_name, .. } = applicant(number);
    Message::Ready(Ready { sealing, device_name })
}

/// The code with which outputs close a link, if they do.
pub(crate) fn closed(outputs: &[IssuerOutput], link: u64) -> Option<&'static str> {
    outputs.iter().find_map(|output| match output {
        IssuerOutput::Close { link: LinkId(closed), code: Some(code) } if *closed == link => {
            Some(code.code())
        }
        _ => None,
    })
}

/// Other digits than these.
pub(crate) fn other_than(code: CheckCode) -> CheckCode {
    let other = if code.to_string() == "00" { "01" } else { "00" };
    other.parse().unwrap()
}

/// A link for those who need one alone.
pub(crate) const LINK: LinkId = LinkId(1);
