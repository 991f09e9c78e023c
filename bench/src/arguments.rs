//! The command line of this program.

use std::{path::PathBuf, str::FromStr};

use nix::unistd::Pid;

use crate::{Result, empty, fail, http::basic, rows::Name};

pub const HELP: &str = "\
Measures the CPU time that Countersign spends per request, and its memory, against limits taken in the same run.

usage: cargo run --release -p countersign-bench -- [OPTION]…

  --quick            fewer requests and rounds: a first impression
  --only NAME[,…]    only these rows (--list names them)
  --all              the long rows, too: several nodes, PostgreSQL, Redis, and a million people
  --postgres URL     where the long rows make databases; --redis URL, what their nodes share. Without them
                     COUNTERSIGN_TEST_DATABASE and COUNTERSIGN_TEST_REDIS name them
  --list             print the names of the rows and end
  --strict           exit status 1 when a limit is missed
  --pause            wait for Enter when the server is ready, so that a profiler can be attached to its process id
  --server FILE      measure this `countersign` binary instead of building one

  --against URL --pid PID… --client ID:SECRET [--scope S]
                     drive the token endpoint of another provider (http, loopback) with client_credentials instead,
                     and count the CPU time of its processes

Exit status: 0 when all rows were measured, whatever the limits say; 1 when a row could not be measured; 2 for usage.";

/// What is to be done.
#[derive(Debug)]
pub enum Task {
    Help,
    List,
    /// Be the empty server that the documents are compared with.
    EmptyHandler,
    Countersign(Options),
    Other(Options, Other),
}

#[derive(Debug, Default)]
pub struct Options {
    pub quick: bool,
    pub strict: bool,
    pub pause: bool,
    pub all: bool,
    pub postgres: Option<String>,
    pub redis: Option<String>,
    /// Empty: all of them that are not long.
    pub only: Vec<Name>,
    pub server: Option<PathBuf>,
}

/// Another provider, already running.
#[derive(Debug)]
pub struct Other {
    pub token_endpoint: String,
    pub processes: Vec<Pid>,
    /// The client's `Authorization` header line.
    pub client: String,
    pub scope: Option<String>,
}

impl Options {
    /// Whether this row is wanted.
    pub fn measures(&self, name: Name) -> bool {
        if self.only.is_empty() { self.all || !name.is_long() } else { self.only.contains(&name) }
    }
}

impl Task {
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments.into_iter();
        let mut options = Options::default();
        let (mut against, mut processes, mut client, mut scope) = (None, Vec::new(), None, None);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| fail(format!("{argument} needs a value")));
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--list" => return Ok(Self::List),
                empty::ARGUMENT => return Ok(Self::EmptyHandler),
                "--quick" => options.quick = true,
                "--strict" => options.strict = true,
                "--pause" => options.pause = true,
                "--all" => options.all = true,
                "--postgres" => options.postgres = Some(value()?),
                "--redis" => options.redis = Some(value()?),
                "--server" => options.server = Some(PathBuf::from(value()?).canonicalize()?),
                "--only" => {
                    for name in value()?.split(',') {
                        options.only.push(name.parse()?);
                    }
                }
                "--against" => against = Some(value()?),
                "--pid" => processes.push(Pid::from_raw(i32::from_str(&value()?)?)),
                "--client" => client = Some(value()?),
                "--scope" => scope = Some(value()?),
                _ => return Err(fail(format!("{argument} is no option of this program"))),
            }
        }
        match (against, client) {
            (None, None) if processes.is_empty() && scope.is_none() => Ok(Self::Countersign(options)),
            (Some(token_endpoint), Some(client)) if !processes.is_empty() => {
                let (id, secret) = client.split_once(':').ok_or_else(|| fail("--client is ID:SECRET"))?;
                Ok(Self::Other(options, Other { token_endpoint, processes, client: basic(id, secret), scope }))
            }
            _ => Err(fail("--against, --pid and --client come together")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task> {
        Task::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let Ok(Task::Countersign(options)) = parse("--quick --only jwks,refresh --only login --strict") else {
            panic!("an ordinary run")
        };
        assert!(options.quick && options.strict && !options.pause);
        assert_eq!(options.only, [Name::Jwks, Name::Refresh, Name::Login]);
        assert!(options.measures(Name::Jwks) && !options.measures(Name::Discovery));
        let long = |line| matches!(parse(line), Ok(Task::Countersign(options)) if options.measures(Name::TwoNodes));
        assert!(
            !long("") && long("--all") && long("--only two_nodes --postgres postgres://localhost/x --redis redis://x")
        );
        assert!(matches!(parse("--empty-handler"), Ok(Task::EmptyHandler)));
        assert!(matches!(parse("--against http://localhost:1/t --pid 1 --pid 2 --client a:b:c"),
            Ok(Task::Other(_, other)) if other.processes.len() == 2 && other.client == basic("a", "b:c")));
    }

    #[test]
    fn wrong_options_are_refused() {
        for line in ["--fast", "--only", "--only x", "--pid x", "--against http://localhost:1/t", "--pid 1", "run"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("--against http://localhost:1/t --pid 1 --client a").is_err());
    }
}
