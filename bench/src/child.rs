//! Processes that this program starts. They never outlive it, however it ends, short of being killed itself.

use std::{
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Result, cpu};

/// How long a child may take to stop when asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Self(child))
    }

    pub fn pid(&self) -> Result<Pid> {
        cpu::pid_of(&self.0)
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Asks it to stop and waits until it has; kills it when it takes too long.
    pub fn stop(mut self) -> Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        let asked = Instant::now();
        while self.ended()?.is_none() && asked.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
